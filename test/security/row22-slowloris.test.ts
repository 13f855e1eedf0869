/**
 * Goal: those that never finish cost little and are gone soon (scorecard 22). Method: 2,000 connections that never say hello,
 * 500 heads that never end, and somebody who asks for /health before and meanwhile; the memory of the gateway is looked at
 * from outside.
 */
import { expect, it } from 'vitest';
import { gatewayProcess } from '../support/gateway.ts';
import { memory, peakMemory } from '../support/memory.ts';
import { head, UPGRADE } from '../support/raw-http.ts';
import { lifetime } from '../support/raw-lifetime.ts';

const MIB = 1024 * 1024;
const CLOSED_MS = 15_000;
const HEALTH_P99_MS = 50;

/** The 99th percentile of the milliseconds of one look at /health after the other, until `isDone`. */
async function healthP99(httpUrl: string, isDone: (looks: number) => boolean): Promise<number> {
  const times: number[] = [];
  while (!isDone(times.length)) {
    const start = performance.now();
    const response = await fetch(`${httpUrl}/health`);
    expect(response.status).toBe(200);
    await response.text();
    times.push(performance.now() - start);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  times.sort((a, b) => a - b);
  return times[Math.ceil(times.length * 0.99) - 1] as number;
}

it('2,000 silent connections and 500 slow heads are closed within 15 s, cost little, and others are answered', async () => {
  const { httpUrl, pid } = await gatewayProcess();
  const host = `Host: ${new URL(httpUrl).host}`;
  const silent = () => lifetime(httpUrl, head('/ws', [host, ...UPGRADE]));
  const slow = () => lifetime(httpUrl, `GET / HTTP/1.1\r\n${host}\r\nX-Slow: `, 'x');
  const quiet = await healthP99(httpUrl, (looks) => looks === 100);

  const before = await memory(pid);
  let isClosed = false;
  const closed = Promise.all([...Array.from({ length: 2_000 }, silent), ...Array.from({ length: 500 }, slow)]);
  void closed.finally(() => {
    isClosed = true;
  });
  const meanwhile = await healthP99(httpUrl, () => isClosed);
  for (const { ms } of await closed) expect(ms).toBeLessThan(CLOSED_MS);
  expect((await peakMemory(pid)) - before).toBeLessThan(16 * MIB);
  // On a machine that other work keeps busy a look takes longer without them, too: then ten times that.
  expect(meanwhile).toBeLessThan(Math.max(HEALTH_P99_MS, 10 * quiet));
}, 40_000);
