/**
 * Goal: an operator's yes is for one exact call, and no call is made without. Method: sessions in this thread on a real store,
 * a tool that says what it has done, a scripted model; a life that is left hanging is a process that has ended.
 */
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { z } from 'zod';
import { listApprovals } from '../../actors/session/approval-list.ts';
import { newTurn } from '../../actors/session/turn.ts';
import { OUTCOME_UNKNOWN } from '../../src/agent/resume.ts';
import { DhaavakError } from '../../src/protocol/errors.ts';
import { PassedTime } from '../../src/runtime/passed-time.ts';
import { Store } from '../../src/storage/store.ts';
import { ToolRegistry } from '../../src/tools/registry.ts';
import { defineTool } from '../../src/tools/tool.ts';
import { call, type ScriptedProvider, type Step, scripted, stop, text, toolCalls } from '../agent/scripted-run.ts';
import { modelsOf, newId, sessionSystem } from '../support/session-system.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { holds } from '../support/wait.ts';

const KEY = 'agent:main:main';
const pays = (): Step[] => [call('c1', 'pay', { what: 'rent' }), toolCalls];
const ANSWER: Step[] = [text('Done.'), stop];
const HOUR_MS = 3_600_000;
let store: Store;
/** What the world has seen. */
let paid: string[];
/** What the tool says its call is bound to. */
let facts: Record<string, string>;

beforeEach(async () => {
  const opened = new Store(await tempFolder());
  store = opened;
  paid = [];
  facts = {};
  onTestFinished(() => opened.close());
});

const pay = defineTool({
  name: 'pay',
  group: 'test',
  description: 'Pays.',
  input: z.strictObject({ what: z.string() }),
  risk: 'ask',
  safeToRepeat: false,
  binding: async () => ({ ...facts }),
  handler: ({ what }) => {
    paid.push(what);
    return 'paid';
  },
});

function live(provider: ScriptedProvider, { tool = pay, approvalTimeoutMs = 60_000 } = {}) {
  const config = { agents: { main: { tools: ['*'] } }, tools: { approvalTimeoutMs } };
  const running = sessionSystem({ store, config, models: modelsOf(provider), tools: new ToolRegistry([tool]) });
  onTestFinished(async () => void (await running.system.drain(0)));
  const session = running.session(KEY);
  return {
    ...running,
    wake: () => session.control({ type: 'wake' }),
    say: (said: string) => session.tell(newTurn(newId(), said)),
    cancel: () => session.control({ type: 'cancel', run: undefined }),
    ended: () => holds(() => running.eventsOf('run.end').length === 1),
    /** The id of what waits. */
    async asked(): Promise<string> {
      await holds(() => running.eventsOf('approval.requested').length === 1);
      return running.eventsOf('approval.requested')[0]!.approval;
    },
    decide: (approval: string, allow: boolean, by = 'asha') =>
      session.control({ type: 'approve', approval, allow, decider: { by, via: 'api' } }),
    outputs: () => running.eventsOf('tool.end').map(({ output }) => output),
  };
}

const waiting = () => listApprovals(store, {}, Date.now()).approvals;
const decided = () => listApprovals(store, { state: 'decided' }, Date.now()).approvals;

/** A session whose call waits. */
async function waitingCall(options: Parameters<typeof live>[1] = {}) {
  const only = live(scripted(pays(), ANSWER), options);
  await only.say('pay the rent');
  return { ...only, approval: await only.asked() };
}

