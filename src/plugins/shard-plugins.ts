/** The plugins of a shard: their tools in its registry, their model providers among its models. They come and go. */
import type { Logger } from 'pino';
import { z } from 'zod';
import type { LateProviders } from '../agent/late-providers.ts';
import { type Blamed, blame, catchErrors, suspect } from '../channels/blame.ts';
import type { ChannelsConfig } from '../config/channels.ts';
import { createRedactor, knowSecrets } from '../telemetry/redact.ts';
import type { ToolRegistry } from '../tools/registry.ts';
import type { GuestLimits } from '../tools/sandbox/messages.ts';
import type { Sandbox } from '../tools/sandbox/sandbox.ts';
import type { ToolServices } from '../tools/services.ts';
import { defineTool, type Tool, type ToolContext } from '../tools/tool.ts';
import { UntrustedError } from '../tools/untrusted.ts';
import { type CapabilityContext, callToolFor, fetchFor } from './capabilities.ts';
import type { ManifestTool } from './manifest.ts';
import { toolName } from './names.ts';
import type { PluginOffer, TrustedModule } from './offer.ts';
import { PluginProvider } from './provider.ts';
import { callSandboxed, PluginFailure } from './sandboxed.ts';
import { exported, importTrusted, messageOf } from './trusted.ts';

const GROUP = 'plugin';
/** Characters of one line that a plugin writes to the log. */
const LOG_LENGTH_MAX = 2_000;

export interface ShardPluginsOptions {
  registry: ToolRegistry;
  providers: LateProviders;
  services: Pick<ToolServices, 'request' | 'cancel'>;
  /** Of the plugins' own: a program that calls a tool of theirs must not stand in its way. */
  sandbox: Sandbox;
  limits: Pick<GuestLimits, 'timeoutMs' | 'cpuMs' | 'callsMax'>;
  /** The operator's own channels in the configuration of this shard, which those of plugins are added to. */
  channels: ChannelsConfig['custom'];
  /** Tells the gateway that something of a plugin went wrong. */
  fault(plugin: string, reason: string): void;
  log: Logger;
}

/** What is in use of a plugin. */
interface InUse {
  offer: PluginOffer;
  /** Tools that are registered. */
  tools: string[];
  /** It was removed: calls of views that still have its tools are refused. One that was replaced goes on in them. */
  removed: boolean;
  /** Ends that errors are laid at its door. */
  acquit: () => void;
}

export class ShardPlugins {
  readonly #options: ShardPluginsOptions;
  readonly #inUse = new Map<string, InUse>();
  /** Offers are taken one after the other: the import of one must not end after that of the next. */
  #taking: Promise<void> = Promise.resolve();
  #catches = false;

  constructor(options: ShardPluginsOptions) {
    this.#options = options;
  }

  /** A plugin is another than before, or gone. Resolves when what it has is in use; never rejects. */
  take(offer: PluginOffer): Promise<void> {
    this.#taking = this.#taking.then(() => this.#take(offer)).catch((error: unknown) => this.#failed(offer, error));
    return this.#taking;
  }

  /** Of the plugin whose tool would have this name. */
  state(tool: string): string {
    const name = tool.split('.')[1] ?? '';
    const offer = this.#inUse.get(name)?.offer;
    return offer === undefined ? `there is no plugin ${name}` : `the plugin ${name}: ${offer.state}`;
  }

  async #take(offer: PluginOffer): Promise<void> {
    const { plugin, tools, provider, channel } = offer;
    const before = this.#inUse.get(plugin);
    if (before !== undefined && before.offer.generation >= offer.generation) return;
    knowSecrets(`plugin ${plugin}`, [...offer.grants.secrets, ...(before?.offer.grants.secrets ?? [])]);
    const { channels, providers, registry } = this.#options;
    const blamed: Blamed = { fail: (error) => this.#fault(offer, `it threw into nothing: ${messageOf(error)}`) };
    const trusted = [provider, tools !== undefined && 'url' in tools.code ? tools.code : undefined].filter(
      (module) => module !== undefined,
    );
    if (trusted.length > 0) this.#catchErrors();
    const acquittals = trusted.map(({ url }) => suspect(url, blamed));
    const acquit = (): void => {
      for (const end of acquittals) end();
    };
    const now: InUse = { offer, tools: [], removed: false, acquit };
    // Both before anything is changed: what cannot be imported leaves what there is.
    const made = tools === undefined ? [] : await this.#tools(now, tools, blamed);
    const model = provider === undefined ? undefined : await this.#provider(offer, provider, blamed);

    for (const name of before?.tools ?? []) registry.unregister(name);
    if (before !== undefined && made.length === 0 && model === undefined) before.removed = true;
    before?.acquit();
    this.#inUse.set(plugin, now);
    for (const tool of made) {
      registry.register(tool);
      now.tools.push(tool.name);
    }
    const isThere = tools !== undefined || channel !== undefined;
    providers.set(plugin, model, isThere ? 'it has no model provider' : offer.state);
    if (channel !== undefined) channels[plugin] = channel;
    else if (before?.offer.channel !== undefined) delete channels[plugin];
  }

