import { OPENAI_BASE_URL } from '../../agent/providers/openai-client.ts';
import type { Config } from '../../config/schema.ts';
import type { EmbedderSettings } from './embedder.ts';

/**
 * What the configuration says of the embedder, with what it takes from `models.openai`. The key of that goes along only where its
 * server does: no vendor's key is sent to another server than the one it is for.
 */
export function embedderSettings({ memory, models }: Pick<Config, 'memory' | 'models'>): EmbedderSettings {
  const { provider, model, baseUrl, apiKey, dimensions } = memory.embedder;
  if (provider === 'offline') return { provider };
  const key = apiKey ?? (baseUrl === undefined ? models.openai.apiKey : undefined);
  return {
    provider,
    model,
    baseUrl: baseUrl ?? models.openai.baseUrl ?? OPENAI_BASE_URL,
    ...(key === undefined ? {} : { apiKey: key }),
    ...(dimensions === undefined ? {} : { dimensions }),
  };
}
