/**
 * The plugins as the gateway sees them: which there are, how each is, and what is in use of it. Loaded with the first of them.
 * Whatever goes wrong with one is its own: it is told in its status and in the log, and nothing else waits for it.
 */
import type { Logger } from 'pino';
import type { EnabledAccount } from '../config/channels.ts';
import { ConfigError } from '../config/config-error.ts';
import { DEFAULT_ACCOUNT } from '../config/default-account.ts';
import type { PluginConfig, PluginsConfig } from '../config/plugins.ts';
import type { Config } from '../config/schema.ts';
import type { PluginRoute } from '../gateway/plugin-routes.ts';
import type { Plugins } from '../gateway/plugins.ts';
import { DhaavakError } from '../protocol/errors.ts';
import type { PluginStatus } from '../protocol/messages.ts';
import { createRedactor } from '../telemetry/redact.ts';
import { Sandbox } from '../tools/sandbox/sandbox.ts';
import { type LoadedPlugin, loadPlugin } from './load.ts';
import type { PluginOffer } from './offer.ts';
import { PluginError } from './plugin-error.ts';
import { routeAnswer } from './route-answer.ts';
import { messageOf, moduleOf } from './trusted.ts';

/** Time a request to a route may take. */
const ROUTE_MS = 10_000;
/** Longest reason that is told, in characters. */
const REASON_LENGTH_MAX = 500;
/** How long the end of what is being loaded is waited for, in milliseconds. */
const STOP_MS = 1_000;
/** Until then shards that start wait for plugins that are being loaded, in milliseconds. */
const FIRST_LOAD_MS = 2_000;

export interface PluginHostOptions {
  config: Config;
  /** Reads the configuration anew; throws a ConfigError. */
  readConfig(): Promise<Config>;
  /** Tells every shard. */
  onOffer(offer: PluginOffer): void;
  /** In the order in which they are told. */
  channels: {
    put(account: EnabledAccount): void;
    remove(platform: string): void;
  };
  /** The plugin that `memory.backend` names was loaded anew, or is gone. */
  memoryChanged(plugins: PluginsConfig): void;
  log: Logger;
}

interface Slot {
  entry: PluginConfig;
  loaded: LoadedPlugin | undefined;
  offer: PluginOffer;
  status: PluginStatus;
}

export class PluginHost implements Plugins {
  readonly #options: PluginHostOptions;
  readonly #slots = new Map<string, Slot>();
  #generation = 0;
  /** One change after the other. */
  #working: Promise<void> = Promise.resolve();
  #firstLoad: Promise<void> = Promise.resolve();
  #stopping = false;

  constructor(options: PluginHostOptions) {
    this.#options = options;
  }

  /** Begins to load what is configured. */
  start(): void {
    this.#firstLoad = this.#change(() => this.#apply(this.#options.config.plugins, undefined));
  }