describe('an answer', () => {
  it('is kept, with who gave it, where, and to what; and is on the disk before the call is made', async () => {
    facts = { cwd: '/work' };
    const { approval, decide, ended } = await waitingCall();
    expect(waiting()).toMatchObject([{ approval, session: KEY, name: 'pay', bound: { cwd: '/work' } }]);
    const { journal } = store;
    const real = journal.commit.bind(journal);
    const disk = Promise.withResolvers<void>();
    vi.spyOn(journal, 'commit').mockImplementationOnce((write) => disk.promise.then(() => real(write)));
    const answered = decide(approval, true);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(paid).toEqual([]);
    disk.resolve();
    await answered;
    await ended();
    expect(paid).toEqual(['rent']);
    expect(waiting()).toEqual([]);
    expect(decided()).toMatchObject([
      {
        ...{ approval, name: 'pay', input: { what: 'rent' }, rule: 'the tool itself', bound: { cwd: '/work' } },
        decision: { allowed: true, by: 'asha', via: 'api' },
      },
    ]);
  });

  it('counts when it is the first: of a hundred at once one does, and the others are told whose', async () => {
    const { approval, decide, ended } = await waitingCall();
    const answers = Array.from({ length: 100 }, (_, n) => decide(approval, n === 0, `operator ${n}`));
    const [first, ...others] = await Promise.allSettled(answers);
    expect(first).toMatchObject({ status: 'fulfilled', value: { allowed: true } });
    for (const other of others) {
      expect(other).toMatchObject({
        status: 'rejected',
        reason: { code: 'conflict', message: 'too late: it was approved by operator 0 (api)' },
      });
    }
    await ended();
    expect(paid).toEqual(['rent']);
    await expect(decide(approval, false)).rejects.toMatchObject({ code: 'conflict' });
    expect(decided()).toHaveLength(1);
  });

  it('of no is told to the model and to whoever comes later', async () => {
    const { approval, decide, ended, outputs } = await waitingCall();
    await decide(approval, false, 'ben');
    await ended();
    expect(paid).toEqual([]);
    expect(outputs()).toEqual(['pay was not called: an operator refused it']);
    await expect(decide(approval, true)).rejects.toThrow('too late: it was refused by ben (api)');
  });

  it('of nobody is no, as is the end of the run; a later yes is too late', async () => {
    const late = await waitingCall({ approvalTimeoutMs: 30 });
    await late.ended();
    expect(late.outputs()).toEqual(['pay was not called: nobody approved it in time']);
    await expect(late.decide(late.approval, true)).rejects.toThrow(
      'too late: it was refused: nobody approved it in time',
    );
    const { approval, cancel, decide, ended } = await waitingCall();
    await cancel();
    await ended();
    await holds(() => decided().length === 2);
    await expect(decide(approval, true)).rejects.toMatchObject({ code: 'conflict' });
    expect(paid).toEqual([]);
  });

  it('of yes that the disk does not take is no', async () => {
    const { approval, decide, ended } = await waitingCall();
    vi.spyOn(store.journal, 'commit').mockRejectedValueOnce(new DhaavakError('storage_failed', 'full'));
    await expect(decide(approval, true)).rejects.toMatchObject({ code: 'storage_failed' });
    await ended();
    expect(paid).toEqual([]);
  });

  it('does not wait for the lane, nor the lane of another session for it', async () => {
    const { approval, session, decide, eventsOf } = await waitingCall();
    const other = session('agent:main:dm:api:other');
    await other.control({ type: 'create', fields: { model: null, thinkingLevel: 'off' } });
    await session(KEY).tell(newTurn(newId(), 'next'));
    await other.tell(newTurn(newId(), 'hello'));
    await holds(() => eventsOf('run.end').some(({ session: key }) => key !== KEY));
    await decide(approval, true);
    await holds(() => eventsOf('run.end').filter(({ session: key }) => key === KEY).length === 2);
    expect(paid).toEqual(['rent']);
  });
});

describe('a call that is approved', () => {
  it.each([
    ['is changed', { cwd: '/work', 'sha256 of run.sh': 'bb' }, 'sha256 of run.sh'],
    ['is gone', { cwd: '/work' }, 'sha256 of run.sh'],
    ['is new', { cwd: '/work', 'sha256 of run.sh': 'aa', more: 'x' }, 'more'],
  ])('is not made when what it is bound to %s', async (_, now, what) => {
    facts = { cwd: '/work', 'sha256 of run.sh': 'aa' };
    const { approval, decide, ended, outputs } = await waitingCall();
    facts = now;
    await decide(approval, true);
    await ended();
    expect(paid).toEqual([]);
    expect(outputs()[0]).toContain(`pay was not called: ${what} has changed since the call was approved`);
  });

  it('is not made when its input has become another meanwhile', async () => {
    let given: { what: string } | undefined;
    const sly = defineTool<{ what: string }>({
      ...pay,
      input: z.any(), // hands on the object it is given
      binding: async (input) => {
        given = input;
        return {};
      },
    });
    const { approval, decide, ended, outputs } = await waitingCall({ tool: sly });
    given!.what = 'everything';
    await decide(approval, true);
    await ended();
    expect(paid).toEqual([]);
    expect(outputs()[0]).toContain('its input has changed');
  });

  it('is not asked about when what it is bound to cannot be told, or read', async () => {
    for (const [binding, why] of [
      [() => Promise.reject(new Error('run.sh is not there')), 'run.sh is not there'],
      [async () => ({ cwd: 'x'.repeat(300) }), 'more than an operator can read'],
    ] as const) {
      const only = live(scripted(pays(), ANSWER), { tool: defineTool({ ...pay, binding }) });
      await only.say('pay');
      await only.ended();
      expect(only.eventsOf('approval.requested')).toEqual([]);
      expect(only.outputs()[0]).toContain(why);
    }
    expect(paid).toEqual([]);
  });
});

