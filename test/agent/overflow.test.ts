/**
 * Goal: a request that is too long for its model is made again with less, and nothing is said or done twice. Method: the
 * real SDKs against servers that count tokens and refuse as each API does.
 */
import { describe, expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import { Calibration } from '../../src/agent/calibration.ts';
import { contextLength, type PastTurn } from '../../src/agent/context.ts';
import { Cooldowns, ModelLine, type ResolvedModel } from '../../src/agent/failover.ts';
import type { RunEvent, RunOptions } from '../../src/agent/loop.ts';
import { refusedForLength } from '../../src/agent/overflow.ts';
import type { ModelMessage, ModelProvider } from '../../src/agent/provider.ts';
import { AnthropicProvider } from '../../src/agent/providers/anthropic.ts';
import { OpenAiProvider } from '../../src/agent/providers/openai.ts';
import { ToolRegistry } from '../../src/tools/registry.ts';
import { defineTool } from '../../src/tools/tool.ts';
import { ANTHROPIC_KEY, ANTHROPIC_MODEL, startAnthropicServer } from '../support/anthropic-server.ts';
import { OPENAI_KEY, OPENAI_MODEL, startOpenAiServer } from '../support/openai-server.ts';
import { ANTHROPIC_REFUSALS, OPENAI_REFUSALS } from '../support/overflow-refusals.ts';
import type { ModelServer, OverflowRefusal } from '../support/sse.ts';
import { toolCaller } from '../support/tool-caller.ts';
import { play, run, text } from './scripted-run.ts';

interface Api {
  name: string;
  refusal: OverflowRefusal;
  model: string;
  start(window: { tokens: number; refusal: OverflowRefusal }): Promise<ModelServer>;
  provider(server: ModelServer): ModelProvider;
}

const APIS: Api[] = [
  ...Object.entries(OPENAI_REFUSALS).map(([name, refusal]) => ({
    name,
    refusal,
    model: OPENAI_MODEL,
    start: (window: { tokens: number; refusal: OverflowRefusal }) => startOpenAiServer({ window }),
    provider: ({ url }: ModelServer) => new OpenAiProvider({ apiKey: OPENAI_KEY, baseUrl: url }),
  })),
  ...Object.entries(ANTHROPIC_REFUSALS).map(([name, refusal]) => ({
    name,
    refusal,
    model: ANTHROPIC_MODEL,
    start: (window: { tokens: number; refusal: OverflowRefusal }) => startAnthropicServer({ window }),
    provider: ({ url }: ModelServer) => new AnthropicProvider({ apiKey: ANTHROPIC_KEY, baseUrl: url }),
  })),
];

const LIMIT = 3_000;
const words = (count: number) => 'word '.repeat(count);
const turns = Array.from({ length: 20 }, (_, seq): PastTurn => {
  const messages: ModelMessage[] = [
    { role: 'user', text: `question ${seq} ${words(150)}` },
    { role: 'assistant', text: `answer ${seq} ${words(150)}`, toolCalls: [] },
  ];
  return { message: `m${seq}`, seq, messages, length: contextLength(messages) };
});

/** The gateway takes the window for much larger than it is. */
async function start(api: Api, tokens = LIMIT): Promise<{ server: ModelServer; models: ModelLine }> {
  const server = await api.start({ tokens, refusal: api.refusal });
  onTestFinished(() => server.close());
  const window = { tokens: 100_000, source: 'known' as const };
  const model: ResolvedModel = {
    provider: api.provider(server),
    name: api.model,
    reference: `test/${api.name}`,
    window,
  };
  return { server, models: new ModelLine([model], new Cooldowns(() => 0)) };
}

const started = (models: ModelLine, options: Partial<RunOptions> = {}) =>
  run(models.current.provider, { models, history: { summary: undefined, turns }, ...options });
const trims = (events: RunEvent[]) => events.filter((event) => event.type === 'trimmed');

describe.each(APIS)('a request that is too long, as $name says it', (api) => {
  it('is made again with fewer turns, and answered once; the next run knows', async () => {
    const { server, models } = await start(api);
    const calibration = new Calibration();
    const [events, end] = await play(started(models, { calibration }));
    expect(end).toMatchObject({ status: 'ok', text: 'Hello there' });
    expect(trims(events).length).toBeGreaterThan(0);
    expect(server.requests).toHaveLength(trims(events).length + 1);
    expect(trims(events).at(-1)).toMatchObject({ error: { code: 'context_overflow' }, trimmed: { results: 0 } });
    expect(trims(events).at(-1)?.trimmed.turns).toBeGreaterThan(5);
    expect(events.filter(({ type }) => type === 'text')).toEqual([text('Hello'), text(' there')]);

    server.reset();
    const [later, ended] = await play(started(models, { calibration }));
    expect(ended.status).toBe('ok');
    expect(trims(later)).toEqual([]);
  });
});

describe.each(APIS.filter(({ name }) => ['OpenAI', 'vLLM', 'Anthropic', 'a proxy'].includes(name)))(
  'a tool result that is too long, as $name says it',
  (api) => {
    it('is cut: the tool is not called again, and nothing is said twice', async () => {
      const { server, models } = await start(api);
      server.script(
        { text: ['Let me look.'], toolCalls: [{ name: 'read', input: {}, id: 'call_1' }] },
        { text: ['Done.'] },
      );
      let calls = 0;
      const read = defineTool({
        name: 'read',
        group: 'test',
        description: 'Reads.',
        input: z.strictObject({}),
        risk: 'safe',
        safeToRepeat: false,
        handler: async () => {
          calls += 1;
          return words(6_000);
        },
      });
      const tools = new ToolRegistry([read]).view({ tools: ['read'], approve: [] }, toolCaller());
      const [events, end] = await play(started(models, { tools, history: undefined }));
      expect(end).toMatchObject({ status: 'ok', text: 'Done.' });
      expect(calls).toBe(1);
      expect(trims(events).at(-1)?.trimmed).toMatchObject({ results: 1, rounds: 0 });
      expect(events.filter(({ type }) => type === 'toolStart')).toHaveLength(1);
      expect(events.filter(({ type }) => type === 'text')).toEqual([text('Let me look.'), text('Done.')]);
      expect(JSON.stringify(server.requests.at(-1)?.body)).toContain('cut to fit the window');
    });
  },
);

describe('a message that is too long by itself', () => {
  const long = (count: number): Partial<RunOptions> => ({ messages: [{ role: 'user', text: words(count) }] });

  it('ends the run with an error that says so, after a bounded number of requests', async () => {
    const { server, models } = await start(APIS[0] as Api);
    const [events, end] = await play(started(models, long(5_000)));
    expect(end).toMatchObject({ status: 'failed', text: '', error: { code: 'context_overflow' } });
    expect(end.error?.message).toContain('maximum context length is 3000 tokens');
    expect(events.filter(({ type }) => type === 'text')).toEqual([]);
    expect(server.requests.length).toBeLessThanOrEqual(5);
  });

  it('is not sent at all where the window is known to be too small', async () => {
    const { server, models } = await start(APIS[0] as Api);
    const [, end] = await play(started(models, long(120_000)));
    expect(end.error?.message).toMatch(/what cannot be left out is about \d+ tokens .* and there is room for \d+/);
    expect(server.requests).toHaveLength(0);
  });

  it('goes to the next model in line where that takes more', async () => {
    const small = await start(APIS[0] as Api, 500);
    const large = await start(APIS[0] as Api, 50_000);
    const models = new ModelLine(
      [small.models.current, { ...large.models.current, reference: 'test/large' }],
      new Cooldowns(() => 0),
    );
    const [events, end] = await play(started(models, long(5_000)));
    expect(end.status).toBe('ok');
    expect(events).toContainEqual(expect.objectContaining({ type: 'model', reference: 'test/large' }));
  });
});

describe('a refusal for length', () => {
  it.each([
    ['The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).', 1_200_000, 1_048_576],
    ['Input is too long for requested model.', undefined, undefined],
    ['Prompt contains 40,123 tokens, too large for model with 32,768 maximum context length', 40_123, 32_768],
    ["This model's maximum prompt length is 131072 but the request contains 140000 tokens.", undefined, 131_072],
  ])('is one as others say it too: %s', (said, promptTokens, limitTokens) => {
    expect(refusedForLength(400, said)).toEqual({ promptTokens, limitTokens });
  });
});

describe('a refusal for another reason', () => {
  it.each([
    [429, 'Request too large for gpt-test on tokens per min (TPM): Limit 30000, Requested 40000.'],
    [400, 'max_tokens is too large: 8192. This model supports at most 4096 completion tokens.'],
    [400, "Invalid value for 'messages': the length of the array must be at least 1."],
    [500, 'The server had an error while processing your request.'],
  ])('is none for length: %s %s', (status, said) => {
    expect(refusedForLength(status, said)).toBeUndefined();
  });
});
