/**
 * Goal: whoever joins a run that is going on brings their policy with them. Method: a group in which somebody who may call
 * nothing says something while a tool runs, and the model calls it again.
 */
import { expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import { newTurn, type Turn } from '../../actors/session/turn.ts';
import { configSchema } from '../../src/config/schema.ts';
import { Store } from '../../src/storage/store.ts';
import { ToolRegistry } from '../../src/tools/registry.ts';
import { defineTool } from '../../src/tools/tool.ts';
import { call, scripted, stop, text, toolCalls } from '../agent/scripted-run.ts';
import { modelsOf, newId, sessionSystem } from '../support/session-system.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { holds } from '../support/wait.ts';

const GROUP = 'agent:main:group:telegram:-100';

function saidBy(id: string, said: string, changes: Partial<Turn> = {}): Turn {
  const chat = { id: '-100', type: 'group' as const };
  const origin = { channel: 'telegram', account: 'default', chat, message: '1', sender: { id, name: id } };
  return { ...newTurn(newId(), said), origin, ...changes };
}

it('a sender who joins a run takes away from it what they may not have', async () => {
  const store = new Store(await tempFolder());
  const release = Promise.withResolvers<string>();
  let made = 0;
  const tool = defineTool({
    ...{ name: 'look', group: 'test', description: 'Looks.', risk: 'safe', safeToRepeat: true },
    input: z.strictObject({}),
    handler: () => {
      made += 1;
      return release.promise;
    },
  });
  const config = { agents: { main: { tools: ['*'] } }, tools: { senders: { 'telegram:666': { deny: ['*'] } } } };
  const provider = scripted([call('c1', 'look'), toolCalls], [call('c2', 'look'), toolCalls], [text('Well.'), stop]);
  const registry = new ToolRegistry([tool], configSchema.parse(config).tools);
  const running = sessionSystem({ store, config, models: modelsOf(provider), tools: registry });
  onTestFinished(async () => {
    await running.system.drain(0);
    await store.close();
  });
  const ref = running.session(GROUP);
  await ref.control({ type: 'create', fields: { model: null, thinkingLevel: 'off' } });
  await ref.tell(saidBy('1', 'look around'));
  await holds(() => made === 1);
  await ref.tell(saidBy('666', 'look at this', { followUp: 'steer' }));
  release.resolve('a room');
  await holds(() => running.eventsOf('run.end').length === 2);
  expect(made).toBe(1);
  expect(provider.requests.map(({ tools }) => tools.length)).toEqual([1, 0, 0]);
  expect(running.eventsOf('tool.end').map(({ output }) => output)).toEqual([
    'a room',
    'there is no tool "look"; the tools are: none',
  ]);
});
