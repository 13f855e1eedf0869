/**
 * Goal: those that never finish cost little and are gone soon (scorecard 17 and 22). Method: 2,000 connections that never say
 * hello, 500 heads that never end, bodies without end, and somebody who asks for /health meanwhile.
 */
import { connect } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { gatewayProcess } from '../support/gateway.ts';
import { head, UPGRADE } from '../support/raw-http.ts';

/** Milliseconds until the gateway has closed a connection that was sent `text` and then `drip` every 200 ms. */
async function lifetime(httpUrl: string, text: string, drip = ''): Promise<number> {
  const { hostname, port } = new URL(httpUrl);
  const socket = connect(Number(port), hostname);
  const start = performance.now();
  socket.on('error', () => {}).on('data', () => {});
  const timer = drip === '' ? undefined : setInterval(() => socket.write(drip), 200);
  onTestFinished(() => {
    clearInterval(timer);
    socket.destroy();
  });
  socket.write(text);
  await new Promise((resolve) => socket.once('close', resolve)); // a reset is a close, too
  clearInterval(timer);
  return performance.now() - start;
}

/** Milliseconds of one look at /health after the other, until `done`. */
async function healthTimes(httpUrl: string, done: Promise<unknown>): Promise<number[]> {
  let isDone = false;
  void done.finally(() => {
    isDone = true;
  });
  const times: number[] = [];
  while (!isDone) {
    const start = performance.now();
    const response = await fetch(`${httpUrl}/health`);
    expect(response.status).toBe(200);
    await response.text();
    times.push(performance.now() - start);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return times.sort((a, b) => a - b);
}

describe('a gateway', () => {
  it('closes 2,000 silent connections and 500 slow heads within 15 s, and answers others meanwhile', async () => {
    const { httpUrl } = await gatewayProcess();
    const host = `Host: ${new URL(httpUrl).host}`;
    const upgrade = head('/ws', [host, ...UPGRADE]);
    const closed = Promise.all([
      ...Array.from({ length: 2_000 }, () => lifetime(httpUrl, upgrade)),
      ...Array.from({ length: 500 }, () => lifetime(httpUrl, `GET / HTTP/1.1\r\n${host}\r\nX-Slow: `, 'x')),
    ]);
    const health = await healthTimes(httpUrl, closed);
    for (const time of await closed) expect(time).toBeLessThan(15_000);
    expect(health[Math.floor(health.length * 0.99)]).toBeLessThan(50);
  }, 40_000);

  it('cuts bodies that nobody asked for, large or slow, within 5 s, without keeping them', async () => {
    const { httpUrl, connect: connectClient } = await gatewayProcess();
    const host = `Host: ${new URL(httpUrl).host}`;
    const client = await connectClient();
    const before = (await client.ask('status')).rssBytes;
    const heads = ['/health', '/ready', '/status', '/ws', '/webhook'].flatMap((path) => [
      head(path, [host, 'Content-Length: 1073741824'], 'POST'),
      head(path, [host, 'Transfer-Encoding: chunked'], 'POST'),
      head(path, [host, 'Content-Length: 1000']),
    ]);
    const times = await Promise.all(
      heads.flatMap((text) => [lifetime(httpUrl, text, 'x'), lifetime(httpUrl, text, 'x'.repeat(1024 * 1024))]),
    );
    for (const time of times) expect(time).toBeLessThan(5_000);
    expect((await client.ask('status')).rssBytes - before).toBeLessThan(16 * 1024 * 1024);
  });
});
