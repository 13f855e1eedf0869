import { Packr, Unpackr } from 'msgpackr';
import type { WireError } from './errors.ts';

/** One frame of the wire protocol, in either direction: one msgpack map, or the same shape as JSON in a text frame. */
export interface Frame<Type extends string = string, Data = unknown> {
  /** A request's own id, repeated in its reply. An event's id is `<epoch>-<seq>`. Null: the request's id was unreadable. */
  id: string | null;
  type: Type;
  /** Milliseconds since the epoch. */
  timestamp: number;
  data?: Data;
  error?: WireError;
}

/**
 * Plain msgpack that any library reads: no record extension. Whole numbers of more than 32 bits, such as timestamps, are
 * written as floats of 64 bits, which hold them exactly up to 2^53; msgpack integers of that size are read as well.
 * `variableMapSize` writes the smallest map header instead of always two bytes more.
 */
const options = { useRecords: false, variableMapSize: true, mapsAsObjects: true, int64AsType: 'number' } as const;
const packr = new Packr(options);
const unpackr = new Unpackr(options);

/** The frame as msgpack. The buffer is a view of a shared one: copy it, or use it at once, never change it. */
export function encodeFrame(frame: Frame): Buffer {
  return packr.pack(frame);
}

/**
 * Decodes bytes that {@link ../protocol/skim.ts skim} has accepted; msgpackr alone would also accept extensions and any
 * depth. Throws what msgpackr throws on damaged bytes.
 */
export function decodeFrame(bytes: Uint8Array): Frame {
  return unpackr.unpack(bytes) as Frame;
}