  async #tools(use: InUse, { list, code }: NonNullable<PluginOffer['tools']>, blamed: Blamed): Promise<Tool[]> {
    const { plugin, grants } = use.offer;
    const redact = createRedactor(grants.secrets);
    const capabilities: CapabilityContext = { plugin, grants, services: this.#options.services };
    if ('url' in code) {
      const module = await blame(blamed, () => importTrusted(code));
      const calls = list.map(({ name }) => exported(module, name));
      return list.map((tool, index) =>
        this.#tool(use, tool, redact, (input, context) =>
          blame(blamed, () => calls[index]?.(input, this.#given(use.offer, capabilities, context, redact))),
        ),
      );
    }
    const { limits, sandbox } = this.#options;
    return list.map((tool) =>
      this.#tool(use, tool, redact, async (input, context) => {
        const call = { tool: tool.name, code, input, limits };
        const { value, log } = await callSandboxed(call, capabilities, context, (task) => sandbox.run(task));
        if (log !== '') this.#log(use.offer, log, redact);
        return value;
      }),
    );
  }

  #tool(
    use: InUse,
    tool: ManifestTool,
    redact: (text: string) => string,
    call: (input: unknown, context: ToolContext) => unknown,
  ): Tool {
    const { plugin, grants, tools } = use.offer;
    const isTrusted = tools !== undefined && 'url' in tools.code;
    return defineTool({
      name: toolName(plugin, tool.name),
      group: GROUP,
      description: `[Tool of the plugin "${plugin}", in its words] ${tool.description}`,
      input: z.fromJSONSchema(tool.input as Parameters<typeof z.fromJSONSchema>[0]),
      inputSchema: tool.input.properties === undefined ? { ...tool.input, properties: {} } : tool.input,
      // Its word alone counts where it can do nothing with what it is given but answer.
      risk: isTrusted || grants.hosts.length === 0 ? tool.risk : 'ask',
      safeToRepeat: tool.safeToRepeat,
      untrusted: true,
      handler: async (input, context) => {
        if (use.removed) throw new Error(`the plugin ${plugin} was removed: do without ${tool.name}`);
        try {
          return redacted(await call(input, context), redact);
        } catch (error) {
          context.signal.throwIfAborted();
          const log = error instanceof PluginFailure ? error.log : messageOf((error as Error)?.stack ?? error);
          this.#options.log.warn({ plugin, tool: tool.name, error: redact(log) }, 'a tool of a plugin failed');
          const reason = redact(messageOf(error));
          this.#options.fault(plugin, `${tool.name}: ${reason}`);
          throw new UntrustedError(reason);
        }
      },
    });
  }

  /** What code in this process is given besides its input. */
  #given(
    offer: PluginOffer,
    capabilities: CapabilityContext,
    context: ToolContext,
    redact: (text: string) => string,
  ): object {
    const { settings, env } = offer.grants;
    let calls = 0;
    return {
      settings,
      env,
      signal: context.signal,
      fetch: (url: unknown, options: object = {}) =>
        fetchFor(capabilities, { ...options, url: String(url) }, context.signal),
      callTool: (name: string, input: unknown) => {
        calls += 1;
        return callToolFor(capabilities, context, { name, input, number: calls }, context.signal);
      },
      log: (...values: unknown[]) => this.#log(offer, values.map(String).join(' '), redact),
    };
  }

  async #provider(offer: PluginOffer, code: TrustedModule, blamed: Blamed): Promise<PluginProvider> {
    const { settings, env, secrets } = offer.grants;
    const redact = createRedactor(secrets);
    return blame(blamed, async () => {
      const create = exported(await importTrusted(code), 'createProvider');
      const log = (...values: unknown[]): void => this.#log(offer, values.map(String).join(' '), redact);
      return new PluginProvider(offer.plugin, await create(settings, { env, log }), blamed, redact);
    });
  }

  #log({ plugin }: PluginOffer, text: string, redact: (text: string) => string): void {
    this.#options.log.info({ plugin, text: redact(text).slice(0, LOG_LENGTH_MAX) }, 'a plugin says');
  }

  #failed(offer: PluginOffer, error: unknown): void {
    this.#fault(offer, messageOf(error));
  }

  #fault({ plugin, grants }: PluginOffer, why: string): void {
    const reason = createRedactor(grants.secrets)(why);
    this.#options.log.error({ plugin, reason }, 'a plugin went wrong');
    this.#options.fault(plugin, reason);
  }

  /** From the first trusted plugin on. An error that is nobody's ends the shard, as it would without this. */
  #catchErrors(): void {
    if (this.#catches) return;
    this.#catches = true;
    catchErrors((error) => {
      this.#options.log.fatal({ error }, 'an error that belongs to no plugin ends the shard');
      process.exit(1);
    });
  }
}

/** A copy without secrets, where there is one in it. */
function redacted(value: unknown, redact: (text: string) => string): unknown {
  if (typeof value === 'string') return redact(value);
  const text = JSON.stringify(value);
  if (text === undefined) return value;
  const clean = redact(text);
  return clean === text ? value : JSON.parse(clean);
}
