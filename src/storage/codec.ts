import { crc32 } from 'node:zlib';
import { Packr } from 'msgpackr';

/** msgpack: an array of two, of which the first is an unsigned integer of 32 bits. */
const ARRAY_OF_TWO = 0x92;
const UNSIGNED_32 = 0xce;
/** Those two bytes and the checksum. */
const HEAD_BYTES = 6;
/** An option of msgpackr's `pack` that its types leave out: so many bytes, added to it, stay free before the value. */
const RESERVE_START = 2_048;

/** A buffer of msgpackr that holds more than the value: it stands from `start` to `end`. */
interface Reused extends Buffer {
  start?: number;
  end?: number;
}

/**
 * How values stand in the store: `[CRC-32, value]` in plain msgpack, which any tool can read. LMDB has no checksums, and
 * a flipped bit would go unnoticed or become another value. Values of the time before checksums stand alone and are read
 * as they are.
 *
 * A value that is damaged is decoded as undefined, as one that is not there, so that it never hides its neighbours.
 */
export class Codec {
  /** Tells lmdb that it may pass msgpackr's own options, and what is returned may be a {@link Reused} buffer. */
  readonly copyBuffers = true;
  readonly #packr = new Packr({ useRecords: false, copyBuffers: true });
  readonly #onDamaged: () => void;

  /** `onDamaged` is called with every damaged value that is read. */
  constructor(onDamaged: () => void) {
    this.#onDamaged = onDamaged;
  }

  encode(value: unknown, options = 0): Buffer {
    const bytes: Reused = this.#packr.pack(value, options | RESERVE_START | HEAD_BYTES);
    const { start = 0, end = bytes.length } = bytes;
    bytes[start] = ARRAY_OF_TWO;
    bytes[start + 1] = UNSIGNED_32;
    // Written byte by byte: writeUInt32BE checks what needs no check, at the price of the rest of this function.
    const sum = crc32(bytes.subarray(start + HEAD_BYTES, end));
    bytes[start + 2] = sum >>> 24;
    bytes[start + 3] = sum >>> 16;
    bytes[start + 4] = sum >>> 8;
    bytes[start + 5] = sum;
    return bytes;
  }

  /** `options`: where the value ends, in one of the forms in which lmdb tells it. */
  decode(bytes: Buffer, options?: number | { end?: number }): unknown {
    const end = (typeof options === 'number' ? options : options?.end) ?? bytes.length;
    try {
      if (bytes[0] !== ARRAY_OF_TWO || bytes[1] !== UNSIGNED_32) return this.#packr.unpack(bytes, end);
      if (crc32(bytes.subarray(HEAD_BYTES, end)) === bytes.readUInt32BE(2)) {
        return this.#packr.unpack(bytes, { start: HEAD_BYTES, end });
      }
    } catch {
      // One of the time before checksums, or cut off.
    }
    this.#onDamaged();
    return undefined;
  }
}
