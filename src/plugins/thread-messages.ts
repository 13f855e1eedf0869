/** What the main thread and the thread of a plugin say to each other. */
import type { PluginAnswer, PluginRequest } from '../gateway/plugin-routes.ts';
import type { PluginThreadData } from './offer.ts';

export type ThreadCall =
  | { kind: 'route'; request: PluginRequest }
  /** A method of its memory backend. Where that takes a signal, it is given one after the arguments. */
  | { kind: 'memory'; method: string; args: readonly unknown[] };

export type ToThread = { type: 'call'; id: number; call: ThreadCall } | { type: 'cancel'; id: number };

export type FromThread =
  | { type: 'ready' }
  | { type: 'failed'; reason: string }
  | { type: 'answer'; id: number; value?: PluginAnswer | unknown; error?: string };

/** What the thread is started with. */
export interface ThreadStart {
  data: PluginThreadData;
  /** One counter that the thread raises while its event loop turns. */
  heartbeat: SharedArrayBuffer;
}

/** How often the thread raises its heartbeat, in milliseconds. */
export const THREAD_HEARTBEAT_MS = 100;
