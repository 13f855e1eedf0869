/**
 * Goal: nothing is done for anybody without a good credential (scorecard 6). Method: every request type and every HTTP route
 * of the tables in scopes.ts, with a credential that is missing, empty, wrong, of another form or only present.
 */
import { describe, expect, it } from 'vitest';
import { REQUEST_SCOPES, ROUTE_SCOPES, WEBHOOK_ROUTE } from '../../src/gateway/scopes.ts';
import { REQUESTS } from '../../src/protocol/messages.ts';
import { localGateway } from '../support/gateway.ts';
import { head, rawHttp } from '../support/raw-http.ts';
import { openRaw } from '../support/raw-socket.ts';
import { REQUEST_TYPES_AFTER_HELLO, VALID_REQUESTS } from '../support/valid-requests.ts';
import { helloData } from '../support/wire-client.ts';

/** What is sent as `auth`; undefined: no hello at all. */
const CREDENTIALS: Record<string, unknown> = {
  none: undefined,
  'no auth': 'left out',
  empty: {},
  'an empty token': { token: '' },
  'a wrong token': { token: 'wrong-token-0123456789' },
  'only present': { token: true },
  'a password where there is none': { password: 'test-token-0123456789' },
};

describe('without a good credential', () => {
  it('every request type is refused, whatever is sent instead, and has done nothing', async () => {
    const gateway = await localGateway();
    expect(Object.keys(REQUEST_SCOPES).sort()).toEqual(Object.keys(REQUESTS).sort());
    let address = 1;
    for (const auth of Object.values(CREDENTIALS)) {
      for (const type of REQUEST_TYPES_AFTER_HELLO) {
        address += 1; // each try from an address of its own: none is locked out
        const raw = await openRaw(gateway.url, undefined, `127.0.${1 + (address >> 8)}.${address & 255}`);
        const { auth: _, ...bare } = helloData('');
        const hello = { id: 'h', type: 'hello', data: auth === 'left out' ? bare : { ...bare, auth } };
        const request = { id: 'q', type, data: VALID_REQUESTS[type] };
        raw.write(auth === undefined ? [request] : [hello, request]);
        expect([4400, 4401]).toContain(await raw.closed);
        expect(raw.frames).toHaveLength(1);
        expect(raw.frames[0]?.error?.code).toMatch(/^(unauthorized|invalid_request|hello_required)$/);
      }
    }
    const admin = await gateway.connect();
    expect(await admin.ask('token.list')).toEqual({ tokens: [] });
    expect((await admin.ask('session.history', { session: 'agent:main:main' })).entries).toEqual([]);
  });

  it('every HTTP route but the open ones is refused, also those that do not exist', async () => {
    const gateway = await localGateway();
    const host = `Host: ${new URL(gateway.httpUrl).host}`;
    const { token } = gateway;
    const wrong = [
      [],
      ['Authorization:'],
      ['Authorization: Bearer'],
      ['Authorization: Bearer '],
      ['Authorization: Bearer wrong-token-0123456789'],
      [`Authorization: Basic ${Buffer.from(`:${token}`).toString('base64')}`],
      [`Authorization: ${token}`],
      [`Authorization: Bearer ${token} x`],
      [`Authorization: Bearer x, Bearer ${token}`],
      [`X-Authorization: Bearer ${token}`],
      [`Cookie: token=${token}`],
    ];
    let address = 1;
    for (const headers of wrong) {
      address += 1;
      const status = (path: string, method?: string) =>
        rawHttp(gateway.httpUrl, { text: head(path, [host, ...headers], method), localAddress: `127.0.2.${address}` });
      for (const [route, scope] of Object.entries(ROUTE_SCOPES)) {
        if (route === WEBHOOK_ROUTE) continue; // open, for those who have one; row 16 is about what they answer
        expect([route, headers, await status(route)]).toEqual([route, headers, scope === 'open' ? 200 : 401]);
      }
      for (const method of ['GET', 'PUT', 'DELETE']) expect(await status('/webhooks/line/default', method)).toBe(401);
      expect(await status('/webhooks/line/default', 'POST')).toBe(404);
      expect(await status(`/status?token=${token}`)).toBe(401);
      expect(await status('/metrics')).toBe(401);
      expect(await status('/status', 'POST')).toBe(401);
    }
    expect(await rawHttp(gateway.httpUrl, { text: head('/status', [host, `Authorization: Bearer ${token}`]) })).toBe(
      200,
    );
  });
});
