/** Commits until the disk is full, and a little more; prints what came of it. The argument is the store's folder. */
import { Store } from '../../src/storage/store.ts';

export interface FillReport {
  outcomes: string[];
  /** How many of the commits' entries and inbox records can be read. */
  entries: number;
  unfinished: number;
  /** What became of a commit that is small enough to fit. */
  afterwards: string;
}

const store = new Store(process.argv[2] as string);
const outcomeOf = (commit: Promise<void>) =>
  commit.then(
    () => 'ok',
    (error: { code: string }) => error.code,
  );

const outcomes: string[] = [];
for (let seq = 1; seq <= 20; seq++) {
  const commit = store.journal.commit((batch) => {
    const entry = { seq, role: 'user' as const, text: 'x'.repeat(200_000), timestamp: 1, message: `m${seq}` };
    batch.put(store.entries, ['s', seq], entry);
    batch.put(store.inbox, ['s', seq], { message: `m${seq}` });
  });
  outcomes.push(await outcomeOf(commit));
}
const report: FillReport = {
  outcomes,
  entries: store.entriesBefore('s', 99, 99).length,
  unfinished: store.unfinished('s').length,
  afterwards: await outcomeOf(store.journal.commit((batch) => batch.put(store.deletions, 's', true))),
};
console.log(JSON.stringify(report));
await store.close();
