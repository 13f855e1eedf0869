/**
 * The thread of a plugin that serves HTTP routes: it may wait, loop or die as it likes, and costs only its own calls. It is
 * started again, with backoff, until it has died too often.
 */
import { Worker } from 'node:worker_threads';
import type { PluginRequest } from '../gateway/plugin-routes.ts';
import { sibling } from '../shards/sibling.ts';
import type { PluginThreadData } from './offer.ts';
import { PluginError } from './plugin-error.ts';
import type { FromThread, ToThread } from './thread-messages.ts';
import { IMPORT_MS, messageOf } from './trusted.ts';

/** Calls under way; more are refused. */
const CALLS_MAX = 256;
/** How often its heartbeat is looked at, and how many looks it may stand still. */
const WATCH_MS = 500;
const SILENT_LOOKS_MAX = 10;
/** Heap of the thread. */
const HEAP_MB_MAX = 256;
/** Before it is started again: doubles each time. So many ends within the window, and it is given up. */
const BACKOFF_MS = 100;
const ENDS_MAX = 5;
const ENDS_WINDOW_MS = 60_000;
/** What a thread that is replaced may still take for the calls it has, in milliseconds. */
const RETIRE_MS = 10_000;
/** Its imports have a limit of their own; this is for one that never yields. */
const START_SLACK_MS = 1_000;

interface Pending {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

export interface PluginThreadEvents {
  /** It went wrong; `given up`: it is not started again. */
  fault(reason: string, givenUp: boolean): void;
}

export class PluginThread {
  readonly #data: PluginThreadData;
  readonly #events: PluginThreadEvents;
  readonly #calls = new Map<number, Pending>();
  readonly #heartbeat = new Int32Array(new SharedArrayBuffer(4));
  readonly #watch: NodeJS.Timeout;
  #worker: Worker | undefined;
  #ready = false;
  #lastCall = 0;
  #lastBeat = 0;
  #silentLooks = 0;
  #ends: number[] = [];
  #waiting: NodeJS.Timeout | undefined;
  #stopping = false;

  private constructor(data: PluginThreadData, events: PluginThreadEvents) {
    this.#data = data;
    this.#events = events;
    this.#watch = setInterval(() => this.#look(), WATCH_MS).unref();
  }

  /** Resolves when its modules are loaded. Rejects with a PluginError, and leaves nothing running. */
  static async start(data: PluginThreadData, events: PluginThreadEvents): Promise<PluginThread> {
    const thread = new PluginThread(data, events);
    try {
      await thread.#spawn();
      return thread;
    } catch (error) {
      await thread.stop();
      throw error;
    }
  }

  /** What the plugin answers. Rejects with what it threw, when it ends, or after `timeoutMs`. */
  call(request: PluginRequest, timeoutMs: number): Promise<unknown> {
    const worker = this.#worker;
    if (worker === undefined || !this.#ready) return Promise.reject(new PluginError('it is being started again'));
    if (this.#calls.size >= CALLS_MAX) return Promise.reject(new PluginError(`${CALLS_MAX} calls are under way`));
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#lastCall += 1;
    const id = this.#lastCall;
    const timer = setTimeout(() => {
      reject(new PluginError(`it did not answer within ${timeoutMs} ms`));
      this.#tell({ type: 'cancel', id });
    }, timeoutMs);
    this.#calls.set(id, { resolve, reject });
    this.#tell({ type: 'call', id, request });
    return promise.finally(() => {
      clearTimeout(timer);
      this.#calls.delete(id);
      if (this.#stopping && this.#calls.size === 0) void this.#end();
    });
  }

  /** It takes no more calls, and ends with those it has. */
  retire(): void {
    this.#stopping = true;
    if (this.#calls.size === 0) void this.#end();
    else setTimeout(() => void this.#end(), RETIRE_MS).unref();
  }

  /** Ends it at once, and what it does. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#end();
  }

  async #end(): Promise<void> {
    clearInterval(this.#watch);
    clearTimeout(this.#waiting);
    await this.#worker?.terminate();
  }

  async #spawn(): Promise<void> {
    const worker = new Worker(sibling('thread-worker', import.meta.url), {
      workerData: { data: this.#data, heartbeat: this.#heartbeat.buffer },
      // What it was given of the environment it is told with its settings.
      env: {},
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB_MAX },
    });
    this.#worker = worker;
    this.#silentLooks = 0;
    const started = Promise.withResolvers<void>();
    const late = setTimeout(() => {
      started.reject(new PluginError(`its import takes longer than ${IMPORT_MS} ms`));
      void worker.terminate();
    }, IMPORT_MS + START_SLACK_MS);
    let cause: string | undefined;
    worker.on('message', (message: FromThread) => {
      if (message.type === 'ready') {
        this.#ready = true;
        started.resolve();
      } else if (message.type === 'failed') started.reject(new PluginError(message.reason));
      else this.#settle(message);
    });
    worker.once('error', (error) => {
      cause = messageOf(error);
    });
    worker.once('exit', (code) => {
      const why = cause ?? `its thread ended with code ${code}`;
      const wasReady = this.#ready;
      this.#worker = undefined;
      this.#ready = false;
      started.reject(new PluginError(why));
      for (const { reject } of [...this.#calls.values()]) reject(new PluginError(`its thread ended: ${why}`));
      if (wasReady && !this.#stopping) this.#ended(why);
    });
    try {
      await started.promise;
    } catch (error) {
      await worker.terminate();
      throw error;
    } finally {
      clearTimeout(late);
    }
  }

  #ended(why: string): void {
    const now = performance.now();
    this.#ends = [...this.#ends.filter((at) => now - at < ENDS_WINDOW_MS), now];
    const givenUp = this.#ends.length >= ENDS_MAX;
    this.#events.fault(why, givenUp);
    if (givenUp) return;
    this.#waiting = setTimeout(
      () => void this.#spawn().catch((error: unknown) => this.#stopping || this.#ended(messageOf(error))),
      BACKOFF_MS * 2 ** this.#ends.length,
    );
  }

  #look(): void {
    const beat = Atomics.load(this.#heartbeat, 0);
    this.#silentLooks = this.#ready && beat === this.#lastBeat ? this.#silentLooks + 1 : 0;
    this.#lastBeat = beat;
    if (this.#silentLooks < SILENT_LOOKS_MAX) return;
    this.#silentLooks = 0;
    for (const { reject } of [...this.#calls.values()]) reject(new PluginError('its thread stopped answering'));
    void this.#worker?.terminate(); // its end is supervised
  }

  #settle(message: Extract<FromThread, { type: 'answer' }>): void {
    const pending = this.#calls.get(message.id);
    if (message.error === undefined) pending?.resolve(message.answer);
    else pending?.reject(new PluginError(message.error));
  }

  #tell(message: ToThread): void {
    this.#worker?.postMessage(message);
  }
}
