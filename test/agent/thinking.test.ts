/** Goal: a thinking level reaches each vendor in the form its model takes. Method: servers that refuse every other form. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { ModelEvent, ModelMessage, ModelProvider, ModelRequest } from '../../src/agent/provider.ts';
import { AnthropicProvider } from '../../src/agent/providers/anthropic.ts';
import { OpenAiProvider } from '../../src/agent/providers/openai.ts';
import {
  ANTHROPIC_BUDGET_MODEL,
  ANTHROPIC_KEY,
  ANTHROPIC_MODEL,
  startAnthropicServer,
} from '../support/anthropic-server.ts';
import { OPENAI_KEY, OPENAI_MODEL, OPENAI_REASONING_MODEL, startOpenAiServer } from '../support/openai-server.ts';
import type { ModelServer } from '../support/sse.ts';
import { toolCaller } from '../support/tool-caller.ts';
import { builtinTools } from '../support/tool-registry.ts';

const { descriptions: tools } = builtinTools().view({ tools: ['time.now', 'calc'], approve: [] }, toolCaller());
const never = new AbortController().signal;

let anthropic: ModelServer;
let openai: ModelServer;

beforeAll(async () => {
  [anthropic, openai] = await Promise.all([startAnthropicServer(), startOpenAiServer()]);
});
afterEach(() => {
  anthropic.reset();
  openai.reset();
});
afterAll(() => Promise.all([anthropic.close(), openai.close()]));

function requestOf(model: string, text: string, changes: Partial<ModelRequest> = {}): ModelRequest {
  const messages: ModelMessage[] = [{ role: 'user', text }];
  return { model, system: 'Be brief.', messages, tools, thinkingLevel: 'off', outputTokensMax: 1_000, ...changes };
}

async function collect(provider: ModelProvider, request: ModelRequest, signal = never): Promise<ModelEvent[]> {
  const events: ModelEvent[] = [];
  for await (const event of provider.stream(request, signal)) events.push(event);
  return events;
}

describe('thinking', () => {
  it('is an effort for current Claude models and sends its blocks back unchanged', async () => {
    anthropic.script({ thinking: 'Hm.', text: ['Wait.'], toolCalls: [{ name: 'calc', input: { expression: '1+1' } }] });
    const provider = new AnthropicProvider({ apiKey: ANTHROPIC_KEY, baseUrl: anthropic.url });
    const request = requestOf(ANTHROPIC_MODEL, 'hello', { thinkingLevel: 'high' });
    const end = (await collect(provider, request)).at(-1);
    expect(anthropic.requests[0]?.body).toMatchObject({
      thinking: { type: 'adaptive' },
      output_config: { effort: 'high' },
    });
    if (end?.type !== 'end' || !end.echo) throw new Error('no echo');

    const toolCalls = [{ id: 'toolu_1', name: 'calc', input: { expression: '1+1' } }];
    const messages: ModelMessage[] = [
      ...request.messages,
      { role: 'assistant', text: 'Wait.', toolCalls, echo: end.echo },
      { role: 'tool', call: 'toolu_1', name: 'calc', text: '2', failed: false },
    ];
    await collect(provider, { ...request, messages });
    expect(anthropic.requests[1]?.body).toMatchObject({
      messages: [
        { role: 'user' },
        {
          role: 'assistant',
          content: [
            { type: 'thinking', thinking: 'Hm.', signature: 'signature-1' },
            { type: 'text', text: 'Wait.' },
            { type: 'tool_use', id: 'toolu_1', name: 'calc', input: { expression: '1+1' } },
          ],
        },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'toolu_1' }] },
      ],
    });
  });

  it('is a budget besides the answer for older Claude models', async () => {
    const provider = new AnthropicProvider({ apiKey: ANTHROPIC_KEY, baseUrl: anthropic.url });
    await collect(provider, requestOf(ANTHROPIC_BUDGET_MODEL, 'hello', { thinkingLevel: 'low' }));
    expect(anthropic.requests[0]?.body).toMatchObject({
      max_tokens: 2_024,
      thinking: { type: 'enabled', budget_tokens: 1_024 },
    });
  });

  it('is a reasoning effort for OpenAI, and none where tools are offered to a model that takes only one of both', async () => {
    const provider = new OpenAiProvider({ apiKey: OPENAI_KEY, baseUrl: openai.url });
    await collect(provider, requestOf(OPENAI_MODEL, 'hello', { thinkingLevel: 'medium' }));
    await collect(provider, requestOf(OPENAI_REASONING_MODEL, 'hello', { thinkingLevel: 'medium' }));
    await collect(provider, requestOf(OPENAI_REASONING_MODEL, 'hello', { thinkingLevel: 'medium', tools: [] }));
    await collect(provider, requestOf(OPENAI_MODEL, 'hello'));
    expect(openai.requests.map(({ body }) => body.reasoning_effort)).toEqual(['medium', 'none', 'medium', undefined]);
  });
});
