/**
 * Snapshots in a folder: the nodes in a file that their own kind writes, and beside it the file `snapshot`, which has the
 * labels, says what all is of and names the file of the nodes with its length and checksum. Renaming `snapshot` into place is
 * what makes a new one valid. Nothing of either file is believed before its checksum was compared: hnswlib would follow any
 * length in it.
 *
 *     snapshot:  checksum of the rest (4 bytes) │ length of the head (4) │ head (JSON) │ labels │ nodes │ fingerprints
 */
import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { type FileHandle, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { z } from 'zod';
import type { BookPages } from './label-book.ts';
import type { SnapshotTag, VectorIndexKind } from './vector-index.ts';

/** What this writes and reads: raised when anything of it changes, an update of hnswlib-node included. */
export const SNAPSHOT_FORMAT = `1, hnswlib-node 3.0.0, ${process.arch}`;

const SNAPSHOT = 'snapshot';
const NODES_SUFFIX = '.nodes';
/** Bytes read at a time for a checksum: under a millisecond of work. */
const PIECE = 1_048_576;
/** Longer is no head that was ever written. */
const HEAD_MAX = 65_536;

const headSchema = z.strictObject({
  format: z.string(),
  kind: z.enum(['hnsw', 'exact']),
  embedder: z.string(),
  dimensions: z.int().positive(),
  tag: z.strictObject({ generation: z.number(), position: z.number() }),
  labels: z.int().nonnegative(),
  nodes: z.int().nonnegative(),
  file: z.strictObject({ name: z.string(), bytes: z.int(), checksum: z.int() }),
});
type Head = z.infer<typeof headSchema>;

/** Whose vectors they are. */
export interface Contents {
  kind: VectorIndexKind;
  embedder: string;
  dimensions: number;
  tag: SnapshotTag;
}

export interface SnapshotFound extends Contents {
  pages: BookPages;
  nodes: number;
  /** The file of the nodes, whole. */
  path: string;
}

/** Why there is none to use. */
export interface NoSnapshot {
  reason: 'none' | 'damaged' | 'other';
  message: string;
}

export class Snapshots {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Begins with `writeNodes`, before it returns. Rejects with what the system says; the snapshot there was is then still there. */
  async write(contents: Contents, pages: BookPages, writeNodes: (path: string) => Promise<void>): Promise<void> {
    mkdirSync(this.#folder, { recursive: true });
    const name = `${randomUUID()}${NODES_SUFFIX}`;
    const draft = `${SNAPSHOT}.draft`;
    try {
      await writeNodes(this.#at(name));
      const file = { name, ...(await summed(this.#at(name))) };
      const counts = { labels: pages.labels.length, nodes: pages.fingerprints.length };
      await writeFile(this.#at(draft), encode({ format: SNAPSHOT_FORMAT, ...contents, ...counts, file }, pages));
      await synced(this.#at(name));
      await synced(this.#at(draft));
      await synced(this.#folder);
      await rename(this.#at(draft), this.#at(SNAPSHOT));
      await synced(this.#folder);
    } catch (error) {
      await this.#drop((other) => other === name || other === draft);
      throw error;
    }
    await this.#drop((other) => other !== name && other.endsWith(NODES_SUFFIX));
  }

  /** The snapshot, if all of it is what was written and it is of these. */
  async read(wanted: Omit<Contents, 'tag'>): Promise<SnapshotFound | NoSnapshot> {
    let bytes: Buffer;
    try {
      bytes = await readFile(this.#at(SNAPSHOT));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      return { reason: 'none', message: `there is no snapshot in ${this.#folder}` };
    }
    const decoded = decode(bytes);
    if (typeof decoded === 'string') return this.#damaged(SNAPSHOT, decoded);
    const { head, pages } = decoded;
    const difference = differenceOf(head, wanted);
    if (difference !== undefined) return { reason: 'other', message: `the snapshot in ${this.#folder} ${difference}` };
    const { name, bytes: size, checksum } = head.file;
    try {
      const found = await summed(this.#at(name));
      if (found.bytes !== size) return this.#damaged(name, `it has ${found.bytes} bytes instead of ${size}`);
      if (found.checksum !== checksum) return this.#damaged(name, 'its checksum is another');
    } catch (error) {
      return this.#damaged(name, (error as Error).message);
    }
    return { ...head, pages, path: this.#at(name) };
  }

  #damaged(name: string, why: string): NoSnapshot {
    return { reason: 'damaged', message: `${this.#at(name)} is damaged: ${why}` };
  }

  async #drop(isDropped: (name: string) => boolean): Promise<void> {
    for (const name of await readdir(this.#folder)) if (isDropped(name)) await rm(this.#at(name), { force: true });
  }

  #at(name: string): string {
    return join(this.#folder, name);
  }
}

function differenceOf(head: Head, wanted: Omit<Contents, 'tag'>): string | undefined {
  if (head.format !== SNAPSHOT_FORMAT) return `is of format ${head.format}, this is ${SNAPSHOT_FORMAT}`;
  if (head.embedder !== wanted.embedder) return `is of the embedder ${head.embedder}, not ${wanted.embedder}`;
  if (head.dimensions !== wanted.dimensions) return `has ${head.dimensions} dimensions, not ${wanted.dimensions}`;
  if (head.kind !== wanted.kind) return `is of the kind ${head.kind}, not ${wanted.kind}`;
  return undefined;
}

function encode(head: Head, { labels, nodes, fingerprints }: BookPages): Buffer {
  const text = Buffer.from(JSON.stringify(head));
  const start = Buffer.alloc(8);
  start.writeUInt32LE(text.length, 4);
  const arrays = [labels, nodes, fingerprints].map(({ buffer, byteOffset, byteLength }) =>
    Buffer.from(buffer, byteOffset, byteLength),
  );
  const whole = Buffer.concat([start, text, ...arrays]);
  whole.writeUInt32LE(crc32(whole.subarray(4)), 0);
  return whole;
}

/** What `encode` made these bytes of, or what is wrong with them. */
function decode(bytes: Buffer): { head: Head; pages: BookPages } | string {
  if (bytes.length < 8) return `it has only ${bytes.length} bytes`;
  if (crc32(bytes.subarray(4)) !== bytes.readUInt32LE(0)) return 'its checksum is another';
  const headLength = bytes.readUInt32LE(4);
  if (headLength > HEAD_MAX) return `its head is said to have ${headLength} bytes`;
  const parsed = headSchema.safeParse(parseJson(bytes.toString('utf8', 8, 8 + headLength)));
  if (!parsed.success) return `its head is none: ${parsed.error.issues[0]?.message}`;
  const { labels, nodes } = parsed.data;
  // Typed arrays begin at multiples of four: a copy does.
  const rest = Uint8Array.from(bytes.subarray(8 + headLength)).buffer;
  if (rest.byteLength !== labels * 8 + nodes * 4) return `it has ${rest.byteLength} bytes for ${labels} labels`;
  return {
    head: parsed.data,
    pages: {
      labels: new Uint32Array(rest, 0, labels),
      nodes: new Uint32Array(rest, labels * 4, labels),
      fingerprints: new Int32Array(rest, labels * 8, nodes),
    },
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Length and checksum of a file, read in pieces between which others have their turn. */
async function summed(path: string): Promise<{ bytes: number; checksum: number }> {
  const file = await open(path);
  try {
    const piece = Buffer.allocUnsafe(PIECE);
    let bytes = 0;
    let checksum = 0;
    for (;;) {
      const { bytesRead } = await file.read(piece, 0, PIECE, bytes);
      if (bytesRead === 0) return { bytes, checksum };
      checksum = crc32(piece.subarray(0, bytesRead), checksum);
      bytes += bytesRead;
    }
  } finally {
    await file.close();
  }
}

/** Waits until a file or folder is on the disk. */
async function synced(path: string): Promise<void> {
  const file: FileHandle = await open(path);
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
