/** What can be seen of a data folder from outside its store. */
import { X509Certificate } from 'node:crypto';
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError } from '../config/config-error.ts';
import { readPasswordHash } from '../config/password.ts';
import type { Config } from '../config/schema.ts';
import { readToken } from '../config/token.ts';
import { readStarts } from '../storage/starts.ts';
import { type Finding, fixed, ok, size, warning, wrong } from './finding.ts';

const NODE_MAJOR_MIN = 24;
/** Room on the disk below which a busy gateway soon stops, and below which somebody should look. */
const DISK_WRONG_BYTES = 100 * 1024 ** 2;
const DISK_WARNING_BYTES = 1024 ** 3;
const CERTIFICATE_WARNING_MS = 14 * 24 * 3_600_000;
/** Permission bits of the group and of others. */
const NOT_OWNER = 0o077;
/** Files nobody but the owner may read. */
const PRIVATE_FILES = ['token', 'tokens.json', 'password', 'starts.json'];
/** Drafts of files that are written in one step: one that is this old was left behind by a crash. */
const DRAFT = /^(token|tokens\.json|password|starts\.json|.*\.jsonl?)\.[0-9a-f]{12}$/;
const DRAFT_MIN_MS = 60_000;

export function checkNode(version = process.versions.node): Finding {
  if (Number.parseInt(version, 10) >= NODE_MAJOR_MIN) return ok('node', `version ${version}`);
  return wrong('node', `version ${version} is too old: install ${NODE_MAJOR_MIN} or later`);
}

/** Who may look into the folder and its files. `fix` takes the rights of others away. */
export function checkModes(home: string, fix: boolean): Finding[] {
  if (process.platform === 'win32') return []; // there the folder's access list protects it
  const open = [home, ...PRIVATE_FILES.map((name) => join(home, name))].filter(
    (path) => existsSync(path) && (statSync(path).mode & NOT_OWNER) !== 0,
  );
  if (open.length === 0) return [ok('modes', `nobody else may look into ${home}`)];
  return open.map((path) => {
    const mode = statSync(path).isDirectory() ? 0o700 : 0o600;
    const text = `${path} is open to other users`;
    if (!fix) return wrong('modes', `${text}: chmod ${mode.toString(8)} it, or run doctor --fix`);
    chmodSync(path, mode);
    return fixed('modes', text, `chmod ${mode.toString(8)}`);
  });
}

/** Whether what lets clients in can be read. */
export async function checkSecrets({ home, gateway: { auth, token } }: Config): Promise<Finding[]> {
  return [
    await looked('token', async () => {
      if (token !== undefined) return ok('token', 'as configured');
      if (auth.mode === 'none') return ok('token', 'none is needed: gateway.auth.mode is none');
      const found = await readToken(home);
      return ok('token', found === undefined ? 'there is none yet: the first start makes one' : 'can be read');
    }),
    await looked('tokens', async () => {
      const path = join(home, 'tokens.json');
      if (!existsSync(path)) return ok('tokens', 'no named tokens');
      const { tokens } = JSON.parse(readFileSync(path, 'utf8')) as { tokens: unknown };
      if (!Array.isArray(tokens)) throw new ConfigError([`${path} is damaged`]);
      return ok('tokens', `${tokens.length} named`);
    }),
    await looked('password', async () => {
      const isNeeded = auth.mode === 'password';
      const isThere = (await readPasswordHash(home)) !== undefined;
      if (isNeeded && !isThere) return wrong('password', 'none is set: set one with dhaavak tokens password');
      return ok('password', isThere ? 'can be read' : 'none is needed');
    }),
  ];
}

async function looked(name: string, look: () => Promise<Finding>): Promise<Finding> {
  try {
    return await look();
  } catch (error) {
    const { message } = error as Error;
    return wrong(name, error instanceof SyntaxError ? 'its file is no JSON: mend or delete it' : message);
  }
}

/** Certificate and key, when there are any. */
export function checkTls({ gateway: { tls } }: Config, now = Date.now()): Finding[] {
  if (tls === undefined) return [];
  const findings: Finding[] = [];
  try {
    const { validTo, subject } = new X509Certificate(readFileSync(tls.cert));
    const leftMs = Date.parse(validTo) - now;
    const text = `${subject || tls.cert} is valid until ${validTo}`;
    if (leftMs < 0) findings.push(wrong('certificate', `${text}: it has expired, renew it and restart`));
    else if (leftMs < CERTIFICATE_WARNING_MS) findings.push(warning('certificate', `${text}: renew it`));
    else findings.push(ok('certificate', text));
  } catch (error) {
    findings.push(wrong('certificate', `${tls.cert}: ${(error as Error).message}`));
  }
  try {
    readFileSync(tls.key);
    const isOpen = process.platform !== 'win32' && (statSync(tls.key).mode & 0o007) !== 0;
    findings.push(isOpen ? wrong('key', `${tls.key} can be read by everybody`) : ok('key', 'can be read'));
  } catch (error) {
    findings.push(wrong('key', `${tls.key}: ${(error as Error).message}`));
  }
  return findings;
}

export function checkDisk(home: string): Finding {
  const { bavail, bsize } = statfsSync(home);
  const left = bavail * bsize;
  const text = `${size(left)} left for ${home}`;
  if (left < DISK_WRONG_BYTES) return wrong('disk', `${text}: make room, or nothing will be accepted soon`);
  return left < DISK_WARNING_BYTES ? warning('disk', text) : ok('disk', text);
}

/** How the last starts ended. `running`: there is a gateway, so that a start that has not ended is in order. */
export async function checkStarts(home: string, running: boolean): Promise<Finding> {
  try {
    const { running: begun, unclean, paused } = await readStarts(home);
    if (paused) {
      return wrong(
        'starts',
        `${unclean.length} followed a crash and runs are paused: read the log, then dhaavak resume`,
      );
    }
    if (begun !== null && !running)
      return warning('starts', 'the last gateway did not stop cleanly: its log may say why');
    if (unclean.length > 0) return warning('starts', `${unclean.length} lately followed a crash: the log may say why`);
    return ok('starts', 'the last stop was a clean one');
  } catch {
    return warning('starts', 'starts.json cannot be read: the next start begins it anew');
  }
}

/** Files that crashes and repairs have left. `fix` removes the drafts among them, nothing else. */
export function checkLeftovers(home: string, fix: boolean): Finding[] {
  const names = readdirSync(home);
  const findings: Finding[] = [];
  const old = Date.now() - DRAFT_MIN_MS;
  const drafts = names.filter((name) => DRAFT.test(name) && statSync(join(home, name)).mtimeMs < old);
  if (drafts.length > 0) {
    const text = `${drafts.length} unfinished files of crashes (${drafts[0]}, …)`;
    if (fix) for (const name of drafts) rmSync(join(home, name), { force: true });
    findings.push(
      fix ? fixed('leftovers', text, 'removed') : warning('leftovers', `${text}: doctor --fix removes them`),
    );
  }
  const aside = names.filter((name) => /^(store\.mdb\.damaged-\w+|damaged-records-\w+\.jsonl)$/.test(name));
  if (aside.length > 0) {
    const what = `damage of before is kept in ${aside.join(', ')}`;
    findings.push(warning('leftovers', `${what}: restore what is missed from a backup, then move them away`));
  }
  return findings;
}
