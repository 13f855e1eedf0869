/**
 * Row 34: are the guards real? Bar: every mutant turns its test red. Method: a copy of the source with one guard switched off,
 * and the test that speaks of it run on the copy. A mutant that its test lets live is a promise nobody checks.
 */
import { spawn } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GUARDS, type Guard } from '../support/guards.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const COPIED = [
  'actors',
  'bench',
  'config',
  'docs',
  'package.json',
  'scripts',
  'src',
  'test',
  'tsconfig.json',
  'vitest.config.ts',
];
const ALL = process.env.FAULTS === 'long';
/** Of one run of a test; a mutant that makes it hang has been noticed too. */
const RUN_MS = 120_000;

/** How many tests failed, and how many passed; a file that cannot be loaded proves nothing. */
async function outcomeOf(folder: string, test: string): Promise<{ failed: number; passed: number }> {
  const results = join(folder, 'results.json');
  const program = join(ROOT, 'node_modules/vitest/vitest.mjs');
  const argv = [program, 'run', test, '--reporter=json', `--outputFile=${results}`, '--bail=1', '--retry=0'];
  const child = spawn(process.execPath, argv, { cwd: folder, stdio: 'ignore', detached: true });
  const timer = setTimeout(() => process.kill(-(child.pid as number), 'SIGKILL'), RUN_MS);
  await new Promise((resolve) => child.once('exit', resolve));
  clearTimeout(timer);
  if (child.signalCode === 'SIGKILL') return { failed: 1, passed: 0 };
  const { numFailedTests, numPassedTests } = JSON.parse(await readFile(results, 'utf8'));
  return { failed: numFailedTests, passed: numPassedTests };
}

it('every guard of the list stands in its file once', async () => {
  for (const { file, from } of GUARDS) {
    const source = await readFile(join(ROOT, file), 'utf8');
    expect(source.split(from).length, `${file}: ${from}`).toBe(2);
  }
});

describe('a guard that is switched off turns its test red', () => {
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'dhaavak-test-'));
    for (const name of COPIED) await cp(join(ROOT, name), join(folder, name), { recursive: true });
    await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  }, 60_000);
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it.each(GUARDS.filter(({ slow }) => ALL || !slow))(
    '$guard ($file)',
    async ({ file, from, to, test }: Guard) => {
      const path = join(folder, file);
      const source = await readFile(path, 'utf8');
      await writeFile(
        path,
        source.replace(from, () => to),
      );
      try {
        expect((await outcomeOf(folder, test)).failed).toBeGreaterThan(0);
      } finally {
        await writeFile(path, source);
      }
    },
    RUN_MS + 10_000,
  );
});
