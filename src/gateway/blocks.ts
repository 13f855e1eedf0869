/** Bytes of one block. */
const BLOCK_BYTES = 16 * 1024;

/**
 * Memory for what strangers send, in blocks that are used again and again: what they send is cut and dropped all the time,
 * and as buffers of its own it would lie about until the garbage collector comes by.
 */
export class Blocks {
  readonly #max: number;
  readonly #free: Buffer[] = [];
  #made = 0;

  /** At most `bytes` in all; made as they are needed. */
  constructor(bytes: number) {
    this.#max = Math.floor(bytes / BLOCK_BYTES);
  }

  /** Appends `bytes` to `blocks`, of which `length` bytes are full. False: there is no room. */
  append(blocks: Buffer[], length: number, bytes: Uint8Array): boolean {
    for (let at = 0; at < bytes.length; ) {
      const offset = (length + at) % BLOCK_BYTES;
      if (offset === 0) {
        const block = this.#take();
        if (block === undefined) return false;
        blocks.push(block);
      }
      const part = bytes.subarray(at, at + BLOCK_BYTES - offset);
      (blocks.at(-1) as Buffer).set(part, offset);
      at += part.length;
    }
    return true;
  }

  /** Gives blocks back. */
  release(blocks: Buffer[]): void {
    this.#free.push(...blocks.splice(0));
  }

  #take(): Buffer | undefined {
    const block = this.#free.pop();
    if (block !== undefined || this.#made >= this.#max) return block;
    this.#made += 1;
    return Buffer.allocUnsafeSlow(BLOCK_BYTES);
  }
}
