/** What can be seen of the memory's indexes: all of them can be made anew from the store. */
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { GatewayStatus } from '../protocol/messages.ts';
import { type Finding, fixed, ok, warning, wrong } from './finding.ts';

/** In `<home>/memory/<agent>`, as `memory/local/database.ts` makes it. */
const FILE = 'index.sqlite';

/** What a gateway says of one agent's memory. */
export function memoryFinding({ agent, entries, pending, trouble }: GatewayStatus['memory'][number]): Finding {
  if (trouble !== undefined) return warning('memory', `of ${agent}: ${trouble}`);
  const behind = pending === 0 ? '' : `; it is ${pending} behind and goes on (dhaavak memory status shows how far)`;
  return ok('memory', `of ${agent}: ${entries} entries can be found${behind}`);
}

/** Reads the indexes of a gateway that does not run. `fix` removes damaged ones: the next start makes them anew. */
export function checkMemory(home: string, fix: boolean): Finding[] {
  const folder = join(home, 'memory');
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((agent) => existsSync(join(folder, agent, FILE)))
    .map((agent) => {
      const damage = damageOf(join(folder, agent, FILE));
      if (damage === undefined) return ok('memory', `the index of ${agent} can be read`);
      const text = `the index of ${agent} is damaged (${damage})`;
      if (!fix) return wrong('memory', `${text}: the next start makes it anew, and so does doctor --fix`);
      rmSync(join(folder, agent), { recursive: true });
      return fixed('memory', text, 'removed: the next start makes it anew');
    });
}

function damageOf(file: string): string | undefined {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(file, { readOnly: true });
    const found = database.prepare('PRAGMA quick_check(1)').get()?.quick_check;
    return found === 'ok' ? undefined : String(found);
  } catch (error) {
    return (error as Error).message;
  } finally {
    database?.close();
  }
}
