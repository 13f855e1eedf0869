/**
 * What waits for a connection that reads too slowly: the deltas of a run become one, and none where the run's answer, which
 * carries the whole text, comes before they could be sent. Everything else waits as it is, in order. Frames that stand for
 * left-out ones say how many in `data.skipped`, so that the gap in `seq` is explained.
 */
import { decodeFrame, encodeFrame, type Frame } from '../protocol/frame.ts';
import type { EventData, EventType } from '../protocol/messages.ts';

/** What a waiting frame costs beside its bytes, about: a small one must not be had for nothing. */
const FRAME_OVERHEAD_BYTES = 200;

/** Deltas of one run that wait. */
interface Held {
  /** The newest of them. */
  frame: Frame;
  data: EventData<'message.delta'>;
  /** Bytes they came in. */
  bytes: number;
  /** Deltas that this one stands for besides itself. */
  skipped: number;
  texts: string[];
}

export class Backlog {
  /** In order. */
  readonly #waiting = new Set<Uint8Array | Held>();
  /** The newest deltas of each session. */
  readonly #held = new Map<string, Held>();
  /** What waits, about. */
  bytes = 0;
  /** Deltas that were merged or left out so far. */
  merged = 0;

  get empty(): boolean {
    return this.#waiting.size === 0;
  }

  /** Takes a frame as it is on the wire; its bytes may change afterwards. */
  add(bytes: Uint8Array): void {
    const event = open(bytes);
    const { frame, copy } = event;
    const data = frame.data as Partial<EventData<EventType>> | undefined;
    const session = data?.session;
    const held = session === undefined ? undefined : this.#held.get(session);
    if (frame.type === 'message.delta') {
      this.#hold(frame, held, copy.length);
      return;
    }
    const skipped = held !== undefined && frame.type === 'message.outbound' ? this.#leaveOut(held, frame) : 0;
    this.#wait(skipped > 0 ? withSkipped(event, skipped) : copy);
  }

  /** Gives `send` one frame after the other, until it returns false. */
  release(send: (frame: Uint8Array) => boolean): void {
    for (const waiting of this.#waiting) {
      this.#waiting.delete(waiting);
      if (waiting instanceof Uint8Array) this.bytes -= waiting.length + FRAME_OVERHEAD_BYTES;
      else this.#forget(waiting);
      if (!send(waiting instanceof Uint8Array ? waiting : whole(waiting))) return;
    }
  }

  #wait(bytes: Uint8Array): void {
    this.#waiting.add(bytes);
    this.bytes += bytes.length + FRAME_OVERHEAD_BYTES;
  }

  #hold(frame: Frame, held: Held | undefined, bytes: number): void {
    const data = frame.data as EventData<'message.delta'>;
    this.bytes += bytes;
    if (held !== undefined && follows(held.data, data)) {
      held.texts.push(data.text);
      held.skipped += 1;
      held.bytes += bytes;
      held.frame = frame;
      held.data = data;
      this.merged += 1;
    } else {
      const first = { frame, data, bytes, skipped: data.skipped ?? 0, texts: [data.text] };
      this.#held.set(data.session, first);
      this.#waiting.add(first);
    }
  }

  /** Of how many deltas the text is in the answer that follows them; 0: they must be sent, since it is cut short. */
  #leaveOut(held: Held, { data }: Frame): number {
    const { truncated, run, seq } = data as EventData<'message.outbound'>;
    if (truncated || held.data.run !== run || held.data.seq + 1 !== seq) return 0;
    this.#waiting.delete(held);
    this.#forget(held);
    this.merged += 1;
    return held.skipped + 1;
  }

  #forget(held: Held): void {
    const { session } = held.data;
    if (this.#held.get(session) === held) this.#held.delete(session);
    this.bytes -= held.bytes;
  }
}

function follows(before: EventData<'message.delta'>, next: EventData<'message.delta'>): boolean {
  return before.run === next.run && before.epoch === next.epoch && before.seq + 1 === next.seq;
}

/** The one delta that stands for all of them. */
function whole({ frame, data, texts, skipped }: Held): Uint8Array {
  return encodeFrame({ ...frame, data: { ...data, text: texts.join(''), ...(skipped > 0 ? { skipped } : {}) } });
}

/** A frame as slow clients need it. */
interface Opened {
  frame: Frame;
  copy: Uint8Array;
  /** The frame again, with what was asked for last as `skipped`. */
  answer?: { skipped: number; bytes: Uint8Array };
}

/**
 * By the bytes of an event, which are the same for all its subscribers: a thousand slow clients of one session hold it
 * once. (Measured with 500 that wait for 1 MiB each: the gateway grows by 90 MB; by 800 MB with a copy for each.)
 */
const opened = new WeakMap<Uint8Array, Opened>();

function open(bytes: Uint8Array): Opened {
  let event = opened.get(bytes);
  if (event === undefined) {
    event = { frame: decodeFrame(bytes), copy: Uint8Array.from(bytes) };
    opened.set(bytes, event);
  }
  return event;
}

function withSkipped(event: Opened, skipped: number): Uint8Array {
  if (event.answer?.skipped !== skipped) {
    const { frame } = event;
    const bytes = encodeFrame({ ...frame, data: { ...(frame.data as object), skipped } });
    event.answer = { skipped, bytes: Uint8Array.from(bytes) };
  }
  return event.answer.bytes;
}
