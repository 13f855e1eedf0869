/**
 * Goal: what a rule says goes, whole turns and no others, and a dry run tells the same. Method: transcripts with turns in
 * each other, answered together, open and damaged, by hand and at random; sessions of a real store, their lanes at rest.
 */
import fc from 'fast-check';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { RetentionRule } from '../../actors/session/old-turns.ts';
import { outcomeOf } from '../../actors/session/outcome.ts';
import type { HistoryEntry } from '../../src/protocol/messages.ts';
import { sessionOfKey } from '../../src/storage/session-record.ts';
import { Store } from '../../src/storage/store.ts';
import { entriesOf, putTurns, writeTurns } from '../support/past-turns.ts';
import { sessionSystem } from '../support/session-system.ts';
import { damageValues, storeFile } from '../support/store-files.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { holds } from '../support/wait.ts';

const KEY = 'agent:main:dm:api:ada';
const DAY_MS = 86_400_000;
const NOW = Date.now();

async function setUp(config: Parameters<typeof sessionSystem>[0]['config'] = {}, home?: string) {
  const store = new Store(home ?? (await tempFolder()), { flush: false });
  const sessions = sessionSystem({ store, config });
  sessions.system.pause();
  onTestFinished(async () => {
    sessions.retention.stop();
    await sessions.system.drain(0);
    await store.close();
  });
  const left = () => store.entriesBefore(KEY, Number.MAX_SAFE_INTEGER, 1_000_000);
  const outcome = (message: string, seq: number) => outcomeOf(store, KEY, { message, seq });
  return { ...sessions, store, left, outcome, seqs: () => left().map(({ seq }) => seq) };
}

/** Entries as they are given, and which of their messages wait in the inbox. */
async function write(store: Store, entries: readonly HistoryEntry[], open: readonly string[] = []): Promise<void> {
  await store.journal.commit((batch) => {
    batch.put(store.sessions, KEY, sessionOfKey(KEY, NOW));
    for (const entry of entries) {
      batch.put(store.entries, [KEY, entry.seq], entry);
      if (entry.role === 'user' && open.includes(entry.message)) {
        batch.put(store.inbox, [KEY, entry.seq], { message: entry.message });
      }
    }
  });
}

const turnAt = (daysAgo: number) => ({ said: `said ${daysAgo}`, answer: 'yes', at: NOW - daysAgo * DAY_MS });

/** `u1 a1` and the like: user or assistant, and of which message; `a2+1` answers message 1 as well. */
function scripted(script: string, at: (index: number) => number = () => NOW): HistoryEntry[] {
  return script.split(' ').map((word, index): HistoryEntry => {
    const [, kind, message, answered] = /^([uar])(\d+)(?:\+(\d+))?$/.exec(word) as unknown as string[];
    const role = kind === 'u' ? 'user' : kind === 'r' ? 'reset' : 'assistant';
    const entry: HistoryEntry = { seq: index + 1, role, text: word, timestamp: at(index), message: `m${message}` };
    return answered === undefined ? entry : { ...entry, answers: [`m${answered}`] };
  });
}

describe('by age', () => {
  it('turns go that ended before, and nothing else', async () => {
    const { store, retention, left } = await setUp();
    const entries = await putTurns(store, KEY, [turnAt(9), turnAt(5), turnAt(4), turnAt(1)]);
    const told = await retention.preview(KEY, { days: 4.5 });
    expect(left()).toEqual(entries);
    expect(told).toMatchObject({ turns: 2, entries: 4, images: 0, oldest: NOW - 9 * DAY_MS, newest: NOW - 5 * DAY_MS });
    expect(told.bytes).toBeGreaterThan(200);
    expect(await retention.apply(KEY, { days: 4.5 })).toEqual(told);
    expect(left()).toEqual(entries.slice(4));
  });

  it('a turn is as old as its end, and one that is dated in the future as what comes behind it', async () => {
    const { store, retention, seqs } = await setUp();
    const days = [9, 1, 9, -900, 9, 9];
    await write(
      store,
      scripted('u1 a1 u2 a2 u3 a3', (index) => NOW - (days[index] as number) * DAY_MS),
    );
    expect(await retention.preview(KEY, { days: 5 })).toMatchObject({ turns: 0, oldest: null, newest: null });
    await write(
      store,
      scripted('u1 a1', () => NOW - 9 * DAY_MS),
    );
    await retention.apply(KEY, { days: 5 });
    expect(seqs()).toEqual([]);
  });

  it('everything may go, and numbers are not given out again, in this life and the next', async () => {
    const { store, retention, session, seqs } = await setUp();
    await putTurns(store, KEY, [turnAt(9), turnAt(8)]);
    await retention.apply(KEY, { days: 1 });
    expect(seqs()).toEqual([]);
    expect(store.numbers.last(KEY)).toBe(4);
    await session(KEY).control({ type: 'delete' });
    expect(store.numbers.last(KEY)).toBe(0);
  });
});

