/** Where adapters come from. Each is loaded when an account of its platform starts, with the library it brings. */
import { pathToFileURL } from 'node:url';
import type { AnyAccount, EnabledAccount } from '../config/channels.ts';
import type { Adapter, AdapterContext } from './adapter.ts';

/** What the `adapter.ts` of a platform, or the file of a custom channel, exports. */
interface AdapterModule {
  /** `settings` are the account's in the configuration; of a custom channel, its `settings`. */
  createAdapter(settings: unknown, context: AdapterContext): Adapter | Promise<Adapter>;
}

/** The file of the account's adapter, as a URL. */
export function adapterUrl({ platform, module, url }: EnabledAccount): string {
  if (url !== undefined) return url;
  if (module !== undefined) return pathToFileURL(module).href;
  const extension = import.meta.url.slice(import.meta.url.lastIndexOf('.'));
  return new URL(`./${platform}/adapter${extension}`, import.meta.url).href;
}

/** Makes the adapter of an account. Throws what loading the file throws, or an Error that says what it lacks. */
export async function createAdapter(account: EnabledAccount, context: AdapterContext): Promise<Adapter> {
  const { platform, settings, module } = account;
  const url = adapterUrl(account);
  const loaded = (await (account.url === undefined ? import(url) : ofPlugin(url))) as Partial<AdapterModule>;
  if (typeof loaded.createAdapter !== 'function') throw new Error(`${module ?? platform} exports no createAdapter`);
  return loaded.createAdapter(module === undefined ? settings : ownSettings(settings), context);
}

/** Its files are read anew with each load of the plugin. */
async function ofPlugin(url: string): Promise<unknown> {
  const { importTrusted } = await import('../plugins/trusted.ts');
  return importTrusted({ url });
}

function ownSettings(settings: AnyAccount): unknown {
  return 'settings' in settings ? settings.settings : settings;
}
