/** Goal: nothing happens before a good hello. Method: every bad one, each on a connection of its own, told apart by code. */
import { describe, expect, it, vi } from 'vitest';
import { Connection } from '../../src/gateway/connection.ts';
import { newCounters } from '../../src/gateway/counters.ts';
import { grantOf } from '../../src/gateway/scopes.ts';
import { Topics } from '../../src/gateway/topics.ts';
import { CLOSE_CODES } from '../../src/protocol/errors.ts';
import { HELLO_TIMEOUT_MS } from '../../src/protocol/limits.ts';
import type { Presence } from '../../src/protocol/messages.ts';
import { localGateway, type TestGateway } from '../support/gateway.ts';
import { openRaw } from '../support/raw-socket.ts';
import { VALID_REQUESTS } from '../support/valid-requests.ts';
import { helloData } from '../support/wire-client.ts';

const UNHEARD_OF = ['constructor', '__proto__', 'toString', 'Hello'].map((type) => [type, {}] as const);

/** Says hello with `data` and returns the error and how the connection was closed. */
async function refusedHello(gateway: TestGateway, data: unknown, json = false) {
  const client = await gateway.connectSilent({ json });
  const error = await client.refusal('hello', data);
  return { code: error.code, param: error.param, closed: (await client.closed).code };
}