describe('by number and size', () => {
  it('the oldest go until what is left is within the limit', async () => {
    const { store, retention, seqs } = await setUp();
    await write(store, entriesOf([turnAt(9), turnAt(5), turnAt(4), turnAt(1)]));
    expect(await retention.preview(KEY, { entriesMax: 8 })).toMatchObject({ turns: 0 });
    expect(await retention.apply(KEY, { entriesMax: 5 })).toMatchObject({ turns: 2, entries: 4 });
    expect(seqs()).toEqual([5, 6, 7, 8]);
  });

  it('images count, and go with their turn', async () => {
    const { store, retention, left } = await setUp();
    const images = [Buffer.alloc(50_000, 1), Buffer.alloc(50_000, 2)];
    const [, , kept] = await putTurns(store, KEY, [{ ...turnAt(2), images }, { ...turnAt(1), images }, turnAt(0)]);
    const told = await retention.apply(KEY, { bytesMax: 150_000 });
    expect(told).toMatchObject({ turns: 1, images: 2 });
    expect(told.bytes).toBeGreaterThan(100_000);
    expect(left()[0]).toEqual(kept);
    expect([...store.images.getKeys({})]).toEqual([
      [KEY, 3, 0],
      [KEY, 3, 1],
    ]);
  });

  it('the newest turn stays, however large it is', async () => {
    const { store, retention, seqs } = await setUp();
    await write(store, scripted('u1 a1 u2 a2 a2 a2'));
    await retention.apply(KEY, { entriesMax: 1, bytesMax: 1 });
    expect(seqs()).toEqual([3, 4, 5, 6]);
  });
});

describe('turns are whole', () => {
  const all = { entriesMax: 1 };

  it('one in the other, and those that were answered together', async () => {
    const { store, retention, seqs } = await setUp();
    await write(store, scripted('u1 u2 a1 u3 a2 u4 a4+3 u5 a5'));
    expect(await retention.apply(KEY, { entriesMax: 6 })).toMatchObject({ turns: 2, entries: 4 });
    expect(seqs()).toEqual([4, 6, 7, 8, 9]);
    await retention.apply(KEY, { entriesMax: 4 });
    expect(seqs()).toEqual([8, 9]);
  });

  it('one that has not ended stays, with what was answered with it, and all behind it', async () => {
    const { store, retention, seqs } = await setUp();
    await write(store, scripted('u1 u2 a1 u3 a3 u4 a4 u5 a5'), ['m2']);
    await retention.apply(KEY, all);
    expect(seqs()).toEqual([2, 4, 5, 6, 7, 8, 9]);
  });

  it('a reset goes after all that stood before it', async () => {
    const { store, retention, seqs } = await setUp();
    await write(store, scripted('u1 a1 u2 r3 u4 a4 u5 a5'), ['m2']);
    await retention.apply(KEY, all);
    expect(seqs()).toEqual([3, 4, 5, 6, 7, 8]);
    await store.journal.commit((batch) => batch.remove(store.inbox, [KEY, 3]));
    await retention.apply(KEY, all);
    expect(seqs()).toEqual([7, 8]);
  });

  it('a damaged entry goes with what stands before it', async () => {
    const home = await tempFolder();
    await writeTurns(home, KEY, [turnAt(9), turnAt(5), turnAt(4), turnAt(1)]);
    for (const text of ['said 9', 'said 4']) expect(damageValues(storeFile(home), 'entries', text)).toBe(1);
    const { store, retention, seqs } = await setUp({}, home);
    expect(await retention.apply(KEY, { days: 4.5 })).toMatchObject({ turns: 3, entries: 5 });
    expect([...store.entries.getKeys({})]).toEqual([6, 7, 8].map((seq) => [KEY, seq]));
    expect(seqs()).toEqual([6, 7, 8]);
  });

  it('dead letters of turns that go, and what decided calls were given, go too', async () => {
    const { store, retention } = await setUp();
    await write(store, scripted('u1 a1 u2 a2'));
    const asked = { session: KEY, run: 'r', call: 'c', name: 'exec', rule: 'x', askedAt: 1, expiresAt: 2 };
    const decision = { allowed: true, at: 3 };
    await store.journal.commit((batch) => {
      for (const message of ['m1', 'm2']) {
        const record = { ...asked, approval: `of ${message}`, message, input: { secret: message } };
        store.approvals.decide(batch, record, decision);
        const error = { code: 'internal' as const, message: 'x', retryable: false };
        const letter = { message, session: KEY, seq: 1, text: message, error, attempts: 3, acceptedAt: 0, diedAt: 0 };
        batch.put(store.deadLetters, message, letter);
      }
    });
    await retention.apply(KEY, all);
    expect([...store.deadLetters.getKeys({})]).toEqual(['m2']);
    expect([...store.approvals.decided(undefined)].map(({ input }) => input)).toEqual([{ secret: 'm2' }, null]);
  });
});

