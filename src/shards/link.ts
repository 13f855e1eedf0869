import { setImmediate } from 'node:timers';
import type { MessagePort } from 'node:worker_threads';
import { RingReader, RingWriter } from './ring.ts';

/** What a record on the link is. `number` is the request it belongs to, `key` a session key. */
export const RECORD = {
  /** To the shard: a client's frame for the session `key`. */
  request: 1,
  /** To the front end: the frame that answers request `number`. */
  reply: 2,
  /** The same, after subscribing the connection that asked to the session `key`. */
  replyAndSubscribe: 3,
  /** To the front end: a missed event for the connection of request `number`; its reply follows. */
  replay: 4,
  /** To the front end: an event for every subscriber of the session `key`. */
  event: 5,
  /** To the shard: a request of the channels' thread for the session `key`; no client has these. */
  channelRequest: 6,
  /** To the front end, and on to the channels' thread: the account `key` has a new record in its outbox, named by the payload. */
  outbox: 7,
  /** To the shard: as `request`, of a client whose credential may do everything. */
  adminRequest: 8,
  /** To the front end: a session asks the session `key`. Passed on to that one's shard as it is. */
  peerRequest: 9,
  /** To the shard: the frame that answers a request of one of its sessions. */
  peerReply: 10,
} as const;

/** Records handled before other work of the thread gets its turn, where whoever makes the link does not say. */
const RECORDS_PER_TURN = 4_096;
/** Bytes kept aside while the ring is full; past it {@link Link.send} refuses. */
const OVERFLOW_BYTES_MAX = 16 * 1024 * 1024;
/** Bytes kept aside above which a producer that can wait should: see {@link Link.room}. */
const CONGESTED_BYTES = 1024 * 1024;

/** Shared memory and doorbell of one end of a link; plain enough to be handed to a worker. */
export interface LinkEnd {
  outgoing: SharedArrayBuffer;
  incoming: SharedArrayBuffer;
  bell: MessagePort;
}

interface Kept {
  kind: number;
  number: number;
  key: string;
  payload: Uint8Array;
}

/**
 * One end of a shard link: records out, records in, in order each way. `onRecords` is called when there are some and
 * steps through them with `reader.next()` until that returns false; their payloads are valid until it returns.
 */
export class Link {
  readonly #writer: RingWriter;
  readonly #reader: RingReader;
  readonly #bell: MessagePort;
  readonly #onRecords: (reader: RingReader) => void;
  readonly #recordsPerTurn: number;
  #kept: Kept[] = [];
  #keptBytes = 0;
  #draining: boolean;
  /** Whether the other side will be woken at the end of this turn. */
  #ringing = false;
  #room: PromiseWithResolvers<void> | undefined;

  constructor(end: LinkEnd, onRecords: (reader: RingReader) => void, recordsPerTurn = RECORDS_PER_TURN) {
    const ring = () => end.bell.postMessage(0);
    this.#writer = new RingWriter(end.outgoing, ring);
    this.#reader = new RingReader(end.incoming, ring);
    this.#bell = end.bell;
    this.#onRecords = onRecords;
    this.#recordsPerTurn = recordsPerTurn;
    this.#bell.on('message', () => {
      if (this.#keptBytes > 0) this.#sendKept();
      if (!this.#draining) this.#drain();
    });
    // Not at once: `onRecords` may use what the caller has yet to assign this link to.
    this.#draining = true;
    setImmediate(this.#drain);
  }

  /**
   * Sends one record, at once; `payload` is copied before this returns. False: the other side is so far behind that the
   * record was refused. Nothing that was taken is ever dropped while both sides live.
   */
  send(kind: number, number: number, key: string, payload: Uint8Array): boolean {
    const taken = this.#put(kind, number, key, payload);
    this.#writer.ring();
    return taken;
  }

  /**
   * The same, but the other side is not woken before the end of this turn of the event loop. Then it finds all that a
   * turn has brought for a connection, and one write to its socket takes it all: with several events to a run that is
   * worth more than the wait costs.
   */
  sendWithTurn(kind: number, number: number, key: string, payload: Uint8Array): boolean {
    if (!this.#ringing) {
      this.#ringing = true;
      setImmediate(this.#ring);
    }
    return this.#put(kind, number, key, payload);
  }

  #ring = (): void => {
    this.#ringing = false;
    this.#writer.ring();
  };

  #put(kind: number, number: number, key: string, payload: Uint8Array): boolean {
    if (this.#keptBytes === 0 && this.#writer.write(kind, number, key, payload)) return true;
    if (this.#keptBytes > OVERFLOW_BYTES_MAX) return false;
    this.#kept.push({ kind, number, key, payload: payload.slice() });
    this.#keptBytes += payload.length + key.length;
    return true;
  }

  /** Undefined when a producer may go on; else a promise of the moment when the other side has caught up. */
  room(): Promise<void> | undefined {
    if (this.#keptBytes < CONGESTED_BYTES) return undefined;
    this.#room ??= Promise.withResolvers();
    return this.#room.promise;
  }

  close(): void {
    this.#bell.close();
  }

  #sendKept(): void {
    let sent = 0;
    for (const { kind, number, key, payload } of this.#kept) {
      if (!this.#writer.write(kind, number, key, payload)) break;
      this.#keptBytes -= payload.length + key.length;
      sent++;
    }
    this.#writer.ring();
    this.#kept = this.#kept.slice(sent);
    if (this.#keptBytes < CONGESTED_BYTES && this.#room !== undefined) {
      this.#room.resolve();
      this.#room = undefined;
    }
  }

  #drain = (): void => {
    this.#draining = true;
    this.#reader.begin(this.#recordsPerTurn);
    this.#onRecords(this.#reader);
    this.#reader.release();
    if (this.#reader.sleep()) this.#draining = false;
    else setImmediate(this.#drain);
  };
}
