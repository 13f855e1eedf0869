/** Goal: what a request holds fits, and is well formed, whatever there is to send. Method: examples, then random histories. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assemble, type ContextParts, totalOf } from '../../src/agent/assembly.ts';
import { summaryTurn } from '../../src/agent/compaction.ts';
import { contextLength, type PastTurn } from '../../src/agent/context.ts';
import { TokenMeter } from '../../src/agent/meter.ts';
import { ContextOverflow } from '../../src/agent/overflow.ts';
import type { ModelMessage } from '../../src/agent/provider.ts';
import { expectNoOrphans } from './no-orphans.ts';

const meter = new TokenMeter('o200k');
const words = (count: number, word = 'word') => `${word} `.repeat(count).trim();
const user = (text: string): ModelMessage => ({ role: 'user', text });
const answer = (text: string, ...ids: string[]): ModelMessage => ({
  role: 'assistant',
  text,
  toolCalls: ids.map((id) => ({ id, name: 'files.read', input: { path: id } })),
});
const result = (call: string, text: string): ModelMessage => ({
  role: 'tool',
  call,
  name: 'files.read',
  text,
  failed: false,
});
let seq = 0;
function turn(...messages: ModelMessage[]): PastTurn {
  seq += 1;
  return { message: `m${seq}`, seq, messages, length: contextLength(messages) };
}
const parts = (changes: Partial<ContextParts> = {}): ContextParts => ({
  systemTokens: 0,
  toolTokens: 0,
  history: { summary: undefined, turns: [] },
  recalled: undefined,
  said: [user('the question')],
  added: [],
  ...changes,
});
const tokensOf = (messages: readonly ModelMessage[]) =>
  messages.reduce((sum, message) => sum + meter.message(message), 0);

describe('a request with room for everything', () => {
  it('is the summary, the turns, what was recalled, the question, and what the run has added', () => {
    const added = [answer('', 'c'), result('c', 'out')];
    const turns = [turn(user('a'), answer('b'))];
    const history = { summary: summaryTurn('THE GIST', 3), turns };
    const { messages, trimmed } = assemble(parts({ history, recalled: 'You know: x', added }), 10_000, meter);
    expect(messages).toEqual([
      ...(history.summary.messages as ModelMessage[]),
      ...(turns[0] as PastTurn).messages,
      user('You know: x'),
      user('the question'),
      ...added,
    ]);
    expect(trimmed).toEqual({ turns: 0, results: 0, rounds: 0, other: false });
  });
});

describe('a request with too little room', () => {
  const old = turn(user('old question'), answer('', 'o'), result('o', words(800, 'old')), answer('old answer'));
  const recent = turn(user('question'), answer('', 'r'), result('r', words(800, 'recent')), answer('answer'));
  const history = { summary: summaryTurn('THE GIST', 0), turns: [old, recent] };
  const text = (messages: readonly ModelMessage[], call: string) =>
    messages.find((message) => message.role === 'tool' && message.call === call)?.text ?? '';

  it('cuts the oldest results first, and says how much of them is gone', () => {
    const { messages, trimmed } = assemble(parts({ history }), 1_300, meter);
    expect(trimmed).toMatchObject({ turns: 0, results: 1 });
    expect(text(messages, 'r')).toBe(words(800, 'recent'));
    expect(text(messages, 'o')).toMatch(/^old old .*cut to fit the window: \d+ of 3199 characters are left out/s);
  });

  it('leaves old results out before it leaves a turn out, then the oldest turn, then the summary', () => {
    const little = assemble(parts({ history }), 200, meter);
    expect(little.trimmed).toMatchObject({ turns: 0, results: 2 });
    expect(text(little.messages, 'o')).toContain('left out to fit the window: 3199 characters; call files.read again');
    const less = assemble(parts({ history }), 95, meter);
    expect(less.trimmed.turns).toBe(1);
    expect(less.messages[0]?.text).toContain('THE GIST');
    expect(less.messages.at(-1)).toEqual(user('the question'));
    expect(assemble(parts({ history }), 12, meter).messages).toEqual([user('the question')]);
  });

  it('passes over a turn that is too long for any request: those before it are not lost for it', () => {
    const turns = [recent, turn(user(words(5_000)))];
    const { messages, trimmed } = assemble(parts({ history: { summary: undefined, turns } }), 1_300, meter);
    expect(trimmed).toMatchObject({ turns: 1, results: 0 });
    expect(messages).toEqual([...recent.messages, user('the question')]);
  });

  it('keeps the newest results of the run whole before anything earlier, and its older ones before older turns', () => {
    const added = [answer('', '1'), result('1', words(500, 'one')), answer('', '2'), result('2', words(500, 'two'))];
    const { messages } = assemble(parts({ history, added }), 1_200, meter);
    expect(text(messages, '2')).toBe(words(500, 'two'));
    expect(text(messages, '1')).toBe(words(500, 'one'));
    expect(text(messages, 'r')).toContain('left out');
    const tight = assemble(parts({ history, added }), 640, meter).messages;
    expect(text(tight, '2')).toBe(words(500, 'two'));
    expect(text(tight, '1')).toContain('left out');
  });

  it('leaves out the oldest calls of the run when their notes are too much; the newest result and what users said stay', () => {
    const rounds = Array.from({ length: 40 }, (_, i) => [answer('', `${i}`), result(`${i}`, words(200))]).flat();
    const { messages, trimmed } = assemble(
      parts({ added: [...rounds.slice(0, 2), user('stop'), ...rounds.slice(2)] }),
      800,
      meter,
    );
    expect(trimmed.rounds).toBeGreaterThan(10);
    expect(messages).toContainEqual(user('stop'));
    expect(messages.at(-1)).toMatchObject({ role: 'tool', call: '39', text: words(200) });
  });

  it('is refused with a clear error where the question alone does not fit', () => {
    const said = [user(words(2_000))];
    const act = () => assemble(parts({ said, systemTokens: 100, toolTokens: 50 }), 1_000, meter);
    expect(act).toThrow(ContextOverflow);
    expect(act).toThrow(
      /about 1954 tokens \(100 of prompt and workspace files, 50 of tools, 1804 of what is to be answered\), and there is room for 1000/,
    );
  });
});

describe('for any history, question and room', () => {
  const size = fc.oneof({ weight: 4, arbitrary: fc.nat(30) }, fc.nat(3_000));
  const text = fc
    .tuple(size, fc.constantFrom('word ', 'x', 'слово ', '世', '🙂', '{"a":1}\n'))
    .map(([n, w]) => w.repeat(n));
  const round = fc.tuple(text, fc.array(text, { maxLength: 3 })).map(([said, outputs]): ModelMessage[] => {
    const ids = outputs.map((_, i) => `${i}`);
    return [answer(said, ...ids), ...outputs.map((output, i) => result(`${i}`, output))];
  });
  const past = fc
    .tuple(text, fc.array(round, { maxLength: 3 }))
    .map(([said, rounds]) => turn(user(said), ...rounds.flat()));
  const arbitrary = fc.record({
    systemTokens: fc.nat(500),
    toolTokens: fc.nat(500),
    history: fc.record({
      summary: fc.option(
        text.map((gist) => summaryTurn(gist, 0)),
        { nil: undefined },
      ),
      turns: fc.array(past, { maxLength: 8 }),
    }),
    recalled: fc.option(text, { nil: undefined }),
    said: fc.array(text.map(user), { minLength: 1, maxLength: 2 }),
    added: fc
      .array(
        fc.oneof(
          { weight: 5, arbitrary: round },
          text.map((said) => [user(said)]),
        ),
        { maxLength: 5 },
      )
      .map((all) => all.flat()),
  });

  it('it is within the room, no call is without its result, and the question comes last', () => {
    fc.assert(
      fc.property(arbitrary, fc.nat(8_000), (given, room) => {
        let assembled: ReturnType<typeof assemble>;
        try {
          assembled = assemble(given, room, meter);
        } catch (error) {
          expect(error).toBeInstanceOf(ContextOverflow);
          // Only where what is never left out is too much: the question, users' words, and the newest calls.
          const newest = given.added.findLastIndex(({ role }) => role === 'assistant');
          const never = given.added.filter(({ role }, index) => role === 'user' || index >= newest);
          expect(given.systemTokens + given.toolTokens + tokensOf([...given.said, ...never])).toBeGreaterThan(room);
          return;
        }
        const { messages, sizes } = assembled;
        expect(totalOf(sizes)).toBeLessThanOrEqual(room);
        expect(given.systemTokens + given.toolTokens + tokensOf(messages)).toBe(totalOf(sizes));
        expectNoOrphans(messages);
        const at = messages.indexOf(given.said[0] as ModelMessage);
        expect(messages.slice(at, at + given.said.length)).toEqual(given.said);
        const behind = messages.slice(at + given.said.length).filter(({ role }) => role !== 'tool');
        for (const message of behind) expect(given.added).toContain(message);
        const users = given.added.filter(({ role }) => role === 'user');
        expect(behind.filter(({ role }) => role === 'user')).toEqual(users);
      }),
      { numRuns: 300 },
    );
  });
});
