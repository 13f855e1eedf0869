import type { Grounds, Verdict } from '../../src/agent/approval.ts';
import type { ToolCall } from '../../src/agent/provider.ts';
import { DhaavakError } from '../../src/protocol/errors.ts';
import type { ApprovalInfo, PendingApproval } from '../../src/protocol/messages.ts';
import type { ActorContext } from '../../src/runtime/actor.ts';
import type { Decision } from '../../src/storage/approvals.ts';
import { boundedInput } from './bounds.ts';
import type { SessionDependencies } from './dependencies.ts';
import type { EventStream } from './event-stream.ts';
import { endedByShutdown } from './run-end.ts';
import type { Turn } from './turn.ts';

/** Longest input that is kept with what was decided, in UTF-16 code units of JSON: the transcript has all of it. */
const KEPT_INPUT_LENGTH_MAX = 4_096;

/** Who decided, and where: see `decision` in the protocol's shapes. */
export interface Decider {
  by?: string | undefined;
  via?: string | undefined;
}

interface Waiting {
  asked: ApprovalInfo;
  /** The first one counts, and is never taken back but for a disk that did not take it. */
  decision: Decision | undefined;
  /** Resolves with what became of it once that is on the disk. */
  decided: PromiseWithResolvers<Decision>;
}

export interface ApprovalParts {
  context: ActorContext<Turn>;
  events: EventStream;
  shared: SessionDependencies;
}

/**
 * Tool calls of this session that wait for an operator. They wait beside the lane's control messages, so that an answer
 * is heard while the run it is for is going on; nobody's silence means yes. A yes is on the disk before the call is made:
 * after a crash a call that has none was not made, and is asked about anew.
 */
export class Approvals {
  readonly #parts: ApprovalParts;
  /** Made with the first one: few sessions ever have any. */
  #waiting: Map<string, Waiting> | undefined;

  constructor(parts: ApprovalParts) {
    this.#parts = parts;
  }

