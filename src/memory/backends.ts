/** Which backend keeps the memory: `memory.backend` names one. */
import type { Logger } from 'pino';
import type { Config } from '../config/schema.ts';
import type { MemoryBackend } from './backend.ts';
import type { EmbedderEvents } from './embedders/embedder.ts';
import type { Pace } from './pace.ts';

/** What a backend is given. */
export interface BackendContext {
  /** A folder of its own, `<home>/memory`; it need not be there. */
  folder: string;
  /** Work in the background is to rest between slices as this says. */
  pace: Pace;
  log: Logger;
  /** The whole text of an entry as it is now; undefined: it is gone. */
  textOf(agent: string, id: string): string | undefined;
  /** To be called where all that was taken in for an agent is lost: it is given again. */
  onLost(agent: string): void;
}

export interface OpenedBackend {
  backend: MemoryBackend;
  /** Whether it works in the background, so that the thread is not to end. */
  isBusy(): boolean;
}

/** The backend that the configuration names, loaded with this call. Throws `unavailable` for one that is not there. */
export async function openBackend(config: Config, context: BackendContext): Promise<OpenedBackend> {
  const { backend: name, entriesMax } = config.memory;
  if (name !== 'local') {
    const { openPluginBackend } = await import('../plugins/memory.ts');
    return { backend: await openPluginBackend(config, context), isBusy: () => false };
  }
  const { LocalBackend } = await import('./local/backend.ts');
  const { createEmbedder } = await import('./embedders/create.ts');
  const { embedderSettings } = await import('./embedders/settings.ts');
  const settings = embedderSettings(config);
  const events: EmbedderEvents = {
    onTruncated: (length, kept) => context.log.debug({ length, kept }, 'a text was too long for the embedder'),
  };
  const backend = new LocalBackend({
    ...context,
    entriesMax,
    createEmbedder: (signal) => createEmbedder(settings, events, signal),
    now: Date.now,
  });
  return { backend, isBusy: () => backend.isBusy };
}
