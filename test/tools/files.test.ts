/** Goal: what the files tools do for a model that means well. Method: real files, through the registry, as a run calls them. */
import { chmod, mkdir, readdir, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { configSchema } from '../../src/config/schema.ts';
import { createFileTools } from '../../src/tools/files/files.ts';
import type { Tool } from '../../src/tools/tool.ts';
import { CANARY, toolBench } from '../support/tool-bench.ts';
import { toolCaller, toolContext } from '../support/tool-caller.ts';
import { within } from '../support/wait.ts';

describe('files.read', () => {
  it('returns a page of lines, and how to go on', async () => {
    const { ok, put, refused } = await toolBench();
    await put('poem.txt', 'one\ntwo\nthree\nfour\n');
    expect(await ok('files.read', { path: 'poem.txt' })).toBe('one\ntwo\nthree\nfour');
    expect(await ok('files.read', { path: './poem.txt', offset: 2, limit: 2 })).toBe(
      'two\nthree\n[the file goes on: read it with offset 4 for more]',
    );
    expect(await ok('files.read', { path: 'poem.txt', offset: 4, limit: 1 })).toBe('four');
    expect(await refused('files.read', { path: 'poem.txt', offset: 5 })).toBe('poem.txt has only 4 lines');
  });

  it('takes the absolute path of a file in the workspace, as a model has seen it', async () => {
    const { ok, put, workspace } = await toolBench();
    await put('a/b.txt', 'here');
    expect(await ok('files.read', { path: join(workspace, 'a', 'b.txt') })).toBe('here');
  });

  it('cuts long lines and long pages, and says so', async () => {
    const { ok, put } = await toolBench();
    await put('long.txt', `${'x'.repeat(5_000)}\nshort\n`);
    expect(await ok('files.read', { path: 'long.txt' })).toBe(`${'x'.repeat(2_000)}… [3000 more characters]\nshort`);
    await put('many.txt', `${'y'.repeat(99)}\n`.repeat(1_000));
    const page = await ok('files.read', { path: 'many.txt' });
    expect(page.length).toBeLessThan(32_768);
    expect(page).toMatch(/offset 301 for more\]$/);
    expect(await ok('files.read', { path: 'many.txt', offset: 701 })).not.toContain('for more');
  });

  it('reads on over the borders of what is read at once, in any encoding of one character', async () => {
    const { ok, put } = await toolBench();
    const lines = Array.from({ length: 20_000 }, (_, index) => `zeile ${index} äöü€😀`);
    await put('big.txt', lines.join('\n'));
    for (const offset of [1, 4_321, 19_950]) {
      const page = await ok('files.read', { path: 'big.txt', offset, limit: 51 });
      expect(page.split('\n').slice(0, 50)).toEqual(lines.slice(offset - 1, offset + 49));
    }
  });

  it('shows CRLF as line ends and no byte order mark', async () => {
    const { ok, put } = await toolBench();
    await put('dos.txt', '\ufeffone\r\ntwo\r\n');
    expect(await ok('files.read', { path: 'dos.txt' })).toBe('one\ntwo');
  });

  it('says what a file is that is no text, or that it is empty', async () => {
    const { ok, put } = await toolBench();
    await put('a.png', Buffer.from('89504e470d0a1a0a00', 'hex'));
    await put('b.pdf', '%PDF-1.7 …');
    await put('c.bin', Buffer.from([1, 2, 0, 3]));
    await put('d.txt', '');
    expect(await ok('files.read', { path: 'a.png' })).toBe('a.png is an image (image/png) of 9 bytes, not text.');
    expect(await ok('files.read', { path: 'b.pdf' })).toContain('is a PDF document of 12 bytes');
    expect(await ok('files.read', { path: 'c.bin' })).toContain('is binary data of 4 bytes');
    expect(await ok('files.read', { path: 'd.txt' })).toBe('d.txt is empty.');
  });

  it('says what to do where there is no such file', async () => {
    const { put, refused, workspace } = await toolBench();
    await mkdir(join(workspace, 'folder'));
    await put('file', '');
    expect(await refused('files.read', { path: 'none.txt' })).toContain('there is no file none.txt; files.list shows');
    expect(await refused('files.read', { path: 'none/a.txt' })).toContain('there is no folder none;');
    expect(await refused('files.read', { path: 'folder' })).toBe('folder is not a file but a folder');
    expect(await refused('files.read', { path: 'file/a' })).toBe('file is not a folder but a file');
    expect(await refused('files.read', { path: '.' })).toContain('the workspace itself');
  });
});

