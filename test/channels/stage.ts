/** What every case of the conformance suite works with: a fixture, its account, and what is done again and again. */
import type { Logger } from 'pino';
import { expect, it } from 'vitest';
import type { Chat, OutboundMessage } from '../../src/channels/adapter.ts';
import { type AdapterFixture, BOT, type Feature, type Lacks, type Shown } from './adapter-fixture.ts';
import { Recorder } from './recorder.ts';

/** `log` is for the adapter's context: what is written there must hold no secret either. */
export type MakeFixture = (log: Logger) => Promise<AdapterFixture>;

export const never = new AbortController().signal;

export const FILE_KINDS = [
  { kind: 'image', name: 'dot.jpg', mediaType: 'image/jpeg' },
  { kind: 'audio', name: 'sound.mp3', mediaType: 'audio/mpeg' },
  { kind: 'video', name: 'clip.mp4', mediaType: 'video/mp4' },
  { kind: 'file', name: 'report.pdf', mediaType: 'application/pdf' },
] as const;

export class Stage {
  readonly name: string;
  readonly lacks: Lacks;
  #fixture: AdapterFixture | undefined;
  #account = new Recorder();
  #keys = 0;

  constructor(name: string, lacks: Lacks) {
    this.name = name;
    this.lacks = lacks;
  }

  get fixture(): AdapterFixture {
    if (this.#fixture === undefined) throw new Error('there is a fixture within a case only');
    return this.#fixture;
  }

  get account(): Recorder {
    return this.#account;
  }

  async set(makeFixture: MakeFixture): Promise<void> {
    this.#account = new Recorder();
    this.#fixture = await makeFixture(this.#account.log);
  }

  async clear(): Promise<void> {
    const { adapter, secrets } = this.fixture;
    await adapter.stop();
    await this.fixture.close();
    this.#fixture = undefined;
    for (const secret of secrets) expect(this.#account.said.join('\n')).not.toContain(secret);
  }

  /** A case about something not every platform has. */
  itWith(features: readonly Feature[], title: string, run: () => Promise<void>): void {
    const reasons = features.flatMap((feature) => this.lacks[feature] ?? []);
    if (reasons.length === 0) it(title, run);
    else it.skip(`${title} (${this.name}: ${reasons.join('; ')})`, run);
  }

  async start(): Promise<void> {
    await this.fixture.adapter.start(this.#account);
    await this.#account.reaches('ready');
  }

  outbound(chat: Chat, text: string, rest: Partial<OutboundMessage> = {}): OutboundMessage {
    this.#keys += 1;
    return { chat, text, key: `key${this.#keys}`, ...rest };
  }

  async send(chat: Chat, text: string, rest: Partial<OutboundMessage> = {}): Promise<string> {
    const { message } = await this.fixture.adapter.send(this.outbound(chat, text, rest), never);
    return message;
  }

  /** A chat to send to: somebody wrote in it. */
  async opened(where: 'dm' | 'group' = 'dm', rest: { thread?: boolean } = {}): Promise<Chat> {
    const before = this.#account.messages.length;
    const { chat } = where === 'dm' ? await this.fixture.dm('hi') : await this.fixture.group(`${BOT} hi`, rest);
    await this.#account.message(before);
    return chat;
  }

  shownAs(message: string): Shown {
    const found = this.fixture.shown().find((shown) => shown.message === message);
    if (found === undefined) throw new Error(`no message ${message} is shown`);
    return found;
  }
}

/** Not random: a failure must be repeatable. */
export function bytes(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (index * 7 + (index >> 8)) % 251);
}

/** An id of the same kind that is nobody's: its last digit or letter is another. */
export function otherId(id: string): string {
  return id.replace(/[0-9A-Za-z](?=[^0-9A-Za-z]*$)/, (last) => (last === '7' ? '8' : '7'));
}