  get statuses(): readonly PluginStatus[] {
    return [...this.#slots.values()].map(({ status }) => status);
  }

  /** What shards have of each; resolves when all were loaded once, or that takes too long. */
  async offers(): Promise<PluginOffer[]> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, FIRST_LOAD_MS);
    });
    await Promise.race([this.#firstLoad, late]);
    clearTimeout(timer);
    return this.offersNow;
  }

  get offersNow(): PluginOffer[] {
    return [...this.#slots.values()].map(({ offer }) => offer);
  }

  async reload(plugin: string | undefined): Promise<void> {
    await this.#change(async () => {
      const config = await this.#options.readConfig().catch((error: unknown) => {
        if (!(error instanceof ConfigError)) throw error;
        throw new DhaavakError('invalid_request', `nothing was reloaded: ${error.problems.join('; ')}`);
      });
      await this.#apply(config.plugins, plugin);
      const { backend } = this.#options.config.memory;
      const isMeant = backend !== 'local' && (plugin === undefined || plugin === backend);
      if (isMeant) this.#options.memoryChanged(config.plugins);
    });
  }

  route(plugin: string, method: string, path: string): PluginRoute | undefined {
    const loaded = this.#slots.get(plugin)?.loaded;
    const found = loaded?.routes.find((one) => one.path === path && (one.methods as string[]).includes(method));
    const thread = loaded?.thread;
    if (found === undefined || thread === undefined) return undefined;
    return {
      scope: found.scope,
      call: (request) =>
        thread
          .call({ ...request, path }, ROUTE_MS)
          .then(routeAnswer)
          .catch((error: unknown) => {
            this.#wentWrong(plugin, `${method} ${path}: ${messageOf(error)}`);
            return undefined;
          }),
    };
  }

  /** Something of a plugin went wrong, as was logged where it did. It is counted; the plugin stays. */
  fault(plugin: string, reason: string): void {
    const slot = this.#slots.get(plugin);
    if (slot === undefined) return;
    const lastFault = this.#clean(slot, reason);
    slot.status = { ...slot.status, faults: slot.status.faults + 1, lastFault };
  }

  #wentWrong(plugin: string, reason: string): void {
    this.fault(plugin, reason);
    const { lastFault } = this.#slots.get(plugin)?.status ?? {};
    this.#options.log.warn({ plugin, reason: lastFault }, 'something of a plugin went wrong');
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all([...this.#slots.values()].map(({ loaded }) => loaded?.thread?.stop()));
    // What is being loaded finds that out by itself, and may be an import that never ends.
    await Promise.race([this.#working, new Promise((resolve) => setTimeout(resolve, STOP_MS))]);
  }

  /** Rejects with what `work` throws; what is to be changed after it goes on. */
  #change(work: () => Promise<void>): Promise<void> {
    const done = this.#working.then(work);
    this.#working = done.catch(() => undefined);
    return done;
  }

  /** Brings what is in use to what is configured: of one plugin, or of all. */
  async #apply(plugins: PluginsConfig, only: string | undefined): Promise<void> {
    const isMeant = (name: string): boolean => only === undefined || only === name;
    const gone = [...this.#slots.keys()].filter((name) => isMeant(name) && plugins[name] === undefined);
    for (const name of gone) this.#remove(name);
    const { log, config } = this.#options;
    // Hosts are started with the first program, and only then: for the time in which plugins are loaded.
    const { sandboxHosts } = config.tools;
    const { programMemoryMb: memoryMb, hostMemoryMb: rssMaxMb, ...rest } = sandboxHosts;
    const sandbox = new Sandbox({ ...rest, memoryMb, rssMaxMb, hostsMax: 1 }, log);
    try {
      const meant = Object.entries(plugins).filter(([name]) => isMeant(name));
      await Promise.all(meant.map(([name, entry]) => this.#load(name, entry, sandbox)));
    } finally {
      await sandbox.stop();
    }
  }

  /** Never rejects. */
  async #load(name: string, entry: PluginConfig, sandbox: Sandbox): Promise<void> {
    const slot = this.#slots.get(name) ?? this.#newSlot(name, entry);
    slot.entry = entry;
    slot.status = { ...slot.status, trusted: entry.trusted };
    if (!entry.enabled) return this.#empty(name, slot, 'stopped', 'it is switched off');
    this.#generation += 1;
    const generation = this.#generation;
    const { log, config: surroundings } = this.#options;
    const thread = {
      fault: (reason: string, givenUp: boolean) => {
        this.#wentWrong(name, reason);
        if (slot.loaded?.offer.generation !== generation || !givenUp) return;
        slot.status = { ...slot.status, state: 'failed', reason: slot.status.lastFault, since: Date.now() };
      },
    };
    try {
      if (this.#stopping) throw new PluginError('the gateway stops');
      const loaded = await loadPlugin({ name, entry, generation, surroundings, sandbox, thread });
      if (this.#stopping) return void (await loaded.thread?.stop());
      this.#use(name, slot, loaded);
      log.info({ plugin: name, version: loaded.version, kinds: loaded.kinds }, 'a plugin is ready');
      if (loaded.notes.length > 0) log.warn({ plugin: name, notes: loaded.notes }, 'a plugin lacks something');
    } catch (error) {
      const why = this.#clean(slot, messageOf(error));
      log.error({ plugin: name, reason: why }, 'a plugin could not be loaded');
      if (slot.loaded === undefined) this.#empty(name, slot, 'failed', why);
      else {
        const reason = `it could not be loaded anew, and ${slot.loaded.version} goes on: ${why}`;
        slot.status = { ...slot.status, reason: reason.slice(0, REASON_LENGTH_MAX), since: Date.now() };
      }
    }
  }

  /** Calls that are under way end with what they began with. */
  #use(name: string, slot: Slot, loaded: LoadedPlugin): void {
    const before = slot.loaded;
    slot.loaded = loaded;
    slot.offer = loaded.offer;
    const { version, trusted, kinds, notes, offer } = loaded;
    const tools = offer.tools?.list.length ?? 0;
    const now = { version, trusted, kinds: [...kinds], tools, notes: [...notes] };
    slot.status = { ...slot.status, ...now, state: 'ready', reason: null, since: Date.now() };
    this.#options.onOffer(offer);
    before?.thread?.retire();
    const { channels } = this.#options;
    if (offer.channel !== undefined && slot.entry.channel.enabled) channels.put(accountOf(name, offer));
    else if (before?.offer.channel !== undefined) channels.remove(name);
  }

  #remove(name: string): void {
    const slot = this.#slots.get(name) as Slot;
    this.#empty(name, slot, 'stopped', 'it was removed');
    this.#slots.delete(name);
    this.#options.log.info({ plugin: name }, 'a plugin was removed');
  }

  /** Takes all of it out of use. */
  #empty(name: string, slot: Slot, state: 'stopped' | 'failed', reason: string): void {
    const before = slot.loaded;
    this.#generation += 1;
    slot.loaded = undefined;
    slot.offer = offerOfNothing(name, this.#generation, state === 'failed' ? `it failed: ${reason}` : reason);
    const nothing = { version: null, kinds: [], tools: 0, notes: [] };
    slot.status = { ...slot.status, ...nothing, state, reason, since: Date.now() };
    this.#options.onOffer(slot.offer);
    if (before?.offer.channel !== undefined) this.#options.channels.remove(name);
    before?.thread?.retire();
  }

  #newSlot(plugin: string, entry: PluginConfig): Slot {
    const counts = { version: null, kinds: [], tools: 0, notes: [], faults: 0, lastFault: null };
    const slot: Slot = {
      entry,
      loaded: undefined,
      offer: offerOfNothing(plugin, 0, 'it is being loaded'),
      status: { plugin, trusted: entry.trusted, state: 'loading', reason: null, since: Date.now(), ...counts },
    };
    this.#slots.set(plugin, slot);
    return slot;
  }

  #clean({ loaded }: Slot, reason: string): string {
    return createRedactor(loaded?.grants.secrets ?? [])(reason).slice(0, REASON_LENGTH_MAX);
  }
}

function offerOfNothing(plugin: string, generation: number, state: string): PluginOffer {
  return { plugin, generation, state, grants: { settings: {}, env: {}, hosts: [], tools: [], secrets: [] } };
}

function accountOf(platform: string, { channel, generation, grants: { secrets } }: PluginOffer): EnabledAccount {
  const settings = channel as NonNullable<PluginOffer['channel']>;
  const { module, webhook } = settings;
  return {
    platform,
    account: DEFAULT_ACCOUNT,
    settings,
    module,
    webhook,
    url: moduleOf(module, generation).url,
    secrets,
  };
}
