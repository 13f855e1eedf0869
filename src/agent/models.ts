/** Which provider and model a reference such as `anthropic/claude-sonnet-5-5` means. */
import type { Config } from '../config/schema.ts';
import { DhaavakError } from '../protocol/errors.ts';
import { contextWindowOf } from './context-window.ts';
import { Cooldowns, ModelLine, type ResolvedModel } from './failover.ts';
import { LateProviders } from './late-providers.ts';
import type { ModelProvider } from './provider.ts';
import { AnthropicProvider } from './providers/anthropic.ts';
import { OfflineProvider } from './providers/offline.ts';
import { OpenAiProvider } from './providers/openai.ts';
import { NO_KEY } from './providers/openai-client.ts';

/**
 * The middle tier of each vendor's current general models. OpenAI's next one up (`gpt-6.1-sol`) cannot turn reasoning
 * off, and with reasoning its Chat Completions API refuses tools.
 */
const DEFAULT_MODELS = { anthropic: 'claude-sonnet-5-5', openai: 'gpt-6.1-terra' } as const;

/** The models of one configuration. */
export interface Models {
  /**
   * What `reference` means; none is the default. Throws `invalid_request` with `param: 'model'` for one that means
   * nothing here or whose provider has no key.
   */
  resolve(reference?: string | null): ResolvedModel;
  /**
   * The models of one run: `reference`, then `fallbacks` in their order, or where none are given those of the
   * configuration. Throws as {@link resolve} does.
   */
  line(reference: string | null | undefined, fallbacks: readonly string[] | undefined): ModelLine;
}

/**
 * Providers are made on first use and kept: each has its connections and caches. `plugins` are those of plugins; default: the
 * names in the configuration, of which none is there.
 */
export function createModels(
  { models: config, plugins: configured }: Pick<Config, 'models' | 'plugins'>,
  plugins = new LateProviders(Object.keys(configured)),
): Models {
  const cooldowns = new Cooldowns(() => performance.now());
  const providers = new Map<string, ModelProvider>();

  const providerNamed = (name: ProviderName): ModelProvider => {
    let provider = providers.get(name);
    if (!provider) {
      provider = createProvider(name, config);
      providers.set(name, provider);
    }
    return provider;
  };

  const resolve: Models['resolve'] = (reference) => {
    const full = reference ?? config.default ?? bestReference(config);
    const tokens = Object.hasOwn(config.contextTokens, full) ? config.contextTokens[full] : undefined;
    if (full === 'offline') {
      const window = contextWindowOf(full, tokens);
      return { provider: providerNamed(full), name: full, reference: full, window };
    }
    const [, prefix = '', name = ''] = /^([a-z][a-z0-9-]*)\/(.+)$/.exec(full) ?? [];
    const provider = /^(anthropic|openai)$/.test(prefix)
      ? providerNamed(prefix as ProviderName)
      : plugins.named(prefix);
    if (provider === undefined) {
      const known = 'anthropic/<name>, openai/<name> or offline, or <plugin>/<name> where a plugin has models';
      throw invalidModel(`there is no model "${full}": use ${known}`);
    }
    const price = Object.hasOwn(config.prices, full) ? config.prices[full] : undefined;
    const window = contextWindowOf(name, tokens);
    return { provider, name, reference: full, price, window };
  };

  return {
    resolve,
    line(reference, fallbacks = config.fallbacks) {
      const first = resolve(reference);
      const others = fallbacks.filter((other) => other !== first.reference).map((other) => resolve(other));
      return new ModelLine([first, ...others], cooldowns);
    },
  };
}

/** The model that answers where nobody names one. Throws as {@link Models.resolve} does if it cannot be used. */
export function describeModel(config: Config): string {
  return createModels(config).resolve().reference;
}

type ProviderName = 'anthropic' | 'openai' | 'offline';

function createProvider(name: ProviderName, config: Config['models']): ModelProvider {
  if (name === 'offline') return new OfflineProvider();
  const { apiKey, baseUrl } = config[name];
  if (apiKey === undefined && baseUrl === undefined) {
    const variable = name === 'anthropic' ? 'ANTHROPIC_API_KEY' : 'OPENAI_API_KEY';
    throw invalidModel(`there is no key for ${name}: set models.${name}.apiKey or ${variable}`);
  }
  const options = { apiKey: apiKey ?? NO_KEY, baseUrl };
  return name === 'anthropic' ? new AnthropicProvider(options) : new OpenAiProvider(options);
}

function bestReference({ anthropic, openai }: Config['models']): string {
  if (anthropic.apiKey !== undefined) return `anthropic/${DEFAULT_MODELS.anthropic}`;
  if (openai.apiKey !== undefined) return `openai/${DEFAULT_MODELS.openai}`;
  return 'offline';
}

function invalidModel(message: string): DhaavakError {
  return new DhaavakError('invalid_request', message, { param: 'model' });
}
