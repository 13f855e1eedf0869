/** The thread of a plugin's routes. What the plugin throws into nothing ends it. */
import { parentPort, workerData } from 'node:worker_threads';
import { createLogger } from '../telemetry/log.ts';
import { createRedactor, knowSecrets } from '../telemetry/redact.ts';
import type { FromThread, ThreadStart, ToThread } from './thread-messages.ts';
import { exported, importTrusted, messageOf } from './trusted.ts';

/** Characters of one line that a plugin writes to the log. */
const LOG_LENGTH_MAX = 2_000;

type Handle = (...given: unknown[]) => unknown;

/** How often the thread raises its heartbeat, in milliseconds. */
const HEARTBEAT_MS = 100;

const { data, heartbeat } = workerData as ThreadStart;
const { plugin, grants, routes, logLevel } = data;
const { settings, env } = grants;
const redact = createRedactor(grants.secrets);
knowSecrets(plugin, grants.secrets);
const logger = createLogger({ level: logLevel, name: `plugin-${plugin}` });
const log = (...values: unknown[]): void =>
  logger.info({ plugin, text: redact(values.map(String).join(' ')).slice(0, LOG_LENGTH_MAX) }, 'a plugin says');
const signals = new Map<number, AbortController>();

const beats = new Int32Array(heartbeat);
setInterval(() => Atomics.add(beats, 0, 1), HEARTBEAT_MS);

try {
  const handle = exported(await importTrusted(routes), 'handle');
  parentPort?.on('message', (message: ToThread) => {
    if (message.type === 'call') void answer(handle, message);
    else signals.get(message.id)?.abort(new Error('the answer is not waited for any longer'));
  });
  tell({ type: 'ready' });
} catch (error) {
  tell({ type: 'failed', reason: redact(messageOf(error)) });
}

async function answer(handle: Handle, { id, request }: Extract<ToThread, { type: 'call' }>): Promise<void> {
  const controller = new AbortController();
  signals.set(id, controller);
  try {
    const asked = { ...request, body: Buffer.from(request.body) };
    const given = await handle(asked, { settings, env, log, signal: controller.signal });
    const { status = 200, headers = {}, body = '' } = Object(given);
    tell({ type: 'answer', id, answer: { status, headers, body } });
  } catch (error) {
    tell({ type: 'answer', id, error: redact(messageOf(error)) });
  } finally {
    signals.delete(id);
  }
}

function tell(message: FromThread): void {
  parentPort?.postMessage(message);
}
