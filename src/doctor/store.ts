/** What a check of the store comes to. */
import type { StoreCheck } from '../protocol/messages.ts';
import { type Finding, fixed, ok, size, warning, wrong } from './finding.ts';

/** Damaged records that are named. */
const NAMED_MAX = 5;

/** What can be done while the gateway runs is little: `running` words it so. */
export function storeFindings(check: StoreCheck, running: boolean): Finding[] {
  const { version, versionKnown, bytes, structure, records, damaged, damagedTotal } = check;
  const { entries = 0, sessions = 0, inbox = 0 } = records;
  const fix = running ? 'stop the gateway and run doctor --fix' : 'run doctor --fix';
  const findings: Finding[] = [];
  if (structure.damages > 0) {
    findings.push(
      wrong('store', `${structure.damages} places of its file are damaged (${structure.first[0]}): ${fix}`),
    );
  } else if (version !== null && version > versionKnown) {
    findings.push(
      wrong('store', `it is of version ${version} and this program reads up to ${versionKnown}: install a newer`),
    );
  } else {
    const old =
      version !== null && version < versionKnown ? `, to be migrated from version ${version} at the next start` : '';
    findings.push(ok('store', `${size(bytes)}, ${sessions} sessions, ${entries} entries${old}`));
  }
  findings.push(unfinished(inbox, running));
  if (damagedTotal === 0) findings.push(ok('records', 'all can be read'));
  else {
    const names = damaged.slice(0, NAMED_MAX).map(({ table, key }) => `${table} ${key}`);
    findings.push(wrong('records', `${damagedTotal} are damaged (${names.join('; ')}): ${fix}`));
  }
  return findings;
}

function unfinished(count: number, running: boolean): Finding {
  if (count === 0) return ok('unfinished', 'no messages');
  const text = `${count} messages are accepted and not answered`;
  return ok('unfinished', running ? text : `${text}: the next start runs them`);
}

/** What a repair has done. */
export function repairFinding(removed: number, file: string | undefined, aside: string | undefined): Finding[] {
  const findings: Finding[] = [];
  if (aside !== undefined) {
    findings.push(
      fixed('store', 'its file was damaged', `what could be read is in a new one, the old one is ${aside}`),
    );
  }
  if (removed > 0) findings.push(fixed('records', `${removed} were damaged`, `taken out of the store, into ${file}`));
  return findings;
}

/** The store cannot be looked at. */
export function unseen(why: string): Finding {
  return warning('store', `not looked at: ${why}`);
}
