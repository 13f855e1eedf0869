/**
 * Code of plugins that an operator trusts by name: imported into the thread it runs in, with all the gateway may do. What it
 * throws into nothing, now or later, is caught and told; one that never yields holds up its thread, and is ended with it.
 */
import { registerHooks } from 'node:module';
import { pathToFileURL } from 'node:url';
import type { TrustedModule } from './offer.ts';
import { PluginError } from './plugin-error.ts';

/** A module that is not loaded by then has failed, in milliseconds. */
export const IMPORT_MS = 10_000;
/** Names a load: Node keeps modules by their URL, so that the code of another load must have another. */
const LOAD = 'dhaavak-load';

let hooked = false;

/** The URL of a file for one load. */
export function moduleOf(file: string, generation: number): TrustedModule {
  return { url: `${pathToFileURL(file).href}?${LOAD}=${generation}` };
}

/** Imports a module, and what it imports by relative paths, as they are now. Throws a PluginError. */
export async function importTrusted({ url }: TrustedModule): Promise<Readonly<Record<string, unknown>>> {
  hook();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new PluginError(`its import takes longer than ${IMPORT_MS} ms`)), IMPORT_MS);
  });
  try {
    return await Promise.race([import(url) as Promise<Record<string, unknown>>, late]);
  } catch (error) {
    if (error instanceof PluginError) throw error;
    throw new PluginError(`its import failed: ${messageOf(error)}`);
  } finally {
    clearTimeout(timer);
  }
}

/** What of a module must be a function. Throws a PluginError. */
export function exported(module: Readonly<Record<string, unknown>>, name: string): (...given: unknown[]) => unknown {
  const found = module[name];
  if (typeof found !== 'function') throw new PluginError(`its module exports no function ${name}`);
  return found as (...given: unknown[]) => unknown;
}

/** What was thrown, in a line and without the parameter that is ours. */
export function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replaceAll(new RegExp(`\\?${LOAD}=\\d+`, 'g'), '');
}

/** Hands the load of a module on to the files it imports. */
function hook(): void {
  if (hooked) return;
  hooked = true;
  registerHooks({
    resolve(specifier, context, next) {
      const resolved = next(specifier, context);
      const load = context.parentURL === undefined ? null : URL.parse(context.parentURL)?.searchParams.get(LOAD);
      if (load == null || !/^\.\.?\//.test(specifier) || resolved.url.includes('?')) return resolved;
      return { ...resolved, url: `${resolved.url}?${LOAD}=${load}` };
    },
  });
}
