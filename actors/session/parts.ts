import type { RunBudget } from '../../src/agent/budget.ts';
import { Calibration } from '../../src/agent/calibration.ts';
import type { ModelLine } from '../../src/agent/failover.ts';
import type { ActorContext } from '../../src/runtime/actor.ts';
import { SessionAdmin, type SessionWork } from './admin.ts';
import { Approvals } from './approvals.ts';
import { Compactor } from './compactor.ts';
import { type ContextReport, contextReport } from './context-report.ts';
import type { SessionDependencies } from './dependencies.ts';
import { EventStream } from './event-stream.ts';
import { FollowUps } from './follow-ups.ts';
import { Inbox } from './inbox.ts';
import { Kin } from './kin.ts';
import { OutgoingAnswers } from './outgoing.ts';
import { Persistence } from './persistence.ts';
import { SessionRecord } from './record.ts';
import { Runner } from './runner.ts';
import { DEFAULT_AGENT } from './session-key.ts';
import { Transcript } from './transcript.ts';
import type { Turn } from './turn.ts';
import { TurnEnds } from './turn-ends.ts';

/**
 * The parts of one session, as they see each other. Most are made when they are first used: sessions are held by the ten
 * thousand, and nearly all of them are silent.
 */
export class SessionParts {
  readonly context: ActorContext<Turn>;
  readonly shared: SessionDependencies;
  readonly work: SessionWork;
  readonly record: SessionRecord;
  readonly transcript: Transcript;
  readonly events: EventStream;
  #inbox: Inbox | undefined;
  #persistence: Persistence | undefined;
  #followUps: FollowUps | undefined;
  #runner: Runner | undefined;
  #approvals: Approvals | undefined;
  #compactor: Compactor | undefined;
  #calibration: Calibration | undefined;
  #admin: SessionAdmin | undefined;

  constructor(context: ActorContext<Turn>, shared: SessionDependencies, work: SessionWork) {
    const { key } = context.address;
    this.context = context;
    this.shared = shared;
    this.work = work;
    this.record = new SessionRecord(key, shared.store, shared.config, context.clock.now());
    this.transcript = new Transcript(shared.store, key, shared.memory?.news);
    this.events = new EventStream(key, shared.newId(), shared, context.clock);
  }

  get inbox(): Inbox {
    this.#inbox ??= new Inbox(this.shared.store, this.events.session, this.transcript, this.shared.arrivingKeys);
    return this.#inbox;
  }

  get persistence(): Persistence {
    this.#persistence ??= new Persistence(this.shared.store.journal, this.context, this.shared.log);
    return this.#persistence;
  }

  get followUps(): FollowUps {
    this.#followUps ??= new FollowUps(this.context, this.shared.config.sessions);
    return this.#followUps;
  }

  get runner(): Runner {
    this.#runner ??= new Runner(this);
    return this.#runner;
  }

  get approvals(): Approvals {
    this.#approvals ??= new Approvals(this);
    return this.#approvals;
  }

  get compactor(): Compactor {
    this.#compactor ??= new Compactor(this);
    return this.#compactor;
  }

  get calibration(): Calibration {
    this.#calibration ??= new Calibration();
    return this.#calibration;
  }

  get admin(): SessionAdmin {
    this.#admin ??= new SessionAdmin(this);
    return this.#admin;
  }

  get ends(): TurnEnds {
    return new TurnEnds(this);
  }

  get kin(): Kin {
    return new Kin(this.events.session, this.shared.store, this.shared.kin);
  }

  get outgoing(): OutgoingAnswers {
    return new OutgoingAnswers(this.events, this.shared);
  }

  /** What the next request would hold. Throws as {@link contextReport} does. */
  report(): Promise<ContextReport> {
    return contextReport(this);
  }

  now(): number {
    return this.context.clock.now();
  }

  /** The agent of the session, one that is configured: one that is no more is stood in for. */
  agentId(): string {
    const agent = this.record.session?.agent ?? DEFAULT_AGENT;
    return Object.hasOwn(this.shared.config.agents, agent) ? agent : DEFAULT_AGENT;
  }

  /** The models of the session, and what they may still cost. Throws `not_found`, and as `Models.line` does. */
  models(): { line: ModelLine; budget: RunBudget | undefined } {
    const { budgets, config, models } = this.shared;
    const { channel, model, user } = this.record.existing();
    const agent = config.agents[this.agentId()];
    const line = models.line(model ?? agent?.model ?? null, agent?.fallbacks);
    return { line, budget: budgets?.ofRun(`${channel}:${user}`) };
  }
}
