/**
 * Goal: a run ends once, in order and at once, whatever the model and the tools do. Method: a provider that plays a
 * script turn by turn, tools that are told from outside when to finish, and once the real SDKs for a stall.
 */
import { describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { type RunEnd, type RunEvent, type RunOptions, runAgent } from '../../src/agent/loop.ts';
import type { ModelEvent, ModelMessage, ModelProvider, ModelRequest } from '../../src/agent/provider.ts';
import { AnthropicProvider } from '../../src/agent/providers/anthropic.ts';
import { OpenAiProvider } from '../../src/agent/providers/openai.ts';
import { DhaavakError } from '../../src/protocol/errors.ts';
import { createToolRegistry } from '../../src/tools/builtin/builtin.ts';
import { ToolRegistry, type ToolView } from '../../src/tools/registry.ts';
import { defineTool } from '../../src/tools/tool.ts';
import { ANTHROPIC_KEY, ANTHROPIC_MODEL, startAnthropicServer } from '../support/anthropic-server.ts';
import { OPENAI_KEY, OPENAI_MODEL, startOpenAiServer } from '../support/openai-server.ts';

const builtin = createToolRegistry().view(['time.now', 'calc']);

/** What the model does in a turn: events to yield, an error to throw, or nothing for ever. */
type Step = ModelEvent | Error | 'hang';

interface ScriptedProvider extends ModelProvider {
  requests: ModelRequest[];
}

function scripted(...turns: Step[][]): ScriptedProvider {
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

const text = (piece: string): ModelEvent => ({ type: 'text', text: piece });
const call = (id: string, name: string, input: unknown = {}): ModelEvent => ({
  type: 'toolCall',
  call: { id, name, input },
});
const stop: ModelEvent = { type: 'end', reason: 'stop', usage: { inputTokens: 10, outputTokens: 5 } };
const toolCalls: ModelEvent = { type: 'end', reason: 'toolCalls', usage: { inputTokens: 20, outputTokens: 1 } };

function run(provider: ModelProvider, changes: Partial<RunOptions> = {}): AsyncGenerator<RunEvent> {
  return runAgent({
    provider,
    model: 'm',
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
async function play(events: AsyncGenerator<RunEvent>, seen?: (event: RunEvent) => void): Promise<[RunEvent[], RunEnd]> {
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
function waitingTool(): { tools: ToolView; release: (output: string) => void; started: Promise<void> } {
  const finish = Promise.withResolvers<string>();
  const start = Promise.withResolvers<void>();
  const tool = defineTool({
    name: 'wait',
    description: 'Waits.',
    input: z.strictObject({}),
    risk: 'safe',
    safeToRepeat: true,
    handler: () => {
      start.resolve();
      return finish.promise;
    },
  });
  return { tools: new ToolRegistry([tool]).view(['wait']), release: finish.resolve, started: start.promise };
}

describe('a run', () => {
  it('streams the text and ends with it', async () => {
    const [events, end] = await play(run(scripted([text('Hel'), text('lo'), stop])));
    expect(events.slice(0, 2)).toEqual([text('Hel'), text('lo')]);
    expect(end).toEqual({
      type: 'end',
      status: 'ok',
      messages: [{ role: 'assistant', text: 'Hello', toolCalls: [] }],
      text: 'Hello',
      usage: { inputTokens: 10, outputTokens: 5 },
    });
  });

  it('calls a tool, tells the model the result and goes on', async () => {
    const provider = scripted(
      [text('Let me see.'), call('1', 'calc', { expression: '2+3' }), toolCalls],
      [text('5'), stop],
    );
    const [events, end] = await play(run(provider));
    expect(events.map(({ type }) => type)).toEqual(['text', 'toolStart', 'toolEnd', 'text', 'end']);
    expect(events[2]).toMatchObject({ output: '5', failed: false });
    expect(provider.requests[1]?.messages).toEqual([
      { role: 'user', text: 'hello' },
      { role: 'assistant', text: 'Let me see.', toolCalls: [{ id: '1', name: 'calc', input: { expression: '2+3' } }] },
      { role: 'tool', call: '1', name: 'calc', text: '5', failed: false },
    ]);
    expect(end).toMatchObject({ status: 'ok', text: '5', usage: { inputTokens: 30, outputTokens: 6 } });
  });

  it('makes the calls of one turn in parallel and gives their results in the order of the calls', async () => {
    const waiting = waitingTool();
    const both: ToolView = {
      descriptions: [],
      execute: (made, context) => (made.name === 'wait' ? waiting.tools : builtin).execute(made, context),
    };
    const provider = scripted([call('slow', 'wait'), call('fast', 'calc', { expression: '1' }), toolCalls], [stop]);
    const [events, end] = await play(run(provider, { tools: both }), (event) => {
      if (event.type === 'toolEnd' && event.call.id === 'fast') waiting.release('done');
    });
    const order = events.flatMap((event) => (event.type === 'toolEnd' ? [event.call.id] : []));
    expect(order).toEqual(['fast', 'slow']);
    expect(end.messages.slice(1)).toMatchObject([{ call: 'slow', text: 'done' }, { call: 'fast' }]);
  });

  it('does not make a call before the consumer has seen that it starts', async () => {
    const execute = vi.fn(builtin.execute);
    const events = run(scripted([call('1', 'calc', { expression: '1' }), toolCalls], [stop]), {
      tools: { ...builtin, execute },
    });
    expect((await events.next()).value).toMatchObject({ type: 'toolStart' });
    expect(execute).not.toHaveBeenCalled();
    for await (const _ of events);
    expect(execute).toHaveBeenCalledOnce();
  });

  it('goes on after a failed call: the model is told', async () => {
    const provider = scripted([call('1', 'nope'), toolCalls], [text('I cannot.'), stop]);
    const [events, end] = await play(run(provider));
    expect(events[1]).toMatchObject({ type: 'toolEnd', failed: true });
    expect(provider.requests[1]?.messages.at(-1)).toMatchObject({ role: 'tool', failed: true });
    expect(end.status).toBe('ok');
  });

  it('accepts an empty answer, and adds no message for it', async () => {
    const [, end] = await play(run(scripted([stop])));
    expect(end).toMatchObject({ status: 'ok', text: '', messages: [] });
  });

  it('has no usage as soon as one turn has none', async () => {
    const none: ModelEvent = { type: 'end', reason: 'stop', usage: null };
    const [, end] = await play(run(scripted([call('1', 'time.now'), toolCalls], [text('now'), none])));
    expect(end.usage).toBeNull();
  });

  it('marks the sum as estimated when a part is', async () => {
    const estimated: ModelEvent = { ...stop, usage: { inputTokens: 1, outputTokens: 1, estimated: true } };
    const [, end] = await play(run(scripted([call('1', 'time.now'), toolCalls], [estimated])));
    expect(end.usage).toEqual({ inputTokens: 21, outputTokens: 2, estimated: true });
  });

  it('sends back what a provider wants to see again, for as long as the run goes on', async () => {
    const echo = { provider: 'scripted', content: ['signed'] };
    const provider = scripted([call('1', 'time.now'), { ...toolCalls, echo }], [stop]);
    await play(run(provider));
    expect(provider.requests[1]?.messages[1]).toMatchObject({ role: 'assistant', echo });
  });
});

describe('a run fails', () => {
  it('with the error of the provider, keeping what was written', async () => {
    const [, end] = await play(run(scripted([text('Hel'), new DhaavakError('model_unavailable', 'gone')])));
    expect(end).toMatchObject({ status: 'failed', text: 'Hel', usage: null, error: { code: 'model_unavailable' } });
    expect(end.messages).toEqual([{ role: 'assistant', text: 'Hel', toolCalls: [] }]);
  });

  it('at no cost when nothing had come', async () => {
    const [, end] = await play(run(scripted([new DhaavakError('model_rejected', 'bad key')])));
    expect(end).toMatchObject({ status: 'failed', messages: [], usage: { inputTokens: 0, outputTokens: 0 } });
  });

  it('without making calls of an answer that was cut', async () => {
    const [events, end] = await play(run(scripted([call('1', 'calc'), new DhaavakError('model_unavailable', 'cut')])));
    expect(events).toHaveLength(1);
    expect(end.messages).toEqual([]);
  });

  it('as internal when a provider throws something else, hiding what', async () => {
    const [, end] = await play(run(scripted([new TypeError('secret detail')])));
    expect(end.error).toMatchObject({ code: 'internal', message: 'the run failed' });
  });

  it('as internal when a provider ends without an end', async () => {
    const [, end] = await play(run(scripted([text('Hel')])));
    expect(end.error?.code).toBe('internal');
  });

  it('as rejected when the model declines', async () => {
    const [, end] = await play(run(scripted([{ type: 'end', reason: 'refused', usage: null }])));
    expect(end).toMatchObject({ status: 'failed', error: { code: 'model_rejected' } });
  });

  it('at the limit of turns, without making the calls nobody would read the results of', async () => {
    const provider = scripted(
      ...Array.from({ length: 9 }, (_, i) => [text('on'), call(`${i}`, 'time.now'), toolCalls]),
    );
    const [events, end] = await play(run(provider, { turnsMax: 3 }));
    expect(provider.requests).toHaveLength(3);
    expect(events.filter(({ type }) => type === 'toolStart')).toHaveLength(2);
    expect(end).toMatchObject({ status: 'failed', error: { code: 'model_limit' } });
  });

  it('as stalled when the model stays silent, though the provider ignores its signal', async () => {
    const [, end] = await play(run(scripted([text('Hel'), 'hang']), { stallMs: 20 }));
    expect(end).toMatchObject({ status: 'failed', text: 'Hel', error: { code: 'model_stalled' } });
  });

  it('not as stalled while a tool or the consumer takes its time', async () => {
    vi.useFakeTimers();
    try {
      const waiting = waitingTool();
      const provider = scripted([text('a'), text('b'), call('1', 'wait'), toolCalls], [text('done'), stop]);
      const events = run(provider, { tools: waiting.tools, stallMs: 1_000 });
      await events.next();
      vi.advanceTimersByTime(5_000);
      await events.next();
      await events.next();
      const toolEnd = events.next();
      await waiting.started;
      vi.advanceTimersByTime(5_000);
      waiting.release('');
      expect((await toolEnd).value).toMatchObject({ type: 'toolEnd', failed: false });
      expect((await events.next()).value).toEqual(text('done'));
      expect((await events.next()).value).toMatchObject({ type: 'end', status: 'ok' });
    } finally {
      vi.useRealTimers();
    }
  });
});

describe('a run is cancelled at once', () => {
  const cases: [string, Step[][]][] = [
    ['before the first byte', [['hang']]],
    ['between two pieces', [[text('Hel'), 'hang']]],
    ['after a tool call came, before the answer is whole', [[call('1', 'calc'), 'hang']]],
    ['in its second turn', [[call('1', 'time.now'), toolCalls], ['hang']]],
  ];
  it.each(cases)('%s', async (_, turns) => {
    const controller = new AbortController();
    const provider = scripted(...turns);
    const played = play(run(provider, { signal: controller.signal }));
    await vi.waitFor(() => expect(provider.requests).toHaveLength(turns.length));
    // One turn of the event loop: the run is at its `hang`.
    await new Promise((resolve) => setImmediate(resolve));
    controller.abort();
    const [, end] = await played;
    expect(end).toMatchObject({ status: 'cancelled', error: { code: 'cancelled' } });
  });

  it('before it began', async () => {
    const provider = scripted([stop]);
    const [, end] = await play(run(provider, { signal: AbortSignal.abort() }));
    expect(end).toMatchObject({ status: 'cancelled', messages: [], usage: { inputTokens: 0 } });
    expect(provider.requests).toEqual([]);
  });

  it('during a tool that ignores its signal: its outcome is unknown', async () => {
    const { tools, started } = waitingTool();
    const controller = new AbortController();
    const played = play(
      run(scripted([text('Wait.'), call('1', 'wait'), toolCalls]), { tools, signal: controller.signal }),
    );
    await started;
    controller.abort(new DhaavakError('cancelled', 'cancelled by a client'));
    const [events, end] = await played;
    expect(events.at(-2)).toMatchObject({ type: 'toolEnd', failed: true, output: expect.stringContaining('unknown') });
    expect(end).toMatchObject({ status: 'cancelled', text: 'Wait.', error: { message: 'cancelled by a client' } });
  });

  it('between the start of a call and the call, which is then not made', async () => {
    const execute = vi.fn(builtin.execute);
    const controller = new AbortController();
    const provider = scripted([call('1', 'calc'), toolCalls]);
    const events = run(provider, { tools: { ...builtin, execute }, signal: controller.signal });
    const [, end] = await play(events, () => controller.abort());
    expect(execute).not.toHaveBeenCalled();
    expect(end.messages.at(-1)).toMatchObject({
      role: 'tool',
      text: expect.stringContaining('before this call was made'),
    });
  });

  it('leaves no listener on the signal', async () => {
    const { signal } = new AbortController();
    const remove = vi.spyOn(signal, 'removeEventListener');
    const add = vi.spyOn(signal, 'addEventListener');
    await play(run(scripted([stop]), { signal }));
    expect(remove).toHaveBeenCalledTimes(add.mock.calls.length);
  });

  it('stops what is going on when the consumer walks away', async () => {
    let aborted = false;
    const tool = defineTool({
      name: 'slow',
      description: 'Waits for the end.',
      input: z.strictObject({}),
      risk: 'safe',
      safeToRepeat: true,
      handler: (_, { signal }) =>
        new Promise((resolve) => {
          signal.addEventListener('abort', () => {
            aborted = true;
            resolve('');
          });
        }),
    });
    const tools = new ToolRegistry([tool]).view(['slow']);
    const both: ToolView = {
      descriptions: [],
      execute: (made, context) => (made.name === 'slow' ? tools : builtin).execute(made, context),
    };
    for await (const event of run(scripted([call('1', 'slow'), call('2', 'time.now'), toolCalls]), { tools: both })) {
      if (event.type === 'toolEnd') break;
    }
    expect(aborted).toBe(true);
  });
});

describe('a stall of a real API', () => {
  it.each(['silent', 'stall'] as const)('(%s) ends the run and the request', async (fault) => {
    const [anthropic, openai] = await Promise.all([startAnthropicServer(), startOpenAiServer()]);
    try {
      const runs = [
        { server: anthropic, model: ANTHROPIC_MODEL, Provider: AnthropicProvider, apiKey: ANTHROPIC_KEY },
        { server: openai, model: OPENAI_MODEL, Provider: OpenAiProvider, apiKey: OPENAI_KEY },
      ];
      for (const { server, model, Provider, apiKey } of runs) {
        server.script({ text: ['Hel', 'lo'], fault });
        const provider = new Provider({ apiKey, baseUrl: server.url });
        // Long enough for the SDK to load and the first half to come.
        const [, end] = await play(run(provider, { model, stallMs: 1_000 }));
        expect(end).toMatchObject({
          status: 'failed',
          text: fault === 'stall' ? 'Hel' : '',
          error: { code: 'model_stalled' },
        });
        await (await server.request(0)).abandoned;
      }
    } finally {
      await Promise.all([anthropic.close(), openai.close()]);
    }
  });
});