  /** Those that wait, oldest first. */
  get pending(): PendingApproval[] {
    const waiting = [...(this.#waiting?.values() ?? [])].filter(({ decision }) => decision === undefined);
    return waiting.map(({ asked }) => pendingOf(asked));
  }

  /** Resolves with what an operator says of the call, or with no when time or the run is over. Never rejects. */
  async ask(
    { run, message }: { run: string; message: string },
    { id: call, name, input }: ToolCall,
    signal: AbortSignal,
    { rule, bound }: Grounds,
  ): Promise<Verdict> {
    const { context, events, shared } = this.#parts;
    const { store } = shared;
    const { approvalTimeoutMs: timeoutMs } = shared.config.tools;
    const askedAt = context.clock.now();
    const asked: ApprovalInfo = {
      approval: shared.newId(),
      session: events.session,
      message,
      run,
      call,
      name,
      input: boundedInput(input),
      rule,
      ...(Object.keys(bound).length > 0 ? { bound } : {}),
      askedAt,
      expiresAt: askedAt + timeoutMs,
    };
    const waiting: Waiting = { asked, decision: undefined, decided: Promise.withResolvers() };
    try {
      await store.journal.commit((batch) => store.approvals.ask(batch, kept(asked)));
    } catch {
      return { allowed: false, reason: 'that an operator is asked could not be written down' };
    }
    this.#waiting ??= new Map();
    this.#waiting.set(asked.approval, waiting);
    const timer = context.timers.after(timeoutMs, () => {
      void this.#settle(waiting, 'nobody approved it in time');
    });
    const onAbort = () => void this.#settle(waiting, 'the run ended first', signal);
    signal.addEventListener('abort', onAbort, { once: true });
    events.publish('approval.requested', pendingOf(asked));
    if (signal.aborted) onAbort();
    const { at: _, ...decision } = await waiting.decided.promise;
    timer.cancel();
    signal.removeEventListener('abort', onAbort);
    this.#waiting.delete(asked.approval);
    events.publish('approval.resolved', { approval: asked.approval, ...decision });
    const { allowed, reason = 'it was refused', by } = decision;
    const who = by === undefined ? {} : { by };
    return allowed ? { allowed, ...who } : { allowed, reason, ...who };
  }

  /**
   * An operator's answer to `approval`, or where that is undefined to the only one that waits; resolves when it is on the
   * disk. Throws `not_found`, `conflict` with who was first, `storage_failed`, and `invalid_request` when it is not clear
   * which is meant.
   */
  async resolve(approval: string | undefined, allowed: boolean, decider: Decider = {}): Promise<PendingApproval> {
    const open = this.pending;
    if (approval === undefined && open.length > 1) {
      throw new DhaavakError('invalid_request', `${open.length} calls wait for approval: say which`, {
        param: 'data.approval',
      });
    }
    const id = approval ?? open[0]?.approval;
    const waiting = id === undefined ? undefined : this.#waiting?.get(id);
    if (waiting === undefined || waiting.decision !== undefined) throw this.#tooLate(id, waiting?.decision);
    const decision = await this.#settle(waiting, allowed ? undefined : 'an operator refused it', undefined, decider);
    if (decision.allowed !== allowed)
      throw new DhaavakError('storage_failed', `the call is not made: ${decision.reason}`);
    return pendingOf(waiting.asked);
  }

  /** Decides, where nobody has: no for the reason that is given, else yes. Resolves with what it came to. */
  #settle(waiting: Waiting, reason?: string, ended?: AbortSignal, decider: Decider = {}): Promise<Decision> {
    const { decided, decision } = waiting;
    if (decision === undefined) {
      const no = reason === undefined ? {} : { reason };
      const at = this.#parts.context.clock.now();
      waiting.decision = { allowed: reason === undefined, at, ...named(decider), ...no };
      void this.#write(waiting, waiting.decision, ended).then(decided.resolve);
    }
    return decided.promise;
  }

  /** Never rejects: a yes that the disk did not take is a no. */
  async #write({ asked }: Waiting, decision: Decision, ended: AbortSignal | undefined): Promise<Decision> {
    const { store } = this.#parts.shared;
    // The run goes on after the start, and asks anew: see run-record.ts.
    if (ended !== undefined && endedByShutdown(ended)) return decision;
    try {
      await store.journal.commit((batch) => store.approvals.decide(batch, kept(asked), decision));
      return decision;
    } catch {
      if (!decision.allowed) return decision;
      return { allowed: false, at: decision.at, reason: 'the approval could not be written down' };
    }
  }

  #tooLate(approval: string | undefined, known: Decision | undefined): DhaavakError {
    const { events, shared } = this.#parts;
    const record = approval === undefined ? undefined : shared.store.approvals.find(events.session, approval);
    const decision = known ?? record?.decision;
    const param = 'data.approval';
    if (decision !== undefined) return new DhaavakError('conflict', `too late: ${inWords(decision)}`, { param });
    const lost = record === undefined ? '' : ': the gateway was started again, and asks anew when the run goes on';
    return new DhaavakError('not_found', `no such tool call waits for approval in this session${lost}`, { param });
  }
}

/** `it was approved by Asha Rao (telegram:1001)`. */
function inWords({ allowed, by, via, reason }: Decision): string {
  const who = [by, via === undefined ? undefined : `(${via})`].filter((part) => part !== undefined).join(' ');
  if (allowed) return `it was approved by ${who || 'an operator'}`;
  return who === '' ? `it was refused: ${reason}` : `it was refused by ${who}`;
}

function pendingOf({
  session: _,
  message: __,
  askedAt: ___,
  decision: ____,
  ...pending
}: ApprovalInfo): PendingApproval {
  return pending;
}

/** As it stands in the store. */
function kept(asked: ApprovalInfo): ApprovalInfo {
  return { ...asked, input: boundedInput(asked.input, KEPT_INPUT_LENGTH_MAX) };
}

function named({ by, via }: Decider): Pick<Decision, 'by' | 'via'> {
  return { ...(by === undefined ? {} : { by }), ...(via === undefined ? {} : { via }) };
}
