/** Goal: what was said in a gateway is found again. Method: the whole gateway, its thread and files. */
import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { localGateway } from '../support/gateway.ts';
import { search, tell, whenForgotten, whenFound } from '../support/remembering.ts';
import { tempFolder } from '../support/temp-folder.ts';

const KEY = 'the spare key hangs behind the oak wardrobe';

test('what was said is found by its words and by what it means, and its files are nobody else’s', async () => {
  const gateway = await localGateway();
  const client = await gateway.connect();
  await tell(client, KEY);
  await tell(client, 'the weather is fine today');
  const [first] = await whenFound(client, 'wardrobe', KEY);
  expect(first).toMatchObject({ text: KEY, kind: 'user', session: 'agent:main:main', owner: 'main', trusted: true });
  const folder = join(gateway.home, 'memory', 'main');
  expect((await stat(folder)).mode & 0o777).toBe(0o700);
  for (const name of (await readdir(folder)).filter((name) => name.startsWith('index.sqlite'))) {
    expect([name, (await stat(join(folder, name))).mode & 0o777]).toEqual([name, 0o600]);
  }
});

test('a gateway in which nothing was said has no thread of the memory, nor files', async () => {
  const gateway = await localGateway();
  const client = await gateway.connect();
  await client.ask('session.create', { user: 'ada' });
  await client.ask('status');
  await gateway.stop();
  expect(existsSync(join(gateway.home, 'memory'))).toBe(false);
});

test('what an earlier life has not taken in is found by the next one, and all of it after a clean end', async () => {
  const home = await tempFolder();
  const first = await localGateway({ home, memory: { enabled: false } });
  await tell(await first.connect(), KEY);
  await first.stop();

  const second = await localGateway({ home });
  const results = await whenFound(await second.connect(), 'wardrobe', KEY);
  await second.stop();

  const third = await localGateway({ home });
  expect((await whenFound(await third.connect(), 'wardrobe', KEY))[0]?.id).toBe(results[0]?.id);
});

test('a session that is deleted is found no more, and one that is made again under its key is', async () => {
  const gateway = await localGateway();
  const client = await gateway.connect();
  const { session } = await client.ask('session.create', { user: 'ada' });
  await client.ask('subscribe', { session: session.id });
  await tell(client, KEY, session.id);
  await whenFound(client, 'wardrobe', KEY);
  await client.ask('session.delete', { session: session.id });
  expect((await search(client, 'wardrobe')).map(({ text }) => text)).not.toContain(KEY);

  await client.ask('session.create', { user: 'ada' });
  await tell(client, 'the wardrobe was sold', session.id);
  await whenFound(client, 'wardrobe', 'the wardrobe was sold');
  await whenForgotten(client, 'wardrobe', KEY);
});