it('an index is told in the same commit what it has to forget', async () => {
  const { store, retention } = await setUp();
  await putTurns(
    store,
    KEY,
    Array.from({ length: 2_000 }, () => turnAt(9)),
  );
  const commits = vi.spyOn(store.journal, 'commit');
  await retention.apply(KEY, { entriesMax: 100 });
  expect(commits.mock.calls.length).toBeGreaterThan(5);
  const [record] = store.unlearn.list(10);
  expect(record?.record).toMatchObject({ session: KEY, upTo: 3_900 });
});

it('a message that is sent again under its key has an outcome, though its answer is gone', async () => {
  const { store, retention, outcome } = await setUp();
  await putTurns(store, KEY, [turnAt(9), turnAt(1)]);
  expect(outcome('m1', 1)).toMatchObject({ text: 'yes' });
  await retention.apply(KEY, { days: 5 });
  expect(outcome('m1', 1)).toEqual({ run: '', status: 'ok', text: '', truncated: true });
});

it('what runs goes on beside it, and looks back on what is left', async () => {
  const { store, retention, session, system, left, eventsOf } = await setUp();
  await putTurns(store, KEY, [turnAt(9), turnAt(1)]);
  await session(KEY).control({ type: 'get' });
  await retention.apply(KEY, { days: 5 });
  system.unpause();
  const { newTurn } = await import('../../actors/session/turn.ts');
  await session(KEY).tell(newTurn('new', 'hello'));
  await holds(() => eventsOf('run.end').length === 1);
  expect(left().map(({ seq }) => seq)).toEqual([3, 4, 5, 6]);
});

it('rounds remove what the configuration says, of the types it names', async () => {
  const group = 'agent:main:group:api:team';
  const { store, left } = await setUp({ sessions: { retention: { entriesMax: 2, types: ['dm'] } } });
  await putTurns(store, KEY, [turnAt(9), turnAt(1)]);
  await putTurns(store, group, [turnAt(9), turnAt(1)]);
  await holds(() => left().length === 2);
  expect(store.entriesBefore(group, 99, 99)).toHaveLength(4);
});

