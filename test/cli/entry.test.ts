/**
 * Goal: the command says what it lacks in one sentence, and its compile cache helps without ever being in the way.
 * Method: copies of the program in a temporary folder; an old Node where the machine has one.
 */
import { execFileSync } from 'node:child_process';
import { cp, mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { VERSION } from '../../src/version.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { runCli, spawnCli } from './processes.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const VERSION_LINE = { exitCode: 0, stdout: `${VERSION}\n`, stderr: '' };

/** The machine's own Node, if it is older than 24. */
const oldNode = ['/usr/bin/node', '/usr/local/bin/node'].find((path) => {
  try {
    return Number.parseInt(execFileSync(path, ['-p', 'process.versions.node'], { encoding: 'utf8' }), 10) < 24;
  } catch {
    return false;
  }
});

/** The program without its dependencies. */
async function copyOfProgram(): Promise<{ folder: string; entry: string }> {
  const folder = await tempFolder();
  await cp(join(ROOT, 'src'), join(folder, 'src'), { recursive: true });
  await cp(join(ROOT, 'package.json'), join(folder, 'package.json'));
  return { folder, entry: join(folder, 'src/cli/dhaavak.mjs') };
}

test.skipIf(!oldNode)('an older Node is refused in one sentence, with or without dependencies', async () => {
  const { entry } = await copyOfProgram();
  for (const options of [{ node: oldNode }, { node: oldNode, entry }]) {
    expect(await spawnCli(['status'], {}, options as { node: string }).finished).toEqual({
      exitCode: 1,
      stdout: '',
      stderr: expect.stringMatching(/^Dhaavak needs Node 24 or later and this is \d+\.\d+\.\d+: [^\n]+\.\n$/),
    });
  }
});

test('missing dependencies are told in one sentence', async () => {
  const { entry } = await copyOfProgram();
  expect(await spawnCli(['status'], {}, { entry }).finished).toEqual({
    exitCode: 1,
    stdout: '',
    stderr: 'The dependencies of Dhaavak are not installed: run npm ci in its folder first.\n',
  });
});

test('the compile cache is kept beside the dependencies', async () => {
  const { folder, entry } = await copyOfProgram();
  await mkdir(join(folder, 'node_modules'));
  await symlink(join(ROOT, 'node_modules/commander'), join(folder, 'node_modules/commander'));
  expect(await spawnCli(['--version'], {}, { entry }).finished).toEqual(VERSION_LINE);
  expect(await readdir(join(folder, 'node_modules/.cache/dhaavak'))).toHaveLength(1);
});

test('a place where the compile cache cannot be written is no error', async () => {
  const { folder, entry } = await copyOfProgram();
  await mkdir(join(folder, 'node_modules'));
  await symlink(join(ROOT, 'node_modules/commander'), join(folder, 'node_modules/commander'));
  await writeFile(join(folder, 'node_modules/.cache'), 'in the way');
  expect(await spawnCli(['--version'], {}, { entry }).finished).toEqual(VERSION_LINE);
});

test("the user's own choice of compile cache holds", async () => {
  const cache = await tempFolder();
  expect(await runCli(['--version'], { NODE_COMPILE_CACHE: cache })).toEqual(VERSION_LINE);
  expect(await readdir(cache)).toHaveLength(1);
  expect(await runCli(['--version'], { NODE_DISABLE_COMPILE_CACHE: '1' })).toEqual(VERSION_LINE);
});
