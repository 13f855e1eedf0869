/**
 * Goal: a full disk costs no accepted message and no restart (scorecard 29). Method: a gateway whose home is a small disk, which
 * is filled by messages, emptied of something else, and read after a kill -9.
 */
import { rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, type TestContext } from 'vitest';
import { type GatewayProcess, gatewayProcess } from '../support/gateway.ts';
import { STALLS, scriptedModel } from '../support/model.ts';
import { smallDisk } from '../support/small-disk.ts';
import { MAIN } from '../support/valid-requests.ts';
import { until } from '../support/wait.ts';

const DISK_BYTES = 24 * 1024 ** 2;
const BALLAST_BYTES = 20 * 1024 ** 2;

async function get(gateway: GatewayProcess, path: string) {
  const response = await fetch(`${gateway.httpUrl}${path}`, { headers: { authorization: `Bearer ${gateway.token}` } });
  return { status: response.status, body: await response.json() };
}

/** Something else on the disk, which leaves 4 MB of it. */
async function ballast(home: string): Promise<string> {
  const file = join(home, 'ballast');
  await writeFile(file, Buffer.alloc(BALLAST_BYTES));
  return file;
}

it('says storage_failed and never ack, stays up and serves what is there, and recovers by itself', async (context: TestContext) => {
  const home = await smallDisk(DISK_BYTES);
  if (home === undefined) return context.skip('no disk can be mounted here (not root)');
  const { models } = await scriptedModel(STALLS, STALLS);
  const config = { models, recovery: { uncleanStartsMax: 0 } };
  const file = await ballast(home);
  const gateway = await gatewayProcess({ home, config });
  const client = await gateway.connect();

  const accepted: string[] = [];
  const refusals = new Set<string>();
  const text = 'x'.repeat(100_000);
  for (let sent = 0; sent < 100 && refusals.size === 0; sent++) {
    const reply = await client.reply(client.send('message.send', { text: `${sent} ${text}` }));
    if (reply.error === undefined) accepted.push(reply.data?.message as string);
    else refusals.add(reply.error.code);
  }
  expect(accepted.length).toBeGreaterThan(5);
  expect([...refusals]).toEqual(['storage_failed']);
  // Many at once fail together; none of them was accepted.
  const ids = Array.from({ length: 30 }, (_, i) => client.send('message.send', { text: `more ${i} ${text}` }));
  const replies = await Promise.all(ids.map((id) => client.reply(id)));
  for (const reply of replies) {
    if (reply.error === undefined) accepted.push(reply.data?.message as string);
    else expect(reply.error).toMatchObject({ code: 'storage_failed', retryable: true });
  }

  expect(await get(gateway, '/health')).toMatchObject({ status: 200 });
  const ready = await get(gateway, '/ready');
  expect([ready.status, ready.body.reason]).toEqual([
    503,
    expect.stringMatching(/^the journal cannot be written: the disk is full \(\d+ KB left\)$/),
  ]);
  const status = await client.ask('status');
  expect(status.trouble).toBe(ready.body.reason);
  expect(status.storage.diskFreeBytes).toBeLessThan(4 * 1024 ** 2);
  const { entries } = await client.ask('session.history', { session: MAIN, limit: 3 });
  expect(entries.at(-1)?.message).toBe(accepted.at(-1));

  // Nobody sends anything: the gateway finds out by itself.
  await rm(file);
  await until(10_000, async () => (await get(gateway, '/ready')).status === 200 || undefined, '/ready to be 200 again');
  expect((await client.ask('status')).trouble).toBeNull();
  accepted.push((await client.ask('message.send', { text: 'there is room again' })).message);

  const { signal } = await gateway.kill();
  expect(signal).toBe('SIGKILL'); // until then it was there
  const again = await (await gatewayProcess({ home, config })).connect();
  const kept: string[] = [];
  for (let before: number | undefined; ; ) {
    const page = await again.ask('session.history', { session: MAIN, ...(before === undefined ? {} : { before }) });
    kept.unshift(...page.entries.filter(({ role }) => role === 'user').map(({ message }) => message));
    before = page.entries[0]?.seq;
    if (!page.more) break;
  }
  expect(kept).toEqual(accepted);
}, 40_000);

it('lets runs end and messages be answered after the disk was full in the middle of them', async (context: TestContext) => {
  const home = await smallDisk(DISK_BYTES);
  if (home === undefined) return context.skip('no disk can be mounted here (not root)');
  const file = await ballast(home);
  const gateway = await gatewayProcess({ home, config: { recovery: { uncleanStartsMax: 0 } } });
  const client = await gateway.connect();
  // The offline model says the text again: its answers fill the disk as well.
  const accepted: string[] = [];
  for (let sent = 0; sent < 60; sent++) {
    const reply = await client.reply(client.send('message.send', { text: `${sent} ${'y'.repeat(100_000)}` }));
    if (reply.error !== undefined) break;
    accepted.push(reply.data?.message as string);
  }
  expect(accepted.length).toBeGreaterThan(3);
  await until(10_000, async () => (await get(gateway, '/ready')).status === 503 || undefined, '/ready to be 503');
  await truncate(file, 0);
  await until(10_000, async () => (await get(gateway, '/ready')).status === 200 || undefined, '/ready to be 200 again');
  const { message } = await client.ask('message.send', { text: 'what is 1+1', session: 'agent:main:main' });
  expect((await client.runEnd(message)).data.status).toBe('ok');
  expect((await gateway.stop()).code).toBe(0);
}, 40_000);

it('comes up on a full disk, says so, and answers what it had accepted when there is room', async (context: TestContext) => {
  const home = await smallDisk(DISK_BYTES);
  if (home === undefined) return context.skip('no disk can be mounted here (not root)');
  const { models, server } = await scriptedModel(STALLS, { text: ['Well.'] });
  const config = { models, recovery: { uncleanStartsMax: 0 } };
  const first = await gatewayProcess({ home, config });
  const send = { text: 'before', idempotencyKey: 'key' };
  const { message } = await (await first.connect()).ask('message.send', send);
  await server.request(0);
  const file = join(home, 'ballast');
  // Not a byte is left: what the store has to write at its start cannot be written.
  await writeFile(file, Buffer.alloc(DISK_BYTES)).catch(() => {});
  await first.kill();

  const gateway = await gatewayProcess({ home, config });
  const client = await gateway.connect();
  expect((await get(gateway, '/health')).status).toBe(200);
  await until(10_000, async () => (await get(gateway, '/ready')).status === 503 || undefined, '/ready to be 503');
  await client.ask('subscribe', { session: MAIN });
  // Nothing is told that a loss of power might take back.
  expect(await client.refusal('message.send', send)).toMatchObject({ code: 'unavailable', retryable: true });
  await rm(file);
  await until(10_000, async () => (await get(gateway, '/ready')).status === 200 || undefined, '/ready to be 200 again');
  expect(await client.ask('message.send', send)).toMatchObject({ message, duplicate: true });
  expect((await client.runEnd(message)).data.status).toBe('ok');
}, 40_000);
