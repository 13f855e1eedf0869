const SEED = 0x811c9dc5;
const PRIME = 0x01000193;

/**
 * Which shard a session lives on: FNV-1a over its key, modulo the number of shards. Every thread computes the same; the
 * number of shards may differ from one start to the next, since the data is not divided by shard.
 */
export function shardOf(session: string, shards: number): number {
  if (shards === 1) return 0;
  let hash = SEED;
  for (let i = 0; i < session.length; i++) hash = Math.imul(hash ^ session.charCodeAt(i), PRIME);
  return fold(hash, shards);
}

/** The same of a key that is still bytes of a frame. Keys are ASCII. */
export function shardOfBytes(frame: Uint8Array, start: number, end: number, shards: number): number {
  if (shards === 1) return 0;
  let hash = SEED;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ (frame[i] as number), PRIME);
  return fold(hash, shards);
}

/** FNV's low bits are its weakest: fold the high ones in. */
function fold(hash: number, shards: number): number {
  return ((hash ^ (hash >>> 15)) >>> 0) % shards;
}
