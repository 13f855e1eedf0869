/** The gateway and the command line as real processes, in a clean environment and a home of their own. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

export const ENTRY = fileURLToPath(new URL('../../src/cli/dhaavak.mjs', import.meta.url));

type Environment = Record<string, string>;
type Child = ChildProcessByStdio<Writable, Readable, Readable>;

export interface Finished {
  exitCode: number | null;
  stdout: string;
  stderr: string;
}

export interface CliProcess {
  process: Child;
  /** Resolves as soon as standard output matches. */
  shows(pattern: RegExp): Promise<string>;
  finished: Promise<Finished>;
}

/** Starts `dhaavak …args`, with another Node or another copy of the command if need be. */
export function spawnCli(
  args: readonly string[],
  env: Environment = {},
  { node = process.execPath, entry = ENTRY } = {},
): CliProcess {
  const child = spawn(node, [entry, ...args], { env: cleanEnvironment(env), stdio: 'pipe' });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    output += chunk;
  });
  const stderr = text(child.stderr);
  const finished = once(child, 'close').then(async ([code, signal]) => {
    if (signal) throw new Error(`dhaavak was killed by ${signal}`);
    return { exitCode: code as number, stdout: output, stderr: await stderr };
  });
  const shows = async (pattern: RegExp): Promise<string> => {
    while (!pattern.test(output)) {
      const done = await Promise.race([once(child.stdout, 'data').then(() => undefined), finished]);
      if (done && !pattern.test(output)) throw new Error(`ended without ${pattern}: ${JSON.stringify(done)}`);
    }
    return output;
  };
  return { process: child, shows, finished };
}

/** Runs `dhaavak …args` to its end, with `input` on its standard input. */
export async function runCli(args: readonly string[], env: Environment = {}, input = ''): Promise<Finished> {
  const { process: child, finished } = spawnCli(args, env);
  child.stdin.end(input);
  return finished;
}

export interface GatewayProcess extends CliProcess {
  url: string;
  token: string;
  home: string;
  /** What it printed when it was ready. */
  banner: string;
  /** Stops it with SIGTERM, and removes its home. */
  stop(): Promise<Finished>;
}

/** Starts a gateway on a free port, and waits until it is ready. */
export async function startGatewayProcess({ yaml = '', env = {} as Environment } = {}): Promise<GatewayProcess> {
  const home = await mkdtemp(join(tmpdir(), 'dhaavak-test-'));
  await writeFile(join(home, 'dhaavak.yaml'), yaml);
  const cli = spawnCli(['start', '--port', '0', '--home', home], { DHAAVAK_LOG_LEVEL: 'silent', ...env });
  const banner = await cli.shows(/another terminal\)\n/);
  const url = /ws:\S+/.exec(banner)?.[0] ?? '';
  const token = (await readFile(join(home, 'token'), 'utf8')).trim();
  const stop = async (): Promise<Finished> => {
    cli.process.kill('SIGTERM');
    const finished = await cli.finished;
    await rm(home, { recursive: true, force: true });
    return finished;
  };
  return { ...cli, url, token, home, banner, stop };
}

/** Without the variables that would lead a test to the developer's own gateway or keys. */
function cleanEnvironment(env: Environment): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(DHAAVAK|ANTHROPIC|OPENAI|VITEST|NODE_)/.test(name),
  );
  return { ...Object.fromEntries(inherited), ...env };
}
