/**
 * Goal: one behaviour for every model provider. Method: the real SDKs against local servers that speak the vendors'
 * formats and refuse what the vendors refuse, so that a request with a mistake in it fails here too.
 */
import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { ModelEvent, ModelMessage, ModelProvider, ModelRequest } from '../../src/agent/provider.ts';
import { AnthropicProvider } from '../../src/agent/providers/anthropic.ts';
import { OfflineProvider } from '../../src/agent/providers/offline.ts';
import { OpenAiProvider } from '../../src/agent/providers/openai.ts';
import { DhaavakError } from '../../src/protocol/errors.ts';
import type { ImageType } from '../../src/protocol/messages.ts';
import { IMAGE_TYPES } from '../../src/protocol/vocabulary.ts';
import {
  ANTHROPIC_KEY,
  ANTHROPIC_MODEL,
  ANTHROPIC_TEXT_MODEL,
  startAnthropicServer,
} from '../support/anthropic-server.ts';
import { OPENAI_KEY, OPENAI_MODEL, OPENAI_TEXT_MODEL, startOpenAiServer } from '../support/openai-server.ts';
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

const apis = [
  {
    name: 'anthropic',
    model: ANTHROPIC_MODEL,
    textModel: ANTHROPIC_TEXT_MODEL,
    server: () => anthropic,
    create: (apiKey = ANTHROPIC_KEY, baseUrl = anthropic.url) => new AnthropicProvider({ apiKey, baseUrl }),
  },
  {
    name: 'openai',
    model: OPENAI_MODEL,
    textModel: OPENAI_TEXT_MODEL,
    server: () => openai,
    create: (apiKey = OPENAI_KEY, baseUrl = openai.url) => new OpenAiProvider({ apiKey, baseUrl }),
  },
];

const all: { name: string; model: string; server?: () => ModelServer; create: () => ModelProvider }[] = [
  ...apis,
  { name: 'offline', model: 'offline', create: () => new OfflineProvider() },
];

function requestOf(model: string, text: string, changes: Partial<ModelRequest> = {}): ModelRequest {
  const messages: ModelMessage[] = [{ role: 'user', text }];
  return { model, system: 'Be brief.', messages, tools, thinkingLevel: 'off', outputTokensMax: 1_000, ...changes };
}

async function collect(provider: ModelProvider, request: ModelRequest, signal = never): Promise<ModelEvent[]> {
  const events: ModelEvent[] = [];
  for await (const event of provider.stream(request, signal)) events.push(event);
  return events;
}

/** What came before the stream failed, and how it failed. */
async function failureOf(
  provider: ModelProvider,
  request: ModelRequest,
): Promise<{ events: ModelEvent[]; error: DhaavakError }> {
  const events: ModelEvent[] = [];
  try {
    for await (const event of provider.stream(request, never)) events.push(event);
  } catch (error) {
    if (error instanceof DhaavakError) return { events, error };
    throw error;
  }
  throw new Error(`the stream did not fail: ${JSON.stringify(events)}`);
}

/** The images of the first message of a request, whichever vendor's. */
function sentImages(body: Record<string, unknown>): { mediaType: string; data: Buffer }[] {
  const [first] = (body.messages as { role: string; content: unknown }[]).filter(({ role }) => role === 'user');
  const parts = first?.content as {
    source?: { media_type: string; data: string };
    image_url?: { url: string };
  }[];
  return parts.flatMap(({ source, image_url }) => {
    const [, mediaType = '', data = ''] = source
      ? ['', source.media_type, source.data]
      : (/^data:(.+);base64,(.+)$/.exec(image_url?.url ?? '') ?? []);
    return mediaType === '' ? [] : [{ mediaType, data: Buffer.from(data, 'base64') }];
  });
}

function textOf(events: readonly ModelEvent[]): string {
  return events.map((event) => (event.type === 'text' ? event.text : '')).join('');
}

