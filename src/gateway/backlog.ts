/**
 * What a connection that reads too slowly is sent: the deltas of a run become one, and none where the run's answer, which
 * carries the whole text, comes before it could be sent. Everything else goes out as it is, in order. Frames that stand for
 * left-out ones say how many in `data.skipped`, so that the gap in `seq` is explained.
 */
import { decodeFrame, encodeFrame, type Frame } from '../protocol/frame.ts';
import type { EventData, EventType } from '../protocol/messages.ts';

interface Held {
  frame: Frame;
  data: EventData<'message.delta'>;
  /** Bytes of the texts, about. */
  bytes: number;
  /** Deltas that this one stands for besides itself. */
  skipped: number;
  texts: string[];
}

export class Backlog {
  readonly #held = new Map<string, Held>();
  /** Bytes of the text that is held back, about. */
  bytes = 0;
  /** Deltas that were merged or left out so far. */
  merged = 0;

  /** Gives `send` what has to go out now for `bytes`, a frame as it is on the wire. */
  add(bytes: Uint8Array, send: (frame: Uint8Array) => void): void {
    const frame = decodeFrame(bytes);
    const data = frame.data as Partial<EventData<EventType>> | undefined;
    const session = data?.session;
    const held = session === undefined ? undefined : this.#held.get(session);
    if (frame.type === 'message.delta') this.#hold(frame, held, bytes.length, send);
    else if (held === undefined) send(bytes);
    else if (frame.type === 'message.outbound') this.#answer(frame, held, bytes, send);
    else {
      this.#release(held, send);
      send(bytes);
    }
  }

  /** Everything that is held goes out. */
  releaseAll(send: (frame: Uint8Array) => void): void {
    for (const held of this.#held.values()) this.#release(held, send);
  }

  #hold(frame: Frame, held: Held | undefined, length: number, send: (frame: Uint8Array) => void): void {
    const data = frame.data as EventData<'message.delta'>;
    if (held !== undefined && follows(held.data, data)) {
      held.texts.push(data.text);
      held.skipped += 1;
      held.bytes += length;
      held.frame = frame;
      held.data = data;
      this.merged += 1;
    } else {
      if (held !== undefined) this.#release(held, send);
      this.#held.set(data.session, { frame, data, bytes: length, skipped: data.skipped ?? 0, texts: [data.text] });
    }
    this.bytes += length;
  }

  /** The whole text is in the answer, unless that is cut short. */
  #answer(frame: Frame, held: Held, bytes: Uint8Array, send: (frame: Uint8Array) => void): void {
    const data = frame.data as EventData<'message.outbound'>;
    if (data.truncated || held.data.run !== data.run || held.data.seq + 1 !== data.seq) {
      this.#release(held, send);
      send(bytes);
      return;
    }
    this.#forget(held);
    this.merged += 1;
    send(encodeFrame({ ...frame, data: { ...data, skipped: held.skipped + 1 } }));
  }

  #release(held: Held, send: (frame: Uint8Array) => void): void {
    this.#forget(held);
    const { frame, data, texts, skipped } = held;
    send(encodeFrame({ ...frame, data: { ...data, text: texts.join(''), ...(skipped > 0 ? { skipped } : {}) } }));
  }

  #forget(held: Held): void {
    this.#held.delete(held.data.session);
    this.bytes -= held.bytes;
  }
}

function follows(before: EventData<'message.delta'>, next: EventData<'message.delta'>): boolean {
  return before.run === next.run && before.epoch === next.epoch && before.seq + 1 === next.seq;
}
