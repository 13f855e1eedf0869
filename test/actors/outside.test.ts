/** Goal: what a session has read from outside counts in its later runs too. Method: tools that tell what their calls may know. */
import { expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import { newTurn } from '../../actors/session/turn.ts';
import type { ModelProvider } from '../../src/agent/provider.ts';
import { Store } from '../../src/storage/store.ts';
import { hasReadOutside, riskOfAddress } from '../../src/tools/outside.ts';
import { ToolRegistry } from '../../src/tools/registry.ts';
import { type CallerContext, defineTool } from '../../src/tools/tool.ts';
import { modelsOf, newId, sessionSystem } from '../support/session-system.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { MAIN } from '../support/valid-requests.ts';
import { holds } from '../support/wait.ts';

const NAMED = 'https://example.org/named';

function tool(name: string, answer: (context: CallerContext) => unknown) {
  return defineTool({
    name,
    group: 'test',
    description: name,
    input: z.strictObject({}),
    risk: 'safe',
    safeToRepeat: true,
    handler: (_, context) => answer(context),
  });
}

/** Calls the tool that the last message names, once. */
const caller: ModelProvider = {
  name: 'caller',
  async *stream({ messages }) {
    const last = messages.at(-1);
    const name = last?.role === 'user' ? /call (\S+)/.exec(last.text)?.[1] : undefined;
    if (name !== undefined) yield { type: 'toolCall', call: { id: newId(), name, input: {} } };
    const usage = { inputTokens: 1, outputTokens: 1 };
    yield { type: 'end', reason: name === undefined ? 'stop' : 'toolCalls', usage };
  },
};

it('words from outside, and addresses a user has named, are those of the whole conversation', async () => {
  const store = new Store(await tempFolder(), { flush: false });
  const tools = new ToolRegistry([
    tool('time.probe', (context) => [
      hasReadOutside(context),
      riskOfAddress(NAMED, context),
      riskOfAddress('https://example.org/made-up', context),
    ]),
    tool('page', () => 'words of somebody'),
  ]);
  const running = sessionSystem({
    store,
    config: { agents: { main: { tools: ['*'] } } },
    models: modelsOf(caller),
    tools,
  });
  onTestFinished(async () => {
    await running.system.drain(0);
    await store.close();
  });
  const says = async (text: string): Promise<string | undefined> => {
    const ends = running.eventsOf('run.end').length;
    await running.session(MAIN).tell(newTurn(newId(), text));
    await holds(() => running.eventsOf('run.end').length > ends);
    return running.eventsOf('tool.end').at(-1)?.output;
  };
  expect(await says(`call time.probe about ${NAMED}`)).toBe('[false,"safe","safe"]');
  expect(await says('call page')).toBe('words of somebody');
  expect(await says('call time.probe')).toBe('[true,"safe","ask"]');
});
