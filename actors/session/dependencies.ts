import type { Logger } from 'pino';
import type { Budgets } from '../../src/agent/budget.ts';
import type { Models } from '../../src/agent/models.ts';
import type { Workspaces } from '../../src/agent/workspace.ts';
import type { Config } from '../../src/config/schema.ts';
import type { ShardMemory } from '../../src/memory/shard-memory.ts';
import type { OutboxKey } from '../../src/storage/outbox.ts';
import type { Store } from '../../src/storage/store.ts';
import type { ToolRegistry } from '../../src/tools/registry.ts';
import type { Emit } from './event-stream.ts';
import type { ArrivingKeys } from './inbox.ts';
import type { KinReach } from './kin.ts';
import type { RecentEventsPool } from './recent-events.ts';

/** What every session of a shard shares. */
export interface SessionDependencies {
  config: Config;
  /** Sessions of this shard in memory. */
  activeMax: number;
  store: Store;
  models: Models;
  tools: ToolRegistry;
  /** Undefined: nothing is limited. */
  budgets: Budgets | undefined;
  workspaces: Workspaces;
  /** Undefined: it is switched off. */
  memory?: ShardMemory | undefined;
  log: Logger;
  emit: Emit;
  recentEvents: RecentEventsPool;
  arrivingKeys: ArrivingKeys;
  /** The sessions that others are related to. */
  kin: KinReach;
  /** Tells the channels that a record was put into the outbox. */
  poke(key: OutboxKey): void;
  /** A promise to wait for before publishing more, while subscribers lag behind; undefined: go on. */
  room(): Promise<void> | undefined;
  countTokens(texts: string[]): Promise<number[]>;
  newId(): string;
}
