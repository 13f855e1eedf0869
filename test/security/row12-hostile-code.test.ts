/**
 * Scorecard row 12: programs that spin, grow, break prototypes and reach for the outside.
 *
 * Method: each runs in a real host, in front of canaries: a file, a variable of the environment and a tool that was not
 * granted. How late a program is cut is measured in the host, from its limit to the moment its guest runs no more or its
 * call is answered all the same; since other processes share the machine's two cores, a program that was late has three
 * tries to be in time. Processor time is looked at every 10 ms, so a program is over its limit by up to that as well.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Result } from '../../src/tools/sandbox/execution.ts';
import { ENDLESS, SNEAKY } from '../support/hostile-programs.ts';
import { openPool, returned, runProgram } from '../support/sandbox.ts';

const SECRET = 'canary-5f1d6c0e';
const LATE_MAX_MS = 100;
const limits = { timeoutMs: 1_000, cpuMs: 250, callsMax: 10, consoleLengthMax: 2_000, resultLengthMax: 2_000 };

for (const fence of ['auto', 'off'] as const) {
  describe(fence === 'off' ? 'without bubblewrap, a hostile program' : 'a hostile program', () => {
    const folder = mkdtempSync(join(tmpdir(), 'dhaavak-test-'));
    const file = join(folder, 'canary.txt');
    let opened: ReturnType<typeof openPool>;
    const called = new Set<string>();

    beforeAll(() => {
      writeFileSync(file, SECRET);
      process.env.CANARY = SECRET;
      opened = openPool({ hostsMax: 1, memoryMb: 32, rssMaxMb: 256, fence });
    });
    afterAll(() => {
      delete process.env.CANARY;
      rmSync(folder, { recursive: true });
      opened.pool.stop();
    });

    const run = (source: string) =>
      runProgram(opened.pool, source.replaceAll('CANARY_FILE', file), {
        limits,
        call: async (name, input) => {
          called.add(name);
          return { text: JSON.stringify({ name, input }), json: true, failed: false };
        },
      });

    async function expectNothingGained({ ending, console, calls }: Result): Promise<void> {
      expect(JSON.stringify(ending) + console).not.toContain(SECRET);
      expect((JSON.stringify(ending) + console).length).toBeLessThan(10_000);
      expect(calls.length).toBeLessThanOrEqual(limits.callsMax);
      expect([...called].filter((name) => name !== 'look')).toEqual([]);
      expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
      expect(await returned(run('return 1 + 1'))).toBe('2'); // the host survives, or there is another
    }

    // One list is enough without the fence: what does not end is stopped by the same process in the same way.
    for (const [name, source] of Object.entries(fence === 'off' ? {} : ENDLESS)) {
      it(`is cut in time: ${name}`, async () => {
        for (let tries = 1; ; tries += 1) {
          const result = await run(source);
          await expectNothingGained(result);
          const { ending } = result;
          // V8 itself refuses some before the limit is reached, such as memory that is not there.
          if (ending.status !== 'cut' || ending.lateMs <= LATE_MAX_MS) {
            expect(ending.status).not.toBe('ok');
            return;
          }
          expect(tries, `cut ${ending.lateMs} ms late`).toBeLessThan(3);
        }
      });
    }

    for (const [name, source] of Object.entries(SNEAKY)) {
      it(`gains nothing: ${name}`, async () => {
        await expectNothingGained(await run(source));
      });
    }
  });
}

it('there are at least 40 of them', () => {
  expect(Object.keys({ ...ENDLESS, ...SNEAKY }).length).toBeGreaterThanOrEqual(40);
});
