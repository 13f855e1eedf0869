import type { Calibration } from '../../src/agent/calibration.ts';
import type { ModelLine } from '../../src/agent/failover.ts';
import { type RunEnd, runAgent } from '../../src/agent/loop.ts';
import type { ModelMessage } from '../../src/agent/provider.ts';
import { OUTCOME_UNKNOWN, type Resumption } from '../../src/agent/resume.ts';
import { isHistoryTainted, Taint } from '../../src/agent/taint.ts';
import type { Config } from '../../src/config/schema.ts';
import { type Recalled, RecallPace } from '../../src/memory/recall.ts';
import { DhaavakError } from '../../src/protocol/errors.ts';
import type { Session, Usage } from '../../src/protocol/messages.ts';
import type { Task } from '../../src/runtime/actor.ts';
import { failpoint } from '../../src/runtime/failpoint.ts';
import { isSandboxed } from '../../src/tools/policy.ts';
import type { ToolView } from '../../src/tools/registry.ts';
import type { ToolCaller } from '../../src/tools/tool.ts';
import { isFramed } from '../../src/tools/untrusted.ts';
import type { Approvals } from './approvals.ts';
import { boundedText } from './bounds.ts';
import type { Compactor } from './compactor.ts';
import type { SessionDependencies } from './dependencies.ts';
import type { EventStream } from './event-stream.ts';
import type { FollowUps } from './follow-ups.ts';
import type { Inbox } from './inbox.ts';
import { InnerCalls } from './inner-calls.ts';
import type { Kin } from './kin.ts';
import type { OutgoingAnswers } from './outgoing.ts';
import type { Persistence } from './persistence.ts';
import { endedByShutdown, failedEnd, withReason } from './run-end.ts';
import { type LiveRun, publishRun } from './run-events.ts';
import { RunRecord } from './run-record.ts';
import { outOfTime, policyType, TimeLimit, toolsOf } from './sub-agent.ts';
import { speakerOf } from './tools.ts';
import type { Transcript } from './transcript.ts';
import { hopsOf, speakersOf, type Turn, withJoined } from './turn.ts';
import { countUsage, NO_USAGE, type TurnEnds } from './turn-ends.ts';

/** Lives of the process that may end while they run a message; the next one takes it for their cause. */
const STARTS_MAX = 3;

export interface RunnerParts {
  shared: SessionDependencies;
  events: EventStream;
  transcript: Transcript;
  inbox: Inbox;
  followUps: FollowUps;
  approvals: Approvals;
  persistence: Persistence;
  ends: TurnEnds;
  outgoing: OutgoingAnswers;
  kin: Kin;
  calibration: Calibration;
  compactor: Compactor;
  now(): number;
  /** The agent of the session: one that is configured. */
  agentId(): string;
}

/** What one run is made of. */
interface RunParts {
  tools: ToolView;
  record: RunRecord;
  /** Undefined: it begins anew. */
  resumption: Resumption | undefined;
  /** Whether its model has something from outside before it. */
  taint: Taint;
}

/** Runs the agent on turns, and brings each to its end: on the disk first, then to the subscribers. */
export class Runner {
  readonly #parts: RunnerParts;
  /** The run that is going on. */
  live: LiveRun | undefined;
  /** Made with the first message that something may be recalled for. */
  #recallPace: RecallPace | undefined;
  /** What the last run was given from memory, in tokens. */
  recalledTokens = 0;

  constructor(parts: RunnerParts) {
    this.#parts = parts;
  }

