import type { Logger } from 'pino';
import type { Budgets } from '../../src/agent/budget.ts';
import { contextOf } from '../../src/agent/context.ts';
import type { ModelLine } from '../../src/agent/failover.ts';
import { type RunEnd, runAgent } from '../../src/agent/loop.ts';
import type { Models } from '../../src/agent/models.ts';
import type { Workspaces } from '../../src/agent/workspace.ts';
import type { Config } from '../../src/config/schema.ts';
import { DhaavakError, toWireError } from '../../src/protocol/errors.ts';
import type { Events, Session, Usage } from '../../src/protocol/messages.ts';
import type { Actor, ActorContext, ActorDefinition, Task } from '../../src/runtime/actor.ts';
import type { Store } from '../../src/storage/store.ts';
import type { ToolRegistry } from '../../src/tools/registry.ts';
import { boundedInput, boundedText, pieces } from './bounds.ts';
import { type Emit, EventStream } from './event-stream.ts';
import { Inbox } from './inbox.ts';
import { endedByShutdown, entriesOf, failedEnd, withReason } from './run-end.ts';
import { DEFAULT_AGENT, parseSessionKey } from './session-key.ts';
import { Transcript } from './transcript.ts';
import { DuplicateMessage, type Turn, turnOf } from './turn.ts';

/** What every session of a shard shares. */
export interface SessionDependencies {
  config: Config;
  store: Store;
  models: Models;
  tools: ToolRegistry;
  budgets: Budgets | undefined;
  workspaces: Workspaces;
  log: Logger;
  emit: Emit;
  /** A promise to wait for before publishing more, while subscribers lag behind; undefined: go on. */
  room(): Promise<void> | undefined;
  countTokens(texts: string[]): Promise<number[]>;
  newId(): string;
}

/** What the control lane of a session answers: at once, also while a run is going on. */
export type SessionControl =
  | { type: 'wake' }
  | { type: 'create'; fields: Pick<Session, 'model' | 'thinkingLevel'> }
  | { type: 'get' }
  | { type: 'cancel'; run: string | undefined }
  /** The turn failed for good and is a dead letter now: its session ends it and goes on. */
  | { type: 'bury'; turn: Turn; error: unknown }
  | { type: 'subscribe'; after: number | undefined; epoch: string | undefined };

export interface SessionAnswers {
  wake: undefined;
  create: { session: Session; created: boolean };
  get: { session: Session };
  cancel: { cancelled: string[] };
  bury: undefined;
  subscribe: { epoch: string; seq: number; recovered: boolean; missed: readonly Uint8Array[] };
}

/** Sessions as a kind of actor: a serial lane of turns. */
export function sessionKind(
  dependencies: SessionDependencies,
): ActorDefinition<Turn, void, SessionControl, SessionAnswers[SessionControl['type']]> {
  const { config, store } = dependencies;
  return {
    kind: 'session',
    mailboxMax: config.sessions.mailboxMax,
    idleMs: config.sessions.idleMs,
    deadlineMs: config.sessions.runTimeoutMs,
    create: (context) => new SessionActor(context, dependencies),
    pending: (key) => store.unfinished(key).map(turnOf),
  };
}

/** One conversation. */
class SessionActor implements Actor<Turn, void, SessionControl, SessionAnswers[SessionControl['type']]> {
  readonly #key: string;
  readonly #context: ActorContext<Turn>;
  readonly #shared: SessionDependencies;
  readonly #transcript: Transcript;
  readonly #inbox: Inbox;
  readonly #events: EventStream;
  /** Undefined: nobody created this session. */
  #session: Session | undefined;
  /** Whether the session is on the disk (or on its way). */
  #kept: boolean;
  #run: { id: string; message: string } | undefined;

