import type { Reply } from '../../actors/session/requests.ts';
import { DhaavakError, toWireError } from '../../src/protocol/errors.ts';
import { decodeFrame, encodeFrame, type Frame } from '../../src/protocol/frame.ts';
import { ProcessClock } from './clock.ts';
import type { Position } from './invariants/streams.ts';
import type { Asked } from './invariants/wishes.ts';
import { type Connection, type FrontDoor, Network } from './network.ts';
import { Shard, type ShardParts } from './shard.ts';

/** How long a drain lets runs go on, in milliseconds. */
const DRAIN_MS = 3_000;
/** How long what a process has left in the cache may stay there, in milliseconds: Linux's own is 30 s. */
const WRITEBACK_MS_MAX = 30_000;

/**
 * The gateway: the front end, which keeps connections and what each of them waits for, and the shard behind it. It can be
 * killed, lose its shard, or be asked to stop, and is started again each time.
 */
export class Gateway implements FrontDoor {
  readonly network: Network;
  readonly #parts: Omit<ShardParts, 'emit'>;
  #shard: Shard | undefined;
  /** The time of the process that runs now, or ran last. */
  clock: ProcessClock | undefined;
  /** Whether the process of the front end lives. */
  #isUp = false;
  /** Whether it has been asked to end. */
  #isDraining = false;
  #lives = 0;
  /** Requests without an answer. */
  readonly #pending = new Map<object, { connection: Connection; id: string }>();

  constructor(parts: Omit<ShardParts, 'emit'>) {
    this.#parts = parts;
    this.network = new Network(parts.clock, parts.random, () => (this.#isUp ? this : undefined));
  }

  get isIdle(): boolean {
    return this.#shard?.isIdle === true && this.#pending.size === 0;
  }

  get work(): string {
    return `${this.#shard?.work ?? 'no shard'}, ${this.#pending.size} requests without an answer`;
  }

  get shard(): Shard | undefined {
    return this.#shard;
  }

  start(): void {
    this.#lives += 1;
    this.#parts.trace.note(`start ${this.#lives}`);
    this.#isUp = true;
    this.#isDraining = false;
    // Before the shard: it takes its time from here while it is put together.
    this.clock = new ProcessClock(this.#parts.clock, `life ${this.#lives}`);
    this.#shard = new Shard({ ...this.#parts, emit: (session, frame) => this.#emit(session, frame) }, this.clock);
    this.#shard.start();
  }

  /** The process ends at once. */
  kill(): void {
    this.#loseShard();
    this.#isUp = false;
    this.#pending.clear();
    this.network.cutAll();
  }

  /** The shard's thread ends at once; the front end tells whoever waits for it. */
  loseShard(): void {
    this.#loseShard();
    for (const { connection, id } of this.#pending.values()) connection.deliver(unavailable(id));
    this.#pending.clear();
  }

  /** SIGTERM: `ended` is called when the process may go, unless it is gone by then. */
  drain(ended: () => void): void {
    const shard = this.#shard;
    const { clock, disk, witness } = this.#parts;
    this.#isDraining = true;
    void shard?.drain(DRAIN_MS).then(() => {
      // On a disk that was full all its life it cannot.
      if (disk.unflushed > 0 && shard.isDurable)
        witness.report(`a drain leaves ${disk.unflushed} commits that are not on the disk`);
      clock.schedule('operator', 0, () => {
        if (this.#shard === shard) ended();
      });
    });
  }

  request(connection: Connection, session: string, bytes: Uint8Array): void {
    const { trace, witness } = this.#parts;
    const frame = decodeFrame(bytes) as Frame<string, Asked>;
    trace.note(`> ${connection.peer.name} ${frame.type} ${inShort(frame.data)}`);
    if (this.#shard === undefined) {
      connection.deliver(unavailable(frame.id as string));
      return;
    }
    witness.wishes.heard(session, frame.type, frame.data ?? {});
    const entry = { connection, id: frame.id as string };
    this.#pending.set(entry, entry);
    this.#shard.handle(session, bytes, this.#replyTo(entry, session, frame));
  }

  #loseShard(): void {
    const { clock, disk, random, trace, witness } = this.#parts;
    trace.note('the shard ends');
    this.#shard?.end();
    // What it had committed is the operating system's to write, sooner or later; the power may fail before that.
    const left = disk.unflushed;
    if (left > 0) clock.schedule('operating system', random.between(0, WRITEBACK_MS_MAX), () => disk.flush(left));
    this.#shard = undefined;
    witness.processEnded(this.#isDraining);
  }

  #replyTo(entry: { connection: Connection; id: string }, session: string, asked: Frame<string, Asked>): Reply {
    const { mutant, step, trace, witness } = this.#parts;
    const { connection } = entry;
    const askedIn = step();
    const missed: Uint8Array[] = [];
    const answer = (bytes: Uint8Array) => {
      const frame = decodeFrame(bytes) as Frame<string, Position & { recovered: boolean; message: string }>;
      trace.note(`< ${connection.peer.name} ${frame.type} to ${asked.type} ${inShort(frame.error ?? frame.data)}`);
      this.#pending.delete(entry);
      const text = asked.data?.text ?? '';
      if (frame.type === 'error') {
        if (frame.error?.code !== 'unavailable') witness.messages.refused(text);
      } else if (asked.type === 'message.send') {
        witness.messages.acknowledged(frame.data!.message, text, askedIn);
      } else if (asked.type === 'subscribe') {
        const { after, epoch } = asked.data ?? {};
        const position = after === undefined ? undefined : { seq: after, epoch: epoch ?? '' };
        witness.streams.subscribed(session, position, frame.data!, missed);
      }
      connection.deliver(bytes);
    };
    return {
      send: answer,
      sendAndSubscribe: (key, bytes) => {
        connection.subscriptions.add(key);
        answer(bytes);
      },
      replay: (bytes) => {
        const isSkipped = mutant.skipsReplay && missed.length === 0;
        missed.push(isSkipped ? Buffer.from([]) : Buffer.from(bytes));
        if (!isSkipped) connection.deliver(bytes);
      },
    };
  }

  #emit(session: string, bytes: Uint8Array): void {
    const { mutant, random, trace, witness } = this.#parts;
    const frame = decodeFrame(bytes);
    trace.note(`* ${session} ${frame.type} ${inShort(frame.data)}`);
    witness.emitted(session, frame.type, frame.data, Buffer.from(bytes));
    if (mutant.dropsEvents && random.chance(0.01)) return;
    this.network.publish(session, bytes);
  }
}

function unavailable(id: string): Buffer {
  const error = toWireError(new DhaavakError('unavailable', 'the outcome is unknown', { retryAfterMs: 500 }));
  return Buffer.from(encodeFrame({ id, type: 'error', timestamp: 0, error }));
}

/** Data of a frame as the trace shows it. */
function inShort(data: unknown): string {
  const json = JSON.stringify(data) ?? '';
  return json.length <= 300 ? json : `${json.slice(0, 300)}…`;
}