  /** Answers the turn. Throws what is a fault of ours, and the signal's reason when the gateway goes down meanwhile. */
  async run(turn: Turn, session: Session, task: Task): Promise<void> {
    if (!(await this.#mayStart(turn, session))) return;
    const { followUps, persistence, shared, inbox } = this.#parts;
    const id = shared.newId();
    const run = { id, message: turn.message, text: '', inner: new InnerCalls(this.#parts.events, id) };
    this.live = run;
    const until = turn.source?.type === 'task' ? session.spawned?.until : undefined;
    const limit = new TimeLimit(task.signal, until, this.#parts.now());
    const { signal } = limit;
    try {
      const taint = new Taint();
      const tools = this.toolsFor(turn, session, taint);
      const record = this.#recordOf(turn, run.id, tools, taint);
      const anew = turn.starts === undefined && task.attempt === 1;
      const resumption = anew ? undefined : await record.resumption();
      if (turn.followUp === 'collect' && resumption === undefined) {
        turn.joined = [...turn.joined, ...(await followUps.collected(turn, signal))];
      }
      const end = await this.#runAgent(turn, run, { tools, record, resumption, taint }, session, signal);
      if (endedByShutdown(signal)) {
        // In good order: the start does not count.
        await persistence.write((batch) => inbox.put(batch, turn, { starts: turn.starts ?? 0 }));
        throw signal.reason;
      }
      await this.#finish(turn, record, run.id, session, withReason(end, signal), signal);
    } finally {
      limit.dispose();
      this.live = undefined;
    }
  }

  /** Counts the start of a message that an earlier life of the process may have ended with. False: it was one too many. */
  async #mayStart(turn: Turn, session: Session): Promise<boolean> {
    const { ends, inbox, kin, persistence, transcript } = this.#parts;
    if (turn.interrupted || transcript.isReset(turn) || (session.spawned !== undefined && kin.isCalledOff)) {
      await this.#giveUp(turn, session);
      return false;
    }
    if (turn.source?.type === 'task' && session.spawned !== undefined && session.spawned.until <= this.#parts.now()) {
      const error = new DhaavakError('deadline_exceeded', outOfTime().message).toWire();
      await ends.unrun(turn, { status: 'failed', error });
      return false;
    }
    const { starts } = turn;
    if (starts === undefined) return true;
    if (starts >= STARTS_MAX) {
      const error = new DhaavakError('crash_loop', `the gateway ended ${starts} times while it answered this message`);
      await ends.bury(turn, error, starts);
      return false;
    }
    await persistence.write((batch) => inbox.put(batch, turn, { starts: starts + 1 }));
    return true;
  }

  /** Ends a turn that was ended when the process was: what it had begun may have happened. */
  async #giveUp(turn: Turn, session: Session): Promise<void> {
    const { ends, shared } = this.#parts;
    const run = shared.newId();
    const taint = new Taint();
    const record = this.#recordOf(turn, run, this.toolsFor(turn, session, taint), taint);
    if (turn.starts !== undefined) this.#tellUnknown(await record.resumption(), run);
    await ends.unrun(turn, { status: 'cancelled' }, (batch) => record.putRest(batch), run);
  }

  #tellUnknown(resumption: Resumption | undefined, run: string): void {
    for (const { id: call, name } of resumption?.unknown ?? []) {
      const { events } = this.#parts;
      events.publish('tool.end', { run, call, name, output: OUTCOME_UNKNOWN, failed: true, unknown: true });
    }
  }

  #recordOf(turn: Turn, run: string, tools: ToolView, taint: Taint): RunRecord {
    const { events, inbox, persistence, shared, transcript } = this.#parts;
    return new RunRecord(
      {
        store: shared.store,
        session: events.session,
        transcript,
        inbox,
        persistence,
        now: () => this.#parts.now(),
        taint,
        isSafeToRepeat: (call) => tools.isSafeToRepeat(call),
      },
      turn,
      run,
    );
  }

  /** Runs the agent loop on a turn; a model that cannot be used ends the run before it begins. */
  async #runAgent(
    turn: Turn,
    live: LiveRun,
    { tools, record, resumption, taint }: RunParts,
    session: Session,
    signal: AbortSignal,
  ): Promise<RunEnd> {
    const { approvals, calibration, events, followUps, shared, transcript } = this.#parts;
    const { config, models, budgets, workspaces, log } = shared;
    const run = live.id;
    const reference = session.model ?? this.#agent.model ?? null;
    const resumed = resumption !== undefined;
    let line: ModelLine;
    try {
      line = models.line(reference, this.#agent.fallbacks);
    } catch (error) {
      this.#tellStart(withJoined(turn), run, reference ?? 'default', resumed);
      return failedEnd(error);
    }
    this.#tellStart(withJoined(turn), run, line.current.reference, resumed);
    this.#tellUnknown(resumption, run);
    if (line.skipped.length > 0) log.info({ session: events.session, run, skipped: line.skipped }, 'models cool down');
    const system = workspaces.systemPrompt(this.#parts.agentId());
    const recalled = await this.#recall(turn, run, session, signal);
    const history = transcript.before(turn);
    const said = this.#saidIn(turn, resumed);
    if (isHistoryTainted(history)) taint.add();
    taint.look(said);
    taint.look(resumption?.messages ?? []);
    if (withJoined(turn).some(({ source }) => source !== undefined)) taint.add();
    failpoint('model.before');
    const loop = runAgent({
      models: line,
      system: typeof system === 'string' ? system : await system,
      messages: said,
      history,
      recalled: recalled?.text,
      calibration,
      tools,
      thinkingLevel: session.thinkingLevel,
      outputTokensMax: config.models.outputTokensMax,
      turnsMax: config.models.turnsMax,
      stallMs: config.models.stallMs,
      budget: budgets?.ofRun(`${session.channel}:${session.user}`),
      signal,
      watch: live.inner,
      resume: resumption,
      approve: (call, callSignal, grounds) => approvals.ask({ run, message: turn.message }, call, callSignal, grounds),
      steering: () => {
        const steered = followUps.steered(turn);
        this.#tellStart(steered, run, line.current.reference, false);
        if (steered.length > 0) turn.joined = [...turn.joined, ...steered];
        record.steered(steered.length);
        if (steered.some(({ source }) => source !== undefined)) taint.add();
        return steered.map((other) => transcript.messageOf(other));
      },
    });
    return publishRun(events, live, loop, record, signal, shared);
  }

  #tellStart(turns: readonly Turn[], run: string, model: string, resumed: boolean): void {
    for (const { message } of turns) {
      this.#parts.events.publish('run.start', { run, message, model, ...(resumed && { resumed }) });
    }
  }

  /** Writes what the run said, in one commit with the end of its turn, and then tells. */
  async #finish(
    turn: Turn,
    record: RunRecord,
    run: string,
    session: Session,
    end: RunEnd,
    signal: AbortSignal,
  ): Promise<void> {
    const { events, inbox, kin, outgoing, persistence, shared, transcript } = this.#parts;
    const usage = end.usage ?? (await this.#countUsage(turn, end));
    record.close(end);
    session.tokensUsed += usage.inputTokens + usage.outputTokens;
    session.costUsed += usage.cost ?? 0;
    session.lastActive = this.#parts.now();
    const words = outgoing.ofRun(withJoined(turn), end, run, record.entries);
    const related = kin.ofEnd(withJoined(turn), end);
    failpoint('answer.before');
    await persistence.write(
      (batch) => {
        record.putRest(batch);
        words.write(batch);
        related.write(batch);
        inbox.remove(batch, withJoined(turn));
        batch.put(shared.store.sessions, events.session, session);
      },
      endedByShutdown(signal) ? signal : undefined,
    );
    failpoint('answer.after');
    transcript.ended(turn, record.entries);
    if (end.sent !== undefined) {
      this.recalledTokens = end.sent.sizes.memory;
      this.#parts.compactor.afterRun(end.sent);
    }
    words.announce();
    related.announce();
    const { message } = turn;
    if (end.status === 'ok') events.publish('message.outbound', { run, message, ...boundedText(end.text) });
    const error = end.error === undefined ? {} : { error: end.error.toWire() };
    for (const joined of turn.joined) {
      events.publish('run.end', { run, message: joined.message, status: end.status, usage: NO_USAGE, ...error });
    }
    events.publish('run.end', { run, message, status: end.status, usage, ...error });
    if (end.status === 'failed') {
      shared.log.warn({ session: events.session, message, run, error: end.error }, 'run failed');
    }
  }

  #countUsage(turn: Turn, end: RunEnd): Promise<Usage> {
    const sent = end.sent?.messages ?? [];
    return countUsage(this.#parts.shared, turn, [{ text: this.#agent.prompt }, ...sent], end.messages);
  }

  /** What is to be answered. A run that goes on has its joined messages where they came in. */
  #saidIn(turn: Turn, resumed: boolean): ModelMessage[] {
    const said = resumed ? [turn] : withJoined(turn);
    return said.map((one) => this.#parts.transcript.messageOf(one));
  }

  /** What is remembered that may have to do with the turn, where there is anything its model has not before it. */
  async #recall(turn: Turn, run: string, session: Session, signal: AbortSignal): Promise<Recalled | undefined> {
    const { events, shared, transcript } = this.#parts;
    const { memory } = shared;
    if (memory === undefined || session.type === 'sub') return undefined;
    const { channel, type, user } = session;
    const reader = memory.readerOf({ session: session.id, agent: this.#parts.agentId(), type, channel, user });
    const text = withJoined(turn)
      .map((one) => one.text)
      .join('\n');
    const horizon = transcript.horizon(turn);
    if (!memory.recall.mayFind({ reader, text, hasOlder: horizon.hasOlder })) return undefined;
    this.#recallPace ??= new RecallPace();
    if (!this.#recallPace.take(performance.now())) return undefined;
    const recalled = await memory.recall.for({ reader, text, ...horizon, signal });
    if (recalled === undefined) return undefined;
    const entries = recalled.entries.map(({ id, kind, session: key }) => ({ id, kind, session: key }));
    events.publish('memory.recalled', { run, message: turn.message, entries });
    return recalled;
  }

  /** What may be called is looked up each time: with a message that joins the run, its sender's policy counts too. */
  toolsFor(turn: Turn, session: Session, taint = new Taint()): ToolView {
    const { config, tools } = this.#parts.shared;
    const caller = this.#caller(turn, session, taint);
    const view = () => toolsOf(tools, config.agents, session, caller, caller.speakers);
    return {
      get descriptions() {
        return view().descriptions;
      },
      isSafeToRepeat: (call) => view().isSafeToRepeat(call),
      async execute(call, context) {
        const result = await view().execute(call, context);
        if (result.untrusted || isFramed(result.output)) taint.add();
        return result;
      },
    };
  }

  #caller(turn: Turn, session: Session, taint: Taint): ToolCaller {
    const { id, channel, user } = session;
    const { tools, workspaces } = this.#parts.shared;
    const type = policyType(session);
    const agent = this.#parts.agentId();
    const sandboxed = isSandboxed(tools.sandbox(this.#agent, agent).mode, type);
    return {
      session: id,
      agent,
      type,
      channel,
      user,
      workspace: workspaces.folder(agent),
      sandboxed,
      message: turn.message,
      origin: turn.origin,
      get speakers() {
        return [...speakersOf(turn), ...(session.spawned?.speakers ?? []).map(speakerOf)];
      },
      get hops() {
        return hopsOf(withJoined(turn));
      },
      get tainted() {
        return taint.isThere;
      },
    };
  }

  get #agent(): Config['agents'][string] {
    return this.#parts.shared.config.agents[this.#parts.agentId()] as Config['agents'][string];
  }
}
