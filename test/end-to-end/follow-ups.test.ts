/**
 * Goal: each mode does with a message that comes during a run what docs/protocol.md says, and none loses one.
 * Method: a scripted model that is slow or stalls while more is said; a real process that is killed.
 */
import { describe, expect, it } from 'vitest';
import type { HistoryEntry } from '../../src/protocol/messages.ts';
import { type ConfigInput, gatewayProcess, localGateway } from '../support/gateway.ts';
import { STALLS, scriptedModel } from '../support/model.ts';
import type { Reply } from '../support/sse.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { MAIN } from '../support/valid-requests.ts';
import { until } from '../support/wait.ts';
import type { WireClient } from '../support/wire-client.ts';

/** Calls a tool, slowly enough for something to be said before it has. */
const CALLS_SLOWLY: Reply = { toolCalls: [{ name: 'calc', input: { expression: '1+1' } }], eventDelayMs: 150 };
/** Answers slowly enough for something to be said before it has. */
const ANSWERS_SLOWLY: Reply = { text: ['one ', 'two ', 'three'], eventDelayMs: 150 };

/** Role and text of what the model was sent, without the system prompt. */
function sent({ messages }: { messages?: unknown }): [string, unknown][] {
  return (messages as { role: string; content: unknown }[])
    .filter(({ role }) => role !== 'system')
    .map(({ role, content }) => [role, content]);
}

async function open(config: ConfigInput): Promise<WireClient> {
  const client = await (await localGateway(config)).connect();
  await client.ask('subscribe', { session: MAIN });
  return client;
}

function statuses(client: WireClient): Record<string, string> {
  return Object.fromEntries(client.events('run.end').map(({ data }) => [data.message, data.status]));
}

/** The transcript after a kill, once `count` answers are in it. */
async function answeredAfterKill(home: string, models: ConfigInput['models'], count: number): Promise<HistoryEntry[]> {
  const client = await (await gatewayProcess({ home, config: { models } })).connect();
  return until(
    15_000,
    async () => {
      const { entries } = await client.ask('session.history', { session: MAIN });
      return entries.filter(({ role }) => role === 'assistant').length >= count ? entries : undefined;
    },
    `${count} answers`,
  );
}

describe('steer', () => {
  it('enters the running turn after its tools have run, and shares its end', async () => {
    const { server, models } = await scriptedModel(CALLS_SLOWLY, { text: ['both'] }, { text: ['later'] });
    const client = await open({ models });
    const first = await client.ask('message.send', { text: 'first' });
    await server.request(0);
    const second = await client.ask('message.send', { text: 'second', mode: 'steer' });
    const ends = [await client.runEnd(first.message), await client.runEnd(second.message)];
    expect(ends.map(({ data }) => data.status)).toEqual(['ok', 'ok']);
    expect(ends[0]!.data.run).toBe(ends[1]!.data.run);
    expect(ends[1]!.data.usage).toEqual({ inputTokens: 0, outputTokens: 0 });
    expect(client.events('message.inbound').map(({ data }) => data.text)).toEqual(['first', 'second']);
    expect(sent((await server.request(1)).body).slice(-2)).toEqual([
      ['tool', '2'],
      ['user', 'second'],
    ]);
    const { entries } = await client.ask('session.history', { session: MAIN });
    expect(entries.map(({ role, message }) => [role, message])).toEqual([
      ['user', first.message],
      ['user', second.message],
      ['assistant', first.message],
      ['tool', first.message],
      ['assistant', second.message],
    ]);
    await client.runEnd((await client.ask('message.send', { text: 'third' })).message);
    expect(sent((await server.request(2)).body).map(([role, text]) => [role, text])).toEqual([
      ['user', 'first'],
      ['assistant', null],
      ['tool', '2'],
      ['user', 'second'],
      ['assistant', 'both'],
      ['user', 'third'],
    ]);
  });

  it('into a turn that calls the model no more is answered next', async () => {
    const { server, models } = await scriptedModel(ANSWERS_SLOWLY);
    const client = await open({ models, sessions: { followUp: 'steer' } });
    const first = await client.ask('message.send', { text: 'first' });
    await server.request(0);
    const second = await client.ask('message.send', { text: 'second' });
    expect((await client.runEnd(second.message)).data.run).not.toBe((await client.runEnd(first.message)).data.run);
    expect(server.requests).toHaveLength(2);
  });

  it('outlives kill -9: the run goes on where it was, with what was steered into it', async () => {
    const { server, models } = await scriptedModel(CALLS_SLOWLY, STALLS);
    const home = await tempFolder();
    const gateway = await gatewayProcess({ home, config: { models } });
    const client = await gateway.connect();
    const acks = [await client.ask('message.send', { text: 'first' })];
    await server.request(0);
    acks.push(await client.ask('message.send', { text: 'second', mode: 'steer' }));
    expect(sent((await server.request(1)).body).at(-1)).toEqual(['user', 'second']);
    // What may be done twice is not waited for.
    const kept = async () => (await client.ask('session.history', { session: MAIN })).entries.length === 4 || undefined;
    await until(5_000, kept, 'the result of the call');
    await gateway.kill();
    const entries = await answeredAfterKill(home, models, 2);
    const [first, second] = acks.map(({ message }) => message);
    expect(entries.map(({ role, message }) => [role, message])).toEqual([
      ['user', first],
      ['user', second],
      ['assistant', first],
      ['tool', first],
      ['assistant', second],
    ]);
    expect(entries.at(-1)?.answers).toEqual([first]);
    // The call was made once, and the model saw what it would have seen.
    expect(server.requests).toHaveLength(3);
    expect(sent((await server.request(2)).body)).toEqual(sent((await server.request(1)).body));
  });
});

