/**
 * Goal: rare interleavings of lane, journal, recovery and clients break no promise (scorecard row 4). Method: worlds that
 * are simulated from a seed, see `test/simulation/world.ts`; a built-in fault must be found, or the simulation is blind.
 */
import { describe, expect, it, vi } from 'vitest';
import { MUTANTS } from '../simulation/mutants.ts';
import { type Outcome, simulate } from '../simulation/world.ts';
import { tempFolder } from '../support/temp-folder.ts';

vi.mock('lmdb', () => import('../simulation/lmdb.ts'));
vi.mock('node:timers', () => ({ setImmediate: (callback: () => void) => globalThis.setImmediate(callback) }));

const SEEDS = process.env.FAULTS === 'long' ? 10_000 : 300;
/** Lines of a failing seed's trace that are shown. */
const LINES_SHOWN = 60;

function story({ seed, steps, broken, trace }: Outcome, lines = LINES_SHOWN): string {
  return `seed ${seed}, step ${steps}: ${broken}\n${trace.lines.slice(-lines).join('\n')}`;
}

const only = process.env.SEED;

describe.skipIf(only !== undefined)('simulated worlds', () => {
  it(`keep every promise in ${SEEDS} of them`, { timeout: 30 * 60_000 }, async () => {
    const home = await tempFolder();
    let steps = 0;
    const start = performance.now();
    for (let seed = 1; seed <= SEEDS; seed++) {
      const outcome = await simulate(seed, home);
      if (outcome.broken !== undefined) expect.fail(story(outcome));
      steps += outcome.steps;
    }
    console.log(`${SEEDS} seeds, ${steps} steps, ${Math.round(performance.now() - start)} ms`);
  });

  it('happen the same way again with the same seed', async () => {
    const home = await tempFolder();
    for (let seed = 1; seed <= 20; seed++) {
      const [first, again] = [await simulate(seed, home), await simulate(seed, home)];
      expect(again.trace.hash).toBe(first.trace.hash);
      expect(again.trace.lines).toEqual(first.trace.lines);
    }
  });

  it.each(Object.keys(MUTANTS))('find a gateway that %s', { timeout: 60_000 }, async (name) => {
    const home = await tempFolder();
    let found: Outcome | undefined;
    for (let seed = 1; seed <= 300 && found?.broken === undefined; seed++) {
      found = await simulate(seed, home, MUTANTS[name]);
    }
    console.log(`${name}: seed ${found?.seed}: ${found?.broken}`);
    expect(found?.broken).toBeDefined();
  });
});

describe.runIf(only !== undefined)('the world of one seed', () => {
  it('keeps every promise', { timeout: 60_000 }, async () => {
    const outcome = await simulate(Number(only), await tempFolder());
    console.log(story(outcome, Infinity));
    expect(outcome.broken).toBeUndefined();
  });
});
