import type { Embedder, EmbedderEvents, EmbedderSettings } from './embedder.ts';

/**
 * The embedder that `settings` name, ready to embed. Loads only what it needs. Rejects as {@link Embedder.embed} does where
 * a server has to be asked first and does not answer, or with the reason of `signal`.
 */
export async function createEmbedder(
  settings: EmbedderSettings,
  events: EmbedderEvents,
  signal: AbortSignal,
): Promise<Embedder> {
  switch (settings.provider) {
    case 'offline': {
      const { loadOfflineEmbedder } = await import('./offline.ts');
      return loadOfflineEmbedder(events);
    }
    case 'openai': {
      const { connectOpenAiEmbedder } = await import('./openai.ts');
      return connectOpenAiEmbedder(settings, events, signal);
    }
  }
}
