/**
 * Goal: sub-agents work beside the session that spawns them, on whichever shard, within their limits, and what they find is told
 * once. Method: a gateway of four shards, and a model that acts by what it is asked.
 */
import { describe, expect, it } from 'vitest';
import { shardOf } from '../../../src/shards/placement.ts';
import { type Asked, actingModel, calls, says } from '../../support/acting-model.ts';
import { type ConfigInput, gatewayProcess, localGateway } from '../../support/gateway.ts';
import { MAIN } from '../../support/valid-requests.ts';
import { until } from '../../support/wait.ts';
import type { WireClient } from '../../support/wire-client.ts';

const agents = { main: { tools: ['time.now', 'group:sessions'] } };
const SHARDS = 4;

async function open(
  act: (asked: Asked) => ReturnType<typeof says> | Promise<ReturnType<typeof says>>,
  more: ConfigInput = {},
) {
  const { models, asked } = await actingModel(act);
  // By default what reaches out is for main sessions only.
  const tools: ConfigInput['tools'] = { types: { dm: { deny: [] } }, ...more.tools };
  const gateway = await localGateway({ agents, models, shards: { count: SHARDS }, ...more, tools });
  const client = await gateway.connect();
  await client.ask('subscribe', { session: MAIN });
  return { gateway, client, asked };
}

async function subAgents(client: WireClient) {
  return (await client.ask('session.list', { type: 'sub' })).sessions;
}

/** The message in the main session that tells how a sub-agent has ended. */
function report(client: WireClient) {
  return client.event('message.inbound', ({ data }) => data.session === MAIN && data.source?.type === 'report');
}

const isTask = ({ said }: Asked) => said.startsWith('You are a sub-agent');
const isReport = ({ said }: Asked) => said.startsWith('The sub-agent');

