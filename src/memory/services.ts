import type { MemoryHit, MemoryQuery, MemoryStatus } from './backend.ts';

/**
 * What shards have done by the memory thread, through the front end's process, which starts it with the first call. `call` is an
 * id that no other call has, under which it can be cancelled.
 */
export interface MemoryServices {
  /** Best first. Rejects with a DhaavakError: `unavailable` (too many wait, or it does not run), `invalid_request`. */
  search(call: string, agent: string, query: MemoryQuery): Promise<readonly MemoryHit[]>;
  cancel(call: string): void;
  /**
   * The transcripts of these sessions have grown or shrunk, or an agent's facts have changed. Told when that is on the disk, at most
   * once a second a shard; what is not told is found by the next start.
   */
  changed(news: { sessions: readonly string[]; agents: readonly string[] }): void;
  status(): Promise<readonly MemoryStatus[]>;
}
