/** The account of an adapter under test: it keeps what the adapter tells, and decides what becomes of messages. */
import { inspect } from 'node:util';
import { type Logger, pino } from 'pino';
import {
  type AdapterEvents,
  ChannelError,
  type ChannelState,
  type InboundMessage,
  type Press,
} from '../../src/channels/adapter.ts';
import { holds } from '../support/wait.ts';

export class Recorder implements AdapterEvents {
  readonly messages: InboundMessage[] = [];
  readonly presses: Press[] = [];
  readonly states: { state: ChannelState; reason: string | undefined }[] = [];
  /** All that was logged, told as a reason or thrown. */
  readonly said: string[] = [];
  readonly log: Logger = pino({ level: 'trace', errorKey: 'error' }, { write: (line) => void this.said.push(line) });
  alives = 0;
  codes: (string | undefined)[] = [];
  /** What becomes of a message. A test replaces it to delay or to refuse. */
  keep: (message: InboundMessage) => Promise<void> = async () => undefined;
  /** What is shown to whoever presses. */
  answer = 'done';

  async receive(message: InboundMessage): Promise<void> {
    this.messages.push(message);
    await this.keep(message);
  }

  async press(press: Press): Promise<string> {
    this.presses.push(press);
    return this.answer;
  }

  state(state: ChannelState, reason?: string): void {
    this.states.push({ state, reason });
    if (reason !== undefined) this.said.push(reason);
  }

  alive(): void {
    this.alives += 1;
  }

  qr(code: string | undefined): void {
    this.codes.push(code);
  }

  /** The number-th message, from 0, as soon as it is there. */
  async message(number: number): Promise<InboundMessage> {
    await holds(() => this.messages.length > number);
    return this.messages[number]!;
  }

  /** Waits until this is the state told last. */
  async reaches(state: ChannelState): Promise<void> {
    await holds(() => this.states.at(-1)?.state === state);
  }

  /** The ChannelError a promise rejects with. */
  async failure(promise: Promise<unknown>): Promise<ChannelError> {
    const error = await promise.then(
      () => new Error('it did not fail'),
      (thrown: unknown) => thrown,
    );
    this.said.push(inspect(error, { depth: 10, showHidden: true }));
    if (error instanceof ChannelError) return error;
    throw error;
  }
}

/** Something to wait for that a test opens. */
export function gate(): { readonly opened: Promise<void>; open(): void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: resolve };
}
