/**
 * Sends one record of the outbox: cut into the messages the platform takes, each written down as intended before it is
 * sent. So after a crash it is known which may have arrived, and such a one is sent again only where the platform shows it
 * once for all that.
 */
import { createHash } from 'node:crypto';
import { type Adapter, ChannelError, type OutboundMessage, type Sent } from '../channels/adapter.ts';
import type { OutboxKey, OutboxRecord } from '../storage/outbox.ts';
import type { Store } from '../storage/store.ts';
import { chunk } from './chunk.ts';
import type { FinishedAnswer } from './display.ts';
import type { Gate } from './gate.ts';
import { replyTo } from './reply.ts';
import { asChannelError, nextTry } from './retry.ts';

/** Longest wait a platform may ask for. */
const WAIT_MAX_MS = 3_600_000;
/** One try to send. After that nobody knows whether it arrived. */
const SEND_TIMEOUT_MS = 60_000;
/** Times that the chat of one record may have moved. */
const MOVES_MAX = 3;
const INTERRUPTED = 'the gateway was interrupted while it was being sent';

/** How a record ended. `messages`: the platform's ids, as far as they are known. */
export type Outcome = { status: 'sent'; messages: string[] } | { status: 'failed' | 'unknown'; reason: string };

/** What shows an answer while it is being made, and can become it: a LiveAnswer. */
export interface Preview {
  seal(): Promise<readonly string[] | undefined>;
  waitMs(text: string): number;
  finish(text: string): Promise<FinishedAnswer>;
}

export interface DispatchParts {
  store: Pick<Store, 'journal' | 'outbox'>;
  /** Asked for behind the gate only. */
  adapter(): Pick<Adapter, 'capabilities' | 'send' | 'edit'>;
  /** What is shown of the answer already. */
  preview(key: OutboxKey, record: OutboxRecord): Preview | undefined;
  /** A message is on the platform. */
  sent(): void;
  /** The platform does not know us any more: nothing is sent until the gate is opened. */
  unauthorized(error: Error): void;
  /** Something went wrong that is tried again. */
  trouble(error: unknown, key: OutboxKey): void;
}

export interface DispatchContext {
  gate: Gate;
  /** Aborted when nothing is sent or written any more. */
  signal: AbortSignal;
  /** Waits for another try. */
  wait(ms: number): Promise<void>;
  /** Waits in the middle of one. */
  pause(ms: number): Promise<void>;
}

export class Dispatch {
  readonly #parts: DispatchParts;
  readonly #context: DispatchContext;
  readonly #key: OutboxKey;
  readonly #record: OutboxRecord;
  readonly #tries = { attempts: 0, firstAt: performance.now(), moves: 0 };
  #begun = false;
  /** What is to be turned into the answer, and shows nothing more. */
  #preview: Preview | undefined;

  /** `record` is the one of the disk, and this one's from now on. */
  constructor(key: OutboxKey, record: OutboxRecord, parts: DispatchParts, context: DispatchContext) {
    this.#key = key;
    this.#record = record;
    this.#parts = parts;
    this.#context = context;
  }

  /**
   * Resolves with how it ended, when it is off the disk. Throws `storage_failed`, and then goes on from there when it is
   * called again; or the reason of the signal.
   */
  async run(): Promise<Outcome> {
    for (;;) {
      const next = await this.#behindGate(() => this.#step());
      if (typeof next === 'object') return next;
      if (next <= 0) continue;
      // Not behind the gate: others may go on meanwhile.
      await (this.#preview === undefined ? this.#context.wait(next) : this.#context.pause(next));
    }
  }

  async #behindGate<T>(work: () => Promise<T>): Promise<T> {
    const { gate, signal } = this.#context;
    await gate.pass();
    try {
      signal.throwIfAborted();
      return await work();
    } finally {
      gate.leave();
    }
  }

