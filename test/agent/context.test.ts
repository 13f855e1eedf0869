/**
 * Goal: what models may look back on is well formed for any transcript. Method: examples, then random and damaged
 * transcripts. What of it fits into a request: assembly.test.ts.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  contextLength,
  HISTORY_LENGTH_MAX,
  HISTORY_MESSAGES_MAX,
  HISTORY_TURNS_MAX,
  newestTurns,
  pastTurns,
} from '../../src/agent/context.ts';
import type { ModelMessage } from '../../src/agent/provider.ts';
import type { HistoryEntry } from '../../src/protocol/messages.ts';
import { expectNoOrphans } from './no-orphans.ts';

type Line = Partial<HistoryEntry> & Pick<HistoryEntry, 'role' | 'message'>;

function transcript(...lines: Line[]): HistoryEntry[] {
  return lines.map((line, seq) => ({ seq, timestamp: 0, text: '', ...line }));
}

const user = (message: string, text = `question ${message}`): Line => ({ role: 'user', message, text });
const assistant = (message: string, text: string, ...ids: string[]): Line => ({
  role: 'assistant',
  message,
  text,
  ...(ids.length > 0 ? { toolCalls: ids.map((id) => ({ id, name: 'calc', input: {} })) } : {}),
});
const result = (message: string, id: string): Line => ({
  role: 'tool',
  message,
  text: `result ${id}`,
  toolCall: { id, name: 'calc' },
});

/** The context of the user's message `message` of a transcript. */
function contextFor(entries: readonly HistoryEntry[], message: string): ModelMessage[] {
  const turns = pastTurns(entries);
  const current = turns.findIndex((turn) => turn.message === message);
  const past = newestTurns(turns.slice(0, current)).flatMap((turn) => turn.messages);
  return [...past, { role: 'user', text: turns[current]?.messages[0]?.text ?? '' }];
}

describe('the context of a message', () => {
  it('is what was said before it, and it', () => {
    const entries = transcript(user('a'), assistant('a', 'answer a'), user('b'));
    expect(contextFor(entries, 'b')).toEqual([
      { role: 'user', text: 'question a' },
      { role: 'assistant', text: 'answer a', toolCalls: [] },
      { role: 'user', text: 'question b' },
    ]);
  });

  it('puts an answer behind its question though another was accepted in between', () => {
    const entries = transcript(user('a'), user('b'), assistant('a', 'answer a'));
    expect(contextFor(entries, 'b').map(({ text }) => text)).toEqual(['question a', 'answer a', 'question b']);
  });

  it('leaves out what was asked later', () => {
    const entries = transcript(user('a'), user('b'), user('c'));
    expect(contextFor(entries, 'b').map(({ text }) => text)).toEqual(['question a', 'question b']);
  });

  it('answers afresh: what a crashed run left of the same turn is not sent', () => {
    const entries = transcript(user('a'), assistant('a', 'half an ans', '1'), result('a', '1'));
    expect(contextFor(entries, 'a')).toEqual([{ role: 'user', text: 'question a' }]);
  });

  it('keeps calls with their results, in the order of the calls', () => {
    const entries = transcript(user('a'), assistant('a', '', '1', '2'), result('a', '2'), result('a', '1'), user('b'));
    const messages = contextFor(entries, 'b');
    expect(messages.map((message) => (message.role === 'tool' ? message.call : message.role))).toEqual([
      'user',
      'assistant',
      '1',
      '2',
      'user',
    ]);
  });

  it('drops calls without a result, results without a call, and answers with nothing left', () => {
    const entries = transcript(user('a'), assistant('a', '', 'lost'), result('a', 'stray'), user('b'));
    expect(contextFor(entries, 'b').map(({ role }) => role)).toEqual(['user', 'user']);
  });

  it('does not take the result of one turn for the same id in another', () => {
    const entries = transcript(
      user('a'),
      assistant('a', 'x', '1'),
      assistant('a', 'y', '1'),
      result('a', '1'),
      user('b'),
    );
    const calls = contextFor(entries, 'b').map((message) => message.role === 'assistant' && message.toolCalls.length);
    expect(calls).toEqual([false, 0, 1, false, false]);
  });

  it('is cut at whole turns when it grows too long, oldest first', () => {
    const long = 'x'.repeat(HISTORY_LENGTH_MAX / 2 - 100);
    const entries = transcript(user('a', long), user('b', long), user('c', long), user('d'));
    expect(contextFor(entries, 'd')).toHaveLength(3);
  });

  it('has the newest turn though it has more messages than are kept of others', () => {
    const ids = Array.from({ length: HISTORY_MESSAGES_MAX }, (_, i) => `${i}`);
    const busy = [user('b'), assistant('b', '', ...ids), ...ids.map((id) => result('b', id))];
    const entries = transcript(user('a'), ...busy, user('c'));
    expect(contextFor(entries, 'c')).toHaveLength(HISTORY_MESSAGES_MAX + 3);
  });
});

describe('for any transcript, a damaged one included', () => {
  const ids = fc.constantFrom('1', '2', '3');
  const messageIds = fc.constantFrom('a', 'b', 'c', 'd');
  const size = fc.oneof({ weight: 5, arbitrary: fc.nat(20) }, fc.nat(HISTORY_LENGTH_MAX / 2));
  const words = size.map((length) => 'x'.repeat(length));
  const line: fc.Arbitrary<Line> = fc.oneof(
    fc.record({ role: fc.constant('user' as const), message: messageIds, text: words }),
    fc.tuple(messageIds, words, fc.array(ids, { maxLength: 3 })).map(([m, t, calls]) => assistant(m, t, ...calls)),
    fc.tuple(messageIds, ids).map(([m, id]) => result(m, id)),
  );
  const arbitrary = fc
    .array(line, { maxLength: 40 })
    .chain((lines) => fc.nat(lines.length).map((at) => transcript(...lines.toSpliced(at, 0, user('current')))));

  it('no call is without result, the message comes last, the limits hold', () => {
    fc.assert(
      fc.property(arbitrary, (entries) => {
        const messages = contextFor(entries, 'current');
        expect(messages.at(-1)).toEqual({ role: 'user', text: 'question current' });
        expect(messages[0]?.role).toBe('user');
        expectNoOrphans(messages);
        expect(contextLength(messages.slice(0, -1))).toBeLessThanOrEqual(HISTORY_LENGTH_MAX);
        const earlier = entries.slice(
          0,
          entries.findIndex(({ message }) => message === 'current'),
        );
        const questions = new Set(earlier.flatMap(({ role, message }) => (role === 'user' ? [message] : [])));
        expect(messages.filter(({ role }) => role === 'user').length).toBeLessThanOrEqual(questions.size + 1);
      }),
    );
  });

  it('there are never more turns than the limit', () => {
    const turns = Array.from({ length: HISTORY_TURNS_MAX + 50 }, (_, i) => user(`m${i}`));
    const last = `m${turns.length - 1}`;
    expect(contextFor(transcript(...turns), last)).toHaveLength(HISTORY_TURNS_MAX + 1);
  });
});
