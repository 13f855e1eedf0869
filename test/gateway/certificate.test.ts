/**
 * Goal: a certificate is replaced while the gateway runs; nobody is cut off, and a bad one changes nothing. Method: a gateway
 * as a process whose files are overwritten, a client that stays, and handshakes one after the other all the while.
 */
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { decodeFrame, type Frame } from '../../src/protocol/frame.ts';
import { gatewayProcess, refusedGateway } from '../support/gateway.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { holds, until } from '../support/wait.ts';
import { helloData, pack } from '../support/wire-client.ts';

const pem = (name: string) => readFile(new URL(`../support/tls-${name}.pem`, import.meta.url), 'utf8');
const FIRST = { cert: await pem('cert'), key: await pem('key') };
const SECOND = { cert: await pem('cert-renewed'), key: await pem('key-renewed') };
const CA = [FIRST.cert, SECOND.cert];

async function certificateFiles(pair = FIRST) {
  const folder = await tempFolder();
  const files = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') };
  const write = async ({ cert, key }: typeof FIRST): Promise<void> => {
    await writeFile(files.cert, cert);
    await writeFile(files.key, key);
  };
  await write(pair);
  return { files, write };
}

/** The certificate shown in a new handshake, as PEM. Throws when there is none. */
async function shown(url: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), ca: CA });
  try {
    await once(socket, 'secureConnect');
    return new X509Certificate(socket.getPeerCertificate().raw).toString();
  } finally {
    socket.destroy();
  }
}

/** A client that stays. */
async function stay(url: string, token: string) {
  const socket = new WebSocket(url, { ca: CA });
  onTestFinished(() => socket.terminate());
  const frames: Frame[] = [];
  socket.on('message', (bytes) => frames.push(decodeFrame(bytes as Buffer)));
  const closed = new Promise<number>((resolve) => socket.on('close', resolve));
  await once(socket, 'open');
  const ask = async (id: string, type: string, data: object): Promise<void> => {
    socket.send(pack({ id, type, data }));
    await holds(() => frames.some((frame) => frame.id === id));
  };
  await ask('hello', 'hello', helloData(token));
  return { frames, ask, closed };
}

it('a new certificate is shown to new connections, open ones stay, a bad one is not used, and the log tells', async () => {
  const { files, write } = await certificateFiles();
  const gateway = await gatewayProcess({ config: { gateway: { tls: files } }, env: { DHAAVAK_LOG_LEVEL: 'info' } });
  const early = await stay(gateway.url, gateway.token);
  const isShown = (cert: string) => async () => ((await shown(gateway.url)) === cert ? true : undefined);
  expect(await shown(gateway.url)).toBe(FIRST.cert);

  await write(SECOND);
  await until(10_000, isShown(SECOND.cert), 'the second certificate');
  await early.ask('a', 'ping', {});
  const late = await stay(gateway.url, gateway.token);

  await write({ cert: 'no certificate', key: SECOND.key });
  await holds(() => gateway.output.stderr.includes('the one before stays'));
  expect(await shown(gateway.url)).toBe(SECOND.cert);

  await write(FIRST); // for a moment one file of each
  await until(10_000, isShown(FIRST.cert), 'the first certificate again');
  await early.ask('b', 'message.send', { text: 'still here?' });
  await late.ask('c', 'subscribe', { session: 'agent:main:main' });
  await early.ask('d', 'message.send', { text: 'both?' });
  for (const client of [early, late]) await holds(() => client.frames.some(({ type }) => type === 'run.end'));

  const { code, stderr } = await gateway.stop();
  expect([code, await early.closed, await late.closed]).toEqual([0, 1001, 1001]);
  expect(stderr).toContain('new connections get the new certificate');
  expect(stderr).not.toContain('PRIVATE KEY');
});

it('a gateway does not start with a certificate and the key of another, and says which files', async () => {
  const { files } = await certificateFiles({ cert: FIRST.cert, key: SECOND.key });
  const { code, stderr } = await refusedGateway({ home: await tempFolder(), config: { gateway: { tls: files } } });
  expect(code).toBe(2);
  expect(stderr).toContain(`gateway.tls: ${files.cert} and ${files.key} are no certificate and its key`);
});
