/**
 * The worker thread of a shard: puts together what its sessions need, wakes those that have unfinished work, and then
 * takes requests from the link.
 */
import { workerData } from 'node:worker_threads';
import * as comlink from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import { monotonicFactory } from 'ulid';
import { Scheduler } from '../../actors/schedule/scheduler.ts';
import { SessionChannelRequests } from '../../actors/session/channel-requests.ts';
import { CleanUp } from '../../actors/session/clean-up.ts';
import type { SessionControl } from '../../actors/session/control.ts';
import type { ArrivingKeys } from '../../actors/session/inbox.ts';
import { KeyExpiry } from '../../actors/session/key-expiry.ts';
import { SessionPeerRequests } from '../../actors/session/peer-requests.ts';
import { RecentEventsPool } from '../../actors/session/recent-events.ts';
import { Reports } from '../../actors/session/reports.ts';
import { type Reply, type RequestDependencies, SessionRequests } from '../../actors/session/requests.ts';
import { Retention } from '../../actors/session/retention.ts';
import { sessionKind } from '../../actors/session/session.ts';
import type { Turn } from '../../actors/session/turn.ts';
import { TurnWaiters } from '../../actors/session/turn-waiters.ts';
import { createBudgets } from '../agent/budget.ts';
import { LateProviders } from '../agent/late-providers.ts';
import { createModels } from '../agent/models.ts';
import { Workspaces } from '../agent/workspace.ts';
import { AccessRequests } from '../inbound/access-requests.ts';
import { AllowLists } from '../inbound/grants.ts';
import { Pairing } from '../inbound/pairing.ts';
import { remoteMemory } from '../memory/remote.ts';
import { ShardMemory } from '../memory/shard-memory.ts';
import { PLUGIN_PREFIX } from '../plugins/names.ts';
import type { ShardPlugins } from '../plugins/shard-plugins.ts';
import { realClock } from '../runtime/clock.ts';
import { RuntimeError } from '../runtime/errors.ts';
import { ActorSystem } from '../runtime/system.ts';
import type { OutboxKey } from '../storage/outbox.ts';
import { Store } from '../storage/store.ts';
import { createLogger } from '../telemetry/log.ts';
import { LoopLag } from '../telemetry/loop-lag.ts';
import { createToolRegistry } from '../tools/builtin/builtin.ts';
import type { McpTools } from '../tools/mcp/tools.ts';
import { memoryTools } from '../tools/memory/memory-tools.ts';
import { createSandbox } from '../tools/sandbox/sandbox.ts';
import { insist as insistPeer, type SessionDesk } from '../tools/sessions/desk.ts';
import { reachTools } from '../tools/sessions/reach.ts';
import type { ToolSource } from '../tools/tool.ts';
import { Asker } from './asker.ts';
import { HEARTBEAT_MS, type MainServices, PEER_GENERATION, type ShardControl, type ShardData } from './control.ts';
import { Link, RECORD } from './link.ts';
import type { AskPeer, PeerRequests } from './peer-requests.ts';
import { shardOf } from './placement.ts';

/** Requests handled before the sessions go on with what they do: a flood of them holds the event loop for some 2 ms. */
const REQUESTS_PER_TURN = 64;
/** Requests of this shard's sessions to others that wait at the same time, and how long each does for its reply. */
const PEER_REQUESTS_MAX = 1_024;
const PEER_REPLY_TIMEOUT_MS = 15_000;
/** How often it is tried again where all sessions in memory are at work, or one is stopped. */
const RETRY_MS = 250;

const {
  index,
  shards,
  config,
  link: linkEnd,
  control,
  heartbeat,
  paused,
  storeReady,
  mcpOffers,
} = workerData as ShardData;

const log = createLogger({ level: config.log.level, name: `shard-${index}` });
const main = comlink.wrap<MainServices>(nodeEndpoint(control));
// The modules are loaded: the front end may still be looking whether the store is in order.
Atomics.wait(new Int32Array(storeReady), 0, 0);
const tablesTold = new Set<string>();
const store = new Store(config.home, {
  flush: config.storage.flush,
  onDamaged(table) {
    if (tablesTold.has(table)) return;
    tablesTold.add(table);
    log.error({ table }, 'a damaged value was passed over; dhaavak doctor counts them; further ones are not told');
  },
  onTrouble(trouble) {
    if (trouble === undefined) log.warn('the journal can be written again');
    else log.error({ trouble }, 'nothing is accepted');
    void main.storeTrouble(trouble);
  },
});
const lateProviders = new LateProviders(Object.keys(config.plugins));
const models = createModels(config, lateProviders);
const waiters = new TurnWaiters(realClock);
const sandbox = createSandbox(config.tools.sandboxHosts, shards, log);
/** Ids sort by time. They are no secrets, so that the generator need not be a costly one. */
const newId = monotonicFactory(Math.random);
const memory = openMemory();
const pluginSandbox = createSandbox(config.tools.sandboxHosts, shards, log);
const tools = createToolRegistry(config, {
  code: { settings: config.tools.code, sandbox },
  services: main.tools,
});
const mcpTools = await openMcpTools(Object.keys(config.tools.mcp.servers));
/** Loaded with the first plugin. */
let plugins: Promise<ShardPlugins> | undefined;
let pluginState: ToolSource['state'] = () => 'there are no plugins';
tools.addSource({ prefix: PLUGIN_PREFIX, state: (name) => pluginState(name) });
const budgets = createBudgets(config.budgets, {
  table: store.spending,
  shard: index,
  shards,
  now: Date.now,
  elapsed: () => performance.now(),
  onFault: (error) => log.error({ error }, 'a budget could not be kept'),
});
const workspaces = new Workspaces(config, {
  now: () => performance.now(),
  onFault: (error, file) => log.warn({ error, file }, 'a workspace file cannot be read'),
});

