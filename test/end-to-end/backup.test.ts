/**
 * Goal: a backup of a gateway at work is one moment of it, has all that was acknowledged before, and is a home to start with.
 * Method: clients that send without pause, a backup in the middle, and a second gateway on it.
 */
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, type TestContext } from 'vitest';
import { gatewayProcess, localGateway } from '../support/gateway.ts';
import { smallDisk } from '../support/small-disk.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { MAIN } from '../support/valid-requests.ts';

it('has every message that was acknowledged before it was asked for, and starts as it is', async () => {
  const home = await tempFolder();
  const gateway = await gatewayProcess({ home, config: { shards: { count: 2 } } });
  const client = await gateway.connect();
  const { token } = await client.ask('token.create', { name: 'phone', scopes: ['read'] });
  await mkdir(join(home, 'agents/main'), { recursive: true });
  await writeFile(join(home, 'agents/main/AGENTS.md'), 'Be kind.');
  const sessions = [MAIN];
  for (let i = 0; i < 9; i++) sessions.push((await client.ask('session.create', { user: `user-${i}` })).session.id);
  const acked = new Map<string, string[]>(sessions.map((session) => [session, []]));
  let sending = true;
  const senders = sessions.map(async (session) => {
    for (let turn = 0; sending; turn++) {
      const { message } = await client.ask('message.send', { session, text: `turn ${turn}` });
      acked.get(session)?.push(message);
      await client.runEnd(message);
    }
  });
  const count = () => [...acked.values()].reduce((sum, messages) => sum + messages.length, 0);
  await client.when(() => (count() > 100 ? true : undefined));

  const before = new Map([...acked].map(([session, messages]) => [session, [...messages]]));
  const folder = join(await tempFolder(), 'deep/backup');
  const made = await client.ask('backup', { folder });
  sending = false;
  await Promise.all(senders);
  expect(made).toEqual({
    folder,
    bytes: (await stat(join(folder, 'store.mdb'))).size,
    tookMs: expect.any(Number),
    compacted: true,
  });
  expect((await readdir(folder)).sort()).toEqual(['agents', 'dhaavak.yaml', 'store.mdb', 'token', 'tokens.json']);
  expect((await stat(folder)).mode & 0o077).toBe(0);
  for (const file of ['store.mdb', 'token', 'tokens.json'])
    expect((await stat(join(folder, file))).mode & 0o077).toBe(0);
  expect(await readFile(join(folder, 'agents/main/AGENTS.md'), 'utf8')).toBe('Be kind.');
  expect((await gateway.stop()).code).toBe(0);

  const second = await gatewayProcess({ home: folder });
  expect(second.token).toBe(gateway.token);
  const again = await second.connect();
  for (const [session, messages] of before) {
    const { entries } = await again.ask('session.history', { session, limit: 200 });
    const kept = entries.filter(({ role }) => role === 'user').map(({ message }) => message);
    expect(kept.slice(0, messages.length)).toEqual(messages);
    // And nothing of it twice, or from after a gap.
    expect(kept).toEqual(acked.get(session)?.slice(0, kept.length));
  }
  const { message } = await again.ask('message.send', { text: 'still there?' });
  expect((await again.runEnd(message)).data.status).toBe('ok');
  const headers = { authorization: `Bearer ${token}` };
  expect((await fetch(`${second.httpUrl}/status`, { headers })).status).toBe(200);
}, 40_000);

it('is refused into a folder that is not empty, by a path that is not absolute, and while another is made', async () => {
  const gateway = await localGateway();
  const client = await gateway.connect();
  await client.runEnd((await client.ask('message.send', { text: 'hello' })).message);
  const full = await tempFolder();
  await writeFile(join(full, 'precious'), 'x');
  expect(await client.refusal('backup', { folder: full })).toMatchObject({ code: 'conflict', param: 'data.folder' });
  expect(await readdir(full)).toEqual(['precious']);
  expect(await client.refusal('backup', { folder: 'backup' })).toMatchObject({ code: 'invalid_request' });
  expect(await client.refusal('backup', { folder: join(full, 'precious') })).toMatchObject({ code: 'storage_failed' });
  // A system that never lets a folder be made.
  expect(await client.refusal('backup', { folder: '/proc/no-such/folder' })).toMatchObject({ code: 'storage_failed' });
  const base = await tempFolder();
  const ids = ['a', 'b'].map((name) => client.send('backup', { folder: join(base, name) }));
  const [one, other] = await Promise.all(ids.map((id) => client.reply(id)));
  expect(one?.error).toBeUndefined();
  expect(other?.error).toMatchObject({ code: 'conflict' });
  expect(await readdir(base)).toEqual(['a']);
});

it('leaves nothing behind, and the gateway well, when its disk is too small', async (context: TestContext) => {
  const disk = await smallDisk(1024 ** 2);
  if (disk === undefined) return context.skip('no disk can be mounted here (not root)');
  const gateway = await localGateway();
  const client = await gateway.connect();
  for (let i = 0; i < 15; i++) await client.ask('message.send', { text: `${i} ${'x'.repeat(100_000)}` });
  expect(await client.refusal('backup', { folder: disk })).toMatchObject({ code: 'storage_failed', retryable: true });
  expect(await readdir(disk)).toEqual([]);
  expect((await fetch(`${gateway.httpUrl}/ready`)).status).toBe(200);
});

it('a running gateway reads all of its store and says what is in it', async () => {
  const gateway = await localGateway();
  const client = await gateway.connect();
  for (let i = 0; i < 5; i++) await client.runEnd((await client.ask('message.send', { text: `hello ${i}` })).message);
  const check = await client.ask('store.check');
  expect(check).toMatchObject({ records: { entries: 10, inbox: 0, sessions: 1 }, damagedTotal: 0, damaged: [] });
  expect(check.structure).toEqual({ damages: 0, first: [] });
  expect(check.version).toBe(check.versionKnown);
  expect(check.bytes).toBe((await stat(join(gateway.home, 'store.mdb'))).size);
});
