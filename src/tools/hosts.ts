import type { Config } from '../config/schema.ts';
import type { BrowserHost } from './browser/host.ts';
import type { BrowserJob } from './browser/job.ts';
import { profileFolder, removeProfile } from './browser/profiles.ts';
import type { ToolServices } from './services.ts';
import type { WebHost } from './web/host.ts';
import type { Page, PageJob } from './web/page.ts';
import type { PluginRequestJob, PluginResponse } from './web/plugin-request.ts';
import type { SearchJob } from './web/search.ts';
import type { SearchResult } from './web/search-limits.ts';
import { searchProvider } from './web/search-provider.ts';

/**
 * The threads and processes that tools have their work done in. They belong to the gateway's process, so that all shards share
 * them; none is started, and nothing of theirs loaded, before the first call that needs it.
 */
export class ToolHosts implements ToolServices {
  readonly #config: Config;
  readonly #calls = new Map<string, AbortController>();
  #web: Promise<WebHost> | undefined;
  #browser: Promise<BrowserHost> | undefined;

  constructor(config: Config) {
    this.#config = config;
  }

  fetchPage(call: string, job: PageJob): Promise<Page> {
    return this.#run(call, async (signal) => (await this.#webHost()).fetch(job, signal));
  }

  search(call: string, job: SearchJob): Promise<SearchResult[]> {
    return this.#run(call, async (signal) => (await this.#webHost()).search(job, signal));
  }

  request(call: string, job: PluginRequestJob): Promise<PluginResponse> {
    return this.#run(call, async (signal) => (await this.#webHost()).request(job, signal));
  }

  browse(call: string, job: BrowserJob): Promise<string> {
    return this.#run(call, async (signal) => (await this.#browserHost()).handle(job, signal));
  }

  cancel(call: string): void {
    this.#calls.get(call)?.abort(new Error('the call was cancelled'));
  }

  async sessionDeleted(session: string): Promise<void> {
    const browser = await this.#browser;
    if (browser === undefined) await removeProfile(profileFolder(this.#config.home, session));
    else await browser.sessionDeleted(session);
  }

  /** Ends them all, whatever they do. */
  async stop(): Promise<void> {
    await Promise.all([(await this.#web)?.stop(), (await this.#browser)?.stop()]);
  }

  async #run<T>(call: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const controller = new AbortController();
    this.#calls.set(call, controller);
    try {
      return await work(controller.signal);
    } finally {
      this.#calls.delete(call);
    }
  }

  #webHost(): Promise<WebHost> {
    const { allow, ports } = this.#config.tools.web;
    this.#web ??= import('./web/host.ts').then(
      ({ WebHost }) => new WebHost({ allow, ports, search: searchProvider(this.#config.tools.web) }),
    );
    return this.#web;
  }

  #browserHost(): Promise<BrowserHost> {
    const { home, tools } = this.#config;
    const { allow, ports } = tools.web;
    this.#browser ??= import('./browser/host.ts').then(
      ({ BrowserHost }) => new BrowserHost({ home, network: { allow, ports }, browser: tools.browser }),
    );
    return this.#browser;
  }
}