const system = new ActorSystem({
  onEvent(event) {
    if (event.type === 'passivated') return;
    const { type, address } = event;
    log.warn({ session: address.key, error: 'error' in event ? event.error : undefined }, `actor: ${type}`);
    if (type !== 'deadLetter') return;
    const { message, error, attempts } = event;
    void insist(address.key, { type: 'bury', turn: message as Turn, error, attempts });
  },
});

/** Runs wait for an operator, and for a store that stays as it is. */
let runsPaused = paused;
if (paused || !store.isDurable) system.pause();
void store.durable.then(() => runsPaused || system.unpause());

const arrivingKeys: ArrivingKeys = new Map();

const session = system.register(
  sessionKind({
    config,
    activeMax: Math.ceil(config.sessions.activeMax / shards),
    store,
    models,
    tools,
    budgets,
    workspaces,
    memory,
    log,
    newId,
    emit: (key, frame) => {
      if (!link.sendWithTurn(RECORD.event, 0, key, frame))
        log.error({ session: key }, 'an event was dropped: link full');
    },
    recentEvents: new RecentEventsPool(),
    arrivingKeys,
    kin: {
      waiters,
      report: (parent, child) => reports.tell(parent, child),
      end: endSubAgent,
      forgetSchedules: (key) => scheduler.forget(key),
    },
    poke,
    room: () => link.room(),
    countTokens: (texts) => main.countTokens(texts),
  }),
);

const asker = new Asker(
  (number, key, frame) => link.sendWithTurn(RECORD.peerRequest, number, key, frame),
  PEER_GENERATION,
  PEER_REQUESTS_MAX,
);

const ask: AskPeer = (type, key, data) => {
  const { waitMs = 0 } = data as Partial<PeerRequests['peer.message']>;
  return asker.ask(type, key, data, { timeoutMs: PEER_REPLY_TIMEOUT_MS + waitMs });
};

const isOurs = (key: string): boolean => shardOf(key, shards) === index;

const reports = new Reports({
  store,
  ask,
  isOurs,
  delete: (child) => void insist(child, { type: 'delete' }),
  log,
});

const scheduler = new Scheduler({
  store,
  clock: realClock,
  session,
  isOurs,
  newId,
  limits: config.tools.schedule,
  log,
});

const desk: SessionDesk = {
  config,
  store,
  checkModel: (reference) => void models.resolve(reference),
  ask,
  schedules: scheduler,
  poke,
  newId,
  now: Date.now,
};
for (const tool of [...reachTools(desk), ...memoryTools(memory)]) tools.register(tool);

const access = new AccessRequests({
  channels: config.channels,
  pairing: new Pairing({ table: store.pairing, now: Date.now }),
  lists: new AllowLists({ table: store.pairing, now: Date.now }),
  tell: (event) => void main.tellPairing(event),
});

const retention = new Retention({
  store,
  rule: config.sessions.retention,
  log,
  isOurs,
  prune: (key, message) => session(key).control(message),
});

const shared: RequestDependencies = {
  config,
  store,
  models,
  tools,
  session,
  arrivingKeys,
  newId,
  now: Date.now,
  memory,
  access,
  retention,
  schedules: scheduler,
  isActive: (key) => system.peek({ kind: 'session', key }) !== undefined,
  onFault: (error, key) => log.error({ error, session: key }, 'a request failed'),
};
const requests = new SessionRequests(shared);
const channelRequests = new SessionChannelRequests(shared);
const peerRequests = new SessionPeerRequests({ ...shared, waiters });

/** The store is being closed: nothing reads it any more. Who still asks is told by the front end that the shard is gone. */
let closing = false;
let closed: Promise<void> | undefined;

const link = new Link(
  linkEnd,
  (reader) => {
    while (reader.next()) {
      if (closing) continue;
      if (reader.kind === RECORD.peerReply) {
        asker.receive(Buffer.from(reader.payload));
        continue;
      }
      const reply = new LinkReply(reader.number);
      const frame = Buffer.from(reader.payload);
      if (reader.kind === RECORD.channelRequest) channelRequests.handle(reader.key, frame, reply);
      else if (reader.kind === RECORD.peerRequest) peerRequests.handle(reader.key, frame, reply);
      else requests.handle(reader.key, frame, reply, reader.kind === RECORD.adminRequest);
    }
  },
  REQUESTS_PER_TURN,
);

