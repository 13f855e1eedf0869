/** Which backend keeps the memory: `memory.backend` names one. */
import type { Logger } from 'pino';
import type { MemoryConfig } from '../config/memory.ts';
import { DhaavakError } from '../protocol/errors.ts';
import type { MemoryBackend } from './backend.ts';
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
export async function openBackend(config: MemoryConfig, context: BackendContext): Promise<OpenedBackend> {
  if (config.backend !== 'local') {
    throw new DhaavakError(
      'unavailable',
      `memory.backend is ${config.backend}, and there is none of that name: local is`,
    );
  }
  const { LocalBackend } = await import('./local/backend.ts');
  const { createEmbedder } = await import('./embedders/create.ts');
  const backend = new LocalBackend({
    ...context,
    entriesMax: config.entriesMax,
    createEmbedder: (signal) => createEmbedder({ provider: 'offline' }, {}, signal),
    now: Date.now,
  });
  return { backend, isBusy: () => backend.isBusy };
}
