/**
 * The worker thread of a shard: puts together what its sessions need, wakes those that have unfinished work, and then
 * takes requests from the link.
 */
import { workerData } from 'node:worker_threads';
import * as comlink from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import { monotonicFactory } from 'ulid';
import { type Reply, SessionRequests } from '../../actors/session/requests.ts';
import { sessionKind } from '../../actors/session/session.ts';
import type { Turn } from '../../actors/session/turn.ts';
import { createBudgets } from '../agent/budget.ts';
import { createModels } from '../agent/models.ts';
import { Workspaces } from '../agent/workspace.ts';
import { ActorSystem } from '../runtime/system.ts';
import { Store } from '../storage/store.ts';
import { createLogger } from '../telemetry/log.ts';
import { createToolRegistry } from '../tools/builtin/builtin.ts';
import { HEARTBEAT_MS, type MainServices, type ShardControl, type ShardData } from './control.ts';
import { Link, RECORD } from './link.ts';
import { shardOf } from './placement.ts';

const { index, shards, config, link: linkEnd, control, heartbeat } = workerData as ShardData;

const log = createLogger({ level: config.log.level, name: `shard-${index}` });
const main = comlink.wrap<MainServices>(nodeEndpoint(control));
const store = new Store(config.home);
const models = createModels(config);
const tools = createToolRegistry();
const budgets = createBudgets(config.budgets, {
  table: store.spending,
  shard: index,
  shards,
  now: Date.now,
  onFault: (error) => log.error({ error }, 'a budget could not be kept'),
});
const workspaces = new Workspaces(config, {
  now: Date.now,
  onFault: (error, file) => log.warn({ error, file }, 'a workspace file cannot be read'),
});
/** Ids sort by time. They are no secrets, so that the generator need not be a costly one. */
const newId = monotonicFactory(Math.random);

const system = new ActorSystem({
  onEvent(event) {
    if (event.type === 'passivated') return;
    const { type, address } = event;
    log.warn({ session: address.key, error: 'error' in event ? event.error : undefined }, `actor: ${type}`);
    if (type !== 'deadLetter') return;
    const burial = session(address.key).control({ type: 'bury', turn: event.message as Turn, error: event.error });
    burial.catch((error: unknown) =>
      log.error({ error, session: address.key }, 'a dead letter may run after a restart'),
    );
  },
});

const session = system.register(
  sessionKind({
    config,
    store,
    models,
    tools,
    budgets,
    workspaces,
    log,
    newId,
    emit: (key, frame) => {
      if (!link.sendWithTurn(RECORD.event, 0, key, frame))
        log.error({ session: key }, 'an event was dropped: link full');
    },
    room: () => link.room(),
    countTokens: (texts) => main.countTokens(texts),
  }),
);

const requests = new SessionRequests({
  config,
  store,
  models,
  session,
  newId,
  isActive: (key) => system.peek({ kind: 'session', key }) !== undefined,
  onFault: (error, key) => log.error({ error, session: key }, 'a request failed'),
});

const link = new Link(linkEnd, (reader) => {
  while (reader.next()) requests.handle(reader.key, Buffer.from(reader.payload), new LinkReply(reader.number));
});

/** Answers to request `number`. */
class LinkReply implements Reply {
  readonly #number: number;

  constructor(number: number) {
    this.#number = number;
  }

  send(frame: Uint8Array): void {
    link.send(RECORD.reply, this.#number, '', frame);
  }

  sendAndSubscribe(session: string, frame: Uint8Array): void {
    link.sendWithTurn(RECORD.replyAndSubscribe, this.#number, session, frame);
  }

  replay(frame: Uint8Array): void {
    link.sendWithTurn(RECORD.replay, this.#number, '', frame);
  }
}

const api: ShardControl = {
  stats() {
    const { actors, running, queued, deadLetters } = system.stats();
    return { sessions: actors, running, queued, deadLetters };
  },
  async drain(timeoutMs) {
    const outcome = await system.drain(timeoutMs);
    await store.close();
    return outcome;
  },
};
comlink.expose(api, nodeEndpoint(control));

// What the configuration names must be there: better no start than a run that fails later.
for (const agent of Object.values(config.agents)) {
  tools.view(agent.tools);
  for (const model of models.line(agent.model, agent.fallbacks).models) budgets?.checkPrice(model);
}

const beats = new Int32Array(heartbeat);
setInterval(() => Atomics.add(beats, 0, 1), HEARTBEAT_MS);

for (const key of store.sessionsWithUnfinished()) {
  if (shardOf(key, shards) !== index) continue;
  session(key)
    .control({ type: 'wake' })
    .catch((error: unknown) => log.error({ error, session: key }, 'unfinished messages could not be run'));
}
for (const key of store.deletions.getKeys()) {
  if (shardOf(key, shards) !== index) continue;
  session(key)
    .control({ type: 'delete' })
    .catch((error: unknown) => log.error({ error, session: key }, 'a deletion could not be ended'));
}
await main.ready();
