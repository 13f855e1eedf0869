/**
 * Goal: rare interleavings of lane, journal, recovery and clients break no promise (scorecard row 4). Method: worlds that
 * are simulated from a seed, see `test/simulation/world.ts`. That they are not blind is shown too: the worlds meet all that
 * they are there for, and a fault that is built in is found.
 */
import { describe, expect, it, vi } from 'vitest';
import { MUTANTS } from '../simulation/mutants.ts';
import { type Outcome, simulate } from '../simulation/world.ts';
import { tempFolder } from '../support/temp-folder.ts';

vi.mock('lmdb', () => import('../simulation/lmdb.ts'));
vi.mock('node:timers', () => ({ setImmediate: (callback: () => void) => globalThis.setImmediate(callback) }));

const SEEDS = process.env.FAULTS === 'long' ? 10_000 : 300;
/** A built-in fault is found within so many. */
const MUTANT_SEEDS = 200;
/** Lines of a failing seed's trace that are shown. */
const LINES_SHOWN = 60;

/** What happens to sessions and messages in the first of the worlds, by the lines of their traces. */
const MET: readonly RegExp[] = [
  / kill -9/,
  / the disk keeps 0 of [1-9]/,
  / SIGTERM/,
  / the disk is full/,
  / the clock is set/,
  /: passivated/,
  /: crash TypeError: a bug/,
  /: stopped/,
  /: deadLetter/,
  / attempt 3$/,
  / error to message\.send .*"busy"/,
  / error to message\.send .*"storage_failed"/,
  / error to message\.send .*"stopped"/,
  / ack to message\.send .*"duplicate":true/,
  / ack to message\.send .*"outcome":/,
  / ack to message\.cancel .*"cancelled":\["/,
  / subscribe .*"after":[1-9].*/,
  / result to subscribe .*"recovered":false/,
  / run\.start .*"resumed":true/,
  / run\.model /,
  / tool\.end .*"unknown":true/,
  / run\.end .*dropped: too many/,
  / run\.end .*interrupted by a newer message/,
  / run\.end .*"deadline_exceeded"/,
  / run\.end .*"crash_loop"/,
  / run\.end .*"model_unavailable"/,
  / result to session\.delete/,
];

function story({ seed, steps, broken, trace }: Outcome, lines = LINES_SHOWN): string {
  return `seed ${seed}, step ${steps}: ${broken}\n${trace.lines.slice(-lines).join('\n')}\nAgain: SEED=${seed}`;
}

const only = process.env.SEED;

describe.skipIf(only !== undefined)('simulated worlds', () => {
  it(`keep every promise, in ${SEEDS} of them`, { timeout: 60 * 60_000 }, async () => {
    const home = await tempFolder();
    for (let seed = 1; seed <= SEEDS; seed++) {
      const outcome = await simulate(seed, home);
      if (outcome.broken !== undefined) expect.fail(story(outcome));
    }
  });

  it('meet all that may happen', async () => {
    const home = await tempFolder();
    let unmet = [...MET];
    for (let seed = 1; seed <= 300 && unmet.length > 0; seed++) {
      const { trace } = await simulate(seed, home);
      unmet = unmet.filter((sign) => !trace.lines.some((line) => sign.test(line)));
    }
    expect(unmet).toEqual([]);
  });

  it('happen the same way again with the same seed', async () => {
    const home = await tempFolder();
    for (let seed = 1; seed <= 20; seed++) {
      const [first, again] = [await simulate(seed, home), await simulate(seed, home)];
      expect(again.trace.lines).toEqual(first.trace.lines);
      expect(again.trace.hash).toBe(first.trace.hash);
    }
  });

  it.each(Object.keys(MUTANTS))('find a gateway that %s', async (name) => {
    const home = await tempFolder();
    let broken: string | undefined;
    for (let seed = 1; seed <= MUTANT_SEEDS && broken === undefined; seed++) {
      ({ broken } = await simulate(seed, home, MUTANTS[name]));
    }
    expect(broken).toBeDefined();
  });
});

describe.runIf(only !== undefined)('the world of one seed', () => {
  it('keeps every promise', { timeout: 60_000 }, async () => {
    const outcome = await simulate(Number(only), await tempFolder());
    console.log(story(outcome, Infinity));
    expect(outcome.broken).toBeUndefined();
  });
});
