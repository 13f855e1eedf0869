/** Goal: the offline model says what it is, answers the simple things and calls tools. Method: whole runs with the real tools. */
import { describe, expect, it } from 'vitest';
import { type RunEvent, runAgent } from '../../src/agent/loop.ts';
import { OfflineProvider } from '../../src/agent/providers/offline.ts';
import { toolCaller } from '../support/tool-caller.ts';
import { builtinTools } from '../support/tool-registry.ts';
import { lineOf } from './scripted-run.ts';

async function ask(text: string, tools = ['time.now', 'calc']): Promise<{ text: string; events: RunEvent[] }> {
  const events: RunEvent[] = [];
  const run = runAgent({
    models: lineOf([new OfflineProvider()]),
    system: '',
    messages: [{ role: 'user', text }],
    tools: builtinTools().view({ tools, approve: [] }, toolCaller()),
    thinkingLevel: 'off',
    outputTokensMax: 1_000,
    turnsMax: 25,
    stallMs: 60_000,
    signal: new AbortController().signal,
  });
  for await (const event of run) events.push(event);
  const end = events.at(-1);
  if (end?.type !== 'end' || end.status !== 'ok') throw new Error(`the run did not end well: ${JSON.stringify(end)}`);
  return { text: end.text, events };
}

describe('the offline model', () => {
  it.each(['hello', 'tell me a story', 'help'])('says what it is when told "%s"', async (text) => {
    expect((await ask(text)).text).toContain("Dhaavak's offline model, a small stand-in without a language model");
  });

  it('quotes what it was told, but not all of a long text', async () => {
    expect((await ask('good grief')).text).toContain('"good grief"');
    expect((await ask('x'.repeat(10_000))).text.length).toBeLessThan(400);
  });

  it('lists its tools when asked for help', async () => {
    expect((await ask('help')).text).toContain('time.now, calc');
    expect((await ask('help', [])).text).not.toContain('I can call');
  });

  it.each([
    ['what is 2+3*4', '2+3*4 = 14'],
    ["What's (1 + 1) ** 3?", '(1 + 1) ** 3 = 8'],
    ['calc sqrt(16)', 'sqrt(16) = 4'],
    ['what is 1/0', 'calc failed: division by zero'],
  ])('calls calc for "%s"', async (text, answer) => {
    const { text: said, events } = await ask(text);
    expect(said).toBe(answer);
    expect(events[1]).toMatchObject({ type: 'toolStart', call: { name: 'calc' } });
  });

  it('calls time.now for the time', async () => {
    const { text, events } = await ask('What time is it?');
    expect(events[1]).toMatchObject({ type: 'toolStart', call: { name: 'time.now' } });
    expect(text).toMatch(/^It is \w+day,? \d+ \w+ \d{4}.*\d\d:\d\d:\d\d \(.+\)\.$/);
  });

  it('calls any tool it is offered, with JSON as the input', async () => {
    expect((await ask('call calc {"expression": "6*7"}')).text).toBe('6*7 = 42');
    expect((await ask('call calc {"expression": ')).text).toContain('must be JSON');
    expect((await ask('call rm {}')).text).toContain('not offered a tool named rm');
  });

  it('calls no tool that is not offered', async () => {
    expect((await ask('what is 2+3', [])).text).toContain('You said');
  });

  it('streams pieces of at most 4 words that make up the answer', async () => {
    const { text, events } = await ask('a  question\nwith   many words in it');
    const pieces = events.flatMap((event) => (event.type === 'text' ? [event.text] : []));
    expect(pieces.join('')).toBe(text);
    for (const piece of pieces) expect(piece.trim().split(/\s+/).length).toBeLessThanOrEqual(4);
  });

  it('guesses a token for every four characters, and says that it is a guess', async () => {
    const { text, events } = await ask('one two three');
    const outputTokens = Math.ceil(text.length / 4);
    expect(events.at(-1)).toMatchObject({ usage: { inputTokens: 4, outputTokens, estimated: true } });
  });
});
