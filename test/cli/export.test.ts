/**
 * Goal: a whole transcript can be taken out, in two forms, with its images and without secrets; and what is old can go. Method:
 * the command line as a process on a transcript that is there, with hostile texts in it, and a Markdown parser to read it.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { type MarkedToken, marked, type Token } from 'marked';
import { describe, expect, test } from 'vitest';
import { markdownOf } from '../../src/cli/markdown.ts';
import type { HistoryEntry } from '../../src/protocol/messages.ts';
import { localGateway } from '../support/gateway.ts';
import { type PastTurnInput, writeTurns } from '../support/past-turns.ts';
import { scriptedGateway } from '../support/scripted-gateway.ts';
import { damageValues, storeFile } from '../support/store-files.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { MAIN } from '../support/valid-requests.ts';
import { runCli } from './processes.ts';

const AT = Date.UTC(2026, 0, 2, 3, 4, 5);
const PNG = Buffer.from('89504e470d0a1a0a00', 'hex');

async function gatewayWith(turns: readonly PastTurnInput[], damaged: readonly string[] = []) {
  const home = await tempFolder();
  const written = await writeTurns(home, MAIN, turns);
  for (const text of damaged) damageValues(storeFile(home), 'entries', text);
  const gateway = await localGateway({ home });
  const run = (...args: string[]) => runCli([...args, '--url', gateway.url, '--token', gateway.token]);
  return { run, written, token: gateway.token };
}

const linesOf = (text: string): HistoryEntry[] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

describe('export', () => {
  test('prints every entry as it is, an entry a line, oldest first; and nothing that commands the terminal', async () => {
    const call = { input: { expression: '6*7', deep: [{ a: null }] }, result: '42' };
    const turns = Array.from({ length: 250 }, (_, number) => ({
      said: `q${number}`,
      answer: 'a',
      at: AT + number,
      call,
    }));
    const hostile = { said: 'title \u001b]0;x\u0007 \u009b2J \u202e', answer: 'ok', at: AT };
    const { run, written } = await gatewayWith([...turns, hostile]);
    const { exitCode, stdout, stderr } = await run('export', MAIN);
    expect([exitCode, stderr]).toEqual([0, '']);
    expect(linesOf(stdout)).toEqual(written);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
  });

  test('writes a file for its owner only, which is there when it is whole', async () => {
    const { run, written } = await gatewayWith([{ said: 'hello', answer: 'hi', at: AT }]);
    const folder = await tempFolder();
    const out = join(folder, 'main.jsonl');
    const { exitCode, stdout, stderr } = await run('export', '--out', out, MAIN);
    expect([exitCode, stdout, stderr]).toEqual([0, '', `2 entries are in ${out}.\n`]);
    expect(linesOf(await readFile(out, 'utf8'))).toEqual(written);
    expect((await stat(out)).mode & 0o077).toBe(0);
    const missing = await run('export', '--out', join(folder, 'none', 'x'), MAIN);
    expect(missing).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('cannot be written') });
    const nobody = await run('export', '--out', join(folder, 'nobody'), 'agent:main:dm:api:nobody');
    expect(nobody).toMatchObject({ exitCode: 1, stdout: '' });
    expect(await readdir(folder)).toEqual(['main.jsonl']);
  });

  test('writes images beside it, and names them in both forms', async () => {
    const images = [PNG, Buffer.concat([PNG, PNG])];
    const { run } = await gatewayWith([{ said: 'look', answer: 'nice', at: AT, images }]);
    const folder = await tempFolder();
    const at = (name: string) => join(folder, name);
    await run('export', '--out', at('a.jsonl'), '--attachments', at('a images'), MAIN);
    const [entry] = linesOf(await readFile(at('a.jsonl'), 'utf8'));
    expect(entry?.attachments).toMatchObject([{ file: 'a images/1-1.png' }, { file: 'a images/1-2.png' }]);
    expect(await readFile(at('a images/1-2.png'))).toEqual(images[1]);
    await run('export', '--format', 'markdown', '--out', at('a.md'), '--attachments', at('a images'), MAIN);
    const page = await readFile(at('a.md'), 'utf8');
    expect(page).toContain('![image/png](<a%20images/1-1.png>)');
    expect((await run('export', '--format', 'markdown', MAIN)).stdout).toContain('*An image: image/png, 9 bytes*');
  });

  test('leaves out what is damaged, and says how much that is', async () => {
    const turns = [1, 2, 3].map((number) => ({ said: `question ${number}.`, answer: `answer ${number}.`, at: AT }));
    const { run } = await gatewayWith(turns, ['question 2.', 'answer 3.']);
    const { exitCode, stdout, stderr } = await run('export', MAIN);
    expect(linesOf(stdout).map(({ seq }) => seq)).toEqual([1, 2, 4, 5]);
    expect([exitCode, stderr]).toEqual([0, '2 damaged entries were left out; dhaavak doctor names them.\n']);
  });

  test('has no secret of the gateway in it, whoever said it', async () => {
    const token = 'test-token-0123456789';
    const call = { input: { env: `TOKEN=${token}` }, result: `it is ${token}` };
    const { run } = await gatewayWith([{ said: 'what is your token?', answer: token, at: AT, call }]);
    for (const format of ['jsonl', 'markdown']) {
      const { stdout } = await run('export', '--format', format, MAIN);
      expect(stdout).not.toContain(token);
      expect(stdout).toContain('it is (set)');
    }
  });

  test('asks for one page after the other, and for no more than there is', async () => {
    const all = Array.from({ length: 450 }, (_, index) => ({ seq: index + 1, role: 'user', text: 'x', timestamp: 0 }));
    const { url, token, requests } = await scriptedGateway({
      'session.get': () => ({ session: { id: 'agent:main:dm:api:ada' } }),
      'session.history': ({ after, limit }) => {
        const found = all.filter(({ seq }) => seq > Number(after)).slice(0, Number(limit));
        const more = Number(after) + found.length < all.length;
        return { entries: found, more, ...(more && { cursor: found.at(-1)?.seq }) };
      },
    });
    const { stdout } = await runCli(['export', 'agent:main:dm:api:ada', '--url', url, '--token', token]);
    expect(linesOf(stdout).map(({ seq }) => seq)).toEqual(all.map(({ seq }) => seq));
    expect(requests.filter(({ type }) => type === 'session.history').map(({ data }) => data.after)).toEqual([
      0, 200, 400,
    ]);
  });
});

describe('export --format markdown', () => {
  test('is a document to read', async () => {
    const call = { input: { expression: '6*7' }, result: '42' };
    const { run } = await gatewayWith([{ said: 'What is 6*7?', answer: 'It is **42**.', at: AT, call }]);
    expect((await run('export', '--format', 'markdown', MAIN)).stdout).toBe(`# agent:main:main

Agent main, with owner on api, since 2026-01-02 03:04:05 UTC.

## user · 2026-01-02 03:04:05 UTC

> What is 6*7?

## assistant · 2026-01-02 03:04:05 UTC

Calls calc:

\`\`\`
{
  "expression": "6*7"
}
\`\`\`

## Result of calc · 2026-01-02 03:04:05 UTC

\`\`\`
42
\`\`\`

## assistant · 2026-01-02 03:04:05 UTC

> It is **42**.
`);
  });

  const entry = (fields: Partial<HistoryEntry>): HistoryEntry => ({
    seq: 1,
    role: 'user',
    text: '',
    timestamp: AT,
    message: 'm1',
    ...fields,
  });

  /** The kinds of token of a document, with those inside of quotations marked. */
  function kinds(page: string): string[] {
    const found: string[] = [];
    const walk = (tokens: readonly Token[], prefix: string) => {
      for (const token of tokens as MarkedToken[]) {
        if (token.type !== 'space') found.push(prefix + token.type);
        const inner = token.type === 'blockquote' ? `${prefix}quote/` : prefix;
        if ('tokens' in token && token.tokens) walk(token.tokens, inner);
        if (token.type === 'list') for (const item of token.items) walk(item.tokens, inner);
        if (token.type === 'table') for (const cell of [token.header, ...token.rows].flat()) walk(cell.tokens, inner);
      }
    };
    walk(marked.lexer(page), '');
    return found;
  }

  test('leaves code as it is, and shows HTML and images of others as text', () => {
    const text = '```html\n<b>![x](y)</b>\n```\n<script>alert(1)</script> ![pixel](http://evil.example/p.png)';
    const page = markdownOf(entry({ text }));
    expect(page).toContain('> <b>![x](y)</b>');
    expect(kinds(page).filter((kind) => /html|image/.test(kind))).toEqual([]);
    const name = '<img src=x> [a](javascript:1)\n# Owner';
    const origin = {
      channel: 'telegram',
      account: 'default',
      chat: { id: '1', type: 'dm' as const },
      message: '1',
      sender: { id: '2', name },
    };
    const heading = kinds(markdownOf(entry({ text: 'x', origin })));
    expect(heading.filter((kind) => /html|image|link/.test(kind))).toEqual([]);
    expect(heading.filter((kind) => kind === 'heading')).toHaveLength(1);
  });

  test('whatever is said stays where it is said', () => {
    const pieces = [
      '```',
      '````',
      '~~~',
      '`',
      '\n',
      '\n\n',
      '    ',
      '\t',
      '- ',
      '1. ',
      '> ',
      '# user',
      '<b>',
      '<!-- ',
      '-->',
      '</b>',
      '<script>',
      '![a](b)',
      '[a](b)',
      '---',
      '***',
      '|a|\n|-|',
      '\r',
      '&lt;',
      'x',
      '\\',
    ];
    const texts = fc.array(fc.constantFrom(...pieces), { maxLength: 14 }).map((parts) => parts.join(''));
    fc.assert(
      fc.property(texts, fc.constantFrom('user', 'assistant', 'tool', 'summary'), (text, role) => {
        const page = markdownOf(entry({ text, role, ...(role === 'tool' && { toolCall: { id: 'c', name: text } }) }));
        const all = kinds(page);
        expect(all.filter((kind) => /(html|image)$/.test(kind))).toEqual([]);
        const outside = all.filter((kind) => !kind.startsWith('quote/') && !/^(text|escape|heading)$/.test(kind));
        if (role === 'tool') expect(outside).toEqual(['code']);
        else expect([[], ['blockquote']]).toContainEqual(outside);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('sessions prune', () => {
  const DAY_MS = 86_400_000;
  const turns = [40, 30, 2, 1].map((days) => ({ said: `day ${days}`, answer: 'yes', at: Date.now() - days * DAY_MS }));

  test('tells in a dry run what it then does, per session and together', async () => {
    const { run } = await gatewayWith(turns);
    const limits = ['--days', '10'];
    const dry = await run('sessions', 'prune', '--dry-run', ...limits);
    expect(dry.stdout).toMatch(
      /agent:main:main +2 +4 +\d+ +\d{4}-\d\d-\d\d +\d{4}-\d\d-\d\d\n2 turns, 4 entries and 0 images of 1 sessions, \d+ bytes, would go\. Nothing was changed\.\n$/,
    );
    const json = JSON.parse((await run('sessions', 'prune', '--dry-run', '--json', MAIN, ...limits)).stdout);
    expect(json).toMatchObject({ dryRun: true, sessions: [{ session: MAIN, turns: 2 }], total: { entries: 4 } });
    expect(await run('sessions', 'prune', ...limits)).toMatchObject({ exitCode: 2, stdout: '' });
    expect(linesOf((await run('export', MAIN)).stdout)).toHaveLength(8);
    const real = await run('sessions', 'prune', '--yes', ...limits);
    expect(real.stdout).toContain('2 turns, 4 entries and 0 images of 1 sessions');
    expect(linesOf((await run('export', MAIN)).stdout).map(({ seq }) => seq)).toEqual([5, 6, 7, 8]);
    expect((await run('sessions', 'prune', '--dry-run', ...limits)).stdout).toBe('Nothing would go.\n');
  });

  test('says what to do where no rule is set, and what is wrong with a limit', async () => {
    const { run } = await gatewayWith(turns);
    const unruled = await run('sessions', 'prune', '--dry-run');
    expect(unruled).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('set sessions.retention') });
    const wrong = await run('sessions', 'prune', '--dry-run', '--days', '0.5');
    expect(wrong).toMatchObject({ exitCode: 2, stderr: '--days 0.5 is not a whole number from 1 up\n' });
  });
});
