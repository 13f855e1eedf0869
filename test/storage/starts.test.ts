/** Goal: only repeated crashes pause runs, and only until somebody resumes them. Method: starts on a clock of the test's. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Starts } from '../../src/storage/starts.ts';
import { tempFolder } from '../support/temp-folder.ts';

const RULE = { uncleanStartsMax: 3, windowMs: 300_000 };

/** A gateway's starts in a folder of its own. One that is not ended has crashed when the next begins. */
async function starter(rule = RULE) {
  const home = await tempFolder();
  const faults: unknown[] = [];
  const clock = { now: 1_700_000_000_000 };
  const begin = async (afterMs = 1_000) => {
    clock.now += afterMs;
    const options = { rule, now: () => clock.now, onFault: (error: unknown) => faults.push(error) };
    const starts = await Starts.begin(home, options);
    await starts.written();
    return starts;
  };
  return { home, faults, clock, begin };
}

describe('starts', () => {
  it('pause runs with the third that follows a crash within the window, and say so', async () => {
    const { begin } = await starter();
    for (const unclean of [false, true, true]) {
      const starts = await begin();
      expect([starts.wasUnclean, starts.pausedBecause]).toEqual([unclean, undefined]);
    }
    expect((await begin()).pausedBecause).toBe('runs are paused: 3 starts within 300 s followed a crash');
  });

  it('do not count crashes that are further apart, nor those before a clean stop', async () => {
    const { begin } = await starter();
    for (let i = 0; i < 6; i++) expect((await begin(150_001)).pausedBecause).toBeUndefined();
    await (await begin()).ended();
    for (let i = 0; i < 3; i++) expect((await begin()).pausedBecause).toBeUndefined();
    expect((await begin()).pausedBecause).toBeDefined();
  });

  it('stay paused through further crashes, however late, until runs are resumed or the gateway stops cleanly', async () => {
    const { begin } = await starter();
    for (let i = 0; i < 4; i++) await begin();
    const late = await begin(3_600_000);
    expect(late.pausedBecause).toBeDefined();
    await late.resumed();
    expect(late.pausedBecause).toBeUndefined();
    for (let i = 0; i < 2; i++) expect((await begin()).pausedBecause).toBeUndefined();
    const again = await begin();
    expect(again.pausedBecause).toBeDefined();
    await again.ended();
    expect((await begin()).pausedBecause).toBeUndefined();
  });

  it('count a crash also when the clock was set back', async () => {
    const { begin } = await starter();
    for (const afterMs of [0, -1_000, -1_000]) await begin(afterMs);
    expect((await begin(-1_000)).pausedBecause).toBeDefined();
  });

  it('never pause anything where the configuration says 0', async () => {
    const { begin } = await starter({ ...RULE, uncleanStartsMax: 0 });
    for (let i = 0; i < 6; i++) expect((await begin()).pausedBecause).toBeUndefined();
  });

  it('go on, and tell, when the record is damaged', async () => {
    const { begin, faults, home } = await starter();
    await begin();
    await writeFile(join(home, 'starts.json'), '{"running":');
    expect((await begin()).wasUnclean).toBe(false);
    expect(faults).toHaveLength(1);
    expect(JSON.parse(await readFile(join(home, 'starts.json'), 'utf8'))).toMatchObject({ paused: false });
  });
});
