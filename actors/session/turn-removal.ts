import { failpoint } from '../../src/runtime/failpoint.ts';
import type { ApprovalRecord } from '../../src/storage/approvals.ts';
import type { Batch } from '../../src/storage/journal.ts';
import type { Store } from '../../src/storage/store.ts';
import type { OldTurn } from './old-turns.ts';
import { agentOf } from './session-key.ts';

/** Entries removed in one commit, or images: each of these has many pages to give back. */
const BATCH_MAX = 500;
const IMAGES_MAX = 50;

/** Takes old turns out of a session, a step at a time, each with its images and with word for the index. */
export class TurnRemoval {
  readonly #store: Store;
  readonly #session: string;
  readonly #now: () => number;
  readonly #decided: readonly ApprovalRecord[];
  readonly #step: OldTurn[] = [];
  #size = 0;
  /** Numbers of the entries that are on their way out: nothing is to be written to them any more. */
  going: ReadonlySet<number> = new Set();

  private constructor(store: Store, session: string, now: () => number, decided: readonly ApprovalRecord[]) {
    this.#store = store;
    this.#session = session;
    this.#now = now;
    this.#decided = decided;
  }

  /** `alive`: whether the store may still be read. */
  static async of(store: Store, session: string, now: () => number, alive: () => boolean): Promise<TurnRemoval> {
    return new TurnRemoval(store, session, now, await store.approvals.decidedOf(session, alive));
  }

  /** Adds a turn to the step. True: the step is large enough, to be followed by {@link commit}. */
  add(turn: OldTurn): boolean {
    this.#step.push(turn);
    this.#size += turn.seqs.length + (turn.images * BATCH_MAX) / IMAGES_MAX;
    return this.#size >= BATCH_MAX;
  }

  /** Removes the turns of the step, and returns them. Throws `storage_failed`: they are there as before. */
  async commit(): Promise<OldTurn[]> {
    const turns = this.#step.splice(0);
    this.#size = 0;
    if (turns.length === 0) return turns;
    const { journal } = this.#store;
    const seqs = turns.flatMap((turn) => turn.seqs);
    this.going = new Set(seqs);
    try {
      await journal.commit(this.#write(turns, seqs));
      failpoint('prune.step');
      return turns;
    } finally {
      this.going = new Set();
    }
  }

  #write(turns: readonly OldTurn[], seqs: readonly number[]): (batch: Batch) => void {
    const { approvals, deadLetters, entries, images, numbers, unlearn } = this.#store;
    const session = this.#session;
    const messages = new Set(turns.flatMap((turn) => turn.messages));
    const upTo = seqs.reduce((last, seq) => Math.max(last, seq), 0);
    const first = seqs.reduce((least, seq) => Math.min(least, seq), upTo);
    const range = { start: [session, first, 0], end: [session, upTo, Infinity] } as const;
    const pictures = [...images.getKeys(range as never)].filter(([, seq]) => this.going.has(seq));
    const letters = [...messages].filter((message) => deadLetters.doesExist(message));
    const decided = this.#decided.filter(({ message }) => messages.has(message));
    const isNewest = upTo >= this.#store.lastSeq(session);
    const at = this.#now();
    return (batch) => {
      for (const seq of seqs) batch.remove(entries, [session, seq]);
      for (const key of pictures) batch.remove(images, key);
      for (const message of letters) batch.remove(deadLetters, message);
      for (const record of decided) approvals.strip(batch, record);
      if (isNewest) numbers.remember(batch, session, upTo);
      unlearn.add(batch, agentOf(session), { session, upTo }, at);
    };
  }
}
