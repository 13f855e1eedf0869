/**
 * Sends what waits in the outbox of one account: each chat in order, chats beside each other, cut into the messages the
 * platform takes. Every one is written down as intended before it is sent; so after a crash it is known which may have
 * arrived, and such a one is sent again only where the platform shows it once for all that.
 */
import { createHash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { type Adapter, ChannelError, type OutboundMessage, type Sent } from '../channels/adapter.ts';
import type { OutboxKey, OutboxRecord } from '../storage/outbox.ts';
import type { Store } from '../storage/store.ts';
import { chunk } from './chunk.ts';
import type { FinishedAnswer } from './display.ts';
import { asChannelError, nextTry } from './retry.ts';

/** Chats that are sent to at the same time. */
const SENDING_MAX = 64;
/** Longest wait a platform may ask for. */
const WAIT_MAX_MS = 3_600_000;
/** One try to send. After that nobody knows whether it arrived. */
const SEND_TIMEOUT_MS = 60_000;
/** Times that a chat of one record may have moved. */
const MOVES_MAX = 3;
/** Wait before the disk is tried again. */
const STORAGE_RETRY_MS = 1_000;
const INTERRUPTED = 'the gateway was interrupted while it was being sent';

/** How a record ended. `messages`: the platform's ids, as far as they are known. */
export type Outcome = { status: 'sent'; messages: string[] } | { status: 'failed' | 'unknown'; reason: string };

/** What shows an answer while it is being made, and can become it: a LiveAnswer. */
export interface Preview {
  seal(): Promise<readonly string[]>;
  finish(text: string): Promise<FinishedAnswer>;
}

export interface OutboxParts {
  /** As in the keys of the table. */
  account: string;
  store: Pick<Store, 'journal' | 'outbox'>;
  /** Asked for after {@link Outbox.open} only. */
  adapter(): Pick<Adapter, 'capabilities' | 'send' | 'edit'>;
  /** What is shown of the answer already. */
  preview(key: OutboxKey, record: OutboxRecord): Preview | undefined;
  /** A message is on the platform. */
  sent(): void;
  /** A record has ended, and is gone from the disk. */
  ended(key: OutboxKey, record: OutboxRecord, outcome: Outcome): void;
  /** The platform does not know us any more: nothing is sent until {@link Outbox.open}. */
  unauthorized(error: Error): void;
  /** Something went wrong that is tried again. */
  trouble(error: unknown, key: OutboxKey): void;
}

export class Outbox {
  readonly #parts: OutboxParts;
  /** Ids that wait, by lane, oldest first; the first is being sent. */
  readonly #lanes = new Map<string, string[]>();
  readonly #known = new Set<string>();
  readonly #waiters = new Map<string, ((outcome: Outcome) => void)[]>();
  readonly #stop = new AbortController();
  readonly #turns = new Turns(SENDING_MAX);
  #gate = Promise.withResolvers<void>();
  #open = false;
  /** Chats that wait for another try. */
  #resting = 0;
  #idle: (() => void) | undefined;

  constructor(parts: OutboxParts) {
    this.#parts = parts;
  }

  /** Records that wait or are being sent. */
  get waiting(): number {
    return this.#known.size;
  }

  /** Takes up what the disk has. Also to be called now and then, for what was not announced. */
  scan(): void {
    for (const key of [...this.#parts.store.outbox.keysOf(this.#parts.account)]) this.add(key);
  }

  /** A record was put into the table. */
  add([, lane, id]: OutboxKey): void {
    if (this.#known.has(id) || this.#stop.signal.aborted) return;
    this.#known.add(id);
    const waiting = this.#lanes.get(lane);
    if (waiting !== undefined) {
      waiting.push(id);
      return;
    }
    this.#lanes.set(lane, [id]);
    void this.#runLane(lane);
  }

  /** How record `id` ends; undefined when it is not there. */
  outcome(id: string): Promise<Outcome> | undefined {
    if (!this.#known.has(id)) return undefined;
    return new Promise((resolve) => this.#waiters.set(id, [...(this.#waiters.get(id) ?? []), resolve]));
  }

  /** Lets messages go out. */
  open(): void {
    this.#open = true;
    this.#gate.resolve();
  }

  /** Lets none go out until {@link open}. */
  close(): void {
    if (this.#open) this.#gate = Promise.withResolvers();
    this.#open = false;
  }

  /** Sends nothing more; what is on its way is not waited for. */
  stop(): void {
    this.#stop.abort(new Error('the outbox stops'));
    this.#gate.resolve();
  }

  /** Resolves when nothing is being sent: all is, or waits for another try, or may not go out. */
  async idle(): Promise<void> {
    if (this.#lanes.size === this.#resting || !this.#open) return;
    await new Promise<void>((resolve) => {
      this.#idle = resolve;
    });
  }

  async #runLane(lane: string): Promise<void> {
    const ids = this.#lanes.get(lane) as string[];
    while (ids.length > 0 && !this.#stop.signal.aborted) {
      const id = ids[0] as string;
      const key: OutboxKey = [this.#parts.account, lane, id];
      const record = this.#parts.store.outbox.get(key);
      let first = true;
      while (record !== undefined && !(await this.#delivered(key, record, first))) {
        if (this.#stop.signal.aborted) return;
        first = false;
      }
      ids.shift();
      this.#known.delete(id);
    }
    if (ids.length === 0) this.#lanes.delete(lane);
    if (this.#lanes.size === this.#resting) this.#idle?.();
  }

  /** Sends one record to its end. False: the disk is in the way, or the outbox stops. */
  async #delivered(key: OutboxKey, record: OutboxRecord, first: boolean): Promise<boolean> {
    try {
      await this.#mayGoOut();
      if (first) await this.#begin(key, record);
      await this.#deliver(key, record);
      return true;
    } catch (error) {
      if (this.#stop.signal.aborted) return false;
      this.#parts.trouble(error, key);
      await this.#wait(STORAGE_RETRY_MS);
      return false;
    }
  }

  /** Throws `storage_failed`, and then goes on from `record`; or the reason of the stop. */
  async #deliver(key: OutboxKey, record: OutboxRecord): Promise<void> {
    record.pieces ??= chunk(record.text, this.#parts.adapter().capabilities.textLengthMax);
    delete record.previews;
    const tries = { attempts: 0, firstAt: Date.now(), moves: 0 };
    while (record.sent.length < record.pieces.length) {
      await this.#mayGoOut();
      record.intended = true;
      await this.#save(key, record);
      const sent = await this.#send(key, record, record.pieces);
      if (sent instanceof ChannelError) {
        const failed = await this.#settle(key, record, sent, tries);
        if (failed !== undefined) return this.#end(key, record, { status: 'failed', reason: failed });
      } else {
        this.#arrived(record, sent.message);
        tries.attempts = 0;
        tries.firstAt = Date.now();
      }
    }
    const messages = record.sent.filter((id) => id !== null);
    const { doubt } = record;
    await this.#end(
      key,
      record,
      doubt === undefined ? { status: 'sent', messages } : { status: 'unknown', reason: doubt },
    );
  }

  /** Takes up a record of the disk: what an earlier life left open, or what shows its answer in this one. */
  async #begin(key: OutboxKey, record: OutboxRecord): Promise<void> {
    if (record.previews !== undefined) await this.#mend(record);
    else if (record.intended) {
      if (!this.#parts.adapter().capabilities.detectsDuplicates) skipPiece(record, INTERRUPTED);
    } else if (record.sent.length === 0) await this.#finishPreview(key, record);
  }

  /** Waits until something may go out. Throws the reason of the stop. */
  async #mayGoOut(): Promise<void> {
    await this.#gate.promise;
    this.#stop.signal.throwIfAborted();
  }

  /** Turns what shows the answer into it, if there is such: then the pieces are what that says. */
  async #finishPreview(key: OutboxKey, record: OutboxRecord): Promise<void> {
    const preview = this.#parts.preview(key, record);
    if (preview === undefined) return;
    record.previews = await preview.seal();
    await this.#save(key, record);
    const { shown, unknown, rest } = await preview.finish(record.text);
    delete record.previews;
    const doubtful = unknown === undefined ? [] : [unknown.text];
    record.pieces = [...shown.map(({ text }) => text), ...doubtful, ...rest];
    for (const { message } of shown) this.#arrived(record, message);
    if (unknown === undefined) return;
    if (this.#parts.adapter().capabilities.detectsDuplicates) record.key = unknown.key;
    else skipPiece(record, 'the platform did not say whether it took a message');
  }

  /** After a crash in the middle of that: the messages are edited once more, which is harmless. */
  async #mend(record: OutboxRecord): Promise<void> {
    const { previews = [] } = record;
    delete record.previews;
    const adapter = this.#parts.adapter();
    record.pieces = chunk(record.text, adapter.capabilities.textLengthMax);
    if (previews.length === 0) {
      while (record.sent.length < record.pieces.length) skipPiece(record, INTERRUPTED);
      return;
    }
    for (const [index, message] of previews.slice(0, record.pieces.length).entries()) {
      const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(SEND_TIMEOUT_MS)]);
      try {
        await adapter.edit?.(record.chat, message, record.pieces[index] as string, undefined, signal);
        this.#arrived(record, message);
      } catch {
        this.#stop.signal.throwIfAborted();
        // What cannot be edited any more is not there: this piece and those after it are sent.
        return;
      }
    }
  }

  /** One try to send the next piece. Returns what went wrong. */
  async #send(key: OutboxKey, record: OutboxRecord, pieces: readonly string[]): Promise<Sent | ChannelError> {
    const number = record.sent.length;
    const replyTo = number === 0 ? record.replyTo : undefined;
    const message: OutboundMessage = {
      chat: record.chat,
      text: pieces[number] as string,
      ...(replyTo === undefined ? {} : { replyTo }),
      key: record.key ?? keyOf(key[2], number),
    };
    await this.#turns.take();
    try {
      const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(SEND_TIMEOUT_MS)]);
      return await within(SEND_TIMEOUT_MS, this.#parts.adapter().send(message, signal));
    } catch (error) {
      return asChannelError(error);
    } finally {
      this.#turns.give();
    }
  }

  /** The next piece is on the platform. */
  #arrived(record: OutboxRecord, message: string): void {
    record.sent.push(message);
    delete record.intended;
    delete record.key;
    this.#parts.sent();
  }

  /** Does what an error asks for. Returns why the record is given up, if it is. */
  async #settle(
    key: OutboxKey,
    record: OutboxRecord,
    error: ChannelError,
    tries: { attempts: number; firstAt: number; moves: number },
  ): Promise<string | undefined> {
    this.#stop.signal.throwIfAborted();
    tries.attempts += 1;
    const { detectsDuplicates } = this.#parts.adapter().capabilities;
    const next = nextTry(error, { ...tries, now: Date.now(), detectsDuplicates }, Math.random);
    if (next.type === 'unknown') {
      skipPiece(record, error.message);
      return undefined;
    }
    if (next.type === 'give-up') return next.reason;
    if (next.type === 'move') {
      tries.moves += 1;
      if (tries.moves > MOVES_MAX) return error.message;
      record.chat = { ...record.chat, id: next.to };
      return undefined;
    }
    if (error.kind !== 'unknown') {
      // Nothing was sent: a crash while it waits leaves no doubt.
      delete record.intended;
      await this.#save(key, record);
    }
    this.#parts.trouble(error, key);
    if (next.type === 'hold') {
      this.close();
      this.#parts.unauthorized(error);
    } else await this.#wait(Math.min(WAIT_MAX_MS, next.afterMs));
    return undefined;
  }

  /** Takes the record off the disk; keeps a note for an operator when it did not go well. */
  async #end(key: OutboxKey, record: OutboxRecord, outcome: Outcome): Promise<void> {
    const { journal, outbox } = this.#parts.store;
    const [channel, account] = this.#parts.account.split(':') as [string, string];
    const at = Date.now();
    const { session, message } = record;
    await journal.commit((batch) => {
      outbox.remove(batch, key);
      if (outcome.status === 'sent') return;
      const ids = { ...(session === undefined ? {} : { session }), ...(message === undefined ? {} : { message }) };
      outbox.bury(batch, key[2], { channel, account, chat: key[1], at, ...outcome, ...ids });
    });
    this.#parts.ended(key, record, outcome);
    for (const tell of this.#waiters.get(key[2]) ?? []) tell(outcome);
    this.#waiters.delete(key[2]);
  }

  #save(key: OutboxKey, record: OutboxRecord): Promise<void> {
    const { journal, outbox } = this.#parts.store;
    const kept = { ...record, sent: [...record.sent] }; // the group is written later
    return journal.commit((batch) => outbox.put(batch, key, kept));
  }

  async #wait(ms: number): Promise<void> {
    this.#resting += 1;
    if (this.#lanes.size === this.#resting) this.#idle?.();
    await pause(ms, undefined, { signal: this.#stop.signal }).catch(() => {});
    this.#resting -= 1;
  }
}

/** A number of places, taken in order. */
class Turns {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(places: number) {
    this.#free = places;
  }

  async take(): Promise<void> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  give(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free += 1;
    else next();
  }
}

/** Whether the next piece arrived is not known, and it is not sent again. */
function skipPiece(record: OutboxRecord, why: string): void {
  record.sent.push(null);
  record.doubt = why;
  delete record.intended;
}

/** The same for every try to send a piece: 24 characters. */
function keyOf(id: string, piece: number): string {
  return createHash('sha256').update(`${id}:${piece}`).digest('hex').slice(0, 24);
}

/** The promise's value. Throws when it takes longer. */
async function within<T>(timeoutMs: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`the platform did not answer within ${timeoutMs / 1_000} s`)), timeoutMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
