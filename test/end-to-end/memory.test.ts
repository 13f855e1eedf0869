/**
 * The memory through a whole gateway: its thread, its index on the disk, two shards. What is searched for has been told to the
 * thread by the shards, and is waited for.
 */
import { describe, expect, it } from 'vitest';
import type { RequestData } from '../../src/protocol/messages.ts';
import { actingModel, calls, says } from '../support/acting-model.ts';
import { type ConfigInput, localGateway } from '../support/gateway.ts';
import { until } from '../support/wait.ts';
import type { WireClient } from '../support/wire-client.ts';

const MAIN = 'agent:main:main';
/** What is late is left out: a busy machine must not be taken for a memory that finds nothing. */
const MEMORY = { recall: { timeoutMs: 10_000 } };

/** Calls the tool that a message names: `memory.save {…}`; with no such message it says `Well.` and then nothing more. */
async function gatewayWith(config: ConfigInput = {}) {
  const model = await actingModel(({ said, results }) => {
    const [, name, json] = /^(memory\.\w+) (\{.*\})$/.exec(said) ?? [];
    return name === undefined || results.length > 0 ? says('Well.') : calls(name, JSON.parse(json!));
  });
  const gateway = await localGateway({ shards: { count: 2 }, memory: MEMORY, models: model.models, ...config });
  const client = await gateway.connect();
  const session = async (user: string) => (await client.ask('session.create', { user })).session.id;
  const say = async (to: string, text: string) => {
    const { message } = await client.ask('message.send', { session: to, text });
    await client.runEnd(message);
    return message;
  };
  return { client, gateway, model, say, session };
}

/** The results, once there are any (or, with `wanted` false, none any more). */
function results(client: WireClient, query: RequestData<'memory.search'>, wanted = true) {
  const find = async () => {
    const found = (await client.ask('memory.search', query)).results;
    return found.length > 0 === wanted ? found : undefined;
  };
  return until(20_000, find, `${wanted ? 'something' : 'nothing'} to be found of ${query.query}`);
}

describe('a fact', () => {
  it('is saved in one session, recalled in the next of the same owner and in no other, and forgotten', async () => {
    const { client, model, say, session } = await gatewayWith();
    const ada = await session('ada');
    const bob = await session('bob');
    await say(ada, 'memory.save {"text":"The alarm code of the shed is under the blue stone."}');
    const [found] = await results(client, { query: 'shed alarm', session: ada, kinds: ['fact'] });
    expect(found).toMatchObject({
      kind: 'fact',
      session: ada,
      owner: 'dm:api:ada',
      sender: 'agent:main',
      trusted: true,
    });

    await client.ask('session.delete', { session: ada });
    await session('ada');
    const asked = await say(ada, 'where is the code of the shed?');
    const request = model.asked.find(({ said }) => said === 'where is the code of the shed?');
    expect(request?.all).toContain('under the blue stone');
    const recalled = client.events('memory.recalled', ada).map(({ data }) => data);
    expect(recalled).toMatchObject([{ message: asked, entries: [{ id: found!.id, kind: 'fact' }] }]);

    await say(bob, 'what is the code of the shed?');
    expect(model.asked.find(({ said }) => said === 'what is the code of the shed?')?.all).not.toContain('blue stone');
    expect((await client.ask('memory.search', { query: 'shed', session: bob, kinds: ['fact'] })).results).toEqual([]);

    await say(ada, `memory.forget {"id":"${found!.id}"}`);
    await results(client, { query: 'shed alarm', kinds: ['fact'] }, false);
    expect((await client.ask('memory.list')).facts).toEqual([]);
  });

  it('of an operator reaches all of the agent, also after a restart of the gateway', async () => {
    const { client, gateway, model } = await gatewayWith();
    await client.ask('memory.save', { text: 'The bakery closes at noon on Mondays.', reach: 'agent' });
    await gateway.stop();
    const again = await localGateway({ home: gateway.home, memory: MEMORY, models: model.models });
    const next = await again.connect();
    await results(next, { query: 'bakery' });
    const { session: ada } = await next.ask('session.create', { user: 'ada' });
    await next.runEnd(
      (await next.ask('message.send', { session: ada.id, text: 'when does the bakery close?' })).message,
    );
    expect(model.asked.at(-1)?.all).toContain('noon on Mondays');
  });
});

describe('what was said', () => {
  it('is found by the tool, recalled after /new, and gone with its session', async () => {
    const { client, model, say, session } = await gatewayWith();
    const ada = await session('ada');
    await say(ada, 'my boat is called Aurelia');
    await results(client, { query: 'boat Aurelia' });
    await say(ada, 'memory.search {"query":"what is the boat called"}');
    expect(model.asked.at(-1)?.results[0]).toContain('my boat is called Aurelia');
    await client.ask('session.reset', { session: ada });
    await say(ada, 'tell me the name of my boat');
    expect(model.asked.at(-1)?.all).toMatch(/From your memory[\s\S]*my boat is called Aurelia/);
    await client.ask('session.delete', { session: ada });
    await results(client, { query: 'boat Aurelia' }, false);
  });
});

it('a gateway whose memory is switched off offers none, answers, and says so', async () => {
  const { client, model, say } = await gatewayWith({ memory: { enabled: false } });
  await say(MAIN, 'hello');
  expect(model.asked[0]?.tools.filter((name) => name.startsWith('memory'))).toEqual([]);
  const refusal = await client.refusal('memory.search', { query: 'hello' });
  expect(refusal).toMatchObject({ code: 'invalid_request', message: expect.stringContaining('memory.enabled') });
});
