/** Where adapters come from. Each is loaded when an account of its platform starts, with the library it brings. */
import { pathToFileURL } from 'node:url';
import type { AnyAccount, EnabledAccount } from '../config/channels.ts';
import type { Adapter, AdapterContext } from './adapter.ts';

/** What the `adapter.ts` of a platform, or the file of a custom channel, exports. */
interface AdapterModule {
  /** `settings` are the account's in the configuration; of a custom channel, its `settings`. */
  createAdapter(settings: unknown, context: AdapterContext): Adapter | Promise<Adapter>;
}

/** Makes the adapter of an account. Throws what loading the file throws, or an Error that says what it lacks. */
export async function createAdapter(
  { platform, settings, module }: EnabledAccount,
  context: AdapterContext,
): Promise<Adapter> {
  const extension = import.meta.url.slice(import.meta.url.lastIndexOf('.'));
  const url =
    module === undefined ? new URL(`./${platform}/adapter${extension}`, import.meta.url) : pathToFileURL(module);
  const loaded = (await import(url.href)) as Partial<AdapterModule>;
  if (typeof loaded.createAdapter !== 'function') throw new Error(`${module ?? platform} exports no createAdapter`);
  return loaded.createAdapter(module === undefined ? settings : ownSettings(settings), context);
}

function ownSettings(settings: AnyAccount): unknown {
  return 'settings' in settings ? settings.settings : settings;
}
