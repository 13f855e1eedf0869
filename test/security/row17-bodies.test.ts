/**
 * Goal: a body that nobody asked for is not waited for and not kept (scorecard 17). Method: bodies of 1 GB sent as fast as
 * they are taken, and of a byte every 200 ms, to every route and none, from clients without a credential; the memory of the
 * gateway is looked at from outside.
 */
import { expect, it } from 'vitest';
import { gatewayProcess } from '../support/gateway.ts';
import { memory, peakMemory } from '../support/memory.ts';
import { head } from '../support/raw-http.ts';
import { lifetime } from '../support/raw-lifetime.ts';

const MIB = 1024 * 1024;

it('bodies, large or slow, are cut within 5 s and cost nothing', async () => {
  const { httpUrl, pid, connect } = await gatewayProcess();
  const host = `Host: ${new URL(httpUrl).host}`;
  const heads = ['/health', '/ready', '/status', '/ws', '/webhook'].flatMap((path) => [
    head(path, [host, 'Content-Length: 1073741824'], 'POST'),
    head(path, [host, 'Transfer-Encoding: chunked'], 'POST'),
    head(path, [host, 'Content-Length: 1000']),
  ]);
  await (await connect()).ask('status');
  await Promise.all(heads.map((text) => lifetime(httpUrl, text, 'x'))); // what is loaded once is loaded

  const before = await memory(pid);
  const chunk = `10000\r\n${'x'.repeat(0x1_0000)}\r\n`; // good as a chunk, and as bytes
  const slow = heads.map((text) => lifetime(httpUrl, text, 'x'));
  const fast = heads.map((text) => lifetime(httpUrl, text, chunk, 0));
  for (const { ms } of await Promise.all([...slow, ...fast])) expect(ms).toBeLessThan(5_000);
  // The kernel takes some megabytes of its own before it hears of the end.
  for (const { sentBytes } of await Promise.all(fast)) expect(sentBytes).toBeLessThan(32 * MIB);
  expect((await peakMemory(pid)) - before).toBeLessThan(16 * MIB);
});
