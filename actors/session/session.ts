import { DhaavakError } from '../../src/protocol/errors.ts';
import type { Snapshot } from '../../src/protocol/messages.ts';
import type { Actor, ActorContext, ActorDefinition, Task } from '../../src/runtime/actor.ts';
import { failpoint } from '../../src/runtime/failpoint.ts';
import { SessionAdmin } from './admin.ts';
import { Approvals } from './approvals.ts';
import { answerCommand } from './commands.ts';
import { Compactor, type CompactorParts } from './compactor.ts';
import type {
  CommandMessage,
  Rights,
  SaidCommand,
  SessionAnswer,
  SessionAnswers,
  SessionControl,
  StreamPosition,
} from './control.ts';
import { deadLetter } from './dead-letters.ts';
import type { SessionDependencies } from './dependencies.ts';
import { EventStream } from './event-stream.ts';
import { FollowUps } from './follow-ups.ts';
import { Inbox } from './inbox.ts';
import { OutgoingAnswers } from './outgoing.ts';
import { Persistence } from './persistence.ts';
import { SessionRecord } from './record.ts';
import { recoveredTurns } from './recovery.ts';
import { Runner } from './runner.ts';
import { DEFAULT_AGENT } from './session-key.ts';
import { Transcript } from './transcript.ts';
import { DuplicateMessage, type Turn, withJoined } from './turn.ts';
import { NO_USAGE, TurnEnds } from './turn-ends.ts';

const OVERFLOW = new DhaavakError(
  'cancelled',
  'dropped: too many messages were waiting to be answered together',
).toWire();

/** Sessions as a kind of actor: a serial lane of turns. */
export function sessionKind(
  dependencies: SessionDependencies,
): ActorDefinition<Turn, void, SessionControl, SessionAnswer> {
  const { config, store } = dependencies;
  return {
    kind: 'session',
    mailboxMax: config.sessions.mailboxMax,
    activeMax: dependencies.activeMax,
    idleMs: config.sessions.idleMs,
    deadlineMs: config.sessions.runTimeoutMs,
    create: (context) => new SessionActor(context, dependencies),
    pending: (key) => recoveredTurns(store, key),
  };
}

/** One conversation. */
class SessionActor implements Actor<Turn, void, SessionControl, SessionAnswer> {
  readonly #context: ActorContext<Turn>;
  readonly #shared: SessionDependencies;
  readonly #transcript: Transcript;
  readonly #inbox: Inbox;
  readonly #events: EventStream;
  readonly #record: SessionRecord;
  readonly #followUps: FollowUps;
  readonly #approvals: Approvals;
  readonly #compactor: Compactor;
  readonly #ends: TurnEnds;
  readonly #outgoing: OutgoingAnswers;
  readonly #runner: Runner;
  readonly #admin: SessionAdmin;
  /** Told when the turn that is going on has ended. */
  #turnEnded: (() => void) | undefined;

