import { resolve } from 'node:path';
import { type ClientFlags, connectToGateway } from '../connection.ts';
import { EXIT } from '../exit.ts';

interface BackupFlags extends ClientFlags {
  json?: true;
}

/** A large store takes minutes to copy. */
const TIMEOUT_MS = 24 * 3_600_000;

/** Has the gateway copy its home into `folder` (of its own machine), and says how much that was. Returns the exit code. */
export async function backup(folder: string, { json, ...flags }: BackupFlags): Promise<number> {
  const { client } = await connectToGateway(flags);
  await using _ = client;
  const made = await client.request('backup', { folder: resolve(folder) }, { timeoutMs: TIMEOUT_MS });
  if (json) console.log(JSON.stringify(made));
  else {
    const megabytes = (made.bytes / 1024 ** 2).toFixed(1);
    console.log(
      `${made.folder}: ${megabytes} MB in ${made.tookMs} ms; start it with dhaavak start --home ${made.folder}`,
    );
    if (!made.compacted)
      console.error('It could not be compacted: what was deleted may still stand in unused parts of it.');
  }
  return EXIT.ok;
}
