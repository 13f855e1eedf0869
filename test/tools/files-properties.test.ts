/** Goal: no path leaves the workspace, and an edit changes what it names and nothing else. Method: fast-check, without a disk. */
import { posix } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { applyEdit } from '../../src/tools/files/edit.ts';
import { segmentsOf } from '../../src/tools/files/path.ts';
import { decodeText, encodeText } from '../../src/tools/files/text.ts';

const ROOT = '/srv/agents/main';
const piece = fc.oneof(
  fc.constantFrom(
    '..',
    '.',
    '',
    'a',
    'b c',
    '~',
    'proc',
    'self',
    'fd',
    '%2e%2e',
    '..\\',
    '\0',
    '．．',
    '...',
    '/',
    ROOT,
  ),
  fc.string({ maxLength: 8 }),
);
const path = fc
  .tuple(fc.constantFrom('', '/', ROOT, `${ROOT}/`, `${ROOT}x/`, '~/', '//'), fc.array(piece, { maxLength: 12 }))
  .map(([start, pieces]) => start + pieces.join('/'));

describe('the way to a path', () => {
  it('has only names that stay in the workspace, or there is none', () => {
    let taken = 0;
    fc.assert(
      fc.property(path, (path) => {
        let segments: string[];
        try {
          segments = segmentsOf(path, ROOT);
        } catch {
          return;
        }
        taken += 1;
        for (const name of segments) {
          expect(['', '.', '..']).not.toContain(name);
          expect(name).not.toMatch(/[/\0]/);
        }
        expect(posix.join(ROOT, ...segments).startsWith(ROOT)).toBe(true);
        // It is where the kernel would go, were there no links.
        expect(posix.join(ROOT, ...segments)).toBe(posix.resolve(ROOT, path).replace(/\/$/, ''));
      }),
      { numRuns: 20_000 },
    );
    expect(taken).toBeGreaterThan(1_000);
  });

  it.each([
    '..',
    '../x',
    'a/../../x',
    '/etc/passwd',
    `${ROOT}/../other`,
    `${ROOT}x`,
    '~/x',
    'a\0b',
    'a\nb',
    '/proc/self/fd/3',
  ])('there is none to %j', (path) => expect(() => segmentsOf(path, ROOT)).toThrow());
});

/** Few letters, so that texts occur in each other. */
const text = fc.string({ unit: fc.constantFrom('a', 'b', '\n', '\r\n', 'é', '😀'), maxLength: 60 });
const wanted = fc.string({ unit: fc.constantFrom('a', 'b', '\n', 'é'), minLength: 1, maxLength: 3 });

describe('an edit', () => {
  it('is what a split and a join at the old text would be, when that is there as often as it must', () => {
    let edits = 0;
    fc.assert(
      fc.property(text, wanted, text, fc.boolean(), (before, old, replacement, all) => {
        fc.pre(old !== replacement);
        const parts = before.split(old);
        const exact = parts.length > 1;
        const count = exact ? parts.length - 1 : before.split(old.replaceAll('\n', '\r\n')).length - 1;
        const edit = () => applyEdit(before, { old, new: replacement, all }, 'file');
        if (count === 0 || (count > 1 && !all)) {
          expect(edit).toThrow(count === 0 ? 'is not in file' : `is ${count} times in file`);
          return;
        }
        edits += 1;
        const edited = edit();
        expect(edited.places).toHaveLength(count);
        if (exact) expect(edited.text).toBe(parts.join(replacement));
        else expect(edited.text).toBe(before.split(edited.old).join(edited.new));
      }),
      { numRuns: 5_000 },
    );
    expect(edits).toBeGreaterThan(500);
  });

  it('and its reverse leave the file as it was, byte by byte', () => {
    fc.assert(
      fc.property(text, text, fc.boolean(), (head, tail, bom) => {
        const bytes = encodeText({ text: `${head}<old>${tail}`, bom });
        const file = decodeText(bytes, 'file');
        expect(file.bom).toBe(bom);
        const there = applyEdit(file.text, { old: '<old>', new: '<new>', all: false }, 'file');
        const back = applyEdit(there.text, { old: '<new>', new: '<old>', all: false }, 'file');
        expect(encodeText({ ...file, text: back.text }).equals(bytes)).toBe(true);
      }),
    );
  });
});
