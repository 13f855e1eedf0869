/**
 * Goal: the uWebSockets.js binary of an old glibc is patched into exactly one known file, and nothing else is touched.
 * Method: copies of the binary for another Node version than this one, which the installation leaves as published.
 */
import { createHash } from 'node:crypto';
import { cp, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { KNOWN_BINARIES, patchUws } from '../../scripts/patch-uws.ts';
import { tempFolder } from '../support/temp-folder.ts';

const INSTALLED = fileURLToPath(new URL('../../node_modules/uWebSockets.js/', import.meta.url));
const unpatched = Object.keys(KNOWN_BINARIES).filter((name) => !name.includes(`_${process.versions.modules}.`));

async function copyOf(name: string, as = name): Promise<string> {
  const path = join(await tempFolder(), as);
  await cp(join(INSTALLED, name), path);
  return path;
}

const sumOf = async (path: string): Promise<string> =>
  createHash('sha256')
    .update(await readFile(path))
    .digest('hex');

test.each(unpatched)('%s becomes the recorded file, once', async (name) => {
  const path = await copyOf(name);
  const known = KNOWN_BINARIES[name];
  expect(await sumOf(path)).toBe(known?.published);
  expect(patchUws(path)).toBe('patched');
  expect(await sumOf(path)).toBe(known?.patched);
  expect(patchUws(path)).toBe('already patched');
  expect(await sumOf(path)).toBe(known?.patched);
  expect(await readdir(join(path, '..'))).toEqual([name]);
});

test('a patched file differs in a few bytes only and asks for no newer glibc', async () => {
  const name = 'uws_linux_x64_141.node';
  const path = await copyOf(name);
  const before = await readFile(path);
  patchUws(path);
  const after = await readFile(path);
  const changed = before.reduce((count, byte, index) => count + (byte === after[index] ? 0 : 1), 0);
  expect(after).toHaveLength(before.length);
  expect(changed).toBeLessThan(32);
});

test.each([
  ['one changed byte', 'uws_linux_x64_141.node', (bytes: Buffer) => bytes.fill(1, 5_000, 5_001)],
  ['a file cut short', 'uws_linux_x64_141.node', (bytes: Buffer) => bytes.subarray(0, 4_096)],
  ['an empty file', 'uws_linux_x64_141.node', () => Buffer.alloc(0)],
  ['a binary of another version', 'uws_linux_x64_127.node', (bytes: Buffer) => bytes],
])('%s is refused in one sentence and left alone', async (_what, name, change) => {
  const path = await copyOf(name);
  await writeFile(path, change(await readFile(path)));
  const before = await sumOf(path);
  expect(() => patchUws(path)).toThrow(/^\S+ is not a known build of uWebSockets\.js \(sha256 [0-9a-f]{64}\)[^\n]+\.$/);
  expect(await sumOf(path)).toBe(before);
});

test('a known binary under the name of another is refused', async () => {
  const path = await copyOf('uws_linux_arm64_141.node', 'uws_linux_x64_141.node');
  expect(() => patchUws(path)).toThrow('not a known build');
});

test('the binary this process uses is one of the known two', async () => {
  const name = `uws_${process.platform}_${process.arch}_${process.versions.modules}.node`;
  const known = KNOWN_BINARIES[name];
  if (known) expect([known.published, known.patched]).toContain(await sumOf(join(INSTALLED, name)));
});