describe('files.write', () => {
  it('makes files with their folders, also the workspace, and replaces them', async () => {
    const { ok, get } = await toolBench({ workspaceIn: (folder) => join(folder, 'new') });
    expect(await ok('files.write', { path: 'a/b/c.txt', content: 'héllo' })).toBe('made a/b/c.txt: 6 bytes');
    expect(await ok('files.write', { path: 'a/b/c.txt', content: '' })).toBe('replaced a/b/c.txt: 0 bytes');
    expect(await get('a/b/c.txt')).toBe('');
  });

  it('keeps the permissions of a file and leaves nothing else behind', async () => {
    const { ok, put, workspace } = await toolBench();
    await put('run.sh', 'old');
    await chmod(join(workspace, 'run.sh'), 0o755);
    await ok('files.write', { path: 'run.sh', content: 'new' });
    expect((await stat(join(workspace, 'run.sh'))).mode & 0o777).toBe(0o755);
    expect(await readdir(workspace)).toEqual(['run.sh']);
  });

  it('refuses what is too large, or no file', async () => {
    const { refused, workspace } = await toolBench({ tools: { files: { fileBytesMax: 1_024 } } });
    await mkdir(join(workspace, 'folder'));
    expect(await refused('files.write', { path: 'a', content: 'é'.repeat(600) })).toContain('1,200 bytes');
    expect(await refused('files.write', { path: 'folder', content: '' })).toContain('is not a file but a folder');
    expect(await readdir(workspace)).toEqual(['folder']);
  });
});

describe('files.edit', () => {
  it('replaces what is there once, and shows it', async () => {
    const { ok, get, put } = await toolBench();
    await put('a.ts', 'const a = 1;\nconst b = 2;\nconst c = 3;\nconst d = 4;\n');
    expect(await ok('files.edit', { path: 'a.ts', old: 'b = 2', new: 'b = 20;\nconst x = 0' })).toBe(
      [
        'edited a.ts: 1 replacement',
        '@@ line 2 @@',
        ' const a = 1;',
        '-const b = 2;',
        '+const b = 20;',
        '+const x = 0;',
        ' const c = 3;',
        ' const d = 4;',
      ].join('\n'),
    );
    expect(await get('a.ts')).toBe('const a = 1;\nconst b = 20;\nconst x = 0;\nconst c = 3;\nconst d = 4;\n');
  });

  it('says how often and where the old text is when that is not once; with all it replaces each', async () => {
    const { ok, refused, get, put } = await toolBench();
    await put('a.txt', 'x\ny\nx\n  two words\n');
    expect(await refused('files.edit', { path: 'a.txt', old: 'x', new: 'z' })).toContain(
      'the old text is 2 times in a.txt, from lines 1, 3',
    );
    expect(await refused('files.edit', { path: 'a.txt', old: 'q', new: 'z' })).toContain(
      'is not in a.txt: read the file',
    );
    expect(await refused('files.edit', { path: 'a.txt', old: '\ttwo words\n', new: 'z' })).toContain('is like line 4');
    expect(await refused('files.edit', { path: 'a.txt', old: 'x', new: 'x' })).toContain('nothing to change');
    expect(await ok('files.edit', { path: 'a.txt', old: 'x', new: '$&', all: true })).toContain('2 replacements');
    expect(await get('a.txt')).toBe('$&\ny\n$&\n  two words\n');
  });

  it('keeps a byte order mark and CRLF, which the model need not know of', async () => {
    const { ok, get, put } = await toolBench();
    await put('dos.txt', '\ufeffone\r\ntwo\r\nthree\r\n');
    await ok('files.edit', { path: 'dos.txt', old: 'one\ntwo', new: 'eins\nzwei\nund' });
    expect(await get('dos.txt')).toBe('\ufeffeins\r\nzwei\r\nund\r\nthree\r\n');
  });

  it('does not touch what it would damage', async () => {
    const { refused, put } = await toolBench({ tools: { files: { fileBytesMax: 1_024 } } });
    await put('latin1.txt', Buffer.from('caf\xe9', 'latin1'));
    await put('large.txt', 'x'.repeat(1_025));
    await put('data', Buffer.from([120, 0]));
    expect(await refused('files.edit', { path: 'latin1.txt', old: 'caf', new: 'x' })).toContain('is not UTF-8 text');
    expect(await refused('files.edit', { path: 'large.txt', old: 'x', new: 'y' })).toContain('1,025 bytes');
    expect(await refused('files.edit', { path: 'data', old: 'x', new: 'y' })).toContain('is binary data');
  });

  it('makes all edits of a turn, which come at the same time', async () => {
    const { ok, get, put } = await toolBench();
    const words = Array.from({ length: 20 }, (_, index) => `word${index};`);
    await put('a.txt', words.join('\n'));
    await Promise.all(
      words.map((word, index) =>
        ok('files.edit', { path: index % 2 ? 'a.txt' : './a.txt', old: word, new: `new${index};` }),
      ),
    );
    expect(await get('a.txt')).toBe(words.map((_, index) => `new${index};`).join('\n'));
  });
});

