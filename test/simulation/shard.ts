import { pino } from 'pino';
import { CleanUp } from '../../actors/session/clean-up.ts';
import type { SessionControl } from '../../actors/session/control.ts';
import type { ArrivingKeys } from '../../actors/session/inbox.ts';
import { KeyExpiry } from '../../actors/session/key-expiry.ts';
import { RecentEventsPool } from '../../actors/session/recent-events.ts';
import { type Reply, type SessionRef, SessionRequests } from '../../actors/session/requests.ts';
import { Retention } from '../../actors/session/retention.ts';
import { sessionKind } from '../../actors/session/session.ts';
import type { Turn } from '../../actors/session/turn.ts';
import { TurnWaiters } from '../../actors/session/turn-waiters.ts';
import { Workspaces } from '../../src/agent/workspace.ts';
import { AccessRequests } from '../../src/inbound/access-requests.ts';
import { AllowLists } from '../../src/inbound/grants.ts';
import { Pairing } from '../../src/inbound/pairing.ts';
import { RuntimeError } from '../../src/runtime/errors.ts';
import type { SystemEvent } from '../../src/runtime/events.ts';
import { ActorSystem } from '../../src/runtime/system.ts';
import { Store } from '../../src/storage/store.ts';
import type { ProcessClock, SimulatedClock } from './clock.ts';
import type { Change, Disk } from './disk.ts';
import { connect } from './lmdb.ts';
import { SimulatedModels } from './model.ts';
import type { Mutant } from './mutants.ts';
import { observed } from './observed.ts';
import { pause } from './pause.ts';
import type { Plan } from './plan.ts';
import type { Random } from './random.ts';
import { SimulatedTools } from './tools.ts';
import type { Trace } from './trace.ts';
import type { Witness } from './witness.ts';

export interface ShardParts {
  plan: Plan;
  clock: SimulatedClock;
  random: Random;
  disk: Disk;
  trace: Trace;
  witness: Witness;
  mutant: Mutant;
  /** False once nothing goes wrong any more. */
  isStormy(): boolean;
  step(): number;
  newId(): string;
  /** Ends the process. */
  die(): void;
  emit(session: string, frame: Uint8Array): void;
}

/** How often it is tried again where there is no room; as in `src/shards/worker.ts`. */
const RETRY_MS = 250;

/**
 * One life of a shard: the composition of `src/shards/worker.ts`, over a simulated store, clock, models and tools. What
 * that file does when it starts is done here in the same order.
 */
export class Shard {
  readonly clock: ProcessClock;
  readonly #parts: ShardParts;
  readonly #log = pino({ timestamp: false, base: null, level: 'warn' }, { write: (line: string) => this.#onLog(line) });
  readonly #arrivingKeys: ArrivingKeys = new Map();
  readonly #store: Store;
  readonly #models: SimulatedModels;
  readonly #tools: SimulatedTools;
  readonly #system: ActorSystem;
  readonly #session: (key: string) => SessionRef;
  readonly #requests: SessionRequests;
  #cleanUp: CleanUp | undefined;
  #keyExpiry: KeyExpiry | undefined;

