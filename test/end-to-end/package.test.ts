/**
 * Goal: what `npm pack` makes can be installed and used anywhere.
 * Method: pack, install the tarball in an empty folder, and run the command and the README's example from there. It needs
 * a package registry, or npm's cache of one.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { VERSION } from '../../src/version.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { within } from '../support/wait.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const INSTALL_TIMEOUT_MS = 180_000;
const run = promisify(execFile);

/** The machine's own environment, not that of the npm script that runs the tests. */
const env = {
  PATH: (process.env.PATH ?? '')
    .split(':')
    .filter((folder) => !folder.includes('node_modules'))
    .join(':'),
  HOME: process.env.HOME ?? '',
  DHAAVAK_LOG_LEVEL: 'silent',
};

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dhaavak-package-'));
  const { stdout } = await run('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: ROOT, env });
  await writeFile(join(folder, 'package.json'), '{ "name": "somebody-elses", "private": true, "type": "module" }');
  const tarball = join(folder, stdout.trim().split('\n').at(-1) ?? '');
  await run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', tarball], { cwd: folder, env });
}, INSTALL_TIMEOUT_MS);

afterAll(() => rm(folder, { recursive: true, force: true }));

/** Runs to the end. */
async function finished(child: ChildProcess): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const output = { stdout: '', stderr: '' };
  child.stdout?.setEncoding('utf8').on('data', (text) => (output.stdout += text));
  child.stderr?.setEncoding('utf8').on('data', (text) => (output.stderr += text));
  onTestFinished(() => void child.kill('SIGKILL'));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, ...output };
}

async function startGateway(): Promise<{ url: string; token: string; stop(): Promise<number | null> }> {
  const home = await tempFolder();
  const child = spawn(join(folder, 'node_modules/.bin/node'), [entry(), 'start', '--port', '0', '--home', home], {
    env,
    cwd: folder,
  });
  const ended = finished(child);
  let output = '';
  const url = new Promise<string>((resolve, reject) => {
    child.stdout.on('data', (text) => {
      output += text;
      const found = /listens on (ws:\S+)/.exec(output)?.[1];
      if (found !== undefined) resolve(found);
    });
    void ended.then(({ stderr }) => reject(new Error(`the gateway ended: ${stderr}`)));
  });
  const stop = async (): Promise<number | null> => {
    child.kill('SIGTERM');
    return (await ended).code;
  };
  return {
    url: await within(20_000, url, () => `the gateway to listen; it wrote ${output}`),
    token: (await readFile(join(home, 'token'), 'utf8')).trim(),
    stop,
  };
}

const entry = () => join(folder, 'node_modules/dhaavak/src/cli/dhaavak.mjs');

/** The README's example, at another address. */
async function example(url: string): Promise<string> {
  const readme = await readFile(join(ROOT, 'README.md'), 'utf8');
  const code = /^```ts\n([\s\S]*?)^```$/m.exec(readme)?.[1] ?? '';
  expect(code.split('\n').filter((line) => line.trim() !== '').length).toBeLessThanOrEqual(10);
  expect(code).toContain("'ws://127.0.0.1:18789/ws'");
  return code.replace('ws://127.0.0.1:18789/ws', url);
}

describe('the installed package', () => {
  it('brings what it needs and nothing that only its makers need', async () => {
    const content = await readdir(join(folder, 'node_modules/dhaavak'));
    expect(content.sort()).toEqual(
      ['LICENSE', 'README.md', 'config', 'dist', 'docs', 'package.json', 'scripts', 'src'].sort(),
    );
  });

  it('starts a gateway, whose shards and front end work, and answers the example of the README', async () => {
    const gateway = await startGateway();
    await writeFile(join(folder, 'example.js'), await example(gateway.url));
    for (const node of ['node', join(folder, 'node_modules/.bin/node')]) {
      const child = spawn(node, ['example.js'], { cwd: folder, env: { ...env, DHAAVAK_TOKEN: gateway.token } });
      const answer = await within(20_000, finished(child), () => `the example to end under ${node}`);
      expect(answer).toEqual({ code: 0, stderr: '', stdout: expect.stringMatching(/\S/) });
    }
    expect(await gateway.stop()).toBe(0);
  });

  it('finds its own Node through npx, and says which one it needs under an older one', async () => {
    const { stdout } = await run('npx', ['--no-install', 'dhaavak', '--version'], { cwd: folder, env });
    expect(stdout).toBe(`${VERSION}\n`);
    const machine = Number.parseInt((await run('node', ['-p', 'process.versions.node'], { env })).stdout, 10);
    const direct = await finished(spawn('node', [entry(), '--version'], { env }));
    if (machine >= 24) expect(direct.stdout).toBe(`${VERSION}\n`);
    else expect(direct.stderr).toMatch(/^Dhaavak needs Node 24 or later and this is [\d.]+: [^\n]+\n$/);
  });
});
