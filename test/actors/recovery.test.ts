/**
 * Goal: a run that was cut short goes on where it was, and nothing that may have happened is done again. Method: one life of
 * a session is left hanging, as if its process had ended, and the next one starts on the same store.
 */
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { z } from 'zod';
import { newTurn } from '../../actors/session/turn.ts';
import { HISTORY_TURNS_MAX } from '../../src/agent/context.ts';
import { OUTCOME_UNKNOWN } from '../../src/agent/resume.ts';
import { DhaavakError } from '../../src/protocol/errors.ts';
import { Store } from '../../src/storage/store.ts';
import { codeTool } from '../../src/tools/code/code.ts';
import { ToolRegistry } from '../../src/tools/registry.ts';
import type { Result } from '../../src/tools/sandbox/execution.ts';
import { defineTool } from '../../src/tools/tool.ts';
import { call, type ScriptedProvider, type Step, scripted, stop, text, toolCalls } from '../agent/scripted-run.ts';
import { modelsOf, newId, sessionSystem } from '../support/session-system.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { holds } from '../support/wait.ts';

const KEY = 'agent:main:main';
/** More messages than are looked back on for a context. */
const WAITING = 4 * HISTORY_TURNS_MAX + 10;
const config = { sessions: { mailboxMax: 2 * WAITING }, agents: { main: { tools: ['pay', 'look'] } } };
let store: Store;
/** What the world has seen. */
let effects: string[];

beforeEach(async () => {
  const opened = new Store(await tempFolder());
  store = opened;
  effects = [];
  onTestFinished(() => opened.close());
});

/** `pay` must not be made twice, `look` may. Either hangs when told to, after it has had its effect. */
function toolsThat(hang: { pay?: true; look?: true } = {}): ToolRegistry {
  const tool = (name: 'pay' | 'look', safeToRepeat: boolean) =>
    defineTool({
      name,
      group: 'test',
      description: name,
      input: z.strictObject({}),
      risk: 'safe',
      safeToRepeat,
      handler: () => {
        effects.push(name);
        return hang[name] ? new Promise(() => {}) : `${name} done`;
      },
    });
  return new ToolRegistry([tool('pay', false), tool('look', true)]);
}

function live(provider: ScriptedProvider, tools = toolsThat(), mine = config) {
  const running = sessionSystem({ store, config: mine, models: modelsOf(provider), tools });
  onTestFinished(async () => void (await running.system.drain(0)));
  /** As a shard does after its start. */
  const wake = () => running.session(KEY).control({ type: 'wake' });
  const say = (said: string) => running.session(KEY).tell(newTurn(newId(), said));
  const ended = (count: number) => holds(() => running.eventsOf('run.end').length === count);
  return { ...running, wake, say, ended };
}

const PAY: Step[] = [text('Let me.'), call('c1', 'pay'), toolCalls];
const ANSWER: Step[] = [text('Done.'), stop];
const entries = () => store.entriesBefore(KEY, Infinity, 100);
const sent = (provider: ScriptedProvider, request: number) =>
  provider.requests[request]?.messages.map(({ role, text }) => [role, text]);