/** A transcript at random: messages, each with some entries behind it in any order, some answered together or open. */
const transcripts = fc
  .record({
    turns: fc.array(fc.record({ answers: fc.integer({ min: 0, max: 3 }), joins: fc.boolean() }), {
      maxLength: 12,
    }),
    order: fc.array(fc.nat(), { minLength: 60, maxLength: 60 }),
    opened: fc.uniqueArray(fc.nat(11), { maxLength: 2 }),
  })
  .map(({ turns, order, opened }) => {
    const waiting = turns.map(({ answers }, message) => [`u${message}`, ...Array(answers).fill(`a${message}`)]);
    const words: string[] = [];
    let begun = 0;
    while (waiting.some((rest) => rest.length > 0)) {
      // The next message comes, or one that has come gets its next entry.
      const choices = waiting.flatMap((rest, index) => (rest.length > 0 && index <= begun ? [index] : []));
      const index = choices[(order[words.length] ?? 0) % Math.max(choices.length, 1)] ?? begun;
      const word = waiting[index]?.shift();
      if (word === undefined) begun += 1;
      else words.push(word);
      if (index === begun) begun += 1;
    }
    const open = opened.filter((message) => message < turns.length).map((message) => `m${message}`);
    const joins = turns.flatMap(({ joins, answers }, message) =>
      joins && message > 0 && answers > 0 ? [message] : [],
    );
    // The last entry of a message says which message before it was answered too.
    const marked = words.map((word, at) => {
      const message = Number(word.slice(1));
      const isLast = !words.slice(at + 1).includes(word) && word.startsWith('a');
      return isLast && joins.includes(message) ? `${word}+${message - 1}` : word;
    });
    return { script: marked.join(' '), open };
  })
  .filter(({ script }) => script !== '');

it('whatever the transcript and the rule: turns go whole, in order, within the limits, as the dry run has told', async () => {
  const { store, retention, left } = await setUp();
  const clear = () =>
    store.journal.commit((batch) => {
      for (const key of store.entries.getKeys({})) batch.remove(store.entries, key);
      for (const key of store.inbox.getKeys({})) batch.remove(store.inbox, key);
    });
  const rules = fc.record(
    { entriesMax: fc.integer({ min: 1, max: 30 }), days: fc.integer({ min: 1, max: 40 }) },
    { requiredKeys: [] },
  );
  await fc.assert(
    fc.asyncProperty(transcripts, rules, async ({ script, open }, rule: RetentionRule) => {
      await clear();
      const entries = scripted(script, (index) => NOW - (40 - index) * DAY_MS);
      await write(store, entries, open);
      const told = await retention.preview(KEY, rule);
      expect(await retention.apply(KEY, rule)).toEqual(told);
      const kept = left();
      expect(kept.length).toBe(entries.length - told.entries);
      const groups = groupsOf(entries);
      const isKept = (seq: number) => kept.some((entry) => entry.seq === seq);
      const states = groups.map(({ seqs }) => new Set(seqs.map(isKept)));
      expect(states.every(({ size }) => size === 1)).toBe(true); // whole
      const firstKept = states.findIndex((state) => state.has(true));
      expect(states.slice(firstKept < 0 ? states.length : firstKept).every((state) => state.has(true))).toBe(true);
      const isOpen = (at: number) => groups[at]?.messages.some((message) => open.includes(message)) ?? false;
      for (const [at, state] of states.entries()) if (isOpen(at)) expect(state.has(true)).toBe(true);
      // What is left is within the limit, or what stands in the way may not go.
      const isBlocked = firstKept < 0 || isOpen(firstKept) || firstKept === groups.length - 1;
      if (rule.entriesMax !== undefined && !isBlocked) expect(kept.length).toBeLessThanOrEqual(rule.entriesMax);
      expect(await retention.preview(KEY, rule)).toMatchObject({ turns: 0 });
    }),
    { numRuns: 150 },
  );
});

/** The turns of a transcript, in the order they begin, by a slower way than the one that is tested. */
function groupsOf(entries: readonly HistoryEntry[]): { messages: string[]; seqs: number[] }[] {
  const root = new Map<string, string>();
  const find = (message: string): string => {
    const up = root.get(message);
    return up === undefined || up === message ? message : find(up);
  };
  for (const { message, answers = [] } of entries) {
    for (const other of answers) root.set(find(other), find(message));
  }
  const groups = Map.groupBy(entries, ({ message }) => find(message));
  return [...groups.values()]
    .map((own) => ({ messages: own.map(({ message }) => message), seqs: own.map(({ seq }) => seq) }))
    .sort((a, b) => (a.seqs[0] as number) - (b.seqs[0] as number));
}
