/** Goal: docs/actors.md tells the truth. Method: its example is run as it stands, its limits are compared. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS, IDLE_MS, MAILBOX_MAX } from '../../src/runtime/limits.ts';

const PAGE = new URL('../../docs/actors.md', import.meta.url);
const page = await readFile(PAGE, 'utf8');

/** The first fenced block of a language. */
function block(language: string): string {
  return page.match(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\`$`, 'm'))![1]!;
}

describe('docs/actors.md', () => {
  it('has an example that runs and prints what the page says', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'dhaavak-actors-'));
    try {
      const file = join(folder, 'example.mts');
      await writeFile(
        file,
        block('ts').replace(/'(\.\.\/src\/[^']+)'/g, (_, path) => `'${new URL(path, PAGE)}'`),
      );
      const { stdout } = await promisify(execFile)(process.execPath, [file], { timeout: 15_000 });
      expect(stdout).toBe(block('text'));
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('lists every limit with its default', () => {
    const listed = [...page.matchAll(/^\| `(\w+)` \| (\d+) \|/gm)].map(([, name, value]) => [name, Number(value)]);
    expect(Object.fromEntries(listed)).toEqual({
      parallel: 1,
      mailboxMax: MAILBOX_MAX,
      idleMs: IDLE_MS,
      ...DEFAULT_LIMITS,
    });
  });
});
