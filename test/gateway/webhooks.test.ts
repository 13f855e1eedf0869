/**
 * Goal: what a platform sends to an account's webhook reaches its adapter as it was sent, and nothing else does. Method: the
 * line channel of docs/extending.md with a webhook that tells what it was given.
 */
import { describe, expect, it } from 'vitest';
import { localGateway } from '../support/gateway.ts';
import { freePort, Line, lineConfig, writeLineChannel } from '../support/line-channel.ts';
import { tempFolder } from '../support/temp-folder.ts';

const ECHO = `async webhook({ method, headers, body }) {
      if (body.toString() === 'never') return new Promise(() => {});
      if (body.toString() === 'throw') throw new Error('a fault of the adapter');
      const text = JSON.stringify([method, headers.get('x-signature'), Buffer.from(body).toString('base64')]);
      return { status: 201, body: text, contentType: 'application/json' };
    },

    async stop() {`;

async function webhookGateway() {
  const port = await freePort();
  const module = await writeLineChannel(await tempFolder(), (source) => source.replace('async stop() {', ECHO));
  const plain = await writeLineChannel(await tempFolder());
  const custom = {
    line: lineConfig(module, port, { webhook: true }),
    plain: lineConfig(plain, await freePort()),
  };
  const gateway = await localGateway({ channels: { custom } });
  await Line.open(port);
  const post = (path: string, body: BodyInit, headers: Record<string, string> = {}) =>
    fetch(`${gateway.httpUrl}${path}`, { method: 'POST', body, headers });
  return { post, gateway };
}

describe('a webhook', () => {
  it('is given the bytes and headers as they were sent, and its answer goes back', async () => {
    const { post } = await webhookGateway();
    const body = Buffer.from([0, 1, 255, ...Buffer.from('ü')]);
    const response = await post('/webhooks/line/default', body, { 'X-Signature': 'v0=abc' });
    expect(response.status).toBe(201);
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(await response.json()).toEqual(['POST', 'v0=abc', body.toString('base64')]);
    const large = Buffer.alloc(1024 * 1024, 7);
    expect((await (await post('/webhooks/line/default', large)).json())[2]).toBe(large.toString('base64'));
  });

  it('is there only where an account has one', async () => {
    const { post } = await webhookGateway();
    for (const path of ['/webhooks/plain/default', '/webhooks/line/other', '/webhooks/telegram/default']) {
      expect((await post(path, 'x')).status).toBe(404);
    }
  });

  it('that fails or does not answer says so, within 10 seconds', async () => {
    const { post } = await webhookGateway();
    const late = post('/webhooks/line/default', 'never');
    expect((await post('/webhooks/line/default', 'throw')).status).toBe(500);
    expect((await late).status).toBe(503);
  });
});
