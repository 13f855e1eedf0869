/**
 * Goal: a client that loses its connection loses and doubles nothing.
 * Method: the real gateway behind a TCP proxy that cuts connections, and gateways that are killed and started again; a
 * stand-in for the OpenAI API where a model must be slow.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Client, type ClientState, type ConnectOptions, connect, type RunEvent } from '../../src/client/client.ts';
import type { HistoryEntry } from '../../src/protocol/messages.ts';
import { cuttingProxy } from '../support/cutting-proxy.ts';
import { gatewayProcess } from '../support/gateway.ts';
import { STALLS, scriptedModel } from '../support/model.ts';
import { scriptedGateway } from '../support/scripted-gateway.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { MAIN } from '../support/valid-requests.ts';
import { within } from '../support/wait.ts';
import { collect } from './collect.ts';

/** Quick, so that the tests are. */
const reconnect = { delayMinMs: 5, delayMaxMs: 40 };

async function connected(options: ConnectOptions): Promise<Client> {
  const client = await connect({ reconnect, ...options });
  onTestFinished(() => client.close());
  return client;
}

/** Resolves when the client comes to this state; call it before what leads there. */
function becomes<S extends ClientState['state']>(client: Client, name: S): Promise<ClientState & { state: S }> {
  const come = new Promise<ClientState & { state: S }>((resolve) => {
    const off = client.on('state', (state) => {
      if (state.state !== name) return;
      off();
      resolve(state as ClientState & { state: S });
    });
  });
  return within(10_000, come, () => `the client to be ${name}; it is ${client.state.state}`);
}

async function history(client: Client, session = MAIN): Promise<HistoryEntry[]> {
  const entries: HistoryEntry[] = [];
  for (let before: number | undefined; ; before = entries[0]?.seq) {
    const page = await client.request('session.history', { session, ...(before === undefined ? {} : { before }) });
    entries.unshift(...page.entries);
    if (!page.more) return entries;
  }
}

const endOf = (events: readonly RunEvent[]) => events.at(-1)?.data;
const textOf = (events: readonly RunEvent[]) =>
  events.map((event) => (event.type === 'message.delta' ? event.data.text : '')).join('');

