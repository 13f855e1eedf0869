/**
 * Reads of a msgpack frame only what routing needs, without building objects, and walks the rest so that whoever decodes
 * it later is safe: depth and number of values bounded, string keys only, no extension but the standard timestamp, no
 * `__proto__`, no key of the head twice, no bytes after the map. The full decode is left to the shard: decoding only the
 * head on the front end is worth a third of the throughput (`shared/measurements.md` of the project's notes), and within
 * the head making strings is what costs, so that only the id becomes a new one.
 */
import { DhaavakError } from './errors.ts';
import { DEPTH_MAX, VALUES_MAX } from './limits.ts';
import { REQUESTS } from './messages.ts';

/** What routing needs of a request. */
export interface Head {
  id: string;
  type: string;
  /** Where the bytes of `data.session` begin and end in the frame; both 0 when it has none. */
  sessionStart: number;
  sessionEnd: number;
}

/** `data.session` as a string. */
export function sessionOf(frame: Buffer, { sessionStart, sessionEnd }: Head): string | undefined {
  return sessionEnd === 0 ? undefined : frame.latin1Slice(sessionStart, sessionEnd);
}

const ID_LENGTH_MAX = 64;
const TYPE_LENGTH_MAX = 64;
const SESSION_LENGTH_MAX = 256;
const TIMESTAMP_EXTENSION = 0xff; // -1
const REQUEST_TYPES = Object.keys(REQUESTS);

/** A frame that was refused. `id` is the request's, where it could still be read, so that the error reaches its asker. */
export class FrameError extends DhaavakError {
  readonly id: string | null;

  constructor(code: 'invalid_frame' | 'invalid_request', message: string, id: string | null, param?: string) {
    super(code, message, param === undefined ? {} : { param });
    this.id = id;
  }
}

/** Reads the head of a request and checks the shape of the rest. Throws {@link FrameError}. */
export function skim(bytes: Buffer): Head {
  return skimmer.head(bytes);
}

class Skimmer {
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;
  #values = 0;
  #keyStart = 0;
  #id: string | null = null;
  #sessionStart = 0;
  #sessionEnd = 0;

  head(bytes: Buffer): Head {
    this.#bytes = bytes;
    this.#at = this.#values = this.#sessionStart = this.#sessionEnd = 0;
    this.#id = null;
    let type: string | undefined;
    let seenData = false;
    let seenTimestamp = false;
    const count = this.#mapSize();
    if (count < 0) throw this.#invalid('a frame must be one map');
    for (let i = 0; i < count; i++) {
      const key = this.#key();
      if (key === 'id' && this.#id === null) this.#id = this.#slice(this.#ascii('id', ID_LENGTH_MAX));
      else if (key === 'type' && type === undefined) type = this.#type();
      else if (key === 'data' && !seenData) {
        seenData = true;
        this.#data();
      } else if (key === 'timestamp' && !seenTimestamp) {
        seenTimestamp = true;
        this.#skip(1);
      } else if (key !== undefined && key !== 'session') throw this.#refused('is there twice', key);
      else
        throw this.#refused(
          'is not known',
          this.#bytes.latin1Slice(this.#keyStart, Math.min(this.#at, this.#keyStart + 32)),
        );
    }
    if (this.#at !== bytes.length) throw this.#invalid(`${bytes.length - this.#at} bytes follow the map`);
    if (this.#id === null) throw this.#refused('is missing', 'id');
    if (type === undefined) throw this.#refused('is missing', 'type');
    return { id: this.#id, type, sessionStart: this.#sessionStart, sessionEnd: this.#sessionEnd };
  }

  /** Steps over the value of `data`, noting where its `session` is. */
  #data(): void {
    const start = this.#at;
    const count = this.#mapSize();
    if (count < 0) {
      this.#at = start;
      throw this.#refused('must be a map', 'data');
    }
    for (let i = 0; i < count; i++) {
      const key = this.#key();
      if (key !== 'session') this.#skip(2);
      else if (this.#sessionEnd === 0) {
        this.#sessionStart = this.#ascii('data.session', SESSION_LENGTH_MAX);
        this.#sessionEnd = this.#at;
      } else throw this.#refused('is there twice', 'data.session');
    }
  }

  /** The value of `type`; a known one is not made anew. */
  #type(): string {
    const start = this.#ascii('type', TYPE_LENGTH_MAX);
    const length = this.#at - start;
    for (const type of REQUEST_TYPES) if (type.length === length && this.#matches(start, type)) return type;
    return this.#slice(start);
  }

  /** The size of the map that begins here, or -1 when it is no map. */
  #mapSize(): number {
    const head = this.#byte();
    if (head >= 0x80 && head <= 0x8f) return this.#count(head & 0x0f);
    if (head === 0xde) return this.#count(this.#uint(2));
    if (head === 0xdf) return this.#count(this.#uint(4));
    return -1;
  }

  /**
   * Steps over a key and names it, if it is one that the head is made of. Keys are compared byte by byte: making a
   * string of each costs more than all the rest.
   */
  #key(): 'id' | 'type' | 'timestamp' | 'data' | 'session' | undefined {
    const length = this.#stringLength();
    if (length < 0) throw this.#invalid('keys must be strings');
    const start = this.#advance(length);
    this.#keyStart = start;
    if (length === 9 && this.#matches(start, '__proto__')) throw this.#invalid('the key __proto__ is not allowed');
    const first = this.#bytes[start]; // decides nearly always, at the price of one comparison
    switch (length) {
      case 2:
        return first === 0x69 && this.#matches(start, 'id') ? 'id' : undefined;
      case 4:
        if (first === 0x74) return this.#matches(start, 'type') ? 'type' : undefined;
        return first === 0x64 && this.#matches(start, 'data') ? 'data' : undefined;
      case 7:
        return first === 0x73 && this.#matches(start, 'session') ? 'session' : undefined;
      case 9:
        return first === 0x74 && this.#matches(start, 'timestamp') ? 'timestamp' : undefined;
      default:
        return undefined;
    }
  }

  #matches(start: number, word: string): boolean {
    for (let i = 0; i < word.length; i++) if (this.#bytes[start + i] !== word.charCodeAt(i)) return false;
    return true;
  }

  /** Steps over a value that must be a short string of printable ASCII, and returns where its text begins. */
  #ascii(param: string, lengthMax: number): number {
    const bytes = this.#bytes;
    const length = this.#stringLength();
    if (length < 0) throw this.#refused('must be a string', param);
    if (length === 0 || length > lengthMax) throw this.#refused(`must have 1 to ${lengthMax} characters`, param);
    const start = this.#advance(length);
    for (let i = start; i < this.#at; i++) {
      const byte = bytes[i] as number;
      if (byte < 0x21 || byte > 0x7e) throw this.#refused('must be printable ASCII without spaces', param);
    }
    return start;
  }