describe('a tool call', () => {
  it('that may have happened is not made again: its outcome is unknown, and model, transcript and subscribers are told', async () => {
    const first = live(scripted(PAY), toolsThat({ pay: true }));
    await first.say('pay');
    await holds(() => effects.length === 1);

    const provider = scripted(ANSWER);
    const second = live(provider);
    await second.wake();
    await second.ended(1);
    expect(effects).toEqual(['pay']);
    expect(sent(provider, 0)).toEqual([
      ['user', 'pay'],
      ['assistant', 'Let me.'],
      ['tool', OUTCOME_UNKNOWN],
    ]);
    expect(entries().map(({ role, text: said }) => [role, said])).toEqual([
      ['user', 'pay'],
      ['assistant', 'Let me.'],
      ['tool', OUTCOME_UNKNOWN],
      ['assistant', 'Done.'],
    ]);
    expect(entries()[2]?.toolCall).toEqual({ id: 'c1', name: 'pay', failed: true, unknown: true });
    expect(second.eventsOf('tool.end')).toMatchObject([{ call: 'c1', failed: true, unknown: true }]);
    expect(second.eventsOf('run.start')).toMatchObject([{ resumed: true }]);
  });

  it('that may have happened and does no harm is made again', async () => {
    const first = live(scripted([call('c1', 'look'), toolCalls]), toolsThat({ look: true }));
    await first.say('look');
    await holds(() => effects.length === 1);
    await store.journal.commit(() => {});

    const provider = scripted(ANSWER);
    const second = live(provider);
    await second.wake();
    await second.ended(1);
    expect(effects).toEqual(['look', 'look']);
    expect(sent(provider, 0)?.at(-1)).toEqual(['tool', 'look done']);
    expect(provider.requests).toHaveLength(1);
  });

  it.each([
    { granted: ['code', 'look'], runs: 2 },
    { granted: ['code', 'look', 'pay'], runs: 1 },
  ])('that is a program is made again only where all that it can call may be: $granted', async ({ granted, runs }) => {
    const mine = { ...config, agents: { main: { tools: granted } } };
    const programs = (outcome: Promise<Result>) => {
      const tools = toolsThat();
      const settings = { timeoutMs: 1_000, cpuMs: 1_000, callsMax: 10, only: false };
      const run = () => {
        effects.push('program');
        return outcome;
      };
      tools.register(codeTool(settings, run));
      return tools;
    };
    const first = live(
      scripted([call('c1', 'code', { source: 'return 1' }), toolCalls]),
      programs(new Promise(() => {})),
      mine,
    );
    await first.say('run');
    await holds(() => effects.length === 1);
    await store.journal.commit(() => {});

    const provider = scripted(ANSWER);
    const ended: Result = { ending: { status: 'ok', text: '1' }, console: '', calls: [] };
    const second = live(provider, programs(Promise.resolve(ended)), mine);
    await second.wake();
    await second.ended(1);
    expect(effects).toHaveLength(runs);
    expect(sent(provider, 0)?.at(-1)).toEqual(['tool', runs === 2 ? '1' : OUTCOME_UNKNOWN]);
  });

  it('with a result is not made again, nor is the model asked for it again', async () => {
    const first = live(scripted(PAY, ['hang']));
    await first.say('pay');
    await holds(() => entries().some(({ role }) => role === 'tool'));

    const provider = scripted(ANSWER);
    const second = live(provider);
    await second.wake();
    await second.ended(1);
    expect(effects).toEqual(['pay']);
    expect(sent(provider, 0)).toEqual([
      ['user', 'pay'],
      ['assistant', 'Let me.'],
      ['tool', 'pay done'],
    ]);
    expect(store.unfinished(KEY)).toEqual([]);
  });

  it('is not made before it is written down', async () => {
    const disk = Promise.withResolvers<void>();
    const { journal } = store;
    const real = journal.commit.bind(journal);
    vi.spyOn(journal, 'commit').mockImplementationOnce(real).mockReturnValueOnce(disk.promise);
    const only = live(scripted(PAY, ANSWER));
    await only.say('pay');
    await holds(() => vi.mocked(journal.commit).mock.calls.length === 2);
    await new Promise((resolve) => setImmediate(resolve));
    expect(effects).toEqual([]);
    disk.resolve();
    await only.ended(1);
    expect(effects).toEqual(['pay']);
  });

  it('of a run whose session crashed in this process is not made again either', async () => {
    const provider = scripted(PAY, ANSWER, ANSWER);
    const only = live(provider);
    const { journal } = store;
    const real = journal.commit.bind(journal);
    let commits = 0;
    // The fourth commit is the end of the run, after message, call and result.
    vi.spyOn(journal, 'commit').mockImplementation((write) => {
      commits += 1;
      return commits === 4 ? Promise.reject(new TypeError('a fault of ours')) : real(write);
    });
    await only.say('pay');
    await only.ended(1);
    expect(effects).toEqual(['pay']);
    expect(only.eventsOf('run.end')).toMatchObject([{ status: 'ok' }]);
    expect(only.system.stats().restarts).toBe(1);
    const numbers = entries().map(({ seq }) => seq);
    expect(new Set(numbers).size).toBe(numbers.length);
  });
});

describe('a message in whose tries the process ends', () => {
  it('is a dead letter at the fourth start, says so, and the lane goes on; sent again it is a new message', async () => {
    const first = live(scripted(['hang']));
    await first.say('poison');
    await first.say('next');
    for (let lives = 1; lives < 3; lives++) {
      const again = live(scripted(['hang']));
      await again.wake();
      await holds(() => again.eventsOf('run.start').length === 1);
    }
    const last = live(scripted(ANSWER, ANSWER));
    await last.wake();
    await last.ended(2);
    const [poison, next] = last.eventsOf('run.end');
    expect(poison).toMatchObject({ status: 'failed', deadLetter: true, error: { code: 'crash_loop' } });
    expect(next).toMatchObject({ status: 'ok' });
    expect([...store.deadLetters.getRange({})].map(({ value }) => value)).toMatchObject([
      { message: poison?.message, session: KEY, text: 'poison', attempts: 3, error: { code: 'crash_loop' } },
    ]);
    const resubmits = poison?.message as string;
    await last.session(KEY).tell({ ...newTurn(newId(), 'poison'), resubmits });
    await last.ended(3);
    expect(store.deadLetters.get(resubmits)).toBeUndefined();
  });

  it('counts a drain as no crash', async () => {
    let running = live(scripted(['hang']));
    await running.say('slow');
    for (let drains = 0; drains < 5; drains++) {
      await holds(() => running.eventsOf('run.start').length === 1);
      await running.system.drain(0);
      await store.journal.settled();
      running = live(scripted(['hang']));
      await running.wake();
    }
    await running.system.drain(0);
    await store.journal.settled();
    const last = live(scripted(ANSWER));
    await last.wake();
    await last.ended(1);
    expect(last.eventsOf('run.end')).toMatchObject([{ status: 'ok' }]);
  });
});

