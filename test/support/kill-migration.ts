/** Migrates the store in the folder of the first argument and kills this process at the record of the second. */
import { migrate } from '../../src/storage/migrate.ts';
import { INBOX_RECORDS } from './test-migrations.ts';

const [folder, killAt] = [process.argv[2] as string, Number(process.argv[3])];
let changed = 0;
await migrate(folder, [
  {
    ...INBOX_RECORDS,
    tables: {
      inbox(value, key) {
        changed += 1;
        if (changed === killAt) process.kill(process.pid, 'SIGKILL');
        return INBOX_RECORDS.tables.inbox(value, key);
      },
    },
  },
]);