  #slice(start: number): string {
    return this.#bytes.latin1Slice(start, this.#at);
  }

  #stringLength(): number {
    const head = this.#byte();
    if (head >= 0xa0 && head <= 0xbf) return head & 0x1f;
    if (head === 0xd9) return this.#uint(1);
    if (head === 0xda) return this.#uint(2);
    if (head === 0xdb) return this.#uint(4);
    return -1;
  }

  /** Steps over one value. `depth` counts the containers it stands in. */
  #skip(depth: number): void {
    const head = this.#byte();
    if (head <= 0x7f || head >= 0xe0) return; // small integers
    if (head <= 0x8f) this.#skipMap(head & 0x0f, depth);
    else if (head <= 0x9f) this.#skipArray(head & 0x0f, depth);
    else if (head <= 0xbf) this.#advance(head & 0x1f);
    else this.#skipSized(head, depth);
  }

  /** The formats whose size is not in their first byte alone. */
  #skipSized(head: number, depth: number): void {
    switch (head) {
      case 0xc0: // nil
      case 0xc2: // false
      case 0xc3: // true
        break;
      case 0xc4: // binary
      case 0xd9: // string
        this.#advance(this.#uint(1));
        break;
      case 0xc5:
      case 0xda:
        this.#advance(this.#uint(2));
        break;
      case 0xc6:
      case 0xdb:
        this.#advance(this.#uint(4));
        break;
      case 0xcc: // integers and floats, by size
      case 0xd0:
        this.#advance(1);
        break;
      case 0xcd:
      case 0xd1:
        this.#advance(2);
        break;
      case 0xca:
      case 0xce:
      case 0xd2:
        this.#advance(4);
        break;
      case 0xcb:
      case 0xcf:
      case 0xd3:
        this.#advance(8);
        break;
      case 0xd6: // timestamp extension of 32, 64 or 96 bits
        this.#skipTimestamp(4);
        break;
      case 0xd7:
        this.#skipTimestamp(8);
        break;
      case 0xc7:
        if (this.#uint(1) !== 12) throw this.#invalid('the only extension allowed is the timestamp');
        this.#skipTimestamp(12);
        break;
      case 0xdc:
        this.#skipArray(this.#uint(2), depth);
        break;
      case 0xdd:
        this.#skipArray(this.#uint(4), depth);
        break;
      case 0xde:
        this.#skipMap(this.#uint(2), depth);
        break;
      case 0xdf:
        this.#skipMap(this.#uint(4), depth);
        break;
      default:
        throw this.#invalid('the only extension allowed is the timestamp');
    }
  }

  #skipMap(size: number, depth: number): void {
    this.#enter(depth);
    this.#count(size);
    for (let i = 0; i < size; i++) {
      this.#key();
      this.#skip(depth + 1);
    }
  }

  #skipArray(size: number, depth: number): void {
    this.#enter(depth);
    this.#count(size);
    for (let i = 0; i < size; i++) this.#skip(depth + 1);
  }

  #skipTimestamp(length: number): void {
    if (this.#byte() !== TIMESTAMP_EXTENSION) throw this.#invalid('the only extension allowed is the timestamp');
    this.#advance(length);
  }

  #enter(depth: number): void {
    if (depth >= DEPTH_MAX) throw this.#invalid(`maps and arrays are nested deeper than ${DEPTH_MAX}`);
  }

  #count(size: number): number {
    this.#values += size;
    if (this.#values > VALUES_MAX) throw this.#invalid(`the frame holds more than ${VALUES_MAX} values`);
    return size;
  }

  #byte(): number {
    const byte = this.#bytes[this.#at++];
    if (byte === undefined) throw this.#invalid('the frame is cut off');
    return byte;
  }

  #uint(length: 1 | 2 | 4): number {
    const start = this.#advance(length);
    return this.#bytes.readUIntBE(start, length);
  }

  /** Steps over `length` bytes and returns where they began. */
  #advance(length: number): number {
    const start = this.#at;
    this.#at += length;
    if (this.#at > this.#bytes.length) throw this.#invalid('the frame is cut off');
    return start;
  }

  #invalid(message: string): FrameError {
    return new FrameError('invalid_frame', message, this.#id);
  }

  #refused(what: string, param: string): FrameError {
    const shown = param.replace(/[^\x21-\x7e]/g, '?');
    return new FrameError('invalid_request', `${shown} ${what}`, this.#id, shown);
  }
}

/** One for all frames: making one for each costs a tenth of the reading. */
const skimmer = new Skimmer();