  constructor(context: ActorContext<Turn>, shared: SessionDependencies) {
    this.#key = context.address.key;
    this.#context = context;
    this.#shared = shared;
    this.#transcript = new Transcript(shared.store, this.#key);
    this.#inbox = new Inbox(shared.store, this.#key, this.#transcript);
    this.#events = new EventStream(this.#key, shared.newId(), shared.emit);
    const kept = shared.store.sessions.get(this.#key);
    this.#kept = kept !== undefined;
    // A session of an earlier version has no cost.
    this.#session = kept === undefined ? this.#implicitSession() : { ...kept, costUsed: kept.costUsed ?? 0 };
  }

  /** Journals the message, acknowledges it, and only then shows it to subscribers. */
  async accept(turn: Turn): Promise<void> {
    const session = this.#session;
    if (session === undefined) throw noSuchSession(this.#key);
    const original = turn.idempotencyKey === undefined ? undefined : this.#inbox.original(turn.idempotencyKey);
    if (original !== undefined) {
      await original.kept;
      throw new DuplicateMessage(original.message);
    }
    // Numbered before anything is waited for: the lane runs messages in the order of their arrival.
    turn.seq = this.#transcript.number();
    turn.acceptedAt = session.lastActive = this.#context.clock.now();
    const queued = this.#context.queued + this.#context.running - 1;
    await this.#inbox.write(turn, this.#kept ? undefined : session);
    this.#kept = true;
    turn.acknowledge?.(queued);
    this.#events.publish('message.inbound', { message: turn.message, text: turn.text });
  }

  /** Runs the agent on one message. */
  async receive(turn: Turn, task: Task): Promise<void> {
    const session = this.#session;
    if (session === undefined) throw new Error(`a turn without a session: ${this.#key}`);
    const run = { id: this.#shared.newId(), message: turn.message };
    this.#run = run;
    try {
      const end = await this.#runAgent(turn, run.id, session, task.signal);
      if (endedByShutdown(task.signal)) throw task.signal.reason;
      await this.#finish(turn, run.id, session, withReason(end, task.signal));
    } finally {
      this.#run = undefined;
    }
  }

  control(
    message: SessionControl,
  ): SessionAnswers[SessionControl['type']] | Promise<SessionAnswers['create' | 'bury']> {
    switch (message.type) {
      case 'wake':
        return undefined;
      case 'create':
        return this.#create(message.fields);
      case 'get':
        return { session: this.#existing() };
      case 'cancel':
        return { cancelled: this.#cancel(message.run) };
      case 'bury':
        return this.#bury(message.turn, message.error);
      case 'subscribe':
        return this.#subscribe(message.after, message.epoch);
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
      this.#events.publish('run.start', { run, message: turn.message, model: reference ?? 'default' });
      return failedEnd(error);
    }
    this.#events.publish('run.start', { run, message: turn.message, model: line.current.reference });
    if (line.skipped.length > 0) log.info({ session: this.#key, run, skipped: line.skipped }, 'models cool down');
    const system = workspaces.systemPrompt(this.#agentId);
    const events = runAgent({
      models: line,
      system: typeof system === 'string' ? system : await system,
      messages: contextOf(this.#transcript.before(turn), turn.text),
      tools: tools.view(this.#agent.tools),
      thinkingLevel: session.thinkingLevel,
      outputTokensMax: config.models.outputTokensMax,
      turnsMax: config.models.turnsMax,
      stallMs: config.models.stallMs,
      budget: budgets?.ofRun(`${session.channel}:${session.user}`),
      signal,
    });
    return this.#publishRun(run, events);
  }

  /** Publishes a run's events as they come and returns its end. */
  async #publishRun(run: string, events: ReturnType<typeof runAgent>): Promise<RunEnd> {
    for await (const event of events) {
      switch (event.type) {
        case 'text':
          for (const text of pieces(event.text)) this.#events.publish('message.delta', { run, text });
          break;
        case 'model': {
          const { reference: model, error } = event;
          this.#events.publish('run.model', { run, model, error: error.toWire() });
          this.#shared.log.warn({ session: this.#key, run, model, error }, 'another model is asked');
          break;
        }
        case 'toolStart': {
          const { id: call, name, input } = event.call;
          this.#events.publish('tool.start', { run, call, name, input: boundedInput(input) });
          break;
        }
        case 'toolEnd': {
          const { call, output, failed } = event;
          this.#events.publish('tool.end', { run, call: call.id, name: call.name, output, failed });
          break;
        }
        case 'end':
          return event;
      }
      const room = this.#shared.room();
      if (room !== undefined) await room;
    }
    throw new Error('a run ended without saying how');
  }

  /** Writes what the run said, in one commit with the end of its turn, and then tells. */
  async #finish(turn: Turn, run: string, session: Session, end: RunEnd): Promise<void> {
    const { store } = this.#shared;
    const usage = end.usage ?? (await this.#countUsage(turn, end));
    const timestamp = this.#context.clock.now();
    const entries = entriesOf(end, { run, message: turn.message, timestamp }, () => this.#transcript.number());
    session.tokensUsed += usage.inputTokens + usage.outputTokens;
    session.costUsed += usage.cost ?? 0;
    session.lastActive = timestamp;
    await store.journal.commit((batch) => {
      for (const entry of entries) this.#transcript.write(batch, entry);
      batch.remove(store.inbox, [this.#key, turn.seq]);
      batch.put(store.sessions, this.#key, session);
    });
    this.#transcript.ended(turn, entries);
    const { message } = turn;
    if (end.status === 'ok') this.#events.publish('message.outbound', { run, message, ...boundedText(end.text) });
    const error = end.error === undefined ? {} : { error: end.error.toWire() };
    this.#events.publish('run.end', { run, message, status: end.status, usage, ...error });
    if (end.status === 'failed') {
      this.#shared.log.warn({ session: this.#key, message, run, error: end.error }, 'run failed');
    }
  }

  /** Counts tokens where the model API reported none. A failure to count must not fail the run. */
  async #countUsage(turn: Turn, end: RunEnd): Promise<Usage> {
    try {
      const [inputTokens = 0, outputTokens = 0] = await this.#shared.countTokens([turn.text, end.text]);
      return { inputTokens, outputTokens, estimated: true };
    } catch (error) {
      this.#shared.log.warn({ session: this.#key, error }, 'tokens could not be counted');
      return { inputTokens: 0, outputTokens: 0, estimated: true };
    }
  }

  // Control

  async #create(fields: Pick<Session, 'model' | 'thinkingLevel'>): Promise<SessionAnswers['create']> {
    if (this.#session !== undefined && this.#kept) return { session: this.#session, created: false };
    const session = this.#session ?? this.#newSession();
    if (session === undefined) throw noSuchSession(this.#key);
    Object.assign(session, fields);
    this.#session = session;
    const { store } = this.#shared;
    await store.journal.commit((batch) => batch.put(store.sessions, this.#key, session));
    this.#kept = true;
    return { session, created: true };
  }

  /** Aborts the run `run`, or with none named everything that runs and waits. Returns the ids of the messages. */
  #cancel(run: string | undefined): string[] {
    if (run !== undefined && run !== this.#run?.id) {
      throw new DhaavakError('not_found', `no run ${run} is going on in this session`, { param: 'data.run' });
    }
    const only = run === undefined ? undefined : this.#run?.message;
    const { running, queued } = this.#context.cancel(
      ({ message }) => only === undefined || message === only,
      new DhaavakError('cancelled', 'cancelled by a client'),
    );
    for (const turn of queued) void this.#endUnrun(turn, { status: 'cancelled' });
    return [...running, ...queued].map(({ message }) => message);
  }

  /** Only DhaavakErrors are for users' eyes; the log has the rest. */
  async #bury(turn: Turn, error: unknown): Promise<undefined> {
    this.#shared.log.error({ session: this.#key, message: turn.message, error }, 'a message failed for good');
    await this.#endUnrun(turn, { status: 'failed', error: toWireError(error) });
    return undefined;
  }

  /** Ends a turn that no run will answer. */
  async #endUnrun(turn: Turn, end: Pick<Events['run.end'], 'status' | 'error'>): Promise<void> {
    const { store, log } = this.#shared;
    const run = this.#shared.newId();
    try {
      await store.journal.commit((batch) => batch.remove(store.inbox, [this.#key, turn.seq]));
      const usage = { inputTokens: 0, outputTokens: 0 };
      this.#events.publish('run.end', { run, message: turn.message, usage, ...end });
    } catch (error) {
      log.error({ session: this.#key, message: turn.message, error }, 'a message that ended may run after a restart');
    }
  }

  #subscribe(after: number | undefined, epoch: string | undefined): SessionAnswers['subscribe'] {
    this.#existing();
    const { seq } = this.#events;
    const missed = after === undefined ? [] : this.#events.since(after, epoch ?? '');
    return { epoch: this.#events.epoch, seq, recovered: missed !== undefined, missed: missed ?? [] };
  }

  // The session itself

  /** Of an agent that is configured: one that is no more is stood in for. */
  get #agentId(): string {
    const agent = this.#session?.agent ?? DEFAULT_AGENT;
    return Object.hasOwn(this.#shared.config.agents, agent) ? agent : DEFAULT_AGENT;
  }

  get #agent(): Config['agents'][string] {
    return this.#shared.config.agents[this.#agentId] as Config['agents'][string];
  }

  #existing(): Session {
    if (this.#session === undefined) throw noSuchSession(this.#key);
    return this.#session;
  }

  /** The main session of a configured agent is always there; it is written with its first message. */
  #implicitSession(): Session | undefined {
    return parseSessionKey(this.#key)?.type === 'main' ? this.#newSession() : undefined;
  }

  #newSession(): Session | undefined {
    const parts = parseSessionKey(this.#key);
    if (parts === undefined || !Object.hasOwn(this.#shared.config.agents, parts.agent)) return undefined;
    const now = this.#context.clock.now();
    return {
      id: this.#key,
      ...parts,
      model: null,
      thinkingLevel: 'off',
      tokensUsed: 0,
      costUsed: 0,
      createdAt: now,
      lastActive: now,
    };
  }
}

function noSuchSession(key: string): DhaavakError {
  return new DhaavakError('not_found', `there is no session ${key}`, { param: 'data.session' });
}
