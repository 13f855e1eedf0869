/**
 * Goal: a run that is cancelled or whose model stalls ends at once, and nothing of it goes on. Method: a scripted provider
 * and tools that ignore their signals; then the real SDKs against a server that falls silent.
 */
import { describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { AnthropicProvider } from '../../src/agent/providers/anthropic.ts';
import { OpenAiProvider } from '../../src/agent/providers/openai.ts';
import { DhaavakError } from '../../src/protocol/errors.ts';
import { ToolRegistry, type ToolView } from '../../src/tools/registry.ts';
import { defineTool } from '../../src/tools/tool.ts';
import { ANTHROPIC_KEY, ANTHROPIC_MODEL, startAnthropicServer } from '../support/anthropic-server.ts';
import { OPENAI_KEY, OPENAI_MODEL, startOpenAiServer } from '../support/openai-server.ts';
import { toolCaller } from '../support/tool-caller.ts';
import {
  builtin,
  call,
  lineOf,
  play,
  run,
  type Step,
  scripted,
  stop,
  text,
  toolCalls,
  waitingTool,
} from './scripted-run.ts';

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
      group: 'test',
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
    const tools = new ToolRegistry([tool]).view({ tools: ['slow'], approve: [] }, toolCaller());
    const both: ToolView = {
      descriptions: [],
      isSafeToRepeat: () => true,
      execute: (made, context) => (made.name === 'slow' ? tools : builtin).execute(made, context),
    };
    for await (const event of run(scripted([call('1', 'slow'), call('2', 'time.now'), toolCalls]), { tools: both })) {
      if (event.type === 'toolEnd') break;
    }
    expect(aborted).toBe(true);
  });
});

describe('a run fails as stalled', () => {
  it('when the model stays silent, though the provider ignores its signal', async () => {
    const [, end] = await play(run(scripted([text('Hel'), 'hang']), { stallMs: 20 }));
    expect(end).toMatchObject({ status: 'failed', text: 'Hel', error: { code: 'model_stalled' } });
  });

  it('but not while a tool or the consumer takes its time', async () => {
    vi.useFakeTimers();
    try {
      const waiting = waitingTool();
      const provider = scripted([text('a'), text('b'), call('1', 'wait'), toolCalls], [text('done'), stop]);
      const events = run(provider, { tools: waiting.tools, stallMs: 1_000 });
      await events.next();
      vi.advanceTimersByTime(5_000);
      await events.next();
      expect((await events.next()).value).toMatchObject({ type: 'calls' });
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

describe('a stall of a real API', () => {
  it.each(['silent', 'stall'] as const)('(%s) ends the run and the request', async (fault) => {
    const [anthropic, openai] = await Promise.all([startAnthropicServer(), startOpenAiServer()]);
    try {
      const vendors = [
        { server: anthropic, model: ANTHROPIC_MODEL, Provider: AnthropicProvider, apiKey: ANTHROPIC_KEY },
        { server: openai, model: OPENAI_MODEL, Provider: OpenAiProvider, apiKey: OPENAI_KEY },
      ];
      const stall = async ({ server, model, Provider, apiKey }: (typeof vendors)[number]): Promise<void> => {
        const provider = new Provider({ apiKey, baseUrl: server.url });
        // The first run loads the SDK, which would count as silence.
        const models = lineOf([provider], undefined, model);
        await play(run(provider, { models }));
        server.script({ text: ['Hel', 'lo'], fault });
        const [, end] = await play(run(provider, { models, stallMs: 500 }));
        const text = fault === 'stall' ? 'Hel' : '';
        expect(end).toMatchObject({ status: 'failed', text, error: { code: 'model_stalled' } });
        await (await server.request(1)).abandoned;
      };
      await Promise.all(vendors.map(stall));
    } finally {
      await Promise.all([anthropic.close(), openai.close()]);
    }
  });
});
