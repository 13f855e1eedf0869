/** The files and exec tools as a session calls them, on a real workspace, with something outside that must stay there. */
import { execFileSync } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { configSchema } from '../../src/config/schema.ts';
import { createToolRegistry } from '../../src/tools/builtin/builtin.ts';
import type { ToolRegistry, ToolResult } from '../../src/tools/registry.ts';
import type { ToolCaller } from '../../src/tools/tool.ts';
import type { ConfigInput } from './gateway.ts';
import { tempFolder } from './temp-folder.ts';
import { toolCaller } from './tool-caller.ts';

/** Stands in every file outside: seen in a result, it has escaped. */
export const CANARY = 'CANARY-4f1c9a';

export interface ToolBench {
  registry: ToolRegistry;
  /** The gateway's data folder, with a `token` that holds the canary; the workspace is in it. */
  home: string;
  workspace: string;
  /** A folder beside the home, with a `secret.txt` that holds the canary. */
  outside: string;
  /** A call by the session, approved where that is asked for. */
  call(name: string, input: unknown, options?: CallOptions): Promise<ToolResult>;
  /** The output of a call that must not fail. */
  ok(name: string, input: unknown, options?: CallOptions): Promise<string>;
  /** The output of one that must. */
  refused(name: string, input: unknown, options?: CallOptions): Promise<string>;
  put(path: string, content: string | Buffer): Promise<void>;
  get(path: string): Promise<string>;
}

interface CallOptions {
  sandboxed?: boolean;
  session?: string;
  signal?: AbortSignal;
}

export interface BenchOptions {
  tools?: NonNullable<ConfigInput['tools']>;
  /** Where the workspace is, given the folder of the test. Default: `home/agents/main`. */
  workspaceIn?: (folder: string) => string;
}

export async function toolBench({ tools = {}, workspaceIn }: BenchOptions = {}): Promise<ToolBench> {
  const folder = await tempFolder();
  const home = join(folder, 'home');
  const outside = join(folder, 'outside');
  const workspace = workspaceIn?.(folder) ?? join(home, 'agents', 'main');
  for (const path of [workspace, home, outside]) await mkdir(path, { recursive: true });
  await writeFile(join(home, 'token'), CANARY);
  await writeFile(join(outside, 'secret.txt'), CANARY);
  const registry = createToolRegistry({ ...configSchema.parse({ tools }), home });
  onTestFinished(() => registry.close());
  const settings = {
    tools: ['files.read', 'files.write', 'files.edit', 'files.list', 'files.search', 'skills.read'].concat([
      'exec',
      'exec.poll',
      'exec.list',
      'exec.kill',
    ]),
    approve: [],
  };
  const call: ToolBench['call'] = (name, input, { sandboxed = false, session = 'one', signal } = {}) => {
    const caller: ToolCaller = toolCaller({ workspace, sandboxed, session });
    const context = {
      signal: signal ?? new AbortController().signal,
      approve: async () => ({ allowed: true as const }),
    };
    return registry.view(settings, caller).execute({ id: '1', name, input }, context);
  };
  const outputOf =
    (failed: boolean): ToolBench['ok'] =>
    async (name, input, options) => {
      const result = await call(name, input, options);
      if (result.failed !== failed) throw new Error(`${name} ${failed ? 'did not fail' : 'failed'}: ${result.output}`);
      return result.output;
    };
  return {
    registry,
    home,
    workspace,
    outside,
    call,
    ok: outputOf(false),
    refused: outputOf(true),
    put: async (path, content) => {
      await mkdir(join(workspace, path, '..'), { recursive: true });
      await writeFile(join(workspace, path), content);
    },
    get: (path) => readFile(join(workspace, path), 'utf8'),
  };
}

/** Why tests of the sandbox cannot run here; undefined: they can. */
export const NO_BUBBLEWRAP: string | undefined = (() => {
  try {
    execFileSync('bwrap', ['--ro-bind', '/', '/', '--unshare-all', 'true']);
    return undefined;
  } catch (error) {
    return `bubblewrap is missing or may not make namespaces: ${error}`;
  }
})();