describe('after the end of the process', () => {
  it('a call that waited was not made, and is asked about anew; what was asked before is answered no more', async () => {
    const { approval: before } = await waitingCall();
    const second = live(scripted(ANSWER));
    await second.wake();
    const approval = await second.asked();
    expect(approval).not.toBe(before);
    expect(waiting().map(({ approval: id }) => id)).toEqual([approval]);
    expect(decided()).toMatchObject([{ approval: before, decision: { allowed: false } }]);
    await expect(second.decide(before, true)).rejects.toMatchObject({ code: 'conflict' });
    await second.decide(approval, true);
    await second.ended();
    expect(paid).toEqual(['rent']);
    expect(second.outputs()).toEqual(['paid']);
  });

  it('as after a drain: nobody had decided', async () => {
    const first = await waitingCall();
    await first.system.drain(0);
    await store.journal.settled();
    expect(decided()).toEqual([]);
    const second = live(scripted(ANSWER));
    await second.wake();
    await second.decide(await second.asked(), true);
    await second.ended();
    expect(paid).toEqual(['rent']);
  });

  it('a call that was approved may have been made: its outcome is unknown, and it is not made again', async () => {
    const hang = defineTool({ ...pay, handler: () => new Promise(() => paid.push('rent')) });
    const { approval, decide } = await waitingCall({ tool: hang });
    await decide(approval, true);
    await holds(() => paid.length === 1);
    const second = live(scripted(ANSWER));
    await second.wake();
    await second.ended();
    expect(paid).toEqual(['rent']);
    expect(second.outputs()).toEqual([OUTCOME_UNKNOWN]);
    expect(second.eventsOf('approval.requested')).toEqual([]);
  });

  it('a yes to what nobody waits for any more is refused with the reason', async () => {
    const { approval } = await waitingCall();
    const second = live(scripted(['hang']));
    await expect(second.decide(approval, true)).rejects.toThrow('the gateway was started again, and asks anew');
    expect(paid).toEqual([]);
  });
});

describe('what was decided', () => {
  const record = (at: number, session = KEY, approval = newId(at)) => ({
    ...{ approval, session, message: 'm', run: 'r', call: 'c', name: 'pay', input: {}, rule: 'the tool itself' },
    ...{ askedAt: at, expiresAt: at + 1_000 },
  });
  const decide = (all: ReturnType<typeof record>[]) =>
    store.journal.commit((batch) => {
      for (const one of all) store.approvals.decide(batch, one, { allowed: true, at: one.askedAt });
    });
  async function tidy(passed: PassedTime): Promise<void> {
    for (let removal = store.approvals.tidying(passed); removal; removal = store.approvals.tidying(passed)) {
      await store.journal.commit(removal);
    }
  }
  const passedAt = (now: number) => new PassedTime(() => now);

  it('is told page by page, the newest first, of one session too', async () => {
    const all = Array.from({ length: 7 }, (_, n) => record(Date.now() + n, n % 2 === 0 ? KEY : 'agent:main:dm:api:b'));
    await decide(all);
    const pages: string[][] = [];
    for (let before: string | undefined; ; ) {
      const page = listApprovals(store, { state: 'decided', limit: 3, ...(before && { before }) }, Date.now());
      pages.push(page.approvals.map(({ approval }) => approval));
      before = page.approvals.at(-1)!.approval;
      if (!page.more) break;
    }
    expect(pages.flat()).toEqual(all.map(({ approval }) => approval).reverse());
    expect(pages.map(({ length }) => length)).toEqual([3, 3, 1]);
    expect(listApprovals(store, { state: 'decided', session: KEY }, Date.now()).approvals).toHaveLength(4);
  });

  it('is kept for 90 days, and 10,000 of it', async () => {
    const now = Date.now();
    await decide([record(now - 91 * 24 * HOUR_MS), record(now - 89 * 24 * HOUR_MS)]);
    await tidy(passedAt(now));
    expect(decided().map(({ askedAt }) => askedAt)).toEqual([now - 89 * 24 * HOUR_MS]);
    await decide(Array.from({ length: 10_150 }, () => record(now)));
    await tidy(passedAt(now));
    const kept = [...store.approvals.decided(undefined)];
    expect(kept).toHaveLength(10_000);
    expect(kept.every(({ askedAt }) => askedAt === now)).toBe(true);
  });

  it('is kept, and what waits goes on to wait, when the clock is set forwards by a year', async () => {
    const now = Date.now();
    let aheadMs = 0;
    const passed = new PassedTime(() => now + aheadMs);
    const open = record(now, 'agent:main:dm:api:b');
    await decide([record(now - 24 * HOUR_MS)]);
    await store.journal.commit((batch) => store.approvals.ask(batch, open));
    passed.look();
    aheadMs = 365 * 24 * HOUR_MS;
    await tidy(passed);
    expect(decided().map(({ askedAt }) => askedAt)).toEqual([now - 24 * HOUR_MS]);
    expect(store.approvals.waitingOf(open.session)).toHaveLength(1);
  });

  it('is what becomes, a day after its time, of a call that waited for good', async () => {
    const abandoned = record(Date.now() - 25 * HOUR_MS);
    await store.journal.commit((batch) => store.approvals.ask(batch, abandoned));
    expect(waiting()).toEqual([]);
    await tidy(passedAt(Date.now()));
    expect(decided()).toMatchObject([{ approval: abandoned.approval, decision: { allowed: false } }]);
  });

  it('has the beginning of an input that is long, and the event all of it', async () => {
    const what = 'x'.repeat(10_000);
    const only = live(scripted([call('c1', 'pay', { what }), toolCalls], ANSWER));
    await only.say('pay');
    await only.asked();
    expect(only.eventsOf('approval.requested')[0]?.input).toEqual({ what });
    expect(waiting()[0]?.input).toEqual({ truncated: JSON.stringify({ what }).slice(0, 4_096) });
  });
});