describe('files.list', () => {
  it('tells folders, files with their size, links and others', async () => {
    const { ok, put, workspace } = await toolBench();
    await put('b/inner.txt', '1234');
    await put('node_modules/x/index.js', '');
    await put('a.txt', 'x'.repeat(1_234));
    await symlink('a.txt', join(workspace, 'link'));
    expect((await ok('files.list', {})).split('\n')).toEqual([
      'a.txt  1,234',
      'b/',
      'link  (symbolic link)',
      'node_modules/',
    ]);
    expect((await ok('files.list', { depth: 3 })).split('\n')).toEqual([
      'a.txt  1,234',
      'b/',
      'b/inner.txt  4',
      'link  (symbolic link)',
      'node_modules/',
    ]);
    expect(await ok('files.list', { path: 'b' })).toBe('b/inner.txt  4');
  });

  it('is bounded, and says so', async () => {
    const { ok, workspace } = await toolBench();
    for (let index = 0; index < 600; index += 1) await writeFile(join(workspace, `f${index}`), '');
    const lines = (await ok('files.list', {})).split('\n');
    expect(lines).toHaveLength(501);
    expect(lines.at(-1)).toContain('there is more');
  });
});

describe('files.search', () => {
  it('finds plain text and expressions, with line numbers, in files that fit', async () => {
    const { ok, put } = await toolBench();
    await put('src/a.ts', 'let a = 1;\r\nlet b = a.*;\r\n');
    await put('src/b.md', 'a.* is text\n');
    await put('.git/c', 'a.*');
    await put('node_modules/d', 'a.*');
    await put('e.bin', Buffer.from('a.*\0'));
    expect(await ok('files.search', { pattern: 'a.*' })).toBe('src/a.ts:2: let b = a.*;\nsrc/b.md:1: a.* is text');
    expect(await ok('files.search', { pattern: 'A.*;$', regex: true, ignoreCase: true, path: 'src' })).toBe(
      'src/a.ts:1: let a = 1;\nsrc/a.ts:2: let b = a.*;',
    );
    expect(await ok('files.search', { pattern: 'a', glob: '*.md' })).toBe('src/b.md:1: a.* is text');
    expect(await ok('files.search', { pattern: 'a', glob: 'src/*.ts', path: 'src' })).toBe('nothing found in 0 files');
    expect(await ok('files.search', { pattern: 'text', path: 'src/b.md' })).toBe('src/b.md:1: a.* is text');
  });

  it('is bounded, and refuses what is no expression', async () => {
    const { ok, put, refused } = await toolBench();
    await put('many', 'hit\n'.repeat(1_000));
    const lines = (await ok('files.search', { pattern: 'hit' })).split('\n');
    expect(lines).toHaveLength(201);
    expect(lines.at(-1)).toContain('stopped after 200 lines');
    expect(await refused('files.search', { pattern: '(', regex: true })).toContain('no regular expression');
  });

  it('an expression that takes for ever ends, holds up nobody, and others are found meanwhile', {
    timeout: 30_000,
  }, async () => {
    const { call, ok, put } = await toolBench();
    await put('a.txt', `${'a'.repeat(40)}!\nfind me\n`);
    const evil = call('files.search', { pattern: '^(a+)+$', regex: true });
    let longestGapMs = 0;
    let last = performance.now();
    const beat = setInterval(() => {
      longestGapMs = Math.max(longestGapMs, performance.now() - last);
      last = performance.now();
    }, 5);
    expect(await within(8_000, ok('files.search', { pattern: 'find' }), () => 'another search')).toContain('find me');
    expect(await within(20_000, evil, () => 'the end of the search')).toMatchObject({
      failed: true,
      output: expect.stringContaining('stopped after 10 s'),
    });
    clearInterval(beat);
    expect(longestGapMs).toBeLessThan(1_000);
    expect(await ok('files.search', { pattern: 'find' })).toContain('find me');
  });

  it('ends with its run', async () => {
    const { call, put } = await toolBench();
    await put('a.txt', `${'a'.repeat(40)}!`);
    const run = new AbortController();
    const search = call('files.search', { pattern: '^(a+)+$', regex: true }, { signal: run.signal });
    setTimeout(() => run.abort(), 200);
    expect((await within(8_000, search, () => 'the end of the search')).failed).toBe(true);
  });
});