/** Answers to request `number`. */
class LinkReply implements Reply {
  readonly #number: number;

  constructor(number: number) {
    this.#number = number;
  }

  send(frame: Uint8Array): void {
    link.sendWithTurn(RECORD.reply, this.#number, '', frame);
  }

  sendAndSubscribe(session: string, frame: Uint8Array): void {
    link.sendWithTurn(RECORD.replyAndSubscribe, this.#number, session, frame);
  }

  replay(frame: Uint8Array): void {
    link.sendWithTurn(RECORD.replay, this.#number, '', frame);
  }
}

/** Looked at from the first time that somebody asks. */
let lag: LoopLag | undefined;

const api: ShardControl = {
  stats() {
    const { actors, running, queued, deadLetters } = system.stats();
    lag ??= new LoopLag();
    return { sessions: actors, running, queued, deadLetters, damaged: store.damaged, loopLagMs: lag.read() };
  },
  takeMcpOffer: (offer) => mcpTools?.take(offer),
  async takePluginOffer(offer) {
    plugins ??= openPlugins();
    await (await plugins).take(offer);
  },
  resumeRuns() {
    runsPaused = false;
    if (store.isDurable) system.unpause();
  },
  async drain(timeoutMs) {
    cleanUp.stop();
    retention.stop();
    keyExpiry?.stop();
    scheduler.stop();
    reports.stop();
    const outcome = await system.drain(timeoutMs);
    await tools.close();
    await Promise.all([sandbox.stop(), pluginSandbox.stop()]);
    memory?.stop();
    closing = true;
    closed ??= store.close();
    await closed;
    return outcome;
  },
};
comlink.expose(api, nodeEndpoint(control));

// What the configuration names must be there: better no start than a run that fails later.
tools.check(config);
for (const agent of Object.values(config.agents)) {
  for (const model of models.line(agent.model, agent.fallbacks).models) budgets?.checkPrice(model);
}

const cleanUp = new CleanUp({
  store,
  rule: config.sessions.cleanUp,
  log,
  isOurs,
  expire: (key, lastActive) => session(key).control({ type: 'expire', lastActive }),
});

const keyExpiry = index === 0 ? new KeyExpiry(store, log) : undefined;

const beats = new Int32Array(heartbeat);
setInterval(() => Atomics.add(beats, 0, 1), HEARTBEAT_MS);

// A run that goes on where it was must find the tools it had.
if (Object.keys(config.plugins).length > 0) {
  for (const offer of await main.pluginOffers()) await api.takePluginOffer(offer);
}

for (const key of store.sessionsWithUnfinished()) {
  if (isOurs(key)) void insist(key, { type: 'wake' });
}
for (const key of store.deletions.getKeys()) {
  if (isOurs(key)) void insist(key, { type: 'delete' });
}
reports.resume();
await main.ready();
void scheduler.start();

/** Tells the channels that a record was put into the outbox. */
function poke(key: OutboxKey): void {
  link.sendWithTurn(RECORD.outbox, 0, key[0], Buffer.from(JSON.stringify(key)));
}

/** Ends what a session has spawned; it is marked on the disk, so that the next start goes on with it. */
function endSubAgent(child: string, how: 'cancel' | 'delete'): void {
  insistPeer(() => ask('peer.end', child, { how }), new AbortController().signal).catch((error: unknown) => {
    log.warn({ error, session: child }, 'a sub-agent could not be told to end');
  });
}

/** Undefined: it is switched off. Its thread is started with the first that is told or asked. */
function openMemory(): ShardMemory | undefined {
  if (!config.memory.enabled) return undefined;
  return new ShardMemory({ config, store, services: remoteMemory(main.memory), clock: realClock, newId, log });
}

/** The tools of MCP servers; without one nothing of theirs is loaded. */
async function openMcpTools(servers: readonly string[]): Promise<McpTools | undefined> {
  if (servers.length === 0) return undefined;
  const { McpTools } = await import('../tools/mcp/tools.ts');
  const services = { call: main.callMcp, cancel: (id: string) => void main.cancelMcp(id) };
  const opened = new McpTools(tools, servers, services, log);
  for (const offer of mcpOffers) opened.take(offer);
  return opened;
}

async function openPlugins(): Promise<ShardPlugins> {
  const { ShardPlugins } = await import('../plugins/shard-plugins.ts');
  const opened = new ShardPlugins({
    registry: tools,
    providers: lateProviders,
    services: main.tools,
    sandbox: pluginSandbox,
    limits: config.tools.code,
    channels: config.channels.custom,
    fault: (plugin, reason) => void main.pluginFault(plugin, reason),
    log,
  });
  pluginState = (name) => opened.state(name);
  return opened;
}

/** Has a session do what must be done, as soon as there is room for it in memory and it is not stopped. */
async function insist(key: string, message: SessionControl): Promise<void> {
  for (;;) {
    try {
      await session(key).control(message);
      return;
    } catch (error) {
      if (!(error instanceof RuntimeError) || error.code === 'closed') {
        log.error({ error, session: key }, `what is left to ${message.type} was not done`);
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}
