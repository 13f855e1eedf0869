/** Goal: what a session says in another arrives there once, says whose it is, and does not go round in circles. */
import { describe, expect, it } from 'vitest';
import { shardOf } from '../../../src/shards/placement.ts';
import { type Asked, actingModel, calls, says } from '../../support/acting-model.ts';
import { type ConfigInput, gatewayProcess, localGateway } from '../../support/gateway.ts';
import { MAIN } from '../../support/valid-requests.ts';
import { until } from '../../support/wait.ts';

const agents = { main: { tools: ['group:sessions'] } };
const SHARDS = 4;
/** On another shard than the main session. */
const OTHER = Array.from({ length: 50 }, (_, n) => `agent:main:dm:api:friend${n}`).find(
  (key) => shardOf(key, SHARDS) !== shardOf(MAIN, SHARDS),
) as string;

async function open(act: (asked: Asked) => ReturnType<typeof says>, more: ConfigInput = {}) {
  const { models, asked } = await actingModel(act);
  // By default what reaches out is for main sessions only.
  const tools: ConfigInput['tools'] = { types: { dm: { deny: [] } }, ...more.tools };
  const gateway = await localGateway({ agents, models, shards: { count: SHARDS }, ...more, tools });
  const client = await gateway.connect();
  await client.ask('session.create', { user: OTHER.split(':').at(-1) ?? '' });
  await client.ask('subscribe', { session: OTHER });
  return { gateway, client, asked };
}

const isPassedOn = ({ said }: Asked) => said.startsWith('The agent of the session');

describe('sessions.send', () => {
  it('puts a message into a session on another shard, marked as what it is, and gives the answer to a call that waits', async () => {
    const { client, asked } = await open((one) => {
      if (isPassedOn(one)) return says('I am well');
      return one.results.length > 0
        ? says('they are well')
        : calls('sessions.send', { session: OTHER, text: 'how are you?', waitSeconds: 60 });
    });
    const { message } = await client.ask('message.send', { session: MAIN, text: 'ask' });
    await client.runEnd(message);
    const { data } = await client.event('message.inbound', (event) => event.data.session === OTHER);
    expect(data.source).toEqual({ type: 'session', session: MAIN, hops: 1 });
    expect(data.text).toMatch(/not from your user.*untrusted content.*how are you\?/s);
    expect(asked.at(-1)?.results[0]).toMatch(/has answered.*untrusted content.*I am well/s);
    const { entries } = await client.ask('session.history', { session: OTHER });
    expect(entries.map(({ role, text }) => [role, text.includes('well')])).toEqual([
      ['user', false],
      ['assistant', true],
    ]);
  });

  it('says when there is no answer in time, and does not hold up the session that sends', async () => {
    const { client, asked } = await open((one) => {
      if (isPassedOn(one)) return { fault: 'stall', text: ['a', 'b'] };
      return one.results.length > 0
        ? says('done')
        : calls('sessions.send', { session: OTHER, text: 'hello', waitSeconds: 1 });
    });
    const { message } = await client.ask('message.send', { session: MAIN, text: 'ask' });
    await client.runEnd(message);
    expect(asked.at(-1)?.results[0]).toContain('no answer within 1 seconds');
    await client.ask('message.cancel', { session: OTHER });
  });

  it('goes round between two sessions no more often than the limit says', async () => {
    const key = (said: string) => /session (\S+) sends/.exec(said)?.[1] ?? OTHER;
    const { client, asked } = await open(
      (one) =>
        one.results.length > 0 ? says('done') : calls('sessions.send', { session: key(one.said), text: 'you?' }),
      {
        tools: {
          sessions: { visibility: 'agent', hopsMax: 3 },
          rules: [{ tools: ['sessions.send'], risk: 'safe' }], // each has read what the other wrote
        },
      },
    );
    await client.ask('message.send', { session: MAIN, text: 'begin' });
    const refused = () => asked.find(({ results }) => results[0]?.includes('was handed on by 3 sessions'));
    await until(15_000, async () => refused(), 'the end of it');
    const histories = await Promise.all([MAIN, OTHER].map((session) => client.ask('session.history', { session })));
    const sent = histories.flatMap(({ entries }) => entries).filter(({ source }) => source?.type === 'session');
    expect(sent.map(({ source }) => source?.hops).sort()).toEqual([1, 2, 3]);
  });

  it('does not go to itself, to what it may not see, or to what is not there', async () => {
    const targets = [MAIN, 'agent:other:main', 'agent:main:dm:api:nobody'];
    const { client, asked } = await open(
      (one) => {
        const session = targets[one.results.length];
        return session === undefined ? says('done') : calls('sessions.send', { session, text: 'hello' });
      },
      { agents: { ...agents, other: {} } },
    );
    await client.runEnd((await client.ask('message.send', { session: 'agent:other:main', text: 'hi' })).message);
    await client.runEnd((await client.ask('message.send', { session: MAIN, text: 'go' })).message);
    const { results } = asked.at(-1) as Asked;
    expect(results[0]).toContain('your own session');
    expect(results[1]).toContain('there is no session agent:other:main that you may see');
    expect(results[2]).toContain('there is no session agent:main:dm:api:nobody that you may see');
  });

  it('that was being made when the process was killed is one message', async () => {
    let lives = 0;
    const { models, asked } = await actingModel((one) => {
      if (isPassedOn(one)) return lives === 0 ? { fault: 'stall', text: ['a', 'b'] } : says('here');
      const call = calls('sessions.send', { session: OTHER, text: 'hello', waitSeconds: 120 }, 'call_1');
      return one.results.length > 0 ? says('done') : call;
    });
    const config: ConfigInput = { agents, models, shards: { count: SHARDS } };
    const first = await gatewayProcess({ config });
    const before = await first.connect();
    await before.ask('session.create', { user: OTHER.split(':').at(-1) ?? '' });
    await before.ask('message.send', { session: MAIN, text: 'go' });
    await until(10_000, async () => asked.some(isPassedOn) || undefined, 'the message');
    await first.kill();
    lives = 1;
    const second = await gatewayProcess({ home: first.home, config });
    const client = await second.connect();
    const history = async (session: string) => (await client.ask('session.history', { session })).entries;
    await until(
      20_000,
      async () => (await history(MAIN)).some(({ text }) => text === 'done') || undefined,
      'the answer',
    );
    expect((await history(OTHER)).filter(({ role }) => role === 'user')).toHaveLength(1);
    const result = (await history(MAIN)).find(({ role }) => role === 'tool');
    expect(result?.text).toMatch(/has answered.*here/s);
    expect(result?.toolCall?.unknown).toBeUndefined();
  }, 60_000);
});