describe('a lost connection', () => {
  it('comes back in the middle of an answer, and the run goes on with every event once', async () => {
    const text = Array.from({ length: 40 }, (_, index) => `${index} `);
    const { models } = await scriptedModel({ text, eventDelayMs: 10 });
    const gateway = await gatewayProcess({ config: { models } });
    const proxy = await cuttingProxy(gateway.url);
    const client = await connected({ url: proxy.url, token: gateway.token });
    const events: RunEvent[] = [];
    for await (const event of client.run({ text: 'count' })) {
      events.push(event);
      if (event.type === 'message.delta' && events.length % 10 === 0) proxy.cut();
    }
    expect(proxy.cuts).toBeGreaterThan(2);
    expect(events.map(({ data }) => data.seq)).toEqual(events.map((_, index) => index + 1));
    expect(textOf(events)).toBe(text.join(''));
    expect(endOf(events)).toMatchObject({ status: 'ok' });
  });

  it('tells its states, with the delay until the next try', async () => {
    const gateway = await gatewayProcess();
    const proxy = await cuttingProxy(gateway.url);
    const client = await connected({ url: proxy.url, token: gateway.token });
    const states: ClientState[] = [];
    client.on('state', (state) => states.push(state));
    const open = becomes(client, 'open');
    proxy.cut();
    await open;
    await client.close();
    expect(states).toEqual([
      { state: 'reconnecting', attempt: 1, delayMs: expect.any(Number), code: 1006, reason: expect.any(String) },
      { state: 'connecting' },
      { state: 'open' },
      { state: 'closed', code: 1000, reason: '' },
    ]);
  });

  it('sends a message again that was accepted though its acknowledgement was lost, and it is there once', async () => {
    const gateway = await gatewayProcess();
    const proxy = await cuttingProxy(gateway.url);
    const client = await connected({ url: proxy.url, token: gateway.token });
    proxy.muffle();
    const run = collect(client.run({ text: 'calc 6*7' }));
    const observer = await connected({ url: gateway.url, token: gateway.token });
    await expect.poll(async () => (await history(observer)).length, { timeout: 5_000 }).toBeGreaterThan(2);
    proxy.cut();
    const events = await run;
    expect(events.at(-2)).toMatchObject({ type: 'message.outbound', data: { text: '6*7 = 42' } });
    expect(endOf(events)).toMatchObject({ status: 'ok' });
    expect((await history(client)).filter(({ role }) => role === 'user')).toHaveLength(1);
  });

  it('repeats what only reads, and rejects what might be done twice', async () => {
    const gateway = await gatewayProcess();
    const proxy = await cuttingProxy(gateway.url);
    const client = await connected({ url: proxy.url, token: gateway.token });
    proxy.muffle();
    const reads = [client.request('status', {}), client.request('session.get', { session: MAIN })];
    const cancel = client.request('message.cancel', { session: MAIN, run: 'long-gone' }).catch(({ code }) => code);
    const creates = expect(client.request('session.create', {})).rejects.toMatchObject({ code: 'unavailable' });
    proxy.cut();
    await creates;
    expect(await Promise.all(reads)).toHaveLength(2);
    expect(await cancel).not.toBe('unavailable');
  });

  it('keeps what is asked while there is none for the next one', async () => {
    const gateway = await gatewayProcess();
    const proxy = await cuttingProxy(gateway.url);
    const client = await connected({ url: proxy.url, token: gateway.token });
    const lost = becomes(client, 'reconnecting');
    proxy.cut();
    await lost;
    const { session } = await client.request('session.create', { user: 'ada' });
    expect(session.user).toBe('ada');
  });

  it('fails for good with a wrong token, without another try', async () => {
    const home = await tempFolder();
    const first = await gatewayProcess({ home });
    const proxy = await cuttingProxy(first.url);
    const client = await connected({ url: proxy.url, token: first.token });
    await first.kill();
    await writeFile(join(home, 'token'), 'another-token-0123456789');
    proxy.leadTo((await gatewayProcess({ home })).url);
    expect(await within(10_000, client.closed, () => 'the end')).toMatchObject({ code: 4401 });
    await expect(client.request('ping', {})).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('is noticed also when nobody says so: a silent gateway is asked, and left when it does not answer', async () => {
    const gateway = await gatewayProcess();
    const proxy = await cuttingProxy(gateway.url);
    const client = await connected({ url: proxy.url, token: gateway.token, heartbeatMs: 200 });
    const [lost, open] = [becomes(client, 'reconnecting'), becomes(client, 'open')];
    client.on('state', ({ state }) => state === 'reconnecting' && proxy.cut());
    proxy.muffle();
    expect(await lost).toMatchObject({ code: 1006, reason: 'the gateway does not answer' });
    await open;
    expect(await client.request('ping', {})).toEqual({});
  });

  it('is not suspected while the gateway answers', async () => {
    const gateway = await scriptedGateway();
    const client = await connected({ ...gateway, heartbeatMs: 150 });
    const states: ClientState[] = [];
    client.on('state', (state) => states.push(state));
    await expect.poll(() => gateway.requests.length, { timeout: 5_000 }).toBeGreaterThan(3);
    expect(states).toEqual([]);
  });

  it('is not looked for before the time that a gateway which goes away has asked for', async () => {
    const gateway = await scriptedGateway();
    const client = await connected(gateway);
    const lost = becomes(client, 'reconnecting');
    gateway.send('goaway', { reconnectAfterMs: 3_600_000 });
    await client.request('ping', {});
    gateway.close(1001);
    expect((await lost).delayMs).toBeGreaterThanOrEqual(3_600_000);
  });

  it.each([4400, 4401, 4402])('is not looked for after the close code %d', async (code) => {
    const gateway = await scriptedGateway();
    const client = await connected(gateway);
    gateway.close(code);
    expect(await within(10_000, client.closed, () => 'the end')).toMatchObject({ code });
  });

  it('ends the client after the tries it was given', async () => {
    const gateway = await gatewayProcess();
    const client = await connected({ ...gateway, reconnect: { ...reconnect, triesMax: 2 } });
    const attempts: number[] = [];
    client.on('state', (state) => state.state === 'reconnecting' && attempts.push(state.attempt));
    await gateway.stop();
    expect(await within(10_000, client.closed, () => 'the end')).toMatchObject({ code: expect.any(Number) });
    expect(attempts).toEqual([1, 2]);
  });

  it('is not looked for any more when the signal aborts', async () => {
    const gateway = await gatewayProcess();
    const abort = new AbortController();
    const slow = { delayMinMs: 3_600_000, delayMaxMs: 3_600_000 };
    const client = await connected({ ...gateway, reconnect: slow, signal: abort.signal });
    const lost = becomes(client, 'reconnecting');
    await gateway.stop();
    await lost;
    const waits = expect(client.request('ping', {})).rejects.toMatchObject({ code: 'unavailable' });
    abort.abort();
    await waits;
    expect(client.state).toMatchObject({ state: 'closed' });
  });
});

describe('a connection cut 50 times', () => {
  it('ends with the transcript it would have had, each message and each event once', async () => {
    const gateway = await gatewayProcess({ config: { sessions: { mailboxMax: 200 } } });
    const proxy = await cuttingProxy(gateway.url);
    const client = await connected({ url: proxy.url, token: gateway.token });
    const observer = await connected({ url: gateway.url, token: gateway.token });
    const { session } = await observer.request('session.create', { user: 'ada' });
    const seen = new Map<string, number>();
    for (const type of ['message.inbound', 'run.start', 'message.delta', 'message.outbound', 'run.end'] as const) {
      client.on(type, ({ epoch, seq }) => seen.set(`${epoch} ${seq}`, (seen.get(`${epoch} ${seq}`) ?? 0) + 1));
    }
    proxy.cutAfter(() => 900 + Math.floor(Math.random() * 2_000)); // a handshake and welcome are about 500 bytes
    proxy.cut();
    const texts: string[] = [];
    for (let round = 0; proxy.cuts < 50 && round < 100; round += 1) {
      const sums = [1, 2, 3].map((term) => `calc ${round}+${term}`);
      texts.push(...sums);
      const runs = await Promise.all(sums.map((text) => collect(client.run({ session: session.id, text }))));
      for (const events of runs) {
        expect(endOf(events)).toMatchObject({ status: 'ok' });
        expect(events.filter(({ type }) => type === 'run.end')).toHaveLength(1);
      }
    }
    expect(proxy.cuts).toBeGreaterThanOrEqual(50);
    proxy.cutAfter(() => Number.POSITIVE_INFINITY);
    const entries = await history(observer, session.id);
    expect(entries.filter(({ role }) => role === 'user').map(({ text }) => text)).toEqual(texts);
    expect(entries.filter(({ role, toolCalls }) => role === 'assistant' && !toolCalls).map(({ text }) => text)).toEqual(
      texts.map((text) => {
        const [a, b] = text.slice(5).split('+').map(Number) as [number, number];
        return `${text.slice(5)} = ${a + b}`;
      }),
    );
    expect([...seen.values()].filter((times) => times !== 1)).toEqual([]);
  }, 60_000);
});

describe('a gateway that is killed', () => {
  it('during a run answers it after its restart, and tells that events are gone', async () => {
    const { server, models } = await scriptedModel(STALLS, { text: ['all ', 'is ', 'well'] });
    const home = await tempFolder();
    const first = await gatewayProcess({ home, config: { models } });
    const proxy = await cuttingProxy(first.url);
    const client = await connected({ url: proxy.url, token: first.token });
    const gaps: string[] = [];
    client.on('gap', ({ session }) => gaps.push(session));
    const run = collect(client.run({ text: 'hello' }));
    await server.request(0);
    await first.kill();
    proxy.leadTo((await gatewayProcess({ home, config: { models } })).url);
    const events = await within(15_000, run, () => 'the run to end');
    expect(events.at(-2)).toMatchObject({ type: 'message.outbound', data: { text: 'all is well' } });
    expect(endOf(events)).toMatchObject({ status: 'ok' });
    expect(gaps).toEqual([MAIN]);
    expect((await history(client)).map(({ role }) => role)).toEqual(['user', 'assistant']);
  });
});
