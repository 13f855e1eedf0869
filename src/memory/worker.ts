/**
 * The thread of the memory: tasks of its pool, each an exported function of plain data (`host.ts` calls them). It opens the store to read,
 * keeps the backend true to it, and answers searches in between.
 */
import { readlinkSync } from 'node:fs';
import { setPriority } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { workerData } from 'node:worker_threads';
import type { Config } from '../config/schema.ts';
import { DhaavakError } from '../protocol/errors.ts';
import { MemorySource } from '../storage/memory-source.ts';
import { Store } from '../storage/store.ts';
import { createLogger } from '../telemetry/log.ts';
import type { MemoryHit, MemoryQuery, MemoryStatus } from './backend.ts';
import { type OpenedBackend, openBackend } from './backends.ts';
import { Learner, type News } from './learner.ts';
import { Pace } from './pace.ts';
import { readText } from './remembered.ts';
import { type Outcome, outcomeOf } from './remote.ts';

/** What the thread is started with. */
export interface MemoryWorkerData {
  config: Config;
}

/** A search waits so long for what was said and is not taken in yet, in milliseconds; unasked ones do not wait. */
const CATCH_UP_MS = 100;
/** After a search that was asked for and may have missed something, what is missing is taken in at full speed for so long, in milliseconds. */
const HURRY_MS = 10_000;
/** A rebuild that somebody has asked for is made at full speed; how often it is looked whether it is done, in milliseconds. */
const REBUILD_LOOK_MS = 500;

/** How far the thread stands back where threads want more processors than there are: it gets a tenth of what a shard does. */
const NICENESS = 10;

const { config } = workerData as MemoryWorkerData;
const log = createLogger({ level: config.log.level, name: 'memory' });
const agents = Object.keys(config.agents);
const searches = new Map<string, AbortController>();
const pace = new Pace();
let parts: Promise<Parts> | undefined;
standBack();

interface Parts {
  store: Store;
  learner: Learner;
  opened: OpenedBackend;
}

/** Pending for as long as the thread lives: its end is that of this task. */
export function live(): Promise<never> {
  open().catch((error: unknown) => log.error({ error }, 'the memory does not begin')); // whoever calls is told
  return new Promise(() => {});
}

export function search({
  call,
  agent,
  query,
}: {
  call: string;
  agent: string;
  query: MemoryQuery;
}): Promise<Outcome<readonly MemoryHit[]>> {
  return outcome(async () => {
    checkAgent(agent);
    const controller = new AbortController();
    searches.set(call, controller);
    try {
      const { opened, learner } = await open();
      // What comes up by itself is from before: for each message of a busy gateway the work would never be held back.
      if (!query.unasked) {
        if (!learner.isIdle || opened.isBusy()) pace.hurry(HURRY_MS);
        await withinTime(CATCH_UP_MS, learner.caughtUp());
      }
      controller.signal.throwIfAborted();
      return await opened.backend.search(agent, query, controller.signal);
    } finally {
      searches.delete(call);
    }
  });
}

export function cancel(calls: readonly string[]): Outcome<null> {
  for (const call of calls) searches.get(call)?.abort(new DhaavakError('cancelled', 'the search was cancelled'));
  return { value: null };
}

export function changed(news: News): Promise<Outcome<null>> {
  return outcome(async () => {
    (await open()).learner.tell(news);
    return null;
  });
}

export function status(): Promise<Outcome<MemoryStatus[]>> {
  return outcome(async () => {
    const { learner, opened } = await open();
    const all = agents.map(async (agent) => {
      const one = await opened.backend.status(agent);
      return { ...one, pending: one.pending + learner.pending(agent) };
    });
    return Promise.all(all);
  });
}

/** Begins to make the memory of an agent, or of all, anew. Returns which. */
export function rebuild(agent: string | undefined): Promise<Outcome<readonly string[]>> {
  return outcome(async () => {
    if (agent !== undefined) checkAgent(agent);
    const { learner } = await open();
    const which = agent === undefined ? agents : [agent];
    for (const one of which) learner.rebuild(one);
    void hurryUntilDone();
    return which;
  });
}

/** Words are taken in first, and vectors made of them then. */
async function hurryUntilDone(): Promise<void> {
  for (;;) {
    const open = await parts?.catch(() => undefined);
    if (open === undefined || (open.learner.isIdle && !open.opened.isBusy())) return;
    pace.hurry(2 * REBUILD_LOOK_MS);
    await sleep(REBUILD_LOOK_MS);
  }
}

/** Closes everything, unless there is work. Says whether it did; whoever calls later finds it opened again. */
export async function rest(): Promise<boolean> {
  if (parts === undefined) return true;
  const { learner, opened } = await parts;
  if (!learner.isIdle || opened.isBusy() || searches.size > 0) return false;
  await end();
  return true;
}

/** Writes down what it holds, and closes everything. */
export async function end(): Promise<void> {
  const open = await parts?.catch(() => undefined);
  parts = undefined;
  for (const controller of searches.values()) controller.abort(new DhaavakError('unavailable', 'the gateway stops'));
  if (open === undefined) return;
  await open.learner.stop();
  await open.opened.backend.close();
  await open.store.close();
}

function open(): Promise<Parts> {
  parts ??= openParts().catch((error: unknown) => {
    parts = undefined;
    throw error;
  });
  return parts;
}

async function openParts(): Promise<Parts> {
  const store = new Store(config.home, { flush: config.storage.flush });
  try {
    const source = new MemorySource(store);
    let learner: Learner | undefined;
    const opened = await openBackend(config, {
      folder: join(config.home, 'memory'),
      pace,
      log,
      textOf: (agent, id) => readText(source, agent, id),
      onLost: (agent) => learner?.relearn(agent),
    });
    learner = new Learner({ source, backend: opened.backend, agents, pace, log });
    return { store, learner, opened };
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** Linux counts threads one by one, and names the one at hand: `<process>/task/<thread>`. Elsewhere nothing happens. */
function standBack(): void {
  try {
    setPriority(Number(basename(readlinkSync('/proc/thread-self'))), NICENESS);
  } catch {
    // the work is the same without
  }
}

function checkAgent(agent: string): void {
  if (!agents.includes(agent))
    throw new DhaavakError('not_found', `there is no agent ${agent}`, { param: 'data.agent' });
}

function outcome<T>(work: () => Promise<T>): Promise<Outcome<T>> {
  return outcomeOf(work(), (error) => log.error({ error }, 'a call of the memory failed'));
}

async function withinTime(limitMs: number, promise: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, limitMs);
  });
  await Promise.race([promise, late]);
  clearTimeout(timer);
}
