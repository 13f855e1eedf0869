/**
 * Goal: whoever has shown no signature yet cannot fill the memory (scorecard 17). Method: a webhook of a gateway in a process
 * of its own; bodies of 1 GB, announced and not, and bodies of a byte a second over many connections, all from raw sockets.
 */
import { connect, type Socket } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { gatewayProcess } from '../support/gateway.ts';
import { freePort, Line, lineConfig, writeLineChannel } from '../support/line-channel.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { until, within } from '../support/wait.ts';

const MB = 1024 * 1024;
const GB = 1024 * MB;
const CHUNK = Buffer.alloc(64 * 1024, 7);

interface Upload {
  socket: Socket;
  /** Bytes the kernel took. */
  sent(): number;
  /** The status, once the connection is closed; 0: none. */
  closed: Promise<number>;
}

function upload(port: number, headers: string[]): Upload {
  const socket = connect(port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  let answer = '';
  socket.setEncoding('latin1').on('data', (text: string) => {
    answer += text;
  });
  socket.on('error', () => {});
  const closed = new Promise<number>((resolve) => {
    socket.on('close', () => resolve(Number(/^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1] ?? 0)));
  });
  socket.write(['POST /webhooks/line/default HTTP/1.1', `Host: 127.0.0.1:${port}`, ...headers, '', ''].join('\r\n'));
  return { socket, closed, sent: () => socket.bytesWritten - socket.writableLength };
}

/** Writes chunks for as long as the other side takes them. */
function pour({ socket }: Upload, chunk: Buffer): void {
  const write = (): void => {
    while (!socket.destroyed && socket.write(chunk));
  };
  socket.on('drain', write);
  write();
}

it('bodies are cut at 1 MB and after 5 seconds, and take at most 16 MB together', async () => {
  const home = await tempFolder();
  const linePort = await freePort();
  const hook = 'async webhook() { return { status: 200 }; },\n\n    async stop() {';
  const module = await writeLineChannel(home, (source) => source.replace('async stop() {', hook));
  const gateway = await gatewayProcess({
    home,
    config: { channels: { custom: { line: lineConfig(module, linePort, { webhook: true }) } } },
  });
  await Line.open(linePort);
  const port = Number(new URL(gateway.httpUrl).port);
  const client = await gateway.connect();
  const rss = async () => (await client.ask('status')).rssBytes;

  const warm = await upload(port, ['Content-Length: 2', 'Connection: close']);
  warm.socket.write('{}');
  await until(5_000, async () => warm.sent() > 0 || undefined, 'the first body');
  const before = await rss();

  const announced = upload(port, [`Content-Length: ${GB}`]);
  expect(await within(5_000, announced.closed, () => 'a body of 1 GB to be refused')).toBe(413);

  const chunked = Array.from({ length: 20 }, () => upload(port, ['Transfer-Encoding: chunked']));
  const piece = Buffer.concat([Buffer.from(`${CHUNK.length.toString(16)}\r\n`), CHUNK, Buffer.from('\r\n')]);
  for (const one of chunked) pour(one, piece);
  const statuses = await within(8_000, Promise.all(chunked.map(({ closed }) => closed)), () => 'bodies to be cut');
  // 413 for those that reach 1 MB, 503 for those that are too much together; a reset may overtake either.
  expect(statuses.filter((status) => ![413, 503, 0].includes(status))).toEqual([]);
  expect(statuses.some((status) => status === 413 || status === 503)).toBe(true);

  const slow = Array.from({ length: 100 }, () => upload(port, [`Content-Length: ${MB}`]));
  const dripping = setInterval(() => {
    for (const { socket } of slow) if (!socket.destroyed) socket.write('x');
  }, 1_000);
  onTestFinished(() => clearInterval(dripping));
  const startedAt = performance.now();
  let highest = 0;
  const watching = setInterval(async () => {
    highest = Math.max(highest, await rss());
  }, 250);
  onTestFinished(() => clearInterval(watching));
  const cut = await within(15_000, Promise.all(slow.map(({ closed }) => closed)), () => 'slow bodies to be cut');
  expect(performance.now() - startedAt).toBeLessThan(9_000);
  expect(new Set(cut)).toEqual(new Set([408]));
  clearInterval(watching);
  expect(highest - before).toBeLessThan(16 * MB);
  expect((await fetch(`${gateway.httpUrl}/webhooks/line/default`, { method: 'POST', body: '{}' })).status).toBe(200);
}, 40_000);
