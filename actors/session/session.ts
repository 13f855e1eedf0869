import { DhaavakError, toWireError } from '../../src/protocol/errors.ts';
import type { MessageOrigin, Snapshot } from '../../src/protocol/messages.ts';
import type { Actor, ActorContext, ActorDefinition, Task } from '../../src/runtime/actor.ts';
import { failpoint } from '../../src/runtime/failpoint.ts';
import type { Batch } from '../../src/storage/journal.ts';
import type { SessionWork } from './admin.ts';
import type { Decider } from './approvals.ts';
import { type CommandMemory, commandMemory } from './command-memory.ts';
import { answerCommand } from './commands.ts';
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
import { SessionParts } from './parts.ts';
import { recoveredTurns } from './recovery.ts';
import { endedByShutdown } from './run-end.ts';
import { DuplicateMessage, type Turn, withJoined } from './turn.ts';
import { NO_USAGE, type TurnEnds } from './turn-ends.ts';

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

/** Whoever said a command: somebody on a channel, or else a client. */
function deciderOf(origin: MessageOrigin | undefined): Decider {
  if (origin === undefined) return { via: 'api' };
  return { by: origin.sender.name, via: `${origin.channel}:${origin.sender.id}` };
}

/** One conversation. */
class SessionActor implements Actor<Turn, void, SessionControl, SessionAnswer>, SessionWork {
  readonly #context: ActorContext<Turn>;
  readonly #shared: SessionDependencies;
  readonly #parts: SessionParts;
  /** The turn that is going on, or went on last. */
  #turn: Promise<void> | undefined;
  /** What is on its way to the disk: messages that are being accepted, and ends of turns that nobody runs. */
  #accepting: Set<Promise<void>> | undefined;
  #ending: Set<Promise<void>> | undefined;

  constructor(context: ActorContext<Turn>, shared: SessionDependencies) {
    this.#context = context;
    this.#shared = shared;
    this.#parts = new SessionParts(context, shared, this);
  }

  accept(turn: Turn): Promise<void> {
    // Not among those that a deletion waits for: this waits for the deletion.
    const leftOver = turn.opens && this.#parts.record.session === undefined && this.#parts.admin.leftOver();
    if (leftOver) return leftOver.then(() => this.accept(turn));
    const accepting = this.#accept(turn);
    this.#accepting ??= new Set();
    const all = this.#accepting;
    all.add(accepting);
    const forget = () => all.delete(accepting);
    accepting.then(forget, forget);
    return accepting;
  }