describe('collect', () => {
  it('answers what waited in one run, up to a message of another mode', async () => {
    const { server, models } = await scriptedModel(ANSWERS_SLOWLY, { text: ['all'] });
    const client = await open({ models, sessions: { debounceMs: 50 } });
    await client.ask('session.update', { session: MAIN, followUp: 'collect' });
    const first = await client.ask('message.send', { text: 'first' });
    await server.request(0);
    const waiting: string[] = [];
    for (const text of ['a', 'b', 'c']) waiting.push((await client.ask('message.send', { text })).message);
    const last = await client.ask('message.send', { text: 'last', mode: 'followup' });
    await client.runEnd(last.message);
    expect(sent((await server.request(1)).body).slice(-3)).toEqual([
      ['user', 'a'],
      ['user', 'b'],
      ['user', 'c'],
    ]);
    const runs = client.events('run.end').map(({ data }) => [data.message, data.run]);
    const [run] = runs.filter(([message]) => message === waiting[0]).map(([, id]) => id);
    expect(runs.filter(([, id]) => id === run).map(([message]) => message)).toEqual([
      waiting[1],
      waiting[2],
      waiting[0],
    ]);
    expect(runs.map(([message]) => message)).toContain(first.message);
    expect(server.requests).toHaveLength(3);
    const { entries } = await client.ask('session.history', { session: MAIN });
    expect(entries.filter(({ role }) => role === 'assistant').map(({ message }) => message)).toEqual([
      first.message,
      waiting[2],
      last.message,
    ]);
  });

  it('drops the oldest that waits when there are too many, and says so', async () => {
    const { server, models } = await scriptedModel(ANSWERS_SLOWLY);
    const client = await open({ models, sessions: { followUp: 'collect', collectMax: 2, debounceMs: 0 } });
    await client.ask('message.send', { text: 'first' });
    await server.request(0);
    const sentMessages: string[] = [];
    for (const text of ['a', 'b', 'c']) sentMessages.push((await client.ask('message.send', { text })).message);
    const dropped = await client.runEnd(sentMessages[0]!);
    expect(dropped.data).toMatchObject({ status: 'cancelled', error: { code: 'cancelled' } });
    await client.runEnd(sentMessages[1]!);
    expect(statuses(client)).toMatchObject({ [sentMessages[1]!]: 'ok', [sentMessages[2]!]: 'ok' });
    expect(server.requests).toHaveLength(2);
  });

  it('answers all of them where the configuration says so, and shows the model only the beginning of the oldest', async () => {
    const { server, models } = await scriptedModel(ANSWERS_SLOWLY, { text: ['all'] });
    const sessions = { followUp: 'collect', collectMax: 2, debounceMs: 0, overflow: 'summarize' } as const;
    const client = await open({ models, sessions });
    await client.ask('message.send', { text: 'first' });
    await server.request(0);
    const long = 'x'.repeat(500);
    const waiting: string[] = [];
    for (const text of [`${long}1`, `${long}2`, `${long}3`]) {
      waiting.push((await client.ask('message.send', { text })).message);
    }
    await client.runEnd(waiting[0]!);
    expect(sent((await server.request(1)).body).slice(-3)).toEqual([
      ['user', `${'x'.repeat(160)} […]`],
      ['user', `${long}2`],
      ['user', `${long}3`],
    ]);
    expect(waiting.map((message) => statuses(client)[message])).toEqual(['ok', 'ok', 'ok']);
    expect(server.requests).toHaveLength(2);
  });

  it('refuses the new one as busy where the configuration says so', async () => {
    const { server, models } = await scriptedModel(STALLS);
    const sessions = { followUp: 'collect', collectMax: 2, overflow: 'new' } as const;
    const client = await open({ models, sessions });
    await client.ask('message.send', { text: 'first' });
    await server.request(0);
    for (const text of ['a', 'b']) await client.ask('message.send', { text });
    const refusal = await client.refusal('message.send', { session: MAIN, text: 'c' });
    expect(refusal).toMatchObject({ code: 'busy', retryable: true });
    await client.ask('message.cancel', { session: MAIN });
    expect((await client.ask('message.send', { text: 'd' })).queued).toBeLessThan(2);
  });

  it('outlives kill -9, and so does what is queued behind it: once, in order, together what was collected', async () => {
    const { server, models } = await scriptedModel(STALLS);
    const home = await tempFolder();
    const gateway = await gatewayProcess({ home, config: { models } });
    const client = await gateway.connect();
    const acks = [await client.ask('message.send', { text: 'first' })];
    await server.request(0);
    for (const text of ['a', 'b']) acks.push(await client.ask('message.send', { text, mode: 'collect' }));
    acks.push(await client.ask('message.send', { text: 'queued' }));
    await gateway.kill();
    const entries = await answeredAfterKill(home, models, 3);
    const [first, a, b, queued] = acks.map(({ message }) => message);
    expect(entries.map(({ role, message }) => [role, message])).toEqual([
      ...[first, a, b, queued].map((message) => ['user', message]),
      ...[first, b, queued].map((message) => ['assistant', message]),
    ]);
    expect(entries.map(({ answers }) => answers).filter(Boolean)).toEqual([[a]]);
  });
});