  constructor(parts: ShardParts, clock: ProcessClock) {
    const { plan, random, trace, witness, mutant, newId } = parts;
    this.#parts = parts;
    this.clock = clock;
    const outside = { clock: this.clock, random, trace, newId };
    this.#store = this.#openStore();
    this.#models = new SimulatedModels({ ...outside, requests: witness.requests, moods: plan.moods, die: parts.die });
    this.#tools = new SimulatedTools({ ...outside, effects: witness.effects, mutant });
    this.#system = new ActorSystem({ clock: this.clock, onEvent: (event) => this.#onEvent(event) });
    if (!this.#store.isDurable) this.#system.pause();
    void this.#store.durable.then(() => this.#system.unpause());
    this.#session = this.#system.register(this.#kind());
    this.#requests = new SessionRequests({
      config: plan.config,
      store: this.#store,
      models: this.#models,
      tools: this.#tools.registry,
      session: this.#session,
      arrivingKeys: this.#arrivingKeys,
      newId,
      now: () => this.clock.now(),
      access: this.#access(),
      schedules: { list: () => ({ schedules: [] }), remove: async () => {} },
      retention: new Retention({
        store: this.#store,
        rule: plan.config.sessions.retention,
        log: this.#log,
        isOurs: () => true,
        prune: (key, message) => this.#session(key).control(message),
      }),
      isActive: (key) => this.#system.peek({ kind: 'session', key }) !== undefined,
      onFault: (error) => witness.report(`a request failed with ${error instanceof Error ? error.stack : error}`),
    });
  }

  /** Nobody asks it anything here: channels have their own tests. */
  #access(): AccessRequests {
    const table = this.#store.pairing;
    const now = () => this.clock.now();
    return new AccessRequests({
      channels: this.#parts.plan.config.channels,
      pairing: new Pairing({ table, now }),
      lists: new AllowLists({ table, now }),
      tell() {},
    });
  }

  /** Goes on with what an earlier life left. */
  start(): void {
    const { plan } = this.#parts;
    this.#cleanUp = new CleanUp({
      store: this.#store,
      rule: plan.config.sessions.cleanUp,
      log: this.#log,
      isOurs: () => true,
      expire: (key, lastActive) => this.#session(key).control({ type: 'expire', lastActive }),
    });
    this.#keyExpiry = new KeyExpiry(this.#store, this.#log);
    const unfinished = this.#parts.mutant.sleepsOn ? [] : this.#store.sessionsWithUnfinished();
    for (const key of unfinished) void this.#insist(key, { type: 'wake' });
    for (const key of this.#store.deletions.getKeys()) void this.#insist(key, { type: 'delete' });
  }

  /** A request of a client. */
  handle(session: string, frame: Uint8Array, reply: Reply): void {
    this.#requests.handle(session, frame, reply, true);
  }

  /** Nothing runs or waits, and nothing is on its way. */
  get isIdle(): boolean {
    const { running, queued } = this.#system.stats();
    return running + queued + this.#models.open + this.#tools.open === 0;
  }

  /** Whether what it found when it started is on the disk for good. */
  get isDurable(): boolean {
    return this.#store.isDurable;
  }

  /** What keeps it from being idle. */
  get work(): string {
    const { running, queued } = this.#system.stats();
    return `${running} running, ${queued} queued, ${this.#models.open} at models, ${this.#tools.open} in tools`;
  }

  async drain(timeoutMs: number): Promise<void> {
    this.#cleanUp?.stop();
    this.#keyExpiry?.stop();
    await this.#system.drain(timeoutMs);
    await this.#store.close();
  }

  /** The thread is gone. */
  end(): void {
    this.clock.end();
  }

  #openStore(): Store {
    const { disk, mutant, plan, random, step, trace, witness } = this.#parts;
    connect({
      disk,
      random,
      later: (queue, ms, run) => this.clock.later(queue, ms, run, true),
      turn: step,
      speed: plan.disk,
      mutant,
      onCommit: (changes) => {
        trace.note(`commit ${changes.map(inShort).join(' ')}`);
        witness.committed(changes);
      },
    });
    return new Store(plan.config.home, plan.config.storage);
  }

  #kind() {
    const { emit, mutant, newId, plan, trace, witness } = this.#parts;
    const kind = sessionKind({
      config: plan.config,
      activeMax: plan.config.sessions.activeMax,
      store: this.#store,
      models: this.#buggy(this.#models),
      tools: this.#tools.registry,
      budgets: undefined,
      workspaces: new EmptyWorkspaces(plan.config, { now: () => this.clock.elapsed(), onFault: () => {} }),
      log: this.#log,
      newId,
      emit,
      poke() {},
      recentEvents: new RecentEventsPool(),
      arrivingKeys: this.#arrivingKeys,
      kin: { waiters: new TurnWaiters(this.clock), report() {}, end() {}, forgetSchedules() {} },
      room: () => this.#room(),
      countTokens: (texts) => this.#countTokens(texts),
    });
    const pending = (key: string) => [...(kind.pending?.(key) ?? [])];
    return observed(
      {
        ...kind,
        ...(mutant.parallel !== undefined && { parallel: mutant.parallel }),
        pending: (key) => (mutant.reversesPending ? pending(key).reverse() : pending(key)),
      },
      witness,
      trace,
    );
  }

  /** The models, and now and then a bug of ours where they are asked for. */
  #buggy(models: SimulatedModels): SimulatedModels {
    const line = models.line.bind(models);
    models.line = (reference) => {
      this.#bug();
      return line(reference);
    };
    return models;
  }

  /** In the middle of a run: subscribers lag behind, or something of ours fails. */
  #room(): Promise<void> | undefined {
    const { plan, random, isStormy } = this.#parts;
    this.#bug();
    if (!isStormy() || !random.chance(plan.faults.lag)) return undefined;
    return pause(this.clock, 'room', random.between(0, 500));
  }

  #bug(): void {
    const { plan, random, isStormy } = this.#parts;
    if (isStormy() && random.chance(plan.faults.bug)) throw new TypeError('a bug');
  }

  async #countTokens(texts: string[]): Promise<number[]> {
    const { random } = this.#parts;
    await pause(this.clock, `tokens ${this.#parts.newId()}`, random.between(0, 50));
    if (random.chance(0.2)) throw new Error('the pool is gone');
    return texts.map(({ length }) => length);
  }

  #onEvent(event: SystemEvent): void {
    const { trace, witness } = this.#parts;
    trace.note(`actor ${event.address.key}: ${event.type}${'error' in event ? ` ${event.error}` : ''}`);
    witness.streams.dropped(event.address.key);
    if (event.type !== 'deadLetter') return;
    const { error, attempts } = event;
    const turn = event.message as Turn;
    for (const { message } of [turn, ...turn.joined]) witness.messages.died(message);
    void this.#insist(event.address.key, { type: 'bury', turn, error, attempts });
  }

  #onLog(line: string): void {
    const { session, msg, error } = JSON.parse(line) as { session?: string; msg: string; error?: { message: string } };
    this.#parts.trace.note(`log ${session}: ${msg} ${error?.message ?? ''}`);
  }

  async #insist(key: string, message: SessionControl): Promise<void> {
    for (;;) {
      try {
        await this.#session(key).control(message);
        return;
      } catch (error) {
        if (!(error instanceof RuntimeError) || error.code === 'closed') {
          this.#parts.trace.note(`what is left to ${message.type} was not done: ${error}`);
          return;
        }
        await pause(this.clock, 'retry', RETRY_MS);
      }
    }
  }
}

/** A change as the trace shows it. */
function inShort({ table, key, value }: Change): string {
  return `${value === undefined ? '-' : '+'}${table} ${[key].flat().join(' ')};`;
}

/** No agent has files here. */
class EmptyWorkspaces extends Workspaces {
  override systemPrompt(): string {
    return 'Be brief.';
  }
}
