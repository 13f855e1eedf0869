/**
 * Goal: nothing is spent past a budget, by however many sessions, on however many shards. Method: the real table, budgets
 * as two shards have them, a clock that stands still; then runs of scripted providers.
 */
import { describe, expect, it, onTestFinished } from 'vitest';
import { createBudgets } from '../../src/agent/budget.ts';
import type { ResolvedModel } from '../../src/agent/failover.ts';
import { type Config, configSchema } from '../../src/config/schema.ts';
import { Store } from '../../src/storage/store.ts';
import type { ConfigInput } from '../support/gateway.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { call, play, run, scripted, stop, text, toolCalls } from './scripted-run.ts';

type BudgetConfig = ConfigInput['budgets'];

/** Noon of a day in UTC. */
const NOON = Date.UTC(2026, 4, 5, 12);
const never = new AbortController().signal;
const model: ResolvedModel = { provider: scripted(), name: 'm', reference: 'test/m', price: { input: 3, output: 15 } };

async function openStore(folder?: string): Promise<{ store: Store; folder: string }> {
  const path = folder ?? (await tempFolder());
  const store = new Store(path);
  onTestFinished(() => store.close().catch(() => undefined));
  return { store, folder: path };
}

function budgetsOf(
  limits: BudgetConfig,
  store: Store,
  at: { now: number; elapsed?: number } = { now: NOON },
  shard = 0,
) {
  const config: Config['budgets'] = configSchema.parse({ budgets: limits }).budgets;
  const budgets = createBudgets(config, {
    table: store.spending,
    shard,
    shards: 2,
    now: () => at.now,
    elapsed: () => at.elapsed ?? at.now,
    onFault: (error) => expect.unreachable(String(error)),
  });
  if (budgets === undefined) throw new Error('no limit was given');
  return budgets;
}

it('without a limit there is no budget to ask', async () => {
  const { store } = await openStore();
  const { budgets } = configSchema.parse({});
  const dependencies = {
    table: store.spending,
    shard: 0,
    shards: 1,
    now: () => NOON,
    elapsed: () => NOON,
    onFault: () => undefined,
  };
  expect(createBudgets(budgets, dependencies)).toBeUndefined();
});

describe('a budget of a day', () => {
  it.each([
    ['runs', { runs: 2 }, '2 of 2 runs'],
    ['tokens', { tokens: 1_500 }, '2000 of 1500 tokens'],
    ['money', { cost: 0.005 }, '0.0060 of 0.0050 dollars'],
  ])('in %s is refused once it is spent, until midnight in UTC', async (_, perDay, reason) => {
    const { store } = await openStore();
    const at = { now: NOON };
    const budgets = budgetsOf({ perDay }, store, at);
    for (let i = 0; i < 2; i += 1) {
      const budget = budgets.ofRun('api:alice');
      await budget.admit(model, never);
      budget.settle(1_000, 3_000);
    }
    await expect(budgets.ofRun('api:bob').admit(model, never)).rejects.toMatchObject({
      code: 'budget_exceeded',
      retryable: false,
      retryAfterMs: 12 * 3_600_000,
      message: `the budget of all is spent: ${reason} today`,
    });
    at.now += 12 * 3_600_000;
    await budgets.ofRun('api:bob').admit(model, never);
  });

  it('of one sender leaves the others theirs', async () => {
    const { store } = await openStore();
    const budgets = budgetsOf({ perSenderPerDay: { runs: 1 } }, store);
    await budgets.ofRun('api:alice').admit(model, never);
    await budgets.ofRun('api:bob').admit(model, never);
    await expect(budgets.ofRun('api:alice').admit(model, never)).rejects.toThrow('api:alice');
  });

  it('counts a run once, however often it asks its model', async () => {
    const { store } = await openStore();
    const budgets = budgetsOf({ perDay: { runs: 1 } }, store);
    const budget = budgets.ofRun('api:alice');
    for (let i = 0; i < 5; i += 1) {
      await budget.admit(model, never);
      budget.settle(10, 0);
    }
    await expect(budgets.ofRun('api:alice').admit(model, never)).rejects.toThrow('1 of 1 runs');
  });

  it('in money refuses a model without a price, and lets offline pass', async () => {
    const { store } = await openStore();
    const budget = budgetsOf({ perDay: { cost: 1 } }, store).ofRun('api:alice');
    const { price: _, ...unpriced } = model;
    await expect(budget.admit(unpriced, never)).rejects.toMatchObject({ code: 'budget_exceeded' });
    await budget.admit({ ...unpriced, reference: 'offline' }, never);
  });

  it('is forgotten after another day', async () => {
    const { store } = await openStore();
    const at = { now: NOON };
    const budgets = budgetsOf({ perDay: { tokens: 100 } }, store, at);
    const runsOn = (day: string) => store.spending.change(day, ['all'], ([spent]) => spent?.runs);
    for (const day of ['2026-05-05', '2026-05-06', '2026-05-07']) {
      const budget = budgets.ofRun('api:alice');
      await budget.admit(model, never);
      budget.settle(1, 0);
      expect(await runsOn(day)).toBe(1);
      at.now += 86_400_000;
    }
    expect(await runsOn('2026-05-06')).toBe(1);
    expect(await runsOn('2026-05-05')).toBe(0);
  });

  it('is remembered when the clock was set forwards by days, and back again', async () => {
    const { store } = await openStore();
    const at = { now: NOON, elapsed: 0 };
    const budgets = budgetsOf({ perDay: { runs: 1 } }, store, at);
    await budgets.ofRun('api:alice').admit(model, never);
    at.now += 5 * 86_400_000;
    await budgets.ofRun('api:alice').admit(model, never);
    at.now -= 5 * 86_400_000;
    await expect(budgets.ofRun('api:alice').admit(model, never)).rejects.toThrow('1 of 1 runs');
  });

  it('is as spent after a restart; requests that were going on then hold nothing any more', async () => {
    const { store, folder } = await openStore();
    const before = budgetsOf({ perDay: { tokens: 100 } }, store);
    const settled = before.ofRun('api:alice');
    await settled.admit(model, never);
    settled.settle(60, 0);
    await before.ofRun('api:alice').admit(model, never); // and never ends
    await store.close();
    const budgets = budgetsOf({ perDay: { tokens: 100 } }, (await openStore(folder)).store);
    const budget = budgets.ofRun('api:alice');
    await budget.admit(model, never);
    budget.settle(60, 0);
    await expect(budget.admit(model, never)).rejects.toThrow('120 of 100 tokens');
  });
});