describe('an answer while the disk takes nothing', () => {
  it('waits with its lane and is written when there is room: the model is not asked again', async () => {
    const provider = scripted([text('one'), stop], [text('two'), stop]);
    const only = live(provider);
    const { journal } = store;
    const real = journal.commit.bind(journal);
    const full = new DhaavakError('storage_failed', 'full');
    const commit = vi.spyOn(journal, 'commit').mockImplementationOnce(real);
    commit.mockRejectedValueOnce(full).mockRejectedValueOnce(full);
    await only.say('first');
    await only.ended(1);
    expect(provider.requests).toHaveLength(1);
    expect(only.eventsOf('message.outbound')).toMatchObject([{ text: 'one' }]);
    await only.say('second');
    await only.ended(2);
    expect(only.system.stats().restarts).toBe(0);
  });
});

describe('a reset', () => {
  /** A life that ends between the reset, which is on the disk, and the end of what it has ended, which is not. */
  async function cutShort(first: ReturnType<typeof live>): Promise<void> {
    const reset = first.session(KEY).control({ type: 'reset' });
    const commit = vi.spyOn(store.journal, 'commit').mockImplementation(() => new Promise(() => {}));
    await reset;
    await new Promise((resolve) => setImmediate(resolve)); // what runs is told, and gives its end to the journal
    commit.mockRestore();
  }

  it('has ended what ran and what waited: it does not come back after a crash', async () => {
    const first = live(scripted(['hang']));
    await first.say('runs');
    await first.say('waits');
    await cutShort(first);

    const provider = scripted(ANSWER);
    const second = live(provider);
    await second.say('new');
    await second.ended(2);
    expect(second.eventsOf('run.end').map(({ status }) => status)).toEqual(['cancelled', 'ok']);
    expect(provider.requests).toHaveLength(1);
    expect(sent(provider, 0)).toEqual([['user', 'new']]);
    expect(store.unfinished(KEY)).toEqual([]);
  });

  it('has done so however much was said after it', async () => {
    const first = live(scripted(['hang']));
    await first.say('runs');
    const reset = first.session(KEY).control({ type: 'reset' });
    const commit = store.journal.commit.bind(store.journal);
    // The end of what ran never reaches the disk, and the lane waits for it; what is said is accepted all the same.
    vi.spyOn(store.journal, 'commit').mockImplementationOnce(() => new Promise(() => {}));
    await reset;
    await new Promise((resolve) => setImmediate(resolve));
    expect(store.journal.commit).toHaveBeenCalled();
    vi.restoreAllMocks();
    await Promise.all(Array.from({ length: WAITING }, (_, i) => first.say(`${i}`)));
    await commit(() => {});

    const provider = scripted(...Array.from({ length: WAITING }, () => ANSWER));
    const second = live(provider);
    await second.wake();
    // What was said after the reset may have been answered by the time this is looked at.
    await holds(() => second.eventsOf('run.end').length > 0);
    expect(second.eventsOf('run.end')[0]).toMatchObject({ status: 'cancelled' });
  });

  it('leaves of a call that may have been made that nobody knows', async () => {
    const first = live(scripted(PAY), toolsThat({ pay: true }));
    await first.say('pay');
    await holds(() => effects.length === 1);
    await cutShort(first);

    const provider = scripted(ANSWER);
    const second = live(provider);
    await second.wake();
    await second.ended(1);
    expect(effects).toEqual(['pay']);
    expect(provider.requests).toHaveLength(0);
    expect(second.eventsOf('tool.end')).toMatchObject([{ call: 'c1', failed: true, unknown: true }]);
    const [, , , unknown, end] = entries();
    expect(unknown?.toolCall).toEqual({ id: 'c1', name: 'pay', failed: true, unknown: true });
    expect(end).toMatchObject({ role: 'assistant', text: '', status: 'cancelled' });
  });
});
