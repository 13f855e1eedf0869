import { contextOf } from '../../src/agent/context.ts';
import type { ModelLine } from '../../src/agent/failover.ts';
import { type RunEnd, runAgent } from '../../src/agent/loop.ts';
import type { ModelMessage } from '../../src/agent/provider.ts';
import type { Config } from '../../src/config/schema.ts';
import { DhaavakError } from '../../src/protocol/errors.ts';
import type { Session, Usage } from '../../src/protocol/messages.ts';
import type { Actor, ActorContext, ActorDefinition, Task } from '../../src/runtime/actor.ts';
import { SessionAdmin } from './admin.ts';
import { boundedText } from './bounds.ts';
import { answerCommand } from './commands.ts';
import type { CommandMessage, SaidCommand, SessionAnswer, SessionControl, StreamPosition } from './control.ts';
import type { SessionDependencies } from './dependencies.ts';
import { EventStream } from './event-stream.ts';
import { FollowUps } from './follow-ups.ts';
import { Inbox } from './inbox.ts';
import { SessionRecord } from './record.ts';
import { endedByShutdown, entriesOf, failedEnd, withReason } from './run-end.ts';
import { publishRun } from './run-events.ts';
import { DEFAULT_AGENT } from './session-key.ts';
import { Transcript } from './transcript.ts';
import { DuplicateMessage, type Turn, turnOf, withJoined } from './turn.ts';
import { countUsage, NO_USAGE, TurnEnds } from './turn-ends.ts';

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
    pending: (key) => store.unfinished(key).map(turnOf),
  };
}

/** One conversation. */
class SessionActor implements Actor<Turn, void, SessionControl, SessionAnswer> {
  readonly #key: string;
  readonly #context: ActorContext<Turn>;
  readonly #shared: SessionDependencies;
  readonly #transcript: Transcript;
  readonly #inbox: Inbox;
  readonly #events: EventStream;
  readonly #record: SessionRecord;
  readonly #followUps: FollowUps;
  readonly #ends: TurnEnds;
  readonly #admin: SessionAdmin;
  #run: { id: string; message: string } | undefined;
  /** Told when the run that is going on has ended. */
  #runEnded: (() => void) | undefined;

