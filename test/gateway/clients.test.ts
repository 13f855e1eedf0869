/** Goal: who is connected is known, told to those who ask, and limited. Method: a gateway with small limits. */
import { readFile } from 'node:fs/promises';
import { request } from 'node:https';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { Clients } from '../../src/gateway/clients.ts';
import { Connection } from '../../src/gateway/connection.ts';
import { newCounters } from '../../src/gateway/counters.ts';
import { Pace } from '../../src/gateway/pace.ts';
import { Topics } from '../../src/gateway/topics.ts';
import { localGateway } from '../support/gateway.ts';
import { head, rawHttp, UPGRADE } from '../support/raw-http.ts';
import { openRaw } from '../support/raw-socket.ts';

describe('presence', () => {
  it('lists who is connected and tells those who watch who comes and goes, until they say no', async () => {
    const gateway = await localGateway();
    const watcher = await gateway.connect();
    const listed = await watcher.ask('presence.list', { watch: true });
    const self = {
      id: expect.any(Number),
      client: { name: 'wire-client', version: '1' },
      connectedAt: expect.any(Number),
      token: 'admin',
      scopes: ['admin'],
    };
    expect(listed).toEqual({ connections: [self], total: 1 });
    const quiet = await gateway.connect();
    await gateway.connectSilent(); // not there until it has said hello
    const changes = () => watcher.frames.filter(({ type }) => type === 'presence');
    await watcher.when(() => (changes().length === 1 ? true : undefined));
    expect(changes()[0]?.data).toEqual({ change: 'joined', connection: self });
    await quiet.close();
    await watcher.when(() => (changes().length === 2 ? true : undefined));
    expect(changes()[1]?.data).toEqual({ change: 'left', connection: changes()[0]?.data?.connection });
    expect((await watcher.ask('presence.list', { watch: false })).total).toBe(1);
    await gateway.connect();
    await watcher.ask('ping');
    expect(changes()).toHaveLength(2);
    expect(quiet.frames.some(({ type }) => type === 'presence')).toBe(false);
  });
});

describe('a gateway that stops', () => {
  it('says goaway to every client before it closes them with 1001', async () => {
    const gateway = await localGateway();
    const clients = await Promise.all([gateway.connect(), gateway.connect({ json: true })]);
    await gateway.stop();
    for (const client of clients) {
      expect((await client.closed).code).toBe(1001);
      const last = client.frames.at(-1);
      expect([last?.type, last?.data]).toEqual(['goaway', { reconnectAfterMs: 2_000 }]);
    }
  });
});

describe('connections', () => {
  it('are limited in all and before hello: one more is refused with 503, and room is made by leaving', async () => {
    const gateway = await localGateway({ gateway: { limits: { connections: 4, unauthenticated: 2 } } });
    const text = head('/ws', [`Host: ${new URL(gateway.httpUrl).host}`, ...UPGRADE]);
    const upgrade = () => rawHttp(gateway.httpUrl, { text });
    const silent = [await openRaw(gateway.url), await openRaw(gateway.url)];
    expect(await upgrade()).toBe(503);
    for (const raw of silent) raw.write([{ id: 'x', type: 'ping' }]);
    await Promise.all(silent.map(({ closed }) => closed));
    const clients = [];
    for (let i = 0; i < 4; i += 1) clients.push(await gateway.connect());
    expect(await upgrade()).toBe(503);
    expect((await clients[0]?.ask('status'))?.counters.refusedFull).toBe(2);
    await clients[3]?.close();
    expect(await upgrade()).toBe(101);
  });

  it('of one address are limited, but for loopback ones; those that left do not count', () => {
    const limits = { connections: 100, connectionsPerAddress: 2, unauthenticated: 100 };
    const clients = new Clients(limits, newCounters());
    const from = (address: string) => ({ address }) as Connection;
    const [first, second] = [from('a'), from('a')];
    clients.opened(first);
    expect(clients.full('a', false)).toBe(false);
    clients.opened(second);
    expect([clients.full('a', false), clients.full('a', true), clients.full('b', false)]).toEqual([true, false, false]);
    clients.closed(first);
    clients.closed(first);
    expect(clients.full('a', false)).toBe(false);
  });

  it('have a number of requests a second, and as many saved up: one more is rate_limited and says when', async () => {
    const gateway = await localGateway({ gateway: { limits: { requestsPerSecond: 20 } } });
    const raw = await openRaw(gateway.url, gateway.token);
    raw.write(Array.from({ length: 60 }, (_, i) => ({ id: `p${i}`, type: 'ping' })));
    await raw.when((frames) => frames.length === 61);
    const refused = raw.frames.filter(({ error }) => error !== undefined);
    expect(refused.length).toBeGreaterThanOrEqual(30);
    expect(refused[0]).toMatchObject({
      id: 'p20',
      error: { code: 'rate_limited', retryable: true, retryAfterMs: 100 },
    });
  });

  it('get their requests back with time, and never more than those of a second', () => {
    const pace = new Pace(20);
    const socket = {} as ConstructorParameters<typeof Connection>[0];
    const connection = new Connection(socket, new Topics(), newCounters());
    const spent = () => {
      let count = 0;
      while (connection.spend(pace)) count += 1;
      return count;
    };
    expect(spent()).toBe(20);
    pace.tick += 1;
    expect(spent()).toBe(2);
    pace.tick += 3;
    expect(spent()).toBe(6);
    pace.tick += 1_000;
    expect(spent()).toBe(20);
    connection.closed();
  });
});

describe('a silent connection', () => {
  it('is pinged: it stays while it answers, and is cut in the idle time when it does not', async () => {
    const gateway = await localGateway({ gateway: { limits: { idleSeconds: 8 } } });
    const alive = await openRaw(gateway.url, gateway.token);
    alive.answersPings = true;
    const start = performance.now();
    const halfOpen = await openRaw(gateway.url, gateway.token);
    expect(await halfOpen.closed).toBeUndefined();
    expect(performance.now() - start).toBeLessThan(14_000);
    expect(halfOpen.pings).toBeGreaterThan(0);
    expect(alive.pings).toBeGreaterThan(0);
    alive.write([{ id: 'p', type: 'ping' }]);
    await alive.when((frames) => frames.some(({ id }) => id === 'p'));
    const client = await gateway.connect();
    expect((await client.ask('status')).connections).toBe(2);
  });
});

describe('TLS', () => {
  it('is spoken with the configured certificate, on the same routes, and nothing else is', async () => {
    const file = (name: string) => fileURLToPath(new URL(`../support/${name}`, import.meta.url));
    const [cert, key] = [file('tls-cert.pem'), file('tls-key.pem')];
    const gateway = await localGateway({ gateway: { tls: { cert, key } } });
    expect(gateway.url).toMatch(/^wss:/);
    const ca = await readFile(cert);
    const url = gateway.url.replace(/^wss/, 'https').replace(/ws$/, '');
    const get = (headers: Record<string, string>) =>
      new Promise<number | undefined>((resolve, reject) => {
        const asked = request(`${url}status`, {
          ca,
          headers: { authorization: `Bearer ${gateway.token}`, ...headers },
        });
        asked.on('response', (response) => resolve(response.resume().statusCode)).on('error', reject);
        asked.end();
      });
    const { host } = new URL(url);
    expect(await get({ origin: `https://${host}` })).toBe(200);
    expect(await get({ origin: `http://${host}` })).toBe(403);
    expect(await rawHttp(url, { text: head('/health', [`Host: ${host}`]) })).toBe(0);
  });
});
