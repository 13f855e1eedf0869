/** A memory backend of a trusted plugin, opened in the thread of the memory: what it does wrong is that thread's. */
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { Config } from '../config/schema.ts';
import type { MemoryBackend } from '../memory/backend.ts';
import { DhaavakError } from '../protocol/errors.ts';
import { createRedactor } from '../telemetry/redact.ts';
import { grantsOf } from './grants.ts';
import { findPlugin } from './load.ts';
import { PluginError } from './plugin-error.ts';
import { probeTrusted } from './probe.ts';
import { exported, importTrusted, messageOf, moduleOf } from './trusted.ts';

/** All that a backend must have besides its name. */
const METHODS = ['append', 'positions', 'save', 'load', 'search', 'forget', 'status', 'close'] as const;

/** What a plugin's `createBackend` is given besides its settings. */
export interface PluginBackendContext {
  /** A folder for what it keeps; it need not be there. */
  folder: string;
  log: Logger;
}

/**
 * Makes the backend that `memory.backend` names, with the plugin's code as it is now. Throws `unavailable` with what keeps it
 * from being one.
 */
export async function openPluginBackend(
  config: Pick<Config, 'home' | 'agents' | 'plugins' | 'memory'>,
  { folder, log }: PluginBackendContext,
): Promise<MemoryBackend> {
  const name = config.memory.backend;
  try {
    const entry = config.plugins[name];
    if (entry === undefined) throw new PluginError('no plugin of that name is configured');
    if (!entry.enabled) throw new PluginError('it is switched off');
    if (!entry.trusted) throw new PluginError(`its memory needs plugins.${name}.trusted: true`);
    const found = await findPlugin(name, entry, config);
    const { memory } = found.manifest;
    if (memory === undefined) throw new PluginError('it has no memory backend');
    const { grants } = grantsOf(name, found.manifest, entry, process.env);
    const redact = createRedactor(grants.secrets);
    const say = (...values: unknown[]) =>
      log.info({ plugin: name, text: redact(values.map(String).join(' ')) }, 'a plugin says');
    try {
      const code = moduleOf(join(found.folder, memory.module), Date.now());
      await probeTrusted([{ ...code, exports: ['createBackend'] }]);
      const module = await importTrusted(code);
      const { settings, env } = grants;
      return checked(name, await exported(module, 'createBackend')(settings, { env, folder, log: say }));
    } catch (error) {
      throw new PluginError(redact(messageOf(error)));
    }
  } catch (error) {
    throw new DhaavakError('unavailable', `memory.backend is ${name}, which cannot be used: ${messageOf(error)}`);
  }
}

function checked(name: string, made: unknown): MemoryBackend {
  const backend = Object(made) as Record<string, unknown>;
  const lacking = METHODS.filter((method) => typeof backend[method] !== 'function');
  if (lacking.length > 0) throw new PluginError(`what its createBackend returns has no ${lacking.join('(), ')}()`);
  return Object.assign(Object.create(null), {
    name,
    ...Object.fromEntries(METHODS.map((method) => [method, (backend[method] as () => unknown).bind(made)])),
  }) as MemoryBackend;
}
