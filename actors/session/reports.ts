/** Tells parents how their sub-agents have ended. */
import type { Logger } from 'pino';
import { DhaavakError } from '../../src/protocol/errors.ts';
import type { AskPeer } from '../../src/shards/peer-requests.ts';
import type { SpawnRecord } from '../../src/storage/spawns.ts';
import type { Store } from '../../src/storage/store.ts';
import { framed } from '../../src/tools/untrusted.ts';

/** Pause before a report is told again that could not be; doubles up to the second, in milliseconds. */
const RETRY_MS = 250;
const RETRY_MAX_MS = 30_000;

export interface ReportParts {
  store: Store;
  ask: AskPeer;
  /** Whether it is this shard that sees to the session. */
  isOurs(key: string): boolean;
  /** Deletes the session of a sub-agent, as soon as that can be. */
  delete(child: string): void;
  log: Logger;
}

/**
 * A report stands in the table of spawns from the commit that ends the sub-agent's task to the commit that accepts it at the
 * parent as a message. So it is told once, whatever ends in between.
 */
export class Reports {
  readonly #parts: ReportParts;
  /** Those that are being told, by the child. */
  readonly #telling = new Set<string>();
  #stopped = false;

  constructor(parts: ReportParts) {
    this.#parts = parts;
  }

  /** Goes on with what an earlier life of the shard has left. */
  resume(): void {
    const { isOurs, store } = this.#parts;
    for (const { parent, child, record } of store.spawns.all()) {
      if (!isOurs(child)) continue;
      if (record.report !== undefined) this.tell(parent, child);
      else if (record.end === 'delete' && store.sessions.doesExist(child)) this.#parts.delete(child);
      else if (!isAtWork(store, child, record)) void this.#forget(parent, child).catch(() => {}); // the next start does
    }
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Tells `parent` how `child` has ended, again and again until it is accepted, or nobody is there to hear it. */
  tell(parent: string, child: string): void {
    if (this.#telling.has(child)) return;
    this.#telling.add(child);
    void this.#insist(parent, child).finally(() => this.#telling.delete(child));
  }

  async #insist(parent: string, child: string): Promise<void> {
    const { log } = this.#parts;
    for (let waitMs = RETRY_MS; !this.#stopped; waitMs = Math.min(2 * waitMs, RETRY_MAX_MS)) {
      try {
        await this.#tellOnce(parent, child);
        return;
      } catch (error) {
        const isGone = error instanceof DhaavakError && error.code === 'not_found';
        if (isGone) return this.#forget(parent, child).catch(() => {}); // the next start finds it
        if (!(error instanceof DhaavakError) || !error.retryable) {
          log.error({ error, session: parent, child }, 'a report could not be told: it is tried again');
        }
        await new Promise((resolve) => setTimeout(resolve, waitMs));
      }
    }
  }

  async #tellOnce(parent: string, child: string): Promise<void> {
    const { ask, store } = this.#parts;
    const record = store.spawns.get(parent, child);
    if (record === undefined) return;
    const { end, hops, origin, report } = record;
    if (end !== undefined || report === undefined) return this.#forget(parent, child);
    const { duplicate } = await ask('peer.message', parent, {
      text: reportText(child, report),
      source: { type: 'report', session: child, hops },
      ...(origin === undefined ? {} : { origin }),
      key: `report:${child}`,
    });
    if (duplicate) await this.#forget(parent, child);
  }

  #forget(parent: string, child: string): Promise<void> {
    const { store } = this.#parts;
    return store.journal.commit((batch) => store.spawns.remove(batch, parent, child));
  }
}

/** Whether the task of a sub-agent has not ended. */
export function isAtWork(store: Store, child: string, { task }: SpawnRecord): boolean {
  return store.unfinished(child).some(({ entry }) => entry.message === task);
}

/** What a parent's agent is told. What the sub-agent wrote is not its user's words. */
function reportText(child: string, { status, text, reason }: NonNullable<SpawnRecord['report']>): string {
  const how = { ok: 'is done', cancelled: 'was cancelled', failed: 'has failed' }[status];
  const why = reason === undefined ? '' : ` (${reason})`;
  const head = `The sub-agent ${child} ${how}${why}. Tell your user what matters of it, or go on with it.`;
  return text.trim() === '' ? `${head} It wrote nothing.` : `${head}\n${framed(text, `the sub-agent ${child}`)}`;
}
