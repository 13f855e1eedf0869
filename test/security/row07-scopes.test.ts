/**
 * Goal: a credential does what it was granted and no more, and nothing a client says grants anything (scorecard 7). Method:
 * every request type with a token of every scope, and elevated scopes in hello, frame, header and query.
 */
import { describe, expect, it } from 'vitest';
import { checkScope, grantOf, REQUEST_SCOPES } from '../../src/gateway/scopes.ts';
import type { Scope } from '../../src/protocol/messages.ts';
import { SCOPES } from '../../src/protocol/vocabulary.ts';
import { localGateway, type TestGateway } from '../support/gateway.ts';
import { REQUEST_TYPES_AFTER_HELLO, VALID_REQUESTS } from '../support/valid-requests.ts';
import { connectWire, helloData } from '../support/wire-client.ts';

/** What may be asked with each scope, by the scope the request needs. */
const INCLUDED: Record<Scope, Scope[]> = {
  read: ['read'],
  write: ['read', 'write'],
  admin: ['read', 'write', 'admin'],
};

async function tokenWith(gateway: TestGateway, scope: Scope): Promise<string> {
  const admin = await gateway.connect();
  return (await admin.ask('token.create', { name: `only-${scope}`, scopes: [scope] })).token;
}

describe('a scope', () => {
  it('covers its requests and no other: each is forbidden by name, and the connection lives on', async () => {
    const gateway = await localGateway();
    for (const scope of SCOPES) {
      const client = await connectWire({ url: gateway.url, token: await tokenWith(gateway, scope) });
      for (const type of REQUEST_TYPES_AFTER_HELLO) {
        const { error } = await client.reply(client.send(type, VALID_REQUESTS[type]));
        const allowed = INCLUDED[scope].includes(REQUEST_SCOPES[type]);
        expect([scope, type, error?.code === 'forbidden']).toEqual([scope, type, !allowed]);
        if (!allowed) expect(error).toMatchObject({ retryable: false, param: 'type' });
      }
      await client.close();
    }
  });

  it('is told in welcome as it was granted', async () => {
    const gateway = await localGateway();
    const client = await connectWire({ url: gateway.url });
    const welcome = await client.ask('hello', helloData(await tokenWith(gateway, 'write')));
    expect(welcome.scopes).toEqual(['write']);
    await client.close();
  });

  it('that a client claims, in hello, frame, header or query, grants nothing', async () => {
    const gateway = await localGateway();
    const token = await tokenWith(gateway, 'read');
    const hello = helloData(token);
    for (const claimed of [
      { ...hello, scopes: ['admin'] },
      { ...hello, scope: 'admin' },
      { ...hello, auth: { token, scopes: ['admin'] } },
      { ...hello, auth: { token, mode: 'none' } },
      { ...hello, client: { ...hello.client, scopes: ['admin'] } },
    ]) {
      const client = await gateway.connectSilent();
      expect((await client.refusal('hello', claimed)).code).toBe('invalid_request');
    }
    for (const query of ['?scopes=admin', '?token=test-token-0123456789', '?scope=admin&role=operator']) {
      const client = await connectWire({ url: `${gateway.url}${query}`, token });
      expect((await client.refusal('token.list')).code).toBe('forbidden');
      for (const extra of [{ scopes: ['admin'] }, { scope: 'admin' }, { auth: { token: gateway.token } }]) {
        client.raw(JSON.stringify({ id: 'claim', type: 'token.list', data: {}, ...extra }));
        const reply = await client.reply('claim');
        expect(reply.error?.code).toBe('invalid_request');
        client.frames.length = 0;
      }
      await client.close();
    }
    const claims = { 'x-scopes': 'admin', 'x-dhaavak-scopes': 'admin', 'x-forwarded-user': 'admin' };
    const asAdmin = await fetch(`${gateway.httpUrl}/status?scopes=admin`, { headers: claims });
    expect(asAdmin.status).toBe(401);
  });

  it('is looked up by the type as it was sent: names of the prototype are no types', () => {
    for (const type of ['constructor', '__proto__', 'toString']) expect(() => checkScope(0, type)).not.toThrow();
    expect(() => checkScope(grantOf('x', []).bits, 'ping')).toThrow(/needs the scope read/);
  });
});
