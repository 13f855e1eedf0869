/**
 * Row 2: a crash at every commit edge. Bar: no side effect twice; an outcome that nobody knows is reported as unknown.
 * Method: a process that is killed at the named failpoint, another one on its store, and a client that sends its message
 * again under the same key, as one whose reply was lost does.
 */
import { spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { HistoryEntry } from '../../src/protocol/messages.ts';
import { FAILPOINTS, type Failpoint } from '../../src/runtime/failpoint.ts';
import { Store } from '../../src/storage/store.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { within } from '../support/wait.ts';

const PROGRAM = fileURLToPath(new URL('../support/paying-process.ts', import.meta.url));
const KEY = 'agent:main:main';
const SAID = 'a book';

/** What the world and the transcript show after a crash at each place. Those of sending are in test/channels. */
const OUTCOMES: Partial<Record<Failpoint, 'paid once' | 'unknown, perhaps paid' | 'unknown, not paid'>> = {
  'journal.before': 'paid once',
  'journal.after': 'paid once',
  'ack.after': 'paid once',
  'model.before': 'paid once',
  'model.after': 'paid once',
  'tool.intended': 'unknown, not paid',
  'tool.called': 'unknown, perhaps paid',
  'tool.done': 'paid once',
  'answer.before': 'paid once',
  'answer.after': 'paid once',
};

/** Runs the program; `lines` are what it printed, as they come. */
function start(folder: string, failpoint?: string) {
  const env = { PATH: process.env.PATH ?? '', ...(failpoint === undefined ? {} : { DHAAVAK_FAILPOINT: failpoint }) };
  const child = spawn(process.execPath, ['--no-warnings', PROGRAM, folder, join(folder, 'payments')], {
    env,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.stdin.on('error', () => {}); // it may be gone
  onTestFinished(() => void child.kill('SIGKILL'));
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line);
    for (const look of waiting) look();
  });
  const killed = new Promise<NodeJS.Signals | null>((resolve) => child.once('exit', (_, signal) => resolve(signal)));
  const prints = (pattern: RegExp) =>
    within(
      15_000,
      new Promise<void>((resolve) => {
        const look = () => {
          if (!lines.some((line) => pattern.test(line))) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      }),
      () => `${pattern} in ${JSON.stringify(lines)}`,
    );
  return { child, lines, killed, prints, say: (text: string) => child.stdin.write(`${text}\n`) };
}

async function transcript(folder: string): Promise<HistoryEntry[]> {
  const store = new Store(folder);
  const entries = store.entriesBefore(KEY, Number.MAX_SAFE_INTEGER, 100);
  expect(store.unfinished(KEY)).toEqual([]);
  await store.close();
  return entries;
}

describe('row 2: a process that ends at', () => {
  it('every place is tested here, or where messages are sent or sessions deleted', () => {
    const here = Object.keys(OUTCOMES);
    expect(FAILPOINTS.filter((name) => !here.includes(name)).every((name) => /^(send|delete|prune)\./.test(name))).toBe(
      true,
    );
  });

  it.each(Object.entries(OUTCOMES))('%s: %s', async (failpoint, outcome) => {
    const folder = await tempFolder();
    await writeFile(join(folder, 'payments'), '');
    const first = start(folder, failpoint);
    await first.prints(/^ready/);
    first.say(SAID);
    expect(await within(15_000, first.killed, () => `the end of the process; it printed ${first.lines}`)).toBe(
      'SIGKILL',
    );

    const second = start(folder);
    await second.prints(/^ready/);
    second.say(SAID);
    await second.prints(/^(ack|duplicate) /);
    if (failpoint !== 'answer.after') await second.prints(/^end /);
    second.child.kill('SIGKILL');
    await second.killed;

    const paid = (await readFile(join(folder, 'payments'), 'utf8')).split('\n').filter(Boolean);
    const entries = await transcript(folder);
    const unknown = entries.filter(({ toolCall }) => toolCall?.unknown);
    const known = outcome === 'paid once';
    expect(paid).toEqual(outcome === 'unknown, not paid' ? [] : [SAID]);
    expect(unknown).toHaveLength(known ? 0 : 1);
    expect(entries.map(({ role }) => role)).toEqual(['user', 'assistant', 'tool', 'assistant']);
    expect(entries.at(-1)?.text).toBe(known ? 'paid' : 'perhaps');
  });
});