describe.each(all)('every model provider: $name', ({ model, server, create }) => {
  it('streams text in pieces and ends once, with usage', async () => {
    server?.().script({ text: ['Hel', 'lo', ' there'] });
    const events = await collect(create(), requestOf(model, 'hello'));
    expect(textOf(events)).toMatch(/^Hello/);
    expect(events.filter(({ type }) => type === 'text').length).toBeGreaterThan(1);
    expect(events.filter(({ type }) => type === 'end')).toHaveLength(1);
    const end = events.at(-1);
    expect(end).toMatchObject({ type: 'end', reason: 'stop' });
    if (end?.type !== 'end') return;
    expect(end.usage?.inputTokens).toBeGreaterThan(0);
    expect(end.usage?.outputTokens).toBeGreaterThan(0);
  });

  it('calls a tool by our name, with its input', async () => {
    server?.().script({ toolCalls: [{ name: 'time_now', input: { timeZone: 'UTC' } }] });
    const events = await collect(create(), requestOf(model, 'call time.now {"timeZone":"UTC"}'));
    expect(events).toMatchObject([
      { type: 'toolCall', call: { id: expect.any(String), name: 'time.now', input: { timeZone: 'UTC' } } },
      { type: 'end', reason: 'toolCalls' },
    ]);
  });

  it('takes an answered tool call and says something about it', async () => {
    const answered: ModelMessage[] = [
      { role: 'user', text: 'what is 2+3' },
      { role: 'assistant', text: '', toolCalls: [{ id: 'call_1', name: 'calc', input: { expression: '2+3' } }] },
      { role: 'tool', call: 'call_1', name: 'calc', text: '5', failed: false },
    ];
    const events = await collect(create(), requestOf(model, '', { messages: answered }));
    expect(textOf(events)).not.toBe('');
  });

  it('stops when aborted between two pieces', async () => {
    server?.().script({ text: ['Hello', ' there', ' and', ' more'], fault: 'stall' });
    const controller = new AbortController();
    const stream = create().stream(requestOf(model, 'hello'), controller.signal)[Symbol.asyncIterator]();
    await stream.next();
    controller.abort(new Error('enough'));
    // The piece that had arrived with the first may still come, but no end.
    const rest = async (): Promise<void> => {
      for (let next = await stream.next(); !next.done; next = await stream.next()) expect(next.value.type).toBe('text');
    };
    await expect(rest()).rejects.toThrow();
    await server?.().requests[0]?.abandoned;
  });
});