  /** Sends the next piece. Returns how the record ended, or how long to wait before the next step. */
  async #step(): Promise<Outcome | number> {
    const record = this.#record;
    if (!this.#begun) await this.#begin();
    if (this.#preview !== undefined) {
      const waitMs = this.#preview.waitMs(record.text);
      if (waitMs > 0) return waitMs;
      await this.#finishPreview(this.#preview);
    }
    record.pieces ??= chunk(record.text, this.#parts.adapter().capabilities.textLengthMax);
    if (record.sent.length < record.pieces.length) {
      record.intended = true;
      await this.#save();
      const sent = await this.#send(record.pieces);
      this.#context.signal.throwIfAborted();
      if (sent instanceof ChannelError) return this.#settle(sent);
      this.#arrived(sent.message);
      this.#tries.attempts = 0;
      this.#tries.firstAt = performance.now();
    }
    if (record.sent.length < record.pieces.length) {
      if (!this.#context.gate.isOpen) await this.#save();
      return 0;
    }
    const messages = record.sent.filter((id) => id !== null);
    return this.#end(
      record.doubt === undefined ? { status: 'sent', messages } : { status: 'unknown', reason: record.doubt },
    );
  }

  /** What an earlier life left open; or what shows the answer in this one. */
  async #begin(): Promise<void> {
    const record = this.#record;
    this.#begun = true;
    if (record.previews !== undefined) await this.#mend(record.previews);
    else if (record.intended) {
      if (!this.#parts.adapter().capabilities.detectsDuplicates) this.#skip(INTERRUPTED);
    } else if (record.sent.length === 0) await this.#takePreview();
  }

  /** What shows the answer, if something does: written down before it is turned into it. */
  async #takePreview(): Promise<void> {
    const preview = this.#parts.preview(this.#key, this.#record);
    const previews = await preview?.seal();
    if (previews === undefined) return;
    await this.#save({ previews });
    this.#preview = preview;
  }

  /** Turns it into the answer: then the pieces are what that says. */
  async #finishPreview(preview: Preview): Promise<void> {
    const record = this.#record;
    this.#preview = undefined;
    const { shown, unknown, rest } = await preview.finish(record.text);
    const doubtful = unknown === undefined ? [] : [unknown.text];
    record.pieces = [...shown.map(({ text }) => text), ...doubtful, ...rest];
    for (const { message } of shown) this.#arrived(message);
    if (unknown === undefined) return;
    if (this.#parts.adapter().capabilities.detectsDuplicates) record.key = unknown.key;
    else this.#skip('the platform did not say whether it took a message');
  }

