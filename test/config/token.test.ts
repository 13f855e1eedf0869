/**
 * Goal: the token is made once, only its owner can read it, and a file that breaks this is refused with what to do.
 * Method: real files, their permission bits read back.
 */
import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ensureToken, readToken } from '../../src/config/token.ts';
import { tempFolder } from '../support/temp-folder.ts';

const permissions = async (path: string): Promise<number> => (await stat(path)).mode & 0o777;

async function homeWith(content: string, mode = 0o600): Promise<{ home: string; file: string }> {
  const home = await tempFolder();
  const file = join(home, 'token');
  await writeFile(file, content);
  await chmod(file, mode);
  return { home, file };
}

test('a first call makes a token of 32 bytes in a private file in a private folder', async () => {
  const home = join(await tempFolder(), 'deep', 'home');
  const { token, file } = await ensureToken(home);
  expect(Buffer.from(token, 'base64url')).toHaveLength(32);
  expect(await permissions(file)).toBe(0o600);
  expect(await permissions(home)).toBe(0o700);
  expect(await readFile(file, 'utf8')).toBe(`${token}\n`);
  expect(await readdir(home)).toEqual(['token']);
});

test('later calls return the same token', async () => {
  const home = await tempFolder();
  const first = await ensureToken(home);
  expect(await ensureToken(home)).toEqual(first);
  expect(await readToken(home)).toBe(first.token);
});

test('many first calls at once agree on one token', async () => {
  const home = await tempFolder();
  const made = await Promise.all(Array.from({ length: 20 }, () => ensureToken(home)));
  expect(new Set(made.map(({ token }) => token)).size).toBe(1);
  expect(await readdir(home)).toEqual(['token']);
});

test('reading makes nothing', async () => {
  const home = await tempFolder();
  expect(await readToken(home)).toBeUndefined();
  expect(await readdir(home)).toEqual([]);
});

test.each([0o644, 0o640, 0o602])('a token file of mode %o is refused with the command that helps', async (mode) => {
  const { home, file } = await homeWith('0123456789abcdef', mode);
  await expect(ensureToken(home)).rejects.toThrow(`run chmod 600 '${file}'`);
});

test.each([
  ['an empty file', ''],
  ['white space', ' \n'],
  ['a short token', 'too-short'],
  ['two words', 'two words of sufficient length'],
  ['control characters', '0123456789abcdef\u0007x'],
])('%s is refused', async (_what, content) => {
  const { home } = await homeWith(content);
  await expect(ensureToken(home)).rejects.toThrow('does not hold one token of at least 16 printable characters');
});

test('a file too large for a token is refused', async () => {
  const { home, file } = await homeWith('canary'.repeat(1000));
  await expect(ensureToken(home)).rejects.toThrow(`${file} is not a token file`);
});

test('a folder in the way of the token or of the home is refused', async () => {
  const home = await tempFolder();
  await mkdir(join(home, 'token'), { mode: 0o700 });
  await expect(ensureToken(home)).rejects.toThrow('is not a token file');
  const { file } = await homeWith('0123456789abcdef');
  await expect(ensureToken(file)).rejects.toThrow('ENOTDIR');
});
