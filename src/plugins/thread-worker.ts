/** The thread of a plugin: its routes and its memory backend, one or both. What it throws into nothing ends it. */
import { parentPort, workerData } from 'node:worker_threads';
import { createLogger } from '../telemetry/log.ts';
import { PluginError } from './plugin-error.ts';
import { createRedactor } from './redact.ts';
import {
  type FromThread,
  THREAD_HEARTBEAT_MS,
  type ThreadCall,
  type ThreadStart,
  type ToThread,
} from './thread-messages.ts';
import { exported, importTrusted, messageOf } from './trusted.ts';

/** Characters of one line that a plugin writes to the log. */
const LOG_LENGTH_MAX = 2_000;

type Callable = (...given: unknown[]) => unknown;

const { data, heartbeat } = workerData as ThreadStart;
const { plugin, grants, routes, memory, logLevel } = data;
const { settings, env } = grants;
const redact = createRedactor(grants.secrets);
const logger = createLogger({ level: logLevel, name: `plugin-${plugin}` });
const log = (...values: unknown[]): void =>
  logger.info({ plugin, text: redact(values.map(String).join(' ')).slice(0, LOG_LENGTH_MAX) }, 'a plugin says');
const signals = new Map<number, AbortController>();

const beats = new Int32Array(heartbeat);
setInterval(() => Atomics.add(beats, 0, 1), THREAD_HEARTBEAT_MS);

let handle: Callable | undefined;
let backend: Record<string, unknown> | undefined;
try {
  if (routes !== undefined) handle = exported(await importTrusted(routes), 'handle');
  if (memory !== undefined) {
    backend = (await exported(await importTrusted(memory), 'createBackend')(settings, { env, log })) as typeof backend;
    if (typeof backend !== 'object' || backend === null) throw new PluginError('its createBackend returns no object');
  }
  parentPort?.on('message', (message: ToThread) => {
    if (message.type === 'call') void answer(message.id, message.call);
    else signals.get(message.id)?.abort(new Error('the call was cancelled'));
  });
  tell({ type: 'ready' });
} catch (error) {
  tell({ type: 'failed', reason: redact(messageOf(error)) });
}

async function answer(id: number, call: ThreadCall): Promise<void> {
  const controller = new AbortController();
  signals.set(id, controller);
  try {
    tell({ type: 'answer', id, value: await make(call, controller.signal) });
  } catch (error) {
    tell({ type: 'answer', id, error: redact(messageOf(error)) });
  } finally {
    signals.delete(id);
  }
}

async function make(call: ThreadCall, signal: AbortSignal): Promise<unknown> {
  if (call.kind === 'route') {
    const {
      status = 200,
      headers = {},
      body = '',
    } = Object(
      await handle?.({ ...call.request, body: Buffer.from(call.request.body) }, { settings, env, log, signal }),
    );
    return { status, headers, body };
  }
  const method = backend?.[call.method];
  if (typeof method !== 'function') throw new PluginError(`its memory backend has no ${call.method}()`);
  return method.call(backend, ...call.args, signal);
}

function tell(message: FromThread): void {
  parentPort?.postMessage(message);
}
