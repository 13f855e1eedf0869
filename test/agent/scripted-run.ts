/** Actors for the tests of the loop: a provider that plays a script, a tool that is told when to finish, the checks every run must pass. */
import { expect } from 'vitest';
import { z } from 'zod';
import { Cooldowns, ModelLine } from '../../src/agent/failover.ts';
import { type RunEnd, type RunEvent, type RunOptions, runAgent } from '../../src/agent/loop.ts';
import type { ModelEvent, ModelMessage, ModelProvider, ModelRequest } from '../../src/agent/provider.ts';
import { ToolRegistry, type ToolView } from '../../src/tools/registry.ts';
import { defineTool } from '../../src/tools/tool.ts';
import { toolCaller } from '../support/tool-caller.ts';
import { builtinTools } from '../support/tool-registry.ts';

export const builtin = builtinTools().view({ tools: ['time.now', 'calc'], approve: [] }, toolCaller());

/** What the model does in a turn: events to yield, an error to throw, or nothing for ever. */
export type Step = ModelEvent | Error | 'hang';

export interface ScriptedProvider extends ModelProvider {
  requests: ModelRequest[];
}

export function scripted(...turns: Step[][]): ScriptedProvider {
  const requests: ModelRequest[] = [];
  return {
    name: 'scripted',
    requests,
    async *stream(request) {
      requests.push(request);
      for (const step of turns[requests.length - 1] ?? []) {
        // Ignores its signal on purpose: the run must end all the same.
        if (step === 'hang') await new Promise(() => undefined);
        else if (step instanceof Error) throw step;
        else yield step;
      }
    },
  };
}

/** How an answer of the model ends. */
type ModelEnd = Extract<ModelEvent, { type: 'end' }>;

export const text = (piece: string): ModelEvent => ({ type: 'text', text: piece });
export const call = (id: string, name: string, input: unknown = {}): ModelEvent => ({
  type: 'toolCall',
  call: { id, name, input },
});
export const stop: ModelEnd = { type: 'end', reason: 'stop', usage: { inputTokens: 10, outputTokens: 5 } };
export const toolCalls: ModelEnd = { type: 'end', reason: 'toolCalls', usage: { inputTokens: 20, outputTokens: 1 } };

/** Models `test/0`, `test/1`, … of the providers. */
export function lineOf(
  [first, ...others]: readonly [ModelProvider, ...ModelProvider[]],
  cooldowns = new Cooldowns(() => 0),
  name = 'm',
): ModelLine {
  const resolved = (provider: ModelProvider, index: number) => ({ provider, name, reference: `test/${index}` });
  return new ModelLine([resolved(first, 0), ...others.map((other, i) => resolved(other, i + 1))], cooldowns);
}

export function run(provider: ModelProvider, changes: Partial<RunOptions> = {}): AsyncGenerator<RunEvent> {
  return runAgent({
    models: lineOf([provider]),
    system: 'Be brief.',
    messages: [{ role: 'user', text: 'hello' }],
    tools: builtin,
    thinkingLevel: 'off',
    outputTokensMax: 1_000,
    turnsMax: 25,
    stallMs: 60_000,
    signal: new AbortController().signal,
    ...changes,
  });
}

/** All events; checks what holds for every run: one end, last, and no orphan tool call in what it added. */
export async function play(
  events: AsyncGenerator<RunEvent>,
  seen?: (event: RunEvent) => void,
): Promise<[RunEvent[], RunEnd]> {
  const all: RunEvent[] = [];
  for await (const event of events) {
    all.push(event);
    seen?.(event);
  }
  const end = all.at(-1);
  if (end?.type !== 'end') throw new Error('the run did not end with an end');
  expect(all.filter(({ type }) => type === 'end')).toHaveLength(1);
  expectNoOrphans(end.messages);
  const started = all.flatMap((event) => (event.type === 'toolStart' ? [event.call.id] : []));
  const ended = all.flatMap((event) => (event.type === 'toolEnd' ? [event.call.id] : []));
  expect(ended.toSorted()).toEqual(started.toSorted());
  return [all, end];
}

function expectNoOrphans(messages: readonly ModelMessage[]): void {
  const calls = messages.flatMap((message) => (message.role === 'assistant' ? message.toolCalls : []));
  const results = messages.flatMap((message) => (message.role === 'tool' ? [message.call] : []));
  expect(results).toEqual(calls.map(({ id }) => id));
}

/** A tool `wait` that finishes when told, and ignores its signal. */
export function waitingTool(): { tools: ToolView; release: (output: string) => void; started: Promise<void> } {
  const finish = Promise.withResolvers<string>();
  const start = Promise.withResolvers<void>();
  const tool = defineTool({
    name: 'wait',
    group: 'test',
    description: 'Waits.',
    input: z.strictObject({}),
    risk: 'safe',
    safeToRepeat: true,
    handler: () => {
      start.resolve();
      return finish.promise;
    },
  });
  return {
    tools: new ToolRegistry([tool]).view({ tools: ['wait'], approve: [] }, toolCaller()),
    release: finish.resolve,
    started: start.promise,
  };
}
