/**
 * Sends what waits in the outbox of one account: each chat in order, chats beside each other, cut into the messages the
 * platform takes. Every one is written down as intended before it is sent; so after a crash it is known which may have
 * arrived, and such a one is sent again only where the platform shows it once for all that.
 */
import { createHash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Adapter, ChannelErrorKind, OutboundMessage } from '../channels/adapter.ts';
import type { OutboxKey, OutboxRecord } from '../storage/outbox.ts';
import type { Store } from '../storage/store.ts';

/** Chats that are sent to at the same time. */
const SENDING_MAX = 64;
/** Wait before a message is tried again: doubles with each try, and is shortened by up to half at random. */
const BACKOFF_MIN_MS = 500;
const BACKOFF_MAX_MS = 60_000;
/** Longest wait a platform may ask for. */
const RETRY_AFTER_MAX_MS = 3_600_000;
/** A record that could not be sent for so long is given up. */
const RECORD_MS_MAX = 24 * 3_600_000;
/** One try to send. After that nobody knows whether it arrived. */
const SEND_TIMEOUT_MS = 60_000;
/** Times in a row that a chat may have moved. */
const MOVES_MAX = 3;
/** Wait before the disk is tried again. */
const STORAGE_RETRY_MS = 1_000;
const STOPPED = 'the gateway was interrupted while it was being sent';

/** How a record ended. `messages`: the platform's ids, as far as they are known. */
export type Outcome = { status: 'sent'; messages: string[] } | { status: 'failed' | 'unknown'; reason: string };

/** A message that shows an answer while it is being made; see `live-answer.ts`. */
export interface Preview {
  /** Makes it the final text, or the first pieces of that. Resolves with how many pieces are on the platform now. */
  finish(text: string): Promise<{ handled: number }>;
}

export interface OutboxParts {
  /** As in the keys of the table. */
  account: string;
  store: Pick<Store, 'journal' | 'outbox'>;
  /** Asked for after {@link Outbox.open} only. */
  adapter(): Pick<Adapter, 'capabilities' | 'send'>;
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

/** What an adapter throws: a ChannelError, or what a custom adapter has in its place. */
type SendError = Error & { retryAfterMs?: number | undefined; movedTo?: string | undefined };

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

  /** Resolves when nothing waits, or nothing may go out. */
  async idle(): Promise<void> {
    if (this.#known.size === 0 || !this.#open) return;
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
      while (record !== undefined && !(await this.#delivered(key, record))) {
        if (this.#stop.signal.aborted) return;
      }
      ids.shift();
      this.#known.delete(id);
      if (this.#known.size === 0) this.#idle?.();
    }
    if (ids.length === 0) this.#lanes.delete(lane);
  }

  /** Sends one record to its end. False: the disk is in the way, or the outbox stops. */
  async #delivered(key: OutboxKey, record: OutboxRecord): Promise<boolean> {
    try {
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
    await this.#gate.promise;
    this.#stop.signal.throwIfAborted();
    const { capabilities } = this.#parts.adapter();
    const pieces = chunk(record.text, capabilities.textLengthMax);
    if (record.intended !== undefined && !capabilities.detectsDuplicates) skipPiece(record, STOPPED);
    let moves = 0;
    for (let tries = 0; record.sent.length < pieces.length; ) {
      await this.#gate.promise;
      this.#stop.signal.throwIfAborted();
      record.intended = true;
      await this.#save(key, record);
      const error = await this.#sendPiece(key, record, pieces);
      if (error === undefined) {
        delete record.intended;
        tries = 0;
        continue;
      }
      this.#stop.signal.throwIfAborted();
      const kind = kindOf(error);
      if (kind === 'gone' && error.movedTo !== undefined && moves < MOVES_MAX) {
        moves += 1;
        record.chat = { ...record.chat, id: error.movedTo };
      } else if (kind === 'unknown' && !capabilities.detectsDuplicates) skipPiece(record, error.message);
      else if (kind === 'rejected' || kind === 'gone' || kind === 'too_large') {
        return this.#end(key, record, { status: 'failed', reason: error.message });
      } else if (Date.now() - record.createdAt > RECORD_MS_MAX) {
        return this.#end(key, record, { status: 'failed', reason: `not sent within a day: ${error.message}` });
      } else await this.#tryLater(key, record, error, kind, tries++);
    }
    if (record.doubt !== undefined) return this.#end(key, record, { status: 'unknown', reason: record.doubt });
    await this.#end(key, record, {
      status: 'sent',
      messages: record.sent.filter((id) => id !== null && id !== '') as string[],
    });
  }

  /** Sends the next piece, and marks it as sent in `record`. Returns what went wrong. */
  async #sendPiece(key: OutboxKey, record: OutboxRecord, pieces: string[]): Promise<SendError | undefined> {
    const { preview, sent } = this.#parts;
    const adapter = this.#parts.adapter();
    const number = record.sent.length;
    const shown = number === 0 ? preview(key, record) : undefined;
    const first = number === 0 && record.replyTo !== undefined;
    const message: OutboundMessage = {
      chat: record.chat,
      text: pieces[number] as string,
      ...(first ? { replyTo: record.replyTo } : {}),
      key: keyOf(key[2], number),
    };
    await this.#turns.take();
    try {
      if (shown !== undefined) {
        const { handled } = await within(SEND_TIMEOUT_MS, shown.finish(record.text));
        for (let piece = 0; piece < Math.min(handled, pieces.length); piece++) {
          record.sent.push('');
          sent();
        }
        if (handled > 0) return undefined;
      }
      const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(SEND_TIMEOUT_MS)]);
      record.sent.push((await within(SEND_TIMEOUT_MS, adapter.send(message, signal))).message);
      sent();
      return undefined;
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    } finally {
      this.#turns.give();
    }
  }

  /** Waits as long as the error asks for. Where it says that nothing was sent, a crash meanwhile leaves no doubt. */
  async #tryLater(key: OutboxKey, record: OutboxRecord, error: SendError, kind: ChannelErrorKind, tries: number) {
    if (kind !== 'unknown') {
      delete record.intended;
      await this.#save(key, record);
    }
    this.#parts.trouble(error, key);
    if (kind === 'unauthorized') {
      this.close();
      this.#parts.unauthorized(error);
      return;
    }
    const backoffMs = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** tries) * (1 - Math.random() / 2);
    await this.#wait(Math.min(RETRY_AFTER_MAX_MS, error.retryAfterMs ?? backoffMs));
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
    const kept = { ...record, sent: [...record.sent] };
    return journal.commit((batch) => outbox.put(batch, key, kept));
  }

  async #wait(ms: number): Promise<void> {
    await pause(ms, undefined, { signal: this.#stop.signal }).catch(() => {});
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

const KINDS: ReadonlySet<unknown> = new Set<ChannelErrorKind>([
  'rate_limited',
  'temporary',
  'rejected',
  'gone',
  'unauthorized',
  'too_large',
  'unknown',
]);

/** By its `kind`, since a custom adapter has no class of ours; an error without one says nothing of what was sent. */
export function kindOf(error: unknown): ChannelErrorKind {
  const kind = typeof error === 'object' && error !== null && 'kind' in error ? error.kind : undefined;
  return KINDS.has(kind) ? (kind as ChannelErrorKind) : 'unknown';
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

/** Pieces of at most `max` UTF-16 code units. */
function chunk(text: string, max: number): string[] {
  const pieces: string[] = [];
  for (let at = 0; at < text.length; at += max) pieces.push(text.slice(at, at + max));
  return pieces;
}