describe('sessions.spawn', () => {
  it('makes a session that works on its task, and tells the parent how it ended as a message in its lane', async () => {
    const { client } = await open((asked) => {
      if (isTask(asked)) return says('the answer is 42');
      if (isReport(asked)) return says('my sub-agent says 42');
      return asked.results.length > 0 ? says('started') : calls('sessions.spawn', { task: 'find it', title: 'finder' });
    });
    const sent = await client.ask('message.send', { text: 'go' });
    await client.runEnd(sent.message);
    const { data } = await report(client);
    expect(data.text).toContain('the answer is 42');
    expect(data.text).toContain('untrusted content');
    await client.runEnd(data.message);
    expect(client.events('message.outbound').map((event) => event.data.text)).toEqual([
      'started',
      'my sub-agent says 42',
    ]);
    const [child, ...others] = await subAgents(client);
    expect(others).toEqual([]);
    expect(child).toMatchObject({ type: 'sub', title: 'finder', channel: 'api', user: 'owner' });
    expect(child?.spawned).toMatchObject({ by: MAIN, depth: 1, root: 'main', agents: ['main'] });
    expect(data.source).toEqual({ type: 'report', session: child?.id, hops: 2 });
  });

  it('gives the result to a call that waits, and then tells it in no message', async () => {
    const { client, asked } = await open((one) => {
      if (isTask(one)) return says('the answer is 42');
      return one.results.length > 0 ? says('done') : calls('sessions.spawn', { task: 'find it', waitSeconds: 60 });
    });
    const sent = await client.ask('message.send', { text: 'go' });
    await client.runEnd(sent.message);
    expect(asked.at(-1)?.results[0]).toContain('the answer is 42');
    const next = await client.ask('message.send', { text: 'anything else?' });
    await client.runEnd(next.message);
    expect(client.events('message.inbound').map(({ data }) => data.source)).toEqual([undefined, undefined]);
  });

  it('has them on every shard, several at once, no more than the limit says', async () => {
    const gate = Promise.withResolvers<void>();
    const { client, asked } = await open(
      async (one) => {
        if (isTask(one)) return gate.promise.then(() => says(`done: ${one.said.split('\n').at(-1)}`));
        if (isReport(one)) return says('heard');
        if (one.results.length > 0) return says('started');
        return {
          toolCalls: [1, 2, 3, 4, 5, 6].map((n) => ({
            name: 'sessions.spawn',
            input: { task: `task ${n}` },
            id: `c${n}`,
          })),
        };
      },
      { tools: { sessions: { childrenMax: 5 } } },
    );
    const sent = await client.ask('message.send', { text: 'go' });
    await client.runEnd(sent.message);
    const { results } = asked.findLast(({ said }) => said === 'go') as Asked;
    expect(results.filter((text) => text.includes('is at work.'))).toHaveLength(5);
    expect(results.filter((text) => text.includes('5 sub-agents of this session are at work'))).toHaveLength(1);
    gate.resolve();
    const heard = () => client.events('message.inbound').filter(({ data }) => data.source?.type === 'report');
    await until(20_000, async () => (heard().length === 5 ? true : undefined), 'five reports');
    const shards = new Set((await subAgents(client)).map(({ id }) => shardOf(id, SHARDS)));
    expect(shards.size).toBeGreaterThan(1);
  });

  it('refuses to go deeper than the limit, agents that are not allowed, models that are not there', async () => {
    const inputs = [
      { task: 'a', agent: 'other' },
      { task: 'b', model: 'nowhere/m' },
      { task: 'c', waitSeconds: 60 },
    ];
    const { client, asked } = await open(
      (one) => {
        if (isTask(one))
          return one.results.length > 0 ? says(one.results[0] ?? '') : calls('sessions.spawn', { task: 'd' });
        const input = inputs[one.results.length];
        return input === undefined ? says('done') : calls('sessions.spawn', input);
      },
      { agents: { ...agents, other: {} } },
    );
    const sent = await client.ask('message.send', { text: 'go' });
    await client.runEnd(sent.message);
    const { results } = asked.findLast(({ said }) => said === 'go') as Asked;
    expect(results[0]).toContain('may not be of the agent "other"');
    expect(results[1]).toContain('there is no model');
    expect(results[2]).toContain('at depth 1 may not spawn');
    expect(await subAgents(client)).toHaveLength(1);
  });

  it('of another agent has no tool that those above it lack', async () => {
    const { client, asked } = await open(
      (one) => {
        if (isTask(one)) return says('done');
        if (one.results.length > 0) return says('done');
        return calls('sessions.spawn', { task: 'a', agent: 'other', waitSeconds: 60 });
      },
      {
        agents: { main: { tools: ['time.now', 'sessions.spawn'] }, other: { tools: ['calc', 'time.now'] } },
        tools: { sessions: { agents: ['other'] } },
      },
    );
    const sent = await client.ask('message.send', { text: 'go' });
    await client.runEnd(sent.message);
    expect(asked.find(isTask)?.tools.map((name) => name.replace(/[^a-z]/g, '.'))).toEqual(['time.now']);
    const [child] = await subAgents(client);
    expect(child?.id).toMatch(/^agent:other:sub:/);
    const { tools } = await client.ask('session.tools', { session: child?.id ?? '' });
    const allowed = tools.filter((tool) => tool.allowed).map(({ name }) => name);
    expect(allowed).toEqual(['time.now']);
    expect(tools.find(({ name }) => name === 'calc')?.rule).toBe('agents.main.tools: not in it');
  });

  it('ends a sub-agent when its time is up, and says so', async () => {
    const { client } = await open((one) => {
      if (isTask(one)) return { fault: 'stall', text: ['so', ' far'] };
      if (isReport(one)) return says('too bad');
      return one.results.length > 0 ? says('started') : calls('sessions.spawn', { task: 'a', timeoutSeconds: 1 });
    });
    await client.ask('message.send', { text: 'go' });
    expect((await report(client)).data.text).toMatch(/has failed \(deadline_exceeded/);
  });

  it.each([
    ['the run is cancelled', (client: WireClient) => client.ask('message.cancel', { session: MAIN })],
    ['the session is reset', (client: WireClient) => client.ask('session.reset', { session: MAIN })],
  ])('ends them when %s, and tells nobody', async (_, end) => {
    const { client, asked } = await open((one) => {
      if (isTask(one)) return { fault: 'stall', text: ['a', 'b'] };
      if (one.said !== 'go') return says('here');
      return one.results.length > 0 ? { fault: 'stall', text: ['a', 'b'] } : calls('sessions.spawn', { task: 'a' });
    });
    const { message } = await client.ask('message.send', { text: 'go' });
    await until(
      10_000,
      async () => (asked.some(isTask) && asked.some(({ results }) => results.length > 0)) || undefined,
      'both',
    );
    const [child] = await subAgents(client);
    await client.ask('subscribe', { session: child?.id ?? '' });
    await end(client);
    expect((await client.runEnd(message)).data.status).toBe('cancelled');
    const ended = await client.event('run.end', ({ data }) => data.session === child?.id);
    expect(ended.data.status).toBe('cancelled');
    const next = await client.ask('message.send', { text: 'still there?' });
    await client.runEnd(next.message);
    expect(client.events('message.inbound').filter(({ data }) => data.source?.type === 'report')).toEqual([]);
  });

  it('goes with a session that is deleted', async () => {
    const { client, asked } = await open((one) => {
      if (isTask(one)) return { fault: 'stall', text: ['a', 'b'] };
      return one.results.length > 0 ? says('started') : calls('sessions.spawn', { task: 'a' });
    });
    const { session } = await client.ask('session.create', { user: 'somebody' });
    const { message } = await client.ask('message.send', { session: session.id, text: 'go' });
    await client.runEnd(message);
    await until(10_000, async () => asked.some(isTask) || undefined, 'the sub-agent');
    await client.ask('session.delete', { session: session.id });
    await until(10_000, async () => ((await subAgents(client)).length === 0 ? true : undefined), 'it to go');
  });

  it('survives kill -9: the sub-agent goes on, and its report comes once', async () => {
    let lives = 0;
    const { models, asked } = await actingModel((one) => {
      if (isTask(one)) return lives === 0 ? { fault: 'stall', text: ['a', 'b'] } : says('found in the second life');
      if (isReport(one)) return says('heard');
      return one.results.length > 0 ? says('started') : calls('sessions.spawn', { task: 'find it' });
    });
    const config: ConfigInput = { agents, models, shards: { count: 2 } };
    const first = await gatewayProcess({ config });
    const before = await first.connect();
    const { message } = await before.ask('message.send', { text: 'go' });
    await before.runEnd(message);
    await until(10_000, async () => asked.some(isTask) || undefined, 'the sub-agent');
    await first.kill();
    lives = 1;
    const second = await gatewayProcess({ home: first.home, config });
    const client = await second.connect();
    const history = async () => (await client.ask('session.history', { session: MAIN })).entries;
    const reports = async () => (await history()).filter(({ source }) => source?.type === 'report');
    await until(15_000, async () => ((await reports()).length > 0 ? true : undefined), 'the report');
    await second.kill();
    const third = await gatewayProcess({ home: first.home, config });
    const last = await third.connect();
    await until(
      15_000,
      async () =>
        (await last.ask('session.history', { session: MAIN })).entries.some(({ text }) => text === 'heard')
          ? true
          : undefined,
      'the answer to it',
    );
    const { entries } = await last.ask('session.history', { session: MAIN });
    expect(entries.filter(({ source }) => source?.type === 'report')).toHaveLength(1);
    expect(entries.find(({ source }) => source?.type === 'report')?.text).toContain('found in the second life');
  }, 60_000);
});