describe('hello', () => {
  it('is answered with a welcome that says version, limits and features', async () => {
    const gateway = await localGateway();
    const client = await gateway.connectSilent();
    const welcome = await client.reply(client.send('hello', helloData(gateway.token)));
    expect(welcome.type).toBe('welcome');
    expect(welcome.data).toEqual({
      protocol: 1,
      server: { name: 'dhaavak', version: expect.stringMatching(/^\d+\.\d+\.\d+/) },
      limits: {
        frameBytesMax: 1_048_576,
        depthMax: 32,
        valuesMax: 16_384,
        inFlightMax: 256,
        subscriptionsMax: 1_024,
        textLengthMax: 262_144,
      },
      features: ['json'],
      scopes: ['admin'],
    });
  });

  it('lets in the right token only: a missing, empty or wrong one is refused by name, and the connection closed', async () => {
    const gateway = await localGateway();
    const { token } = gateway;
    const wrong = [
      'x',
      `${token} `,
      ` ${token}`,
      token.slice(0, -1),
      token.toUpperCase(),
      `${token}\0`,
      'x'.repeat(1024),
    ];
    for (const guess of wrong) {
      expect(await refusedHello(gateway, helloData(guess))).toEqual({
        code: 'unauthorized',
        param: 'data.auth.token',
        closed: CLOSE_CODES.unauthorized,
      });
    }
    const { auth: _, ...withoutAuth } = helloData(token);
    const malformed: [unknown, string][] = [
      [withoutAuth, 'data.auth'],
      [{ ...withoutAuth, auth: null }, 'data.auth'],
      [{ ...withoutAuth, auth: true }, 'data.auth'],
      [{ ...withoutAuth, auth: token }, 'data.auth'],
      [{ ...withoutAuth, auth: {} }, 'data.auth.token'],
      [{ ...withoutAuth, auth: { token, password: token } }, 'data.auth.token'],
      [{ ...withoutAuth, auth: { token: '' } }, 'data.auth.token'],
      [{ ...withoutAuth, auth: { token: null } }, 'data.auth.token'],
      [{ ...withoutAuth, auth: { token: true } }, 'data.auth.token'],
      [{ ...withoutAuth, auth: { token: [token] } }, 'data.auth.token'],
      [{ ...withoutAuth, auth: { token: 'x'.repeat(1025) } }, 'data.auth.token'],
      [{ ...withoutAuth, auth: { token, scope: 'admin' } }, 'data.auth.scope'],
      [{ ...withoutAuth, auth: { token }, scopes: ['admin'] }, 'data.scopes'],
    ];
    for (const [data, param] of malformed) {
      expect(await refusedHello(gateway, data)).toEqual({
        code: 'invalid_request',
        param,
        closed: CLOSE_CODES.invalidFrame,
      });
    }
    await gateway.connect();
  });

  it('must share a protocol version, and agrees on the highest both speak', async () => {
    const gateway = await localGateway();
    const { protocol: _, ...rest } = helloData(gateway.token);
    const hello = (protocol: unknown) => (protocol === undefined ? rest : { ...rest, protocol });
    for (const range of [
      [2, 3],
      [2, 1],
      [99, 99],
    ]) {
      expect(await refusedHello(gateway, hello(range))).toEqual({
        code: 'protocol_unsupported',
        param: 'data.protocol',
        closed: CLOSE_CODES.protocolUnsupported,
      });
    }
    for (const [range, param] of [
      [1, 'data.protocol'],
      [[1], 'data.protocol'],
      [[0, 1], 'data.protocol.0'],
      [['1', '1'], 'data.protocol.0'],
      [[1, 1, 1], 'data.protocol'],
      [undefined, 'data.protocol'],
    ] as const) {
      expect(await refusedHello(gateway, hello(range))).toEqual({
        code: 'invalid_request',
        param,
        closed: CLOSE_CODES.invalidFrame,
      });
    }
    const client = await gateway.connectSilent();
    expect(await client.ask('hello', hello([1, 7]))).toMatchObject({ protocol: 1 });
  });

  it('comes first: any other request is refused, closes the connection and has done nothing', async () => {
    const gateway = await localGateway();
    for (const json of [false, true]) {
      for (const [type, data] of [...Object.entries(VALID_REQUESTS), ...UNHEARD_OF]) {
        const client = await gateway.connectSilent({ json });
        expect(await client.refusal(type, data)).toMatchObject({ code: 'hello_required', param: 'type' });
        expect((await client.closed).code).toBe(CLOSE_CODES.unauthorized);
      }
    }
    const client = await gateway.connect();
    expect(await client.refusal('session.get', { session: 'agent:main:dm:api:somebody' })).toMatchObject({
      code: 'not_found',
    });
    expect((await client.ask('session.history', { session: 'agent:main:main' })).entries).toEqual([]);
  });

  it('is said once: a second one is refused and the connection lives on', async () => {
    const gateway = await localGateway();
    const client = await gateway.connect();
    expect(await client.refusal('hello', helloData(gateway.token))).toMatchObject({
      code: 'invalid_request',
      param: 'type',
    });
    expect(await client.refusal('hello', helloData('wrong'))).toMatchObject({ code: 'invalid_request', param: 'type' });
    expect(await client.ask('ping')).toEqual({});
  });

  it('that is refused takes along what was sent with it', async () => {
    const gateway = await localGateway();
    const raw = await openRaw(gateway.url);
    raw.write([
      { id: 'h1', type: 'hello', data: helloData('wrong') },
      { id: 'h2', type: 'hello', data: helloData(gateway.token) },
      { id: 'c', type: 'session.create', data: { user: 'sneaked-in' } },
    ]);
    expect(await raw.closed).toBe(CLOSE_CODES.unauthorized);
    expect(raw.frames.map(({ id, type }) => [id, type])).toEqual([['h1', 'error']]);
    const client = await gateway.connect();
    const session = 'agent:main:dm:api:sneaked-in';
    expect(await client.refusal('session.get', { session })).toMatchObject({ code: 'not_found' });
  });

  it('may be followed by requests in the same write', async () => {
    const gateway = await localGateway();
    const raw = await openRaw(gateway.url);
    raw.write([
      { id: 'h', type: 'hello', data: helloData(gateway.token) },
      { id: 'p', type: 'ping' },
    ]);
    await raw.when((frames) => frames.length === 2);
    expect(raw.frames.map(({ id, type }) => [id, type])).toEqual([
      ['h', 'welcome'],
      ['p', 'pong'],
    ]);
  });

  it('has 10 seconds: then the connection is closed with a code of its own', () => {
    // With a clock and a socket of the test: ten real seconds would prove no more.
    vi.useFakeTimers();
    try {
      const end = vi.fn();
      const open = () =>
        new Connection({ end } as unknown as ConstructorParameters<typeof Connection>[0], new Topics(), newCounters());
      open();
      const welcomed = open();
      welcomed.accept(grantOf('admin', ['admin']), {} as Presence);
      const gone = open();
      gone.closed();
      vi.advanceTimersByTime(HELLO_TIMEOUT_MS - 1);
      expect(end).not.toHaveBeenCalled();
      vi.advanceTimersByTime(1);
      expect(end.mock.calls).toEqual([[CLOSE_CODES.helloTimeout, expect.any(String)]]);
      expect(HELLO_TIMEOUT_MS).toBe(10_000);
    } finally {
      vi.useRealTimers();
    }
  });
});
