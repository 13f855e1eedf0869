/**
 * Reads all there is of each store whose folder is an argument, through LMDB, and writes to it. Prints one line a store:
 * how many entries and sessions it read.
 */
import { Store } from '../../src/storage/store.ts';
import { entryOf } from './store-files.ts';

for (const folder of process.argv.slice(2)) {
  const store = new Store(folder);
  let entries = 0;
  let sessions = 0;
  for (const session of store.sessions.getKeys()) {
    sessions += 1;
    entries += store.entriesBefore(session, Number.MAX_SAFE_INTEGER, 1_000).length;
    store.unfinished(session);
  }
  await store.journal.commit((batch) => {
    for (let seq = 1; seq <= 20; seq++) batch.put(store.entries, ['agent:main:dm:api:new', seq], entryOf(seq));
  });
  if (store.entriesBefore('agent:main:dm:api:new', 99, 99).length !== 20)
    throw new Error('what was written is not there');
  console.log(JSON.stringify({ entries, sessions }));
  await store.close();
}
