/**
 * Goal: a secret that was given to the gateway comes out nowhere (scorecard 9). Method: canary secrets, right and wrong, go in
 * by every door of a gateway that logs everything; then all it wrote, answered and keeps is searched.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { gatewayProcess } from '../support/gateway.ts';
import { head, rawHttp } from '../support/raw-http.ts';
import { connectWire, helloData } from '../support/wire-client.ts';

const WRONG = ['canary-wrong-token-4f1d', 'canary-password-9b2e', 'canary-header-77aa', 'canary-query-c0de'] as const;

it('no secret is in the log, answers, events, errors, status, presence or the files beside <home>/token', async () => {
  const [wrongToken, wrongPassword, wrongHeader, wrongQuery] = WRONG;
  const gateway = await gatewayProcess({ env: { DHAAVAK_LOG_LEVEL: 'trace' } });
  const seen: unknown[] = [];
  for (const auth of [
    { token: wrongToken },
    { password: wrongPassword },
    { token: wrongToken, password: wrongPassword },
  ]) {
    const client = await gateway.connectSilent();
    seen.push(await client.refusal('hello', { ...helloData(''), auth }), await client.closed);
  }
  const host = `Host: ${new URL(gateway.httpUrl).host}`;
  await rawHttp(gateway.httpUrl, {
    text: head(`/status?token=${wrongQuery}`, [host, `Authorization: Bearer ${wrongHeader}`]),
  });
  const answer = await fetch(`${gateway.httpUrl}/status`, { headers: { authorization: `Bearer ${gateway.token}` } });
  seen.push(await answer.text(), [...answer.headers]);
  const admin = await gateway.connect();
  await admin.ask('presence.list', { watch: true });
  const { token } = await admin.ask('token.create', { name: 'canary', scopes: ['write'] });
  const client = await connectWire({ url: gateway.url, token });
  await client.runEnd((await client.ask('message.send', { text: 'hello' })).message);
  seen.push(await admin.ask('status'), await admin.ask('presence.list'), await admin.ask('token.list'));
  const rotated = await admin.ask('token.rotate', { name: 'canary' });
  await client.closed;
  seen.push(client.frames);
  // The answers that show a new token are where it belongs.
  seen.push(admin.frames.filter(({ data }) => data?.token !== token && data?.token !== rotated.token));
  const { stdout, stderr } = await gateway.stop();
  seen.push(stdout, stderr);
  for (const entry of await readdir(gateway.home, { recursive: true, withFileTypes: true })) {
    if (entry.isFile() && entry.name !== 'token')
      seen.push(await readFile(join(entry.parentPath, entry.name), 'latin1'));
  }
  const text = seen.map((piece) => (typeof piece === 'string' ? piece : JSON.stringify(piece))).join('\n');
  expect(text).toContain('canary'); // the search does find what is there
  for (const secret of [...WRONG, gateway.token, token, rotated.token]) expect(text.includes(secret)).toBe(false);
});
