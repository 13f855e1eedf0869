import { DhaavakError } from '../protocol/errors.ts';
import type { PluginStatus, Replies } from '../protocol/messages.ts';
import type { PluginRoute } from './plugin-routes.ts';

/** The plugins, as clients and HTTP requests reach them. */
export interface Plugins {
  readonly statuses: readonly PluginStatus[];
  /** Reads the configuration of all plugins again, and loads one anew, or all. Rejects where that is no configuration. */
  reload(plugin: string | undefined): Promise<void>;
  route(plugin: string, method: string, path: string): PluginRoute | undefined;
}

/** Answers requests about plugins, also where there are none: then nothing of them is loaded before somebody reloads. */
export class PluginDesk {
  readonly #open: () => Promise<Plugins>;
  #plugins: Plugins | undefined;

  constructor(plugins: Plugins | undefined, open: () => Promise<Plugins>) {
    this.#plugins = plugins;
    this.#open = open;
  }

  list(): Replies['plugin.list'] {
    return { plugins: [...(this.#plugins?.statuses ?? [])] };
  }

  async reload(plugin: string | undefined): Promise<Replies['plugin.reload']> {
    this.#plugins ??= await this.#open();
    await this.#plugins.reload(plugin);
    const { plugins } = this.list();
    const shown = plugin === undefined ? plugins : plugins.filter((one) => one.plugin === plugin);
    if (plugin !== undefined && shown.length === 0) {
      throw new DhaavakError('not_found', `no plugin ${plugin} is configured`, { param: 'data.plugin' });
    }
    return { plugins: shown };
  }

  route(plugin: string, method: string, path: string): PluginRoute | undefined {
    return this.#plugins?.route(plugin, method, path);
  }
}
