import type { Verdict } from '../../src/agent/approval.ts';
import type { ToolCall } from '../../src/agent/provider.ts';
import { DhaavakError } from '../../src/protocol/errors.ts';
import type { PendingApproval } from '../../src/protocol/messages.ts';
import type { ActorContext } from '../../src/runtime/actor.ts';
import { boundedInput } from './bounds.ts';
import type { SessionDependencies } from './dependencies.ts';
import type { EventStream } from './event-stream.ts';
import type { Turn } from './turn.ts';

interface Waiting {
  approval: PendingApproval;
  decide(verdict: Verdict): void;
}

export interface ApprovalParts {
  context: ActorContext<Turn>;
  events: EventStream;
  shared: SessionDependencies;
}

/**
 * Tool calls of this session that wait for an operator. They wait beside the lane's control messages, so that an answer
 * is heard while the run it is for is going on; nobody's silence means yes.
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
    return [...(this.#waiting?.values() ?? [])].map(({ approval }) => approval);
  }

  /** Resolves with what an operator says of the call, or with no when time or the run is over. Never rejects. */
  async ask(run: string, { id: call, name, input }: ToolCall, signal: AbortSignal): Promise<Verdict> {
    const { context, events, shared } = this.#parts;
    const { approvalTimeoutMs: timeoutMs } = shared.config.tools;
    const approval: PendingApproval = {
      approval: shared.newId(),
      run,
      call,
      name,
      input: boundedInput(input),
      expiresAt: context.clock.now() + timeoutMs,
    };
    const { promise, resolve: decide } = Promise.withResolvers<Verdict>();
    this.#waiting ??= new Map();
    this.#waiting.set(approval.approval, { approval, decide });
    const timer = context.timers.after(timeoutMs, () =>
      decide({ allowed: false, reason: 'nobody approved it in time' }),
    );
    const onAbort = () => decide({ allowed: false, reason: 'the run ended first' });
    signal.addEventListener('abort', onAbort, { once: true });
    events.publish('approval.requested', approval);
    const verdict = await promise;
    timer.cancel();
    signal.removeEventListener('abort', onAbort);
    this.#waiting.delete(approval.approval);
    events.publish('approval.resolved', { approval: approval.approval, ...verdict });
    return verdict;
  }

  /**
   * An operator's answer to `approval`, or where that is undefined to the only one that waits. Throws `not_found`, and
   * `invalid_request` when it is not clear which.
   */
  resolve(approval: string | undefined, allowed: boolean, by?: string): PendingApproval {
    const all = [...(this.#waiting?.values() ?? [])];
    if (approval === undefined && all.length > 1) {
      throw new DhaavakError('invalid_request', `${all.length} calls wait for approval: say which`, {
        param: 'data.approval',
      });
    }
    const waiting = approval === undefined ? all[0] : this.#waiting?.get(approval);
    if (waiting === undefined) {
      throw new DhaavakError('not_found', 'no such tool call waits for approval in this session', {
        param: 'data.approval',
      });
    }
    const who = by === undefined ? {} : { by };
    waiting.decide(allowed ? { allowed, ...who } : { allowed, reason: 'an operator refused it', ...who });
    return waiting.approval;
  }
}
