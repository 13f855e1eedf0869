/** Goal: a run does its turns in order and ends once, whatever the model and the tools do. Method: a scripted provider. */
import { describe, expect, it, vi } from 'vitest';
import type { ModelEvent } from '../../src/agent/provider.ts';
import { DhaavakError } from '../../src/protocol/errors.ts';
import type { ToolView } from '../../src/tools/registry.ts';
import { builtin, call, play, run, scripted, stop, text, toolCalls, waitingTool } from './scripted-run.ts';

describe('a run', () => {
  it('streams the text and ends with it', async () => {
    const [events, end] = await play(run(scripted([text('Hel'), text('lo'), stop])));
    expect(events.slice(0, 2)).toEqual([text('Hel'), text('lo')]);
    expect({ ...end, sent: undefined }).toEqual({
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
    expect(events.map(({ type }) => type)).toEqual(['text', 'calls', 'toolStart', 'toolEnd', 'text', 'end']);
    expect(events[3]).toMatchObject({ output: '5', failed: false });
    expect(provider.requests[1]?.messages).toEqual([
      { role: 'user', text: 'hello' },
      { role: 'assistant', text: 'Let me see.', toolCalls: [{ id: '1', name: 'calc', input: { expression: '2+3' } }] },
      { role: 'tool', call: '1', name: 'calc', text: '5', failed: false },
    ]);
    expect(end).toMatchObject({ status: 'ok', text: '5', usage: { inputTokens: 30, outputTokens: 6 } });
  });

  it('takes in what the user has said since, after the tools have run and before the model is called again', async () => {
    const provider = scripted(
      [call('1', 'calc', { expression: '2+3' }), toolCalls],
      [call('2', 'calc', { expression: '1+1' }), toolCalls],
      [text('5'), stop],
    );
    const said = [['and quickly', 'please'], []];
    const steering = () => (said.shift() ?? ['too late']).map((text) => ({ role: 'user' as const, text }));
    const [, end] = await play(run(provider, { steering }));
    const roles = ['user', 'assistant', 'tool', 'user', 'user', 'assistant', 'tool'];
    expect(provider.requests[1]?.messages.map(({ role }) => role)).toEqual(roles.slice(0, 5));
    expect(provider.requests[2]?.messages.map(({ role }) => role)).toEqual(roles);
    expect(end.messages.map(({ role }) => role)).toEqual([...roles.slice(1), 'assistant']);
    expect(end.messages[2]).toEqual({ role: 'user', text: 'and quickly' });
  });

  it('makes the calls of one turn in parallel and gives their results in the order of the calls', async () => {
    const waiting = waitingTool();
    const both: ToolView = {
      descriptions: [],
      isSafeToRepeat: () => true,
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
    expect((await events.next()).value).toMatchObject({ type: 'calls', calls: [{ id: '1', name: 'calc' }] });
    expect((await events.next()).value).toMatchObject({ type: 'toolStart' });
    expect(execute).not.toHaveBeenCalled();
    for await (const _ of events);
    expect(execute).toHaveBeenCalledOnce();
  });

  it('goes on after a failed call: the model is told', async () => {
    const provider = scripted([call('1', 'nope'), toolCalls], [text('I cannot.'), stop]);
    const [events, end] = await play(run(provider));
    expect(events[2]).toMatchObject({ type: 'toolEnd', failed: true });
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
});