  constructor(context: ActorContext<Turn>, shared: SessionDependencies) {
    this.#key = context.address.key;
    this.#context = context;
    this.#shared = shared;
    this.#transcript = new Transcript(shared.store, this.#key);
    this.#inbox = new Inbox(shared.store, this.#key, this.#transcript);
    this.#events = new EventStream(this.#key, shared.newId(), shared.emit);
    this.#record = new SessionRecord(this.#key, shared.store, shared.config, context.clock.now());
    this.#ends = new TurnEnds(this.#events, shared);
    this.#admin = new SessionAdmin({
      record: this.#record,
      events: this.#events,
      transcript: this.#transcript,
      shared,
      now: () => context.clock.now(),
      working: () => context.running + context.queued > 0,
      cancelAll: () => this.#cancel(undefined),
      idle: () => this.#idle(),
    });
    this.#followUps = new FollowUps(context, shared.config.sessions);
  }

  /** Journals the message, acknowledges it, and only then shows it to subscribers. */
  async accept(turn: Turn): Promise<void> {
    const session = this.#record.existing();
    const original = turn.idempotencyKey === undefined ? undefined : this.#inbox.original(turn.idempotencyKey);
    if (original !== undefined) {
      await original.kept;
      throw new DuplicateMessage(original.message);
    }
    const dropped = this.#followUps.arrive(turn, session);
    if (dropped !== undefined) void this.#ends.unrun(dropped, { status: 'cancelled', error: OVERFLOW });
    // Numbered before anything is waited for: the lane runs messages in the order of their arrival.
    turn.seq = this.#transcript.number();
    turn.acceptedAt = session.lastActive = this.#context.clock.now();
    const queued = this.#context.queued + this.#context.running - 1;
    try {
      await this.#inbox.write(turn, this.#record.kept ? undefined : session);
    } catch (error) {
      this.#followUps.gone(turn);
      throw error;
    }
    this.#record.kept = true;
    turn.acknowledge?.(queued);
    const { message, text, attachments } = turn;
    if (attachments === undefined) this.#events.publish('message.inbound', { message, text });
    else {
      turn.images = undefined;
      this.#events.publish('message.inbound', { message, text, attachments });
    }
    if (turn.followUp === 'interrupt') this.#cancelWhere((other) => other !== turn, 'interrupted by a newer message');
  }

  /** Runs the agent on one message. */
  async receive(turn: Turn, task: Task): Promise<void> {
    const { session } = this.#record;
    if (this.#admin.deleting) return this.#ends.unrun(turn, { status: 'cancelled' });
    if (session === undefined) throw new Error(`a turn without a session: ${this.#key}`);
    const run = { id: this.#shared.newId(), message: turn.message };
    this.#run = run;
    try {
      if (turn.followUp === 'collect')
        turn.joined = [...turn.joined, ...(await this.#followUps.collected(turn, task.signal))];
      const before = turn.joined.length;
      const end = await this.#runAgent(turn, run.id, session, task.signal);
      if (endedByShutdown(task.signal)) throw task.signal.reason;
      const answered = withJoined(turn).slice(before);
      await this.#finish(turn, answered, run.id, session, withReason(end, task.signal));
    } finally {
      this.#run = undefined;
      this.#runEnded?.();
    }
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
        return { cancelled: this.#cancel(message.run) };
      case 'bury':
        return this.#ends.bury(message.turn, message.error);
      case 'command':
        return this.#command(message.said, message.message);
      case 'subscribe':
        message.tell(this.#streamAfter(message.after, message.epoch));
        return undefined;
    }
  }

  // Running

  /** Runs the agent loop on a turn; a model that cannot be used ends the run before it begins. */
  async #runAgent(turn: Turn, run: string, session: Session, signal: AbortSignal): Promise<RunEnd> {
    const { config, models, tools, budgets, workspaces, log } = this.#shared;
    const reference = session.model ?? this.#agent.model ?? null;
    let line: ModelLine;
    try {
      line = models.line(reference, this.#agent.fallbacks);
    } catch (error) {
      this.#tellStart(withJoined(turn), run, reference ?? 'default');
      return failedEnd(error);
    }
    this.#tellStart(withJoined(turn), run, line.current.reference);
    if (line.skipped.length > 0) log.info({ session: this.#key, run, skipped: line.skipped }, 'models cool down');
    const system = workspaces.systemPrompt(this.#agentId);
    const events = runAgent({
      models: line,
      system: typeof system === 'string' ? system : await system,
      messages: this.#contextOf(turn),
      tools: tools.view(this.#agent.tools),
      thinkingLevel: session.thinkingLevel,
      outputTokensMax: config.models.outputTokensMax,
      turnsMax: config.models.turnsMax,
      stallMs: config.models.stallMs,
      budget: budgets?.ofRun(`${session.channel}:${session.user}`),
      signal,
      steering: () => {
        const steered = this.#followUps.steered(turn);
        this.#tellStart(steered, run, line.current.reference);
        if (steered.length > 0) turn.joined = [...turn.joined, ...steered];
        return steered.map((other) => this.#transcript.messageOf(other));
      },
    });
    return publishRun(this.#events, run, events, this.#shared);
  }

  #tellStart(turns: readonly Turn[], run: string, model: string): void {
    for (const { message } of turns) this.#events.publish('run.start', { run, message, model });
  }

  /** Writes what the run said, in one commit with the end of its turn, and then tells. */
  async #finish(turn: Turn, answered: readonly Turn[], run: string, session: Session, end: RunEnd): Promise<void> {
    const { store } = this.#shared;
    const usage = end.usage ?? (await this.#countUsage(turn, end));
    const timestamp = this.#context.clock.now();
    const ids = answered.map(({ message }) => message);
    const entries = entriesOf(end, ids, { run, timestamp }, () => this.#transcript.number());
    session.tokensUsed += usage.inputTokens + usage.outputTokens;
    session.costUsed += usage.cost ?? 0;
    session.lastActive = timestamp;
    await store.journal.commit((batch) => {
      for (const entry of entries) this.#transcript.write(batch, entry);
      for (const { seq } of withJoined(turn)) batch.remove(store.inbox, [this.#key, seq]);
      batch.put(store.sessions, this.#key, session);
    });
    this.#transcript.ended(turn, entries);
    const { message } = turn;
    if (end.status === 'ok') this.#events.publish('message.outbound', { run, message, ...boundedText(end.text) });
    const error = end.error === undefined ? {} : { error: end.error.toWire() };
    for (const joined of turn.joined) {
      this.#events.publish('run.end', { run, message: joined.message, status: end.status, usage: NO_USAGE, ...error });
    }
    this.#events.publish('run.end', { run, message, status: end.status, usage, ...error });
    if (end.status === 'failed') {
      this.#shared.log.warn({ session: this.#key, message, run, error: end.error }, 'run failed');
    }
  }

  #countUsage(turn: Turn, end: RunEnd): Promise<Usage> {
    const sent = this.#contextOf(turn);
    return countUsage(this.#shared, turn, [{ text: this.#agent.prompt }, ...sent], end.messages);
  }

  #contextOf(turn: Turn): ModelMessage[] {
    const said = withJoined(turn).map((one) => this.#transcript.messageOf(one));
    return contextOf(this.#transcript.before(turn), ...said);
  }

  // Control

  /** Resolves when nothing runs. */
  async #idle(): Promise<void> {
    if (this.#run === undefined) return;
    await new Promise<void>((resolve) => {
      this.#runEnded = resolve;
    });
    this.#runEnded = undefined;
  }

  /** Carries out a command, then acknowledges and shows it. It is no turn: the transcript has nothing of it. */
  async #command(
    said: SaidCommand,
    { message, text, idempotencyKey, acknowledge }: CommandMessage,
  ): Promise<undefined> {
    const original = idempotencyKey === undefined ? undefined : this.#inbox.original(idempotencyKey);
    if (original !== undefined) throw new DuplicateMessage(original.message);
    const { config, models } = this.#shared;
    const answer = await answerCommand(
      {
        session: this.#record.existing(),
        settings: config.sessions,
        running: this.#context.running,
        queued: this.#context.queued,
        modelOf: (reference) => models.resolve(reference ?? this.#agent.model ?? null).reference,
        update: (changes) => this.#admin.update(changes),
        reset: () => this.#admin.reset(),
        stop: () => this.#cancel(undefined),
      },
      said,
    );
    if (idempotencyKey !== undefined) await this.#inbox.claim(idempotencyKey, message);
    acknowledge();
    const run = this.#shared.newId();
    this.#events.publish('message.inbound', { message, text });
    this.#events.publish('run.start', { run, message, model: 'command' });
    this.#events.publish('message.outbound', { run, message, text: answer });
    this.#events.publish('run.end', { run, message, status: 'ok', usage: NO_USAGE });
    return undefined;
  }

  /** Aborts the run `run`, or with none named everything that runs and waits. Returns the ids of the messages. */
  #cancel(run: string | undefined): string[] {
    if (run !== undefined && run !== this.#run?.id) {
      throw new DhaavakError('not_found', `no run ${run} is going on in this session`, { param: 'data.run' });
    }
    const only = run === undefined ? undefined : this.#run?.message;
    return this.#cancelWhere(({ message }) => only === undefined || message === only, 'cancelled by a client');
  }

  /** Aborts the matching run, and ends the matching turns that wait. Returns the ids of their messages. */
  #cancelWhere(matches: (turn: Turn) => boolean, why: string): string[] {
    const { running, queued } = this.#context.cancel(matches, new DhaavakError('cancelled', why));
    for (const turn of queued) this.#followUps.gone(turn);
    for (const turn of queued) void this.#ends.unrun(turn, { status: 'cancelled' });
    return [...running.flatMap(withJoined), ...queued].map(({ message }) => message);
  }

  #streamAfter(after: number | undefined, epoch: string | undefined): StreamPosition {
    this.#record.existing();
    const { seq } = this.#events;
    const missed = after === undefined ? [] : this.#events.since(after, epoch ?? '');
    return { epoch: this.#events.epoch, seq, recovered: missed !== undefined, missed: missed ?? [] };
  }

  // The session itself

  /** Of an agent that is configured: one that is no more is stood in for. */
  get #agentId(): string {
    const agent = this.#record.session?.agent ?? DEFAULT_AGENT;
    return Object.hasOwn(this.#shared.config.agents, agent) ? agent : DEFAULT_AGENT;
  }

  get #agent(): Config['agents'][string] {
    return this.#shared.config.agents[this.#agentId] as Config['agents'][string];
  }
}
