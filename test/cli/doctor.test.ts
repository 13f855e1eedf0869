/**
 * Goal: the doctor finds what is wrong, with a gateway and without one, mends what is safe to mend and says so; and backup and
 * resume do what they say. Method: the commands themselves, on homes to which something was done.
 */
import { chmod, mkdir, readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { configSchema } from '../../src/config/schema.ts';
import type { Finding } from '../../src/doctor/finding.ts';
import { checkNode, checkTls } from '../../src/doctor/home.ts';
import { gatewayProcess } from '../support/gateway.ts';
import { damageValues, flipBits, placesIn, setVersion, storeFile } from '../support/store-files.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { runCli } from './processes.ts';

/** What the doctor finds in `home`, by name. */
async function examined(home: string, ...flags: string[]) {
  const { exitCode, stdout, stderr } = await runCli(['doctor', '--json', '--home', home, ...flags]);
  expect(stderr).toBe('');
  const { ok, findings } = JSON.parse(stdout) as { ok: boolean; findings: Finding[] };
  expect(exitCode).toBe(ok ? 0 : 1);
  const of = (name: string) => findings.filter((finding) => finding.name === name);
  return { ok, findings, of, wrong: findings.filter(({ status }) => status === 'wrong').map(({ name }) => name) };
}

/** A home in which a gateway has answered three messages and was stopped. */
async function usedHome(): Promise<string> {
  const home = await tempFolder();
  const gateway = await gatewayProcess({ home });
  const client = await gateway.connect();
  for (const text of ['one.', 'two.', 'three.'])
    await client.runEnd((await client.ask('message.send', { text })).message);
  await gateway.stop();
  return home;
}

describe('doctor without a gateway', () => {
  it('says line by line that all is well, and that there is nothing yet', async () => {
    const home = await usedHome();
    const { exitCode, stdout } = await runCli(['doctor', '--home', home]);
    expect([exitCode, stdout]).toEqual([0, expect.stringMatching(/^ok +store +\d+ \w+, 1 sessions, 6 entries$/m)]);
    expect(stdout.split('\n').filter((line) => line !== '' && !line.startsWith('ok'))).toEqual([]);
    const nowhere = join(home, 'nowhere');
    expect((await examined(nowhere)).of('folder')[0]?.text).toContain(`there is no folder ${nowhere}`);
    expect(await readdir(home)).not.toContain('nowhere');
  });

  it('finds open files, damaged records, leftovers and a crash, mends what is safe, and then finds nothing wrong', async () => {
    const home = await usedHome();
    await (await gatewayProcess({ home })).kill();
    expect(damageValues(storeFile(home), 'entries', 'two.')).toBe(2); // the message and its answer
    await chmod(home, 0o755);
    await chmod(join(home, 'token'), 0o644);
    const draft = join(home, 'token.0123456789ab');
    await writeFile(draft, 'half a tok');
    await utimes(draft, 1, 1);

    const before = await examined(home);
    expect(before.wrong).toEqual(['modes', 'modes', 'token', 'records']);
    expect(before.of('starts')[0]).toMatchObject({ status: 'warning' });
    expect(before.of('leftovers')[0]?.text).toContain('token.0123456789ab');
    expect(before.of('records')[0]?.text).toMatch(/^2 are damaged \(entries \["agent:main:main",3\]; entries/);
    expect((await stat(home)).mode & 0o777).toBe(0o755); // looking changes nothing

    const { exitCode, stdout } = await runCli(['doctor', '--fix', '--home', home]);
    expect([exitCode, stdout]).toEqual([
      0,
      expect.stringMatching(/^FIXED +records +2 were damaged; fixed: taken out/m),
    ]);
    expect(stdout.match(/^FIXED/gm)).toHaveLength(4);
    const after = await examined(home);
    expect([after.ok, after.of('records')]).toEqual([true, [expect.objectContaining({ status: 'ok' })]]);
    expect(await readdir(home)).not.toContain('token.0123456789ab');

    const client = await (await gatewayProcess({ home })).connect();
    const { entries } = await client.ask('session.history', { session: 'agent:main:main' });
    expect(entries.filter(({ role }) => role === 'user').map(({ text }) => text)).toEqual(['one.', 'three.']);
  }, 30_000);

  it('finds a damaged file, sets it aside with --fix, and keeps reminding of it', async () => {
    const home = await usedHome();
    flipBits(storeFile(home), placesIn(storeFile(home), 60, 11));
    expect((await examined(home)).wrong).toContain('store');
    const { findings, ok } = await examined(home, '--fix');
    expect(ok).toBe(true);
    expect(findings.find(({ fixed }) => fixed?.includes('store.mdb.damaged-'))).toBeDefined();
    expect((await examined(home)).of('leftovers')[0]).toMatchObject({ status: 'warning' });
  });

  it('names every problem of a configuration and looks at the folder all the same', async () => {
    const home = await usedHome();
    await writeFile(join(home, 'dhaavak.yaml'), 'gatway: {}\nshards: { count: 0 }\n');
    const { of, wrong } = await examined(home);
    expect(wrong).toEqual(['configuration', 'configuration']);
    expect(of('configuration').some(({ text }) => text.includes('gatway'))).toBe(true);
    expect(of('store')[0]).toMatchObject({ status: 'ok' });
  });

  it('finds a store of a later version, a missing password and damaged tokens', async () => {
    const home = await usedHome();
    await setVersion(home, 99);
    await writeFile(join(home, 'tokens.json'), '{"tokens":', { mode: 0o600 });
    await writeFile(join(home, 'dhaavak.yaml'), 'gateway: { auth: { mode: password } }');
    const { of, wrong } = await examined(home);
    expect(wrong).toEqual(['tokens', 'password', 'store']);
    expect(of('store')[0]?.text).toContain('version 99');
  });
});

describe('doctor with a gateway', () => {
  it('asks it about its store, and does not repair what is in use', async () => {
    const home = await usedHome();
    damageValues(storeFile(home), 'entries', 'two.');
    const gateway = await gatewayProcess({ home });
    const { of, wrong } = await examined(home, '--url', gateway.url, '--fix');
    expect(of('gateway')[0]).toMatchObject({ status: 'ok', text: expect.stringContaining('runs and is ready') });
    expect(wrong).toEqual(['records']);
    expect(of('records')[0]?.text).toContain('stop the gateway and run doctor --fix');
    await gateway.connect();
  });

  it('says so when it does not answer', async () => {
    const home = await tempFolder();
    await gatewayProcess({ home });
    const { of, wrong } = await examined(home, '--url', 'ws://127.0.0.1:1/ws');
    expect(wrong).toEqual(['gateway']);
    expect(of('store')[0]?.text).toContain('not looked at');
  });

  it('says that runs are paused, until dhaavak resume', async () => {
    const home = await tempFolder();
    const config = { recovery: { uncleanStartsMax: 1 } };
    await (await gatewayProcess({ home, config })).kill();
    const gateway = await gatewayProcess({ home, config });
    const target = ['--home', home, '--url', gateway.url];
    const { of, wrong } = await examined(home, '--url', gateway.url);
    expect(wrong).toEqual(['starts', 'gateway']);
    expect(of('gateway')[0]?.text).toContain('runs are paused');
    expect((await runCli(['status', ...target])).stdout).toMatch(/NOT READY +runs are paused/);
    expect(await runCli(['resume', ...target])).toMatchObject({ exitCode: 0, stdout: 'Runs go on.\n' });
    expect(await runCli(['resume', ...target])).toMatchObject({ exitCode: 0, stdout: 'Runs were not paused.\n' });
    expect((await examined(home, '--url', gateway.url)).ok).toBe(true);
  }, 30_000);
});

describe('single checks', () => {
  it('of Node say which is needed', () => {
    expect(checkNode('24.1.0').status).toBe('ok');
    expect(checkNode('22.9.1')).toMatchObject({ status: 'wrong', text: expect.stringContaining('24') });
  });

  it('of TLS files tell when a certificate ends, and which file cannot be read', async () => {
    const support = (name: string) => fileURLToPath(new URL(`../support/${name}`, import.meta.url));
    const key = join(await tempFolder(), 'key.pem');
    await writeFile(key, await readFile(support('tls-key.pem')), { mode: 0o600 });
    const config = configSchema.parse({ gateway: { tls: { cert: support('tls-cert.pem'), key } } });
    const ends = Date.parse(/valid until (.*)$/.exec(checkTls(config, 0)[0]?.text ?? '')?.[1] ?? '');
    const day = 24 * 3_600_000;
    const statuses = [ends - 15 * day, ends - day, ends + day].map((now) => checkTls(config, now)[0]?.status);
    expect(statuses).toEqual(['ok', 'warning', 'wrong']);
    expect(checkTls(config, 0)[1]?.status).toBe('ok');
    await chmod(key, 0o644);
    expect(checkTls(config, 0)[1]?.status).toBe('wrong');
    const missing = configSchema.parse({ gateway: { tls: { cert: `${key}.no`, key: `${key}.no` } } });
    expect(checkTls(missing).map(({ status, text }) => [status, text.includes('ENOENT')])).toEqual([
      ['wrong', true],
      ['wrong', true],
    ]);
  });
});

describe('backup', () => {
  it('makes a copy that is told about, and is refused in a sentence into a folder that is not empty', async () => {
    const home = await usedHome();
    const gateway = await gatewayProcess({ home });
    const folder = join(await tempFolder(), 'copy');
    const target = ['--home', home, '--url', gateway.url];
    const { exitCode, stdout } = await runCli(['backup', folder, ...target]);
    expect([exitCode, stdout]).toEqual([
      0,
      expect.stringMatching(/copy: [\d.]+ MB in \d+ ms; start it with dhaavak start/),
    ]);
    expect((await examined(folder)).of('store')[0]?.text).toContain('6 entries');
    const again = await runCli(['backup', folder, '--json', ...target]);
    expect(again).toMatchObject({ exitCode: 1, stdout: '' });
    expect(again.stderr).toMatch(/^Dhaavak: \S+copy is not empty: name a folder that is, or a new one\n$/);
    await mkdir(join(folder, '../empty'));
    const json = await runCli(['backup', join(folder, '../empty'), '--json', ...target]);
    expect(JSON.parse(json.stdout)).toMatchObject({ bytes: expect.any(Number), tookMs: expect.any(Number) });
  });
});
