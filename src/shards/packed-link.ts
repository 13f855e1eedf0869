import { setImmediate } from 'node:timers';
import type { MessagePort } from 'node:worker_threads';
import type { RingReader } from './ring.ts';

const HEADER_BYTES = 12;
const CHUNK_BYTES = 64 * 1024;

/** The rival of the ring: records gathered in one buffer, which is handed over by postMessage once a turn. */
export class PackedLink {
  readonly #port: MessagePort;
  #bytes = new Uint8Array(CHUNK_BYTES);
  #words = new Uint32Array(this.#bytes.buffer);
  #at = 0;
  #scheduled = false;

  constructor(end: { bell: MessagePort }, onRecords: (reader: RingReader) => void) {
    this.#port = end.bell;
    const reader = new PackedReader();
    end.bell.on('message', ([buffer, length]: [ArrayBuffer, number]) => {
      reader.open(buffer, length);
      onRecords(reader as unknown as RingReader);
    });
  }

  send(kind: number, number: number, key: string, payload: Uint8Array): boolean {
    const length = HEADER_BYTES + key.length + payload.length;
    const padded = (length + 3) & ~3;
    if (this.#at + padded > this.#bytes.length) {
      const size = Math.max(this.#bytes.length * 2, padded * 2);
      const bytes = new Uint8Array(size);
      bytes.set(this.#bytes.subarray(0, this.#at));
      this.#bytes = bytes;
      this.#words = new Uint32Array(bytes.buffer);
    }
    const word = this.#at >> 2;
    this.#words[word] = length;
    this.#words[word + 1] = number;
    this.#words[word + 2] = kind | (key.length << 8);
    let at = this.#at + HEADER_BYTES;
    for (let i = 0; i < key.length; i++) this.#bytes[at++] = key.charCodeAt(i);
    this.#bytes.set(payload, at);
    this.#at += padded;
    if (!this.#scheduled) {
      this.#scheduled = true;
      setImmediate(this.#flush);
    }
    return true;
  }

  sendWithTurn(kind: number, number: number, key: string, payload: Uint8Array): boolean {
    return this.send(kind, number, key, payload);
  }

  room(): undefined {
    return undefined;
  }

  close(): void {
    this.#port.close();
  }

  #flush = (): void => {
    this.#scheduled = false;
    const { buffer } = this.#bytes;
    const length = this.#at;
    this.#bytes = new Uint8Array(CHUNK_BYTES);
    this.#words = new Uint32Array(this.#bytes.buffer);
    this.#at = 0;
    this.#port.postMessage([buffer, length], [buffer]);
  };
}

class PackedReader {
  #bytes = Buffer.alloc(0);
  #words = new Uint32Array(0);
  #next = 0;
  #offset = 0;
  #length = 0;

  open(buffer: ArrayBuffer, length: number): void {
    this.#bytes = Buffer.from(buffer, 0, length);
    this.#words = new Uint32Array(buffer);
    this.#next = 0;
  }

  next(): boolean {
    if (this.#next >= this.#bytes.length) return false;
    this.#offset = this.#next;
    this.#length = this.#words[this.#offset >> 2] as number;
    this.#next += (this.#length + 3) & ~3;
    return true;
  }

  get kind(): number {
    return (this.#words[(this.#offset >> 2) + 2] as number) & 0xff;
  }

  get number(): number {
    return this.#words[(this.#offset >> 2) + 1] as number;
  }

  get key(): string {
    const start = this.#offset + HEADER_BYTES;
    return this.#bytes.latin1Slice(start, start + this.#keyLength);
  }

  get payload(): Buffer {
    return this.#bytes.subarray(this.#offset + HEADER_BYTES + this.#keyLength, this.#offset + this.#length);
  }

  get #keyLength(): number {
    return (this.#words[(this.#offset >> 2) + 2] as number) >>> 8;
  }
}
