/** What the main thread and the thread of a plugin say to each other. */
import type { PluginRequest } from '../gateway/plugin-routes.ts';
import type { PluginThreadData } from './offer.ts';

export type ToThread = { type: 'call'; id: number; request: PluginRequest } | { type: 'cancel'; id: number };

export type FromThread =
  | { type: 'ready' }
  | { type: 'failed'; reason: string }
  /** `answer` is whatever the plugin returned. */
  | { type: 'answer'; id: number; answer?: unknown; error?: string };

/** What the thread is started with. */
export interface ThreadStart {
  data: PluginThreadData;
  /** One counter that the thread raises while its event loop turns. */
  heartbeat: SharedArrayBuffer;
}