describe.each(apis)('every model API: $name', ({ name, model, textModel, server, create }) => {
  it('is sent images with the bytes they have, in order and with their types', async () => {
    const images = IMAGE_TYPES.map((mediaType: ImageType) => ({ mediaType, data: randomBytes(1_000) }));
    // A view of a larger piece of memory, as reading from the disk may give.
    images.push({ mediaType: 'image/png', data: randomBytes(300).subarray(100, 200) });
    const messages: ModelMessage[] = [
      { role: 'user', text: 'look', images },
      { role: 'assistant', text: 'Nice.', toolCalls: [] },
      { role: 'user', text: 'and now?' },
    ];
    await collect(create(), requestOf(model, '', { messages }));
    expect(sentImages(server().requests[0]!.body)).toEqual(images);
    expect(JSON.stringify(server().requests[0]!.body)).toContain('look');
  });

  it('with a model that takes no images rejects the request with its reason; without images it answers', async () => {
    const images = [{ mediaType: 'image/png' as const, data: randomBytes(10) }];
    const { error } = await failureOf(
      create(),
      requestOf(textModel, '', { messages: [{ role: 'user', text: 'look', images }] }),
    );
    expect(error).toMatchObject({ code: 'model_rejected', message: expect.stringMatching(/image.*support/i) });
    expect(textOf(await collect(create(), requestOf(textModel, 'hello')))).toBe('Hello there');
  });

  it('reports an empty answer as one that ended', async () => {
    server().script({});
    const events = await collect(create(), requestOf(model, 'hello'));
    expect(events).toMatchObject([{ type: 'end', reason: 'stop' }]);
  });

  it('passes on the usage the API reports', async () => {
    const events = await collect(create(), requestOf(model, 'hello'));
    expect(events.at(-1)).toMatchObject({ usage: { inputTokens: 11, outputTokens: 7 } });
  });

  it('says null when the API reports no usage', async () => {
    server().script({ text: ['Hello'], usage: false });
    const events = await collect(create(), requestOf(model, 'hello'));
    expect(events.at(-1)).toMatchObject({ type: 'end', usage: null });
  });

  it('gives parallel calls apart and in order', async () => {
    server().script({
      text: ['Let me see.'],
      toolCalls: [{ name: 'time_now' }, { name: 'calc', input: { expression: '1+1' } }, { name: 'made_up' }],
    });
    const events = await collect(create(), requestOf(model, 'hello'));
    expect(events.filter(({ type }) => type === 'toolCall')).toMatchObject([
      { call: { name: 'time.now', input: {} } },
      { call: { name: 'calc', input: { expression: '1+1' } } },
      { call: { name: 'made_up', input: {} } },
    ]);
  });

  it.each([
    ['length', 'length'],
    ['refused', 'refused'],
  ] as const)('tells an answer that ended by %s', async (end, reason) => {
    server().script({ text: ['Hello'], end });
    const events = await collect(create(), requestOf(model, 'hello'));
    expect(events.at(-1)).toMatchObject({ type: 'end', reason });
  });

  it('sends any transcript in the form the API demands', async () => {
    const call = (id: string, tool: string) => ({ id, name: tool, input: { expression: '1+1' } });
    const messages: ModelMessage[] = [
      { role: 'user', text: 'first' },
      { role: 'user', text: 'second, before the first was answered' },
      { role: 'assistant', text: '', toolCalls: [] },
      { role: 'user', text: ' ' },
      { role: 'assistant', text: 'Two at once.', toolCalls: [call('a:1', 'calc'), call('b', 'gone.tool')] },
      { role: 'tool', call: 'a:1', name: 'calc', text: '2', failed: false },
      { role: 'tool', call: 'b', name: 'gone.tool', text: '', failed: true },
      { role: 'user', text: 'third' },
    ];
    const events = await collect(create(), requestOf(model, '', { messages, system: '' }));
    expect(events.at(-1)).toMatchObject({ type: 'end', reason: 'stop' });
  });

  it('keeps two tools apart whose names differ only in what the API cannot write', async () => {
    const twins = ['time.now', 'time_now'].map((twin) => ({ ...tools[0]!, name: twin }));
    server().script({ toolCalls: [{ name: 'time_now' }, { name: 'time_now_2' }] });
    const events = await collect(create(), requestOf(model, 'hello', { tools: twins }));
    expect(events).toMatchObject([{ call: { name: 'time_now' } }, { call: { name: 'time.now' } }, { type: 'end' }]);
  });

  it('stops when aborted before the API has answered', async () => {
    server().script({ fault: 'silent' });
    const controller = new AbortController();
    const stream = collect(create(), requestOf(model, 'hello'), controller.signal);
    const received = await server().request(0);
    controller.abort(new Error('enough'));
    await expect(stream).rejects.toThrow();
    await received.abandoned;
  });

  it('keeps its connections, also when the response ends after its last event', async () => {
    const provider = create();
    for (let i = 0; i < 8; i += 1) {
      server().script({ text: ['Hello'], eventDelayMs: 0 });
      await collect(provider, requestOf(model, 'hello'));
    }
    // Two, not one: the next request may start before the connection of the last is free again.
    expect(new Set(server().requests.map(({ port }) => port)).size).toBeLessThanOrEqual(2);
  });

  describe('when the API refuses', () => {
    it('rejects a bad request (400) with the reason', async () => {
      const { error } = await failureOf(create(), requestOf(model, 'hello', { outputTokensMax: 0 }));
      expect(error.code).toBe('model_rejected');
      expect(error.message).toMatch(new RegExp(`^${name} refused the request \\(400\\): .*tokens`));
    });

    it('rejects a bad key (401) without repeating it', async () => {
      const { error } = await failureOf(create('sk-wrong-key-0123456789'), requestOf(model, 'hello'));
      expect(error.code).toBe('model_rejected');
      expect(error.message).toMatch(/\(401\)/);
      expect(error.message).not.toMatch(/sk-|6789/);
    });

    it('rejects a model that does not exist (404)', async () => {
      const { error } = await failureOf(create(), requestOf('gpt-none', 'hello'));
      expect(error).toMatchObject({ code: 'model_rejected', message: expect.stringContaining('gpt-none') });
    });

    it('waits as long as Retry-After says and tries again', async () => {
      server().script({ status: 429, retryAfterMs: 1 }, { status: 503, retryAfterMs: 1 }, { text: ['At last'] });
      expect(textOf(await collect(create(), requestOf(model, 'hello')))).toBe('At last');
      expect(server().requests).toHaveLength(3);
    });

    it.each([429, 500, 529])('is unavailable when %i goes on', async (status) => {
      const refusal = { status, retryAfterMs: 1, message: 'come back later' };
      server().script(refusal, refusal, refusal);
      const { error } = await failureOf(create(), requestOf(model, 'hello'));
      expect(error).toMatchObject({ code: 'model_unavailable', retryAfterMs: 1 });
      expect(error.message).toContain(`(${status}): come back later`);
    });

    it('reports a long Retry-After at once instead of waiting', async () => {
      server().script({ status: 429, retryAfterMs: 3_600_000 });
      const { error } = await failureOf(create(), requestOf(model, 'hello'));
      expect(error).toMatchObject({ code: 'model_unavailable', retryAfterMs: 3_600_000 });
      expect(server().requests).toHaveLength(1);
    });

    it('is unavailable when nobody listens', async () => {
      const gone = await startOpenAiServer();
      await gone.close();
      const { error } = await failureOf(create(undefined, gone.url), requestOf(model, 'hello'));
      expect(error).toMatchObject({ code: 'model_unavailable', message: expect.stringContaining('ECONNREFUSED') });
    });
  });

  describe('when the stream breaks', () => {
    it.each(['cut', 'end', 'garbage', 'failure'] as const)(
      'is unavailable after %s, never a short answer',
      async (fault) => {
        server().script({ text: ['Hello', ' there', ' and', ' more'], fault });
        const { events, error } = await failureOf(create(), requestOf(model, 'hello'));
        expect(error.code).toBe('model_unavailable');
        expect(textOf(events)).toMatch(/^Hello/);
        expect(server().requests).toHaveLength(1);
      },
    );

    it.each(['cut', 'end'] as const)('gives no tool call that was %s in the middle', async (fault) => {
      server().script({ toolCalls: [{ name: 'calc', input: { expression: '1+1' } }], fault });
      const { events, error } = await failureOf(create(), requestOf(model, 'hello'));
      expect(events).toEqual([]);
      expect(error.code).toBe('model_unavailable');
    });

    it.each([
      ['not JSON', '{"expression": "1+'],
      ['nested without end', '['.repeat(100_000) + ']'.repeat(100_000)],
    ])('is unavailable when the arguments of a call are %s', async (_, rawInput) => {
      server().script({ toolCalls: [{ name: 'calc', rawInput }] });
      const { error } = await failureOf(create(), requestOf(model, 'hello'));
      expect(error).toMatchObject({ code: 'model_unavailable', message: expect.stringContaining('its call to calc') });
    });
  });
});