describe('the gateway’s data folder', () => {
  it('is not entered where it is inside of a workspace, nor where it is one', async () => {
    const { refused, ok, put } = await toolBench({ workspaceIn: (folder) => folder });
    await put('mine.txt', 'mine');
    expect(await refused('files.read', { path: 'home/token' })).toContain("the gateway's data folder");
    expect(await refused('files.write', { path: 'home/x', content: '' })).toContain("the gateway's data folder");
    expect(await refused('files.list', { path: 'home/agents' })).toContain("the gateway's data folder");
    expect(await refused('files.search', { pattern: 'C', path: 'home' })).toContain("the gateway's data folder");
    expect(await ok('files.search', { pattern: 'CANARY', glob: 'token' })).not.toContain(CANARY);
    expect(await ok('files.list', { depth: 8 })).not.toContain('home/token');
    const whole = await toolBench({ workspaceIn: (folder) => join(folder, 'home') });
    expect(await whole.refused('files.read', { path: 'token' })).toContain("the gateway's data folder");
  });
});

describe('what every session is told first', () => {
  it('is written by a session in the sandbox only with an approval', () => {
    const home = '/home/gateway';
    const tools = createFileTools({ ...configSchema.parse({}), home });
    const riskOf = (tool: string, path: string, sandboxed: boolean) => {
      const caller = toolCaller({ workspace: '/work', sandboxed });
      const { riskOf } = tools.find(({ name }) => name === tool) as Tool;
      return riskOf?.({ path }, toolContext({ caller }));
    };
    for (const tool of ['files.write', 'files.edit']) {
      for (const path of ['AGENTS.md', './soul.md', 'x/../TOOLS.md', '/work/skills/a/SKILL.md', 'skills']) {
        expect(riskOf(tool, path, true)).toBe('ask');
        expect(riskOf(tool, path, false)).toBe('safe');
      }
      expect(riskOf(tool, 'notes/AGENTS.md', true)).toBe('safe');
      expect(() => riskOf(tool, '../x', true)).toThrow('outside of the workspace');
    }
  });
});
