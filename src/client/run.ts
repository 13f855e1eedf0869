import type { DhaavakError } from '../protocol/errors.ts';
import type { EventData, EventType, Replies } from '../protocol/messages.ts';

/** One event of a session, as a union to switch over by `type`. */
export type RunEvent = { [T in EventType]: { type: T; data: EventData<T> } }[EventType];

/**
 * The answer to one message, as the events of its run:
 *
 *     message.inbound → run.start → (message.delta | tool.start | tool.end)* → message.outbound? → run.end
 *
 * `message.outbound` is missing when the run did not end well; `run.end` says how it ended. The iteration ends after
 * `run.end`; it throws a DhaavakError when the message was not accepted or the client has ended. To be iterated once.
 *
 * It goes on when the client reconnects. Where events were missed for good (a `gap`), deltas may be missing and
 * `message.outbound` has the whole text; an end that was missed is made from the transcript, with `seq` 0 and a `usage` of
 * 0. A gateway that was killed answers the message again: `run.start` comes a second time, and deltas begin anew.
 */
export interface Run extends AsyncIterable<RunEvent> {
  /** Asks the gateway to end the run, as soon as there is one. What follows ends with a `run.end` of status `cancelled`. */
  cancel(): void;
}

/**
 * Events that wait for a slow reader. When there are more, a delta is joined to the one before it. What is left over are
 * the other events of the run, which its number of model turns bounds.
 */
const QUEUE_EVENTS_MAX = 1_024;
/** Events kept until the acknowledgement tells which are ours. */
const EARLY_EVENTS_MAX = 256;

interface RunHooks {
  cancel(session: string, run: string): void;
  /** Nothing more needs to be offered. */
  finished(): void;
}

/** A {@link Run} in the making: the client offers it every event, and it picks its own. */
export class RunStream implements Run {
  readonly #hooks: RunHooks;
  /** Undefined until the message is acknowledged. */
  #ack: Replies['message.send'] | undefined;
  /** Id of the run, once it has started. */
  #run: string | undefined;
  #early: RunEvent[] = [];
  readonly #queue: RunEvent[] = [];
  #error: DhaavakError | undefined;
  #cancelled = false;
  #wake: () => void = () => {};
  /** Events may have been missed while its acknowledgement was not there yet. */
  missed = false;

  constructor(hooks: RunHooks) {
    this.#hooks = hooks;
  }

  /** Of the acknowledged message. */
  get session(): string | undefined {
    return this.#ack?.session;
  }

  get message(): string | undefined {
    return this.#ack?.message;
  }

  /** The message was accepted. What arrived before is looked through now. */
  accept(ack: Replies['message.send']): void {
    this.#ack = ack;
    for (const event of this.#early) this.offer(event);
    this.#early = [];
  }

  fail(error: DhaavakError): void {
    this.#error ??= error;
    this.#hooks.finished();
    this.#wake();
  }

  offer(event: RunEvent): void {
    if (this.#ack === undefined) {
      if (this.#early.length < EARLY_EVENTS_MAX) this.#early.push(event);
      return;
    }
    if (!this.#isOurs(event, this.#ack)) return;
    if (event.type === 'run.start') this.#start(event.data.run);
    if (event.type === 'run.end') this.#hooks.finished();
    this.#enqueue(event);
    this.#wake();
  }

  cancel(): void {
    if (this.#cancelled) return;
    this.#cancelled = true;
    if (this.#ack && this.#run !== undefined) this.#hooks.cancel(this.#ack.session, this.#run);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<RunEvent, void, undefined> {
    try {
      for (;;) {
        const event = this.#queue.shift();
        if (event !== undefined) {
          yield event;
          if (event.type === 'run.end') return;
        } else if (this.#error !== undefined) {
          throw this.#error;
        } else {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
      }
    } finally {
      this.#hooks.finished();
    }
  }

  #isOurs({ data }: RunEvent, { session, message }: Replies['message.send']): boolean {
    if (data.session !== session) return false;
    return 'message' in data ? data.message === message : 'run' in data && data.run === this.#run;
  }

  #start(run: string): void {
    this.#run = run;
    if (this.#cancelled && this.#ack) this.#hooks.cancel(this.#ack.session, run);
  }

  #enqueue(event: RunEvent): void {
    const last = this.#queue.at(-1);
    if (this.#queue.length >= QUEUE_EVENTS_MAX && event.type === 'message.delta' && last?.type === event.type) {
      const text = last.data.text + event.data.text;
      this.#queue[this.#queue.length - 1] = { type: event.type, data: { ...event.data, text } };
    } else {
      this.#queue.push(event);
    }
  }
}