describe('interrupt', () => {
  it('ends the run that is going on and what waits, and is answered at once', async () => {
    const { server, models } = await scriptedModel(STALLS);
    const client = await open({ models });
    const first = await client.ask('message.send', { text: 'first' });
    await server.request(0);
    const waits = await client.ask('message.send', { text: 'waits' });
    const newest = await client.ask('message.send', { text: 'newest', mode: 'interrupt' });
    await client.runEnd(newest.message);
    expect(statuses(client)).toEqual({
      [first.message]: 'cancelled',
      [waits.message]: 'cancelled',
      [newest.message]: 'ok',
    });
    expect(sent((await server.request(1)).body).at(-1)).toEqual(['user', 'newest']);
  });

  it('outlives kill -9: what it interrupted does not run again', async () => {
    const { server, models } = await scriptedModel(STALLS);
    const home = await tempFolder();
    const gateway = await gatewayProcess({ home, config: { models }, env: { DHAAVAK_FAILPOINT: 'ack.after:2' } });
    const client = await gateway.connect();
    await client.ask('message.send', { text: 'first' });
    await server.request(0);
    client.send('message.send', { text: 'newest', mode: 'interrupt' });
    await client.closed;
    const entries = await answeredAfterKill(home, models, 2);
    expect(entries.at(-1)).toMatchObject({ role: 'assistant', message: entries[1]?.message });
    expect(entries.filter(({ status }) => status === 'cancelled')).toHaveLength(1);
    const asked = server.requests.map(({ body }) => sent(body).at(-1)?.[1]);
    expect(asked.filter((text) => text === 'first')).toHaveLength(1);
  });
});