  constructor(context: ActorContext<Turn>, shared: SessionDependencies) {
    const { key } = context.address;
    const { config, store, log } = shared;
    const now = () => context.clock.now();
    this.#context = context;
    this.#shared = shared;
    const transcript = new Transcript(store, key);
    const inbox = new Inbox(store, key, transcript, shared.arrivingKeys);
    const events = new EventStream(key, shared.newId(), { ...shared, clock: context.clock });
    const persistence = new Persistence(store.journal, context, log);
    const followUps = new FollowUps(context, config.sessions);
    const { approvalTimeoutMs: timeoutMs } = config.tools;
    const approvals = new Approvals({ context, events, newId: shared.newId, timeoutMs });
    const outgoing = new OutgoingAnswers(events, shared);
    const ends = new TurnEnds({ events, transcript, inbox, persistence, shared, outgoing, now });
    this.#record = new SessionRecord(key, store, config, now());
    this.#runner = new Runner({
      shared,
      events,
      transcript,
      inbox,
      followUps,
      approvals,
      persistence,
      ends,
      outgoing,
      now,
      agentId: () => this.#agentId,
    });
    this.#admin = new SessionAdmin({
      record: this.#record,
      events,
      transcript,
      shared,
      now,
      working: () => context.running + context.queued > 0,
      cancelAll: () => this.#cancel(undefined),
      idle: () => this.#idle(),
    });
    this.#transcript = transcript;
    this.#inbox = inbox;
    this.#events = events;
    this.#followUps = followUps;
    this.#compactor = new Compactor({
      shared,
      events,
      transcript,
      persistence,
      record: this.#record,
      now,
      models: () => this.#models(),
    });
    this.#approvals = approvals;
    this.#ends = ends;
    this.#outgoing = outgoing;
  }

  /** Journals the message, acknowledges it, and only then shows it to subscribers. */
  async accept(turn: Turn): Promise<void> {
    const session = this.#record.existing();
    const now = this.#context.clock.now();
    const original = turn.idempotencyKey === undefined ? undefined : this.#inbox.original(turn.idempotencyKey, now);
    if (original !== undefined) {
      await original.kept;
      throw new DuplicateMessage(original);
    }
    const dropped = this.#followUps.arrive(turn, session);
    if (dropped !== undefined) void this.#ends.unrun(dropped, { status: 'cancelled', error: OVERFLOW });
    // Numbered before anything is waited for: the lane runs messages in the order of their arrival.
    turn.seq = this.#transcript.number();
    turn.acceptedAt = session.lastActive = now;
    const queued = this.#context.queued + this.#context.running - 1;
    try {
      await this.#inbox.write(turn, this.#record.kept ? undefined : session);
    } catch (error) {
      this.#followUps.gone(turn);
      throw error;
    }
    this.#record.kept = true;
    turn.acknowledge?.(queued);
    failpoint('ack.after');
    const { message, text, attachments } = turn;
    if (attachments === undefined) this.#events.publish('message.inbound', { message, text });
    else {
      turn.images = undefined;
      this.#events.publish('message.inbound', { message, text, attachments });
    }
    if (turn.followUp === 'interrupt')
      await this.#cancelWhere((other) => other !== turn, 'interrupted by a newer message').ended;
  }

  /** Runs the agent on one message. */
  async receive(turn: Turn, task: Task): Promise<void> {
    const { session } = this.#record;
    if (this.#admin.deleting) return this.#ends.unrun(turn, { status: 'cancelled' });
    if (session === undefined) throw new Error(`a turn without a session: ${this.#context.address.key}`);
    try {
      await this.#runner.run(turn, session, task);
    } catch (error) {
      this.#events.forget();
      // The next instance must not give out numbers again that are on their way to the disk.
      this.#shared.store.numbers.keep(this.#context.address.key, this.#transcript.lastSeq);
      throw error;
    } finally {
      this.#turnEnded?.();
    }
  }

  passivate(): void {
    this.#events.forget();
  }

  control(message: SessionControl): SessionAnswer | Promise<SessionAnswer> {
    switch (message.type) {
      case 'wake':
        return undefined;
      case 'create':
        return this.#admin.create(message.fields);
      case 'get':
        return { session: this.#record.existing() };
      case 'update':
        return this.#admin.update(message.changes);
      case 'reset':
        return this.#admin.reset();
      case 'delete':
        return this.#admin.delete();
      case 'expire':
        return this.#admin.expire(message.before);
      case 'cancel':
        return this.#cancel(message.run);
      case 'bury':
        return this.#ends.bury(message.turn, message.error, message.attempts);
      case 'delivery':
        return this.#outgoing.mark(message);
      case 'compact':
        return this.#compactor.work();
      case 'approve':
        return this.#approve(message.approval, message.allow);
      case 'discard':
        return this.#discard(message.message);
      case 'command':
        return this.#command(message.said, message.message);
      case 'subscribe':
        message.tell(this.#streamAfter(message.after, message.epoch));
        return undefined;
    }
  }

  /** Resolves when nothing runs. */
  async #idle(): Promise<void> {
    if (this.#context.running === 0) return;
    await new Promise<void>((resolve) => {
      this.#turnEnded = resolve;
    });
    this.#turnEnded = undefined;
  }

  /** Carries out a command, then acknowledges and shows it. It is no turn: the transcript has nothing of it. */
  async #command(
    said: SaidCommand,
    { message, text, idempotencyKey, origin, rights, acknowledge }: CommandMessage,
  ): Promise<undefined> {
    const now = this.#context.clock.now();
    const original = idempotencyKey === undefined ? undefined : this.#inbox.original(idempotencyKey, now);
    if (original !== undefined) {
      await original.kept;
      throw new DuplicateMessage(original);
    }
    const carryOut = async () => {
      const answer = await this.#carryOut(said, rights);
      return { answer, ...this.#outgoing.ofCommand(origin, message, answer) };
    };
    const { answer, announce } = await (idempotencyKey === undefined
      ? carryOut()
      : this.#inbox.claim(idempotencyKey, message, now, carryOut));
    acknowledge();
    announce();
    const run = this.#shared.newId();
    this.#events.publish('message.inbound', { message, text });
    this.#events.publish('run.start', { run, message, model: 'command' });
    this.#events.publish('message.outbound', { run, message, text: answer });
    this.#events.publish('run.end', { run, message, status: 'ok', usage: NO_USAGE });
    return undefined;
  }

  #carryOut(said: SaidCommand, rights: Rights): Promise<string> {
    const { config, models } = this.#shared;
    return answerCommand(
      {
        session: this.#record.existing(),
        settings: config.sessions,
        running: this.#context.running,
        queued: this.#context.queued,
        modelOf: (reference) => models.resolve(reference ?? config.agents[this.#agentId]?.model ?? null).reference,
        update: (changes) => this.#admin.update(changes),
        reset: () => this.#admin.reset(),
        stop: async () => (await this.#cancel(undefined)).cancelled,
        compact: (instructions) => this.#compactor.ask(instructions),
        pending: this.#approvals.pending,
        approve: (approval, allow) => this.#approve(approval, allow),
      },
      said,
      rights,
    );
  }

  /**
   * Aborts the run `run`, or with none named everything that runs and waits. Resolves with the ids of the messages when
   * those that waited have ended on the disk.
   */
  async #cancel(run: string | undefined): Promise<SessionAnswers['cancel']> {
    const { live } = this.#runner;
    if (run !== undefined && run !== live?.id) {
      throw new DhaavakError('not_found', `no run ${run} is going on in this session`, { param: 'data.run' });
    }
    const only = run === undefined ? undefined : live?.message;
    const matches = ({ message }: Turn) => only === undefined || message === only;
    const { cancelled, ended } = this.#cancelWhere(matches, 'cancelled by a client');
    await ended;
    return { cancelled };
  }

  /**
   * Aborts the matching run, and ends the matching turns that wait. To be waited for: an instance that went before `ended`
   * would leave those turns in the inbox, where the next one finds them.
   */
  #cancelWhere(matches: (turn: Turn) => boolean, why: string): { cancelled: string[]; ended: Promise<unknown> } {
    const { running, queued } = this.#context.cancel(matches, new DhaavakError('cancelled', why));
    for (const turn of queued) this.#followUps.gone(turn);
    const ended = Promise.all(queued.map((turn) => this.#ends.unrun(turn, { status: 'cancelled' })));
    return { cancelled: [...running, ...queued].flatMap(withJoined).map(({ message }) => message), ended };
  }

  #approve(approval: string | undefined, allow: boolean): SessionAnswers['approve'] {
    const resolved = this.#approvals.resolve(approval, allow);
    this.#shared.log.info(
      { session: this.#events.session, ...resolved, allow },
      'an operator has decided on a tool call',
    );
    return { session: this.#events.session, approval: resolved.approval, allowed: allow };
  }

  async #discard(message: string): Promise<{ session: string; message: string }> {
    const { store } = this.#shared;
    const session = this.#context.address.key;
    deadLetter(store, session, message);
    await store.journal.commit((batch) => batch.remove(store.deadLetters, message));
    return { session, message };
  }

  #streamAfter(after: number | undefined, epoch: string | undefined): StreamPosition {
    const state = this.#record.existing();
    const { seq } = this.#events;
    const missed = after === undefined ? undefined : this.#events.since(after, epoch ?? '');
    const position = { epoch: this.#events.epoch, seq };
    if (missed !== undefined) return { ...position, recovered: true, missed };
    const { live } = this.#runner;
    const { pending } = this.#approvals;
    const snapshot: Snapshot = { state, entry: this.#transcript.lastSeq, queued: this.#context.queued };
    if (pending.length > 0) snapshot.approvals = pending;
    if (live !== undefined) snapshot.run = { run: live.id, message: live.message, text: live.text };
    return { ...position, recovered: after === undefined, snapshot, missed: [] };
  }

  #models(): ReturnType<CompactorParts['models']> {
    const { budgets, config, models } = this.#shared;
    const { channel, model, user } = this.#record.existing();
    const agent = config.agents[this.#agentId];
    const line = models.line(model ?? agent?.model ?? null, agent?.fallbacks);
    return { line, budget: budgets?.ofRun(`${channel}:${user}`) };
  }

  /** Of an agent that is configured: one that is no more is stood in for. */
  get #agentId(): string {
    const agent = this.#record.session?.agent ?? DEFAULT_AGENT;
    return Object.hasOwn(this.#shared.config.agents, agent) ? agent : DEFAULT_AGENT;
  }
}
