/**
 * Whether code of a plugin can be loaded, found out where it can harm nobody: a module of a trusted one in a thread that ends
 * right after, those of others in a sandbox host. Only what passes is offered to the threads that sessions and channels are on.
 */
import { Worker } from 'node:worker_threads';
import { sibling } from '../shards/sibling.ts';
import type { SandboxPool } from '../tools/sandbox/pool.ts';
import type { SandboxedModules } from './offer.ts';
import { PluginError } from './plugin-error.ts';
import { cutReason } from './sandboxed.ts';
import { IMPORT_MS, messageOf } from './trusted.ts';

/** Its imports have a limit of their own; this is for one that never yields. */
const SLACK_MS = 1_000;
const SANDBOX_LIMITS = {
  timeoutMs: 10_000,
  cpuMs: 5_000,
  callsMax: 0,
  callsAtOnceMax: 1,
  inputLengthMax: 1,
  consoleLengthMax: 2_000,
  resultLengthMax: 2_000,
};

/** What a module must export. */
export interface ProbedModule {
  url: string;
  exports: readonly string[];
}

/** Imports them in a thread of their own. Throws a PluginError. */
export async function probeTrusted(modules: readonly ProbedModule[]): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const worker = new Worker(sibling('probe-worker', import.meta.url), { workerData: modules });
  const late = setTimeout(() => resolve(`its import takes longer than ${IMPORT_MS} ms`), IMPORT_MS + SLACK_MS);
  worker.once('message', (message: { reason?: string }) => resolve(message.reason));
  worker.once('error', (error) => resolve(`its import failed: ${messageOf(error)}`));
  worker.once('exit', (code) => resolve(`its import ended the thread with code ${code}`));
  const reason = await promise;
  clearTimeout(late);
  await worker.terminate();
  if (reason !== undefined) throw new PluginError(reason);
}

/** Evaluates the modules in a sandbox host. Throws a PluginError. */
export async function probeSandboxed(
  pool: Pick<SandboxPool, 'run'>,
  modules: SandboxedModules,
  exports: readonly string[],
): Promise<void> {
  const source = `
for (const name of ${JSON.stringify(exports)}) {
  if (typeof plugin[name] !== 'function') throw new TypeError('its module exports no function ' + name);
}`;
  const { ending } = await pool.run({
    program: { source, modules, granted: [], limits: SANDBOX_LIMITS },
    signal: new AbortController().signal,
    call: async () => ({ text: 'nothing can be called while a plugin is loaded', json: false, failed: true }),
  });
  if (ending.status === 'ok') return;
  const why =
    ending.status === 'cut'
      ? `its module was stopped while it was loaded: ${cutReason(ending.cut, SANDBOX_LIMITS)}`
      : ending.text;
  throw new PluginError(why);
}