  /** After a crash in the middle of that: the messages are edited once more, which is harmless. */
  async #mend(previews: readonly string[]): Promise<void> {
    const record = this.#record;
    const adapter = this.#parts.adapter();
    delete record.previews;
    record.pieces = chunk(record.text, adapter.capabilities.textLengthMax);
    if (previews.length === 0) {
      while (record.sent.length < record.pieces.length) this.#skip(INTERRUPTED);
      return;
    }
    for (const [index, message] of previews.slice(0, record.pieces.length).entries()) {
      const text = record.pieces[index] as string;
      try {
        await within(
          SEND_TIMEOUT_MS,
          (signal) => adapter.edit?.(record.chat, message, text, undefined, signal),
          this.#context,
        );
        this.#arrived(message);
      } catch {
        this.#context.signal.throwIfAborted();
        return; // what cannot be edited any more is not there: this piece and those after it are sent
      }
    }
  }

  /** One try to send the next piece. Returns what went wrong. */
  async #send(pieces: readonly string[]): Promise<Sent | ChannelError> {
    const { chat, sent, key } = this.#record;
    const number = sent.length;
    const { capabilities } = this.#parts.adapter();
    const message: OutboundMessage = {
      chat,
      text: pieces[number] as string,
      ...(number > 0 ? {} : replyTo(capabilities, chat, this.#record.replyTo)),
      key: key ?? keyOf(this.#key[2], number),
    };
    try {
      return await within(SEND_TIMEOUT_MS, (signal) => this.#parts.adapter().send(message, signal), this.#context);
    } catch (error) {
      return asChannelError(error);
    }
  }

  /** The next piece is on the platform. */
  #arrived(message: string): void {
    this.#record.sent.push(message);
    delete this.#record.intended;
    delete this.#record.key;
    this.#parts.sent();
  }

  /** Whether the next piece arrived is not known, and it is not sent again. */
  #skip(why: string): void {
    this.#record.sent.push(null);
    this.#record.doubt = why;
    delete this.#record.intended;
  }

  /** Does what an error asks for. Returns as a step does. */
  async #settle(error: ChannelError): Promise<Outcome | number> {
    const tries = this.#tries;
    const { detectsDuplicates } = this.#parts.adapter().capabilities;
    tries.attempts += 1;
    const next = nextTry(error, { ...tries, now: performance.now(), detectsDuplicates }, Math.random);
    switch (next.type) {
      case 'unknown':
        this.#skip(error.message);
        return 0;
      case 'give-up':
        return this.#end({ status: 'failed', reason: next.reason });
      case 'move':
        tries.moves += 1;
        if (tries.moves > MOVES_MAX) return this.#end({ status: 'failed', reason: error.message });
        this.#record.chat = { ...this.#record.chat, id: next.to };
        return 0;
    }
    if (error.kind !== 'unknown') {
      // Nothing was sent: a crash while it waits leaves no doubt.
      delete this.#record.intended;
      await this.#save();
    }
    this.#parts.trouble(error, this.#key);
    if (next.type === 'retry') return Math.min(WAIT_MAX_MS, next.afterMs);
    this.#context.gate.close();
    this.#parts.unauthorized(error);
    return 0;
  }

  /** Takes the record off the disk; keeps a note for an operator when it did not go well. */
  async #end(outcome: Outcome): Promise<Outcome> {
    const { journal, outbox } = this.#parts.store;
    const [address, chat, id] = this.#key;
    const [channel, account] = address.split(':') as [string, string];
    const { session, message } = this.#record;
    const at = Date.now();
    await journal.commit((batch) => {
      outbox.remove(batch, this.#key);
      if (outcome.status === 'sent') return;
      const ids = { ...(session === undefined ? {} : { session }), ...(message === undefined ? {} : { message }) };
      outbox.bury(batch, id, { channel, account, chat, at, ...outcome, ...ids });
    });
    return outcome;
  }

  /** A copy, since the group is written later. `previews` are on the disk only while they become the answer. */
  #save(also: Pick<OutboxRecord, 'previews'> = {}): Promise<void> {
    const { journal, outbox } = this.#parts.store;
    const kept: OutboxRecord = { ...this.#record, sent: [...this.#record.sent], ...also };
    return journal.commit((batch) => outbox.put(batch, this.#key, kept));
  }
}

/** The same for every try to send a piece: 24 characters. */
function keyOf(id: string, piece: number): string {
  return createHash('sha256').update(`${id}:${piece}`).digest('hex').slice(0, 24);
}

/** What `work` resolves with. Throws when that takes longer, also where it does not listen to its signal. */
async function within<T>(
  timeoutMs: number,
  work: (signal: AbortSignal) => Promise<T> | undefined,
  { signal }: Pick<DispatchContext, 'signal'>,
): Promise<T> {
  const giveUp = new AbortController();
  const late = Promise.withResolvers<never>();
  const end = (reason: unknown): void => {
    giveUp.abort(reason);
    late.reject(reason);
  };
  const stop = (): void => end(signal.reason);
  const timer = setTimeout(
    () => end(new Error(`the platform did not answer within ${timeoutMs / 1_000} s`)),
    timeoutMs,
  );
  signal.addEventListener('abort', stop);
  try {
    return await Promise.race([work(giveUp.signal) as Promise<T>, late.promise]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
  }
}
