/**
 * Sessions in this thread, on a real store, put together as a shard does it: for tests of what goes wrong inside. Whoever
 * makes one drains it before the store is closed.
 */
import { pino } from 'pino';
import { monotonicFactory } from 'ulid';
import { onTestFinished } from 'vitest';
import { SessionChannelRequests } from '../../actors/session/channel-requests.ts';
import type { ArrivingKeys } from '../../actors/session/inbox.ts';
import { RecentEventsPool } from '../../actors/session/recent-events.ts';
import { type RequestDependencies, type SessionRef, SessionRequests } from '../../actors/session/requests.ts';
import { Retention } from '../../actors/session/retention.ts';
import { sessionKind } from '../../actors/session/session.ts';
import type { Turn } from '../../actors/session/turn.ts';
import { TurnWaiters } from '../../actors/session/turn-waiters.ts';
import { Cooldowns, ModelLine } from '../../src/agent/failover.ts';
import { createModels, type Models } from '../../src/agent/models.ts';
import type { ModelProvider } from '../../src/agent/provider.ts';
import { Workspaces } from '../../src/agent/workspace.ts';
import { configSchema } from '../../src/config/schema.ts';
import { AccessRequests } from '../../src/inbound/access-requests.ts';
import { AllowLists } from '../../src/inbound/grants.ts';
import { Pairing } from '../../src/inbound/pairing.ts';
import type { MemoryServices } from '../../src/memory/services.ts';
import { ShardMemory } from '../../src/memory/shard-memory.ts';
import { decodeFrame } from '../../src/protocol/frame.ts';
import type { EventData, EventType } from '../../src/protocol/messages.ts';
import { realClock } from '../../src/runtime/clock.ts';
import { ActorSystem } from '../../src/runtime/system.ts';
import type { Store } from '../../src/storage/store.ts';
import { createToolRegistry } from '../../src/tools/builtin/builtin.ts';
import { memoryTools } from '../../src/tools/memory/memory-tools.ts';
import type { ToolRegistry } from '../../src/tools/registry.ts';
import type { ConfigInput } from './gateway.ts';

export const newId = monotonicFactory();

export interface SessionSystem {
  system: ActorSystem;
  session(key: string): SessionRef;
  retention: Retention;
  /** What clients ask, and what the channels' thread asks. */
  requests: SessionRequests;
  channelRequests: SessionChannelRequests;
  /** Requests that failed by a fault of ours. */
  faults: unknown[];
  /** All events so far, of all sessions. */
  events: { type: EventType; data: EventData<EventType> }[];
  /** The data of those of one type. */
  eventsOf<T extends EventType>(type: T): EventData<T>[];
}

export interface SessionSystemOptions {
  store: Store;
  config?: ConfigInput;
  models?: Models;
  tools?: ToolRegistry;
  /** What stands for the memory's thread; without it there is no memory. The registry gets the memory's tools. */
  memory?: MemoryServices;
}

export function sessionSystem({
  store,
  config: input = {},
  models,
  tools,
  memory: services,
}: SessionSystemOptions): SessionSystem {
  const config = configSchema.parse(input);
  const events: SessionSystem['events'] = [];
  const arrivingKeys: ArrivingKeys = new Map();
  const used = models ?? createModels(config);
  const registry = tools ?? createToolRegistry(config);
  const log = pino({ level: 'silent' });
  const memory =
    services === undefined ? undefined : new ShardMemory({ config, store, services, clock: realClock, newId, log });
  if (memory !== undefined) for (const tool of memoryTools(memory)) registry.register(tool);
  const refs = (key: string): SessionRef => session(key);
  const system = new ActorSystem({
    limits: { backoffMs: 1 },
    onEvent(event) {
      if (event.type !== 'deadLetter') return;
      const { address, message, error, attempts } = event;
      void refs(address.key).control({ type: 'bury', turn: message as Turn, error, attempts });
    },
  });
  const session = system.register(
    sessionKind({
      config,
      store,
      models: used,
      tools: registry,
      activeMax: 100,
      budgets: undefined,
      workspaces: new Workspaces(config, { now: Date.now, onFault: () => {} }),
      log,
      memory,
      newId,
      poke() {},
      emit: (_key, frame) => {
        const { type, data } = decodeFrame(frame);
        events.push({ type: type as EventType, data: data as EventData<EventType> });
      },
      recentEvents: new RecentEventsPool(),
      arrivingKeys,
      kin: { waiters: new TurnWaiters(realClock), report() {}, end() {}, forgetSchedules() {} },
      room: () => undefined,
      countTokens: async (texts) => texts.map(() => 1),
    }),
  );
  const eventsOf = <T extends EventType>(type: T) =>
    events.filter((event) => event.type === type).map(({ data }) => data as unknown as EventData<T>);
  const faults: unknown[] = [];
  const retention = new Retention({
    store,
    rule: config.sessions.retention,
    log: pino({ level: 'silent' }),
    isOurs: () => true,
    prune: (key, message) => session(key).control(message),
  });
  const pairing = { table: store.pairing, now: Date.now };
  const shared: RequestDependencies = {
    config,
    store,
    models: used,
    tools: registry,
    session,
    arrivingKeys,
    newId,
    now: Date.now,
    memory,
    access: new AccessRequests({
      channels: config.channels,
      pairing: new Pairing(pairing),
      lists: new AllowLists(pairing),
      tell() {},
    }),
    retention,
    schedules: { list: () => ({ schedules: [] }), remove: async () => {} },
    isActive: (key) => system.peek({ kind: 'session', key }) !== undefined,
    onFault: (error) => faults.push(error),
  };
  if (memory !== undefined) onTestFinished(() => memory.stop());
  const requests = new SessionRequests(shared);
  const channelRequests = new SessionChannelRequests(shared);
  return { system, session, retention, requests, channelRequests, faults, events, eventsOf };
}

/** Models that are all the same one. */
export function modelsOf(provider: ModelProvider): Models {
  const model = { provider, name: 'm', reference: 'test/m' };
  return { resolve: () => model, line: () => new ModelLine([model], new Cooldowns(() => 0)) };
}