  /** Journals the message, acknowledges it, and only then shows it to subscribers. */
  async #accept(turn: Turn): Promise<void> {
    const now = this.#context.clock.now();
    const { record, inbox } = this.#parts;
    const session = turn.opens ? record.open(now) : record.existing();
    const original = turn.idempotencyKey === undefined ? undefined : inbox.original(turn.idempotencyKey, now);
    if (original !== undefined) {
      await original.kept;
      throw new DuplicateMessage(original);
    }
    const dropped = this.#parts.followUps.arrive(turn, session);
    if (dropped !== undefined) this.#end(dropped, { status: 'cancelled', error: OVERFLOW });
    // Numbered before anything is waited for: the lane runs messages in the order of their arrival.
    turn.seq = this.#parts.transcript.number();
    turn.acceptedAt = session.lastActive = now;
    const queued = this.#context.queued + this.#context.running - 1;
    try {
      await this.#parts.inbox.write(turn, this.#parts.record.kept ? undefined : session);
    } catch (error) {
      this.#parts.followUps.gone(turn);
      throw error;
    }
    this.#parts.record.kept = true;
    turn.acknowledge?.(queued);
    failpoint('ack.after');
    const { message, text, attachments, source } = turn;
    const from = source === undefined ? {} : { source };
    if (attachments === undefined) this.#parts.events.publish('message.inbound', { message, text, ...from });
    else {
      turn.images = undefined;
      this.#parts.events.publish('message.inbound', { message, text, attachments });
    }
    if (turn.followUp === 'interrupt') this.#cancelWhere((other) => other !== turn, 'interrupted by a newer message');
  }

  receive(turn: Turn, task: Task): Promise<void> {
    this.#turn = this.#receive(turn, task);
    return this.#turn;
  }

  /** Runs the agent on one message. */
  async #receive(turn: Turn, task: Task): Promise<void> {
    const { session } = this.#parts.record;
    if (this.#parts.admin.deleting) return this.#parts.ends.unrun(turn, { status: 'cancelled' });
    if (session === undefined) throw new Error(`a turn without a session: ${this.#context.address.key}`);
    try {
      await this.#parts.runner.run(turn, session, task);
    } catch (error) {
      // What was aborted is not tried again by its lane: it ends here, or it would wait for the next start.
      if (task.signal.aborted && !endedByShutdown(task.signal)) return this.#fail(turn, error);
      this.#parts.events.forget();
      // The next instance must not give out numbers again that are on their way to the disk.
      this.#shared.store.numbers.keep(this.#context.address.key, this.#parts.transcript.lastSeq);
      throw error;
    }
  }

  /** Ends a turn whose run has failed on a fault of ours when it had been cancelled, or was out of time. */
  #fail(turn: Turn, error: unknown): Promise<void> {
    const { session } = this.#parts.events;
    this.#shared.log.error({ session, message: turn.message, error }, 'a run failed that was to end');
    return this.#parts.ends.unrun(turn, { status: 'failed', error: toWireError(error) });
  }

  passivate(): void {
    this.#parts.events.forget();
  }

  control(message: SessionControl): SessionAnswer | Promise<SessionAnswer> {
    switch (message.type) {
      case 'wake':
        return undefined;
      case 'create':
        return this.#parts.admin.create(message.fields, message.also);
      case 'get':
        return { session: this.#parts.record.existing() };
      case 'context':
        return this.#parts.report();
      case 'update':
        return this.#parts.admin.update(message.changes);
      case 'reset':
        return this.#parts.admin.reset();
      case 'delete':
        return this.#parts.admin.delete();
      case 'expire':
        return this.#parts.admin.expire(message.lastActive);
      case 'prune':
        return this.#parts.admin.prune(message);
      case 'cancel':
        return { cancelled: this.#cancel(message.run) };
      case 'bury':
        return this.#parts.ends.bury(message.turn, message.error, message.attempts);
      case 'delivery':
        return this.#parts.outgoing.mark(
          this.#parts.admin.isGoing(message.seq) ? { ...message, seq: undefined } : message,
        );
      case 'compact':
        return this.#parts.compactor.work();
      case 'approve':
        return this.#approve(message.approval, message.allow, message.decider);
      case 'discard':
        return this.#discard(message.message);
      case 'command':
        return this.#command(message.said, message.message);
      case 'subscribe':
        message.tell(this.#streamAfter(message.after, message.epoch));
        return undefined;
    }
  }

  working(): boolean {
    return this.#context.running + this.#context.queued > 0;
  }

  cancelAll(): void {
    this.#cancel(undefined);
  }

  async stop(): Promise<void> {
    this.cancelAll();
    await Promise.allSettled(this.#accepting ?? []);
    // What has been accepted comes to wait, and can be cancelled, a moment later.
    await new Promise<void>((resolve) => this.#context.clock.setImmediate(resolve));
    this.cancelAll();
    await Promise.allSettled([this.#turn, ...(this.#ending ?? [])]);
  }

  /**
   * Ends a turn that left the mailbox, beside everything else. An instance that went meanwhile would leave it in the inbox,
   * and the next one would run it.
   */
  #end(turn: Turn, end: Parameters<TurnEnds['unrun']>[1]): void {
    const ended = this.#parts.ends.unrun(turn, end);
    this.#ending ??= new Set();
    const all = this.#ending;
    all.add(ended);
    this.#context.hold(ended.finally(() => all.delete(ended)));
  }

  /** Carries out a command, then acknowledges and shows it. It is no turn: the transcript has nothing of it. */
  async #command(
    said: SaidCommand,
    { message, text, idempotencyKey, opens, origin, rights, acknowledge }: CommandMessage,
  ): Promise<undefined> {
    const { admin, record } = this.#parts;
    for (let rest = opens && admin.leftOver(); rest; rest = admin.leftOver()) await rest;
    const now = this.#context.clock.now();
    const original = idempotencyKey === undefined ? undefined : this.#parts.inbox.original(idempotencyKey, now);
    if (original !== undefined) {
      await original.kept;
      throw new DuplicateMessage(original);
    }
    if (opens) record.open(now);
    const carryOut = async () => {
      const memory = commandMemory(this.#parts, message, origin);
      const answer = await this.#carryOut(said, rights, deciderOf(origin), memory);
      const words = this.#parts.outgoing.ofCommand(origin, message, answer);
      const write = (batch: Batch) => {
        words.write(batch);
        if (opens) record.put(batch);
      };
      return { ...words, answer, write };
    };
    const { answer, announce } = await (idempotencyKey === undefined
      ? carryOut()
      : this.#parts.inbox.claim(idempotencyKey, message, now, carryOut));
    if (opens) record.kept = true;
    acknowledge();
    announce();
    const run = this.#shared.newId();
    this.#parts.events.publish('message.inbound', { message, text });
    this.#parts.events.publish('run.start', { run, message, model: 'command' });
    this.#parts.events.publish('message.outbound', { run, message, text: answer });
    this.#parts.events.publish('run.end', { run, message, status: 'ok', usage: NO_USAGE });
    return undefined;
  }

  #carryOut(said: SaidCommand, rights: Rights, decider: Decider, memory: CommandMemory | undefined): Promise<string> {
    const { config, models } = this.#shared;
    return answerCommand(
      {
        session: this.#parts.record.existing(),
        settings: config.sessions,
        running: this.#context.running,
        queued: this.#context.queued,
        modelOf: (reference) =>
          models.resolve(reference ?? config.agents[this.#parts.agentId()]?.model ?? null).reference,
        report: () => this.#parts.report(),
        update: (changes) => this.#parts.admin.update(changes),
        reset: () => this.#parts.admin.reset(),
        stop: () => this.#cancel(undefined),
        compact: (instructions) => this.#parts.compactor.ask(instructions),
        memory,
        pending: this.#parts.approvals.pending,
        approve: (approval, allow) => this.#approve(approval, allow, decider),
      },
      said,
      rights,
    );
  }

  /** Aborts the run `run`, or with none named everything that runs and waits. Returns the ids of the messages. */
  #cancel(run: string | undefined): string[] {
    const { live } = this.#parts.runner;
    if (run !== undefined && run !== live?.id) {
      throw new DhaavakError('not_found', `no run ${run} is going on in this session`, { param: 'data.run' });
    }
    const only = run === undefined ? undefined : live?.message;
    return this.#cancelWhere(({ message }) => only === undefined || message === only, 'cancelled by a client');
  }

  /** Aborts the matching run, and ends the matching turns that wait. Returns the ids of their messages. */
  #cancelWhere(matches: (turn: Turn) => boolean, why: string): string[] {
    const { running, queued } = this.#context.cancel(matches, new DhaavakError('cancelled', why));
    for (const turn of queued) this.#parts.followUps.gone(turn);
    for (const turn of queued) this.#end(turn, { status: 'cancelled' });
    return [...running, ...queued].flatMap(withJoined).map(({ message }) => message);
  }

  async #approve(
    approval: string | undefined,
    allow: boolean,
    decider: Decider | undefined,
  ): Promise<SessionAnswers['approve']> {
    const { approval: id, run, name } = await this.#parts.approvals.resolve(approval, allow, decider);
    const { session } = this.#parts.events;
    this.#shared.log.info(
      { session, run, tool: name, approval: id, allow, ...decider },
      'an operator has decided on a call',
    );
    return { session, approval: id, allowed: allow };
  }

  async #discard(message: string): Promise<{ session: string; message: string }> {
    const { store } = this.#shared;
    const session = this.#context.address.key;
    deadLetter(store, session, message);
    await store.journal.commit((batch) => batch.remove(store.deadLetters, message));
    return { session, message };
  }

  #streamAfter(after: number | undefined, epoch: string | undefined): StreamPosition {
    const state = this.#parts.record.existing();
    const { seq } = this.#parts.events;
    const missed = after === undefined ? undefined : this.#parts.events.since(after, epoch ?? '');
    const position = { epoch: this.#parts.events.epoch, seq };
    if (missed !== undefined) return { ...position, recovered: true, missed };
    const { live } = this.#parts.runner;
    const { pending } = this.#parts.approvals;
    const snapshot: Snapshot = { state, entry: this.#parts.transcript.lastSeq, queued: this.#context.queued };
    if (pending.length > 0) snapshot.approvals = pending;
    if (live !== undefined) snapshot.run = { run: live.id, message: live.message, text: live.text };
    return { ...position, recovered: after === undefined, snapshot, missed: [] };
  }
}