describe('requests at the same time', () => {
  it('on two shards never spend the same remainder: as many are made as one after the other', async () => {
    const { store } = await openStore();
    const shards = [0, 1].map((shard) => budgetsOf({ perDay: { tokens: 180 } }, store, undefined, shard));
    let made = 0;
    const outcomes = await Promise.allSettled(
      Array.from({ length: 40 }, async (_, i) => {
        const budget = shards[i % 2]!.ofRun(`api:user${i}`);
        await budget.admit(model, never);
        made += 1;
        await new Promise((resolve) => setImmediate(resolve));
        budget.settle(18, 0);
      }),
    );
    expect(made).toBe(10);
    expect(outcomes.filter(({ status }) => status === 'rejected')).toHaveLength(30);
  });

  it('wait for each other near the end, and may be cancelled while they do', async () => {
    const { store } = await openStore();
    const budgets = budgetsOf({ perDay: { tokens: 100 } }, store);
    const first = budgets.ofRun('api:alice');
    await first.admit(model, never);
    const controller = new AbortController();
    const waiting = budgets.ofRun('api:bob').admit(model, controller.signal);
    controller.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    const next = budgets.ofRun('api:bob').admit(model, never);
    first.settle(20, 0);
    await next;
  });
});

describe('a run', () => {
  it('over its budget fails between two turns without asking its model again', async () => {
    const { store } = await openStore();
    const budget = budgetsOf({ perDay: { tokens: 20 } }, store).ofRun('api:alice');
    const provider = scripted([text('Let me see.'), call('1', 'time.now'), toolCalls], [text('Noon'), stop]);
    const [events, end] = await play(run(provider, { budget }));
    expect(provider.requests).toHaveLength(1);
    expect(events.map(({ type }) => type)).toEqual(['text', 'calls', 'toolStart', 'toolEnd', 'end']);
    expect(end).toMatchObject({ status: 'failed', error: { code: 'budget_exceeded' } });
  });

  it('whose API reports no usage is counted by its length', async () => {
    const { store } = await openStore();
    const budgets = budgetsOf({ perDay: { tokens: 5 } }, store);
    const provider = scripted([text('x'.repeat(40)), { ...stop, usage: null }]);
    await play(run(provider, { budget: budgets.ofRun('api:alice') }));
    await expect(budgets.ofRun('api:alice').admit(model, never)).rejects.toThrow('of 5 tokens');
  });
});
