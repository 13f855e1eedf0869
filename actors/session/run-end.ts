/** How runs end. */
import type { RunEnd } from '../../src/agent/loop.ts';
import { DhaavakError } from '../../src/protocol/errors.ts';
import { RuntimeError } from '../../src/runtime/errors.ts';

/** Whether the gateway is going down and ended the run before its time: the turn is not over, it runs after the start. */
export function endedByShutdown({ reason }: AbortSignal): boolean {
  return reason instanceof RuntimeError && reason.code === 'closed';
}

/** Tells a run that ran out of time from one that somebody cancelled: both end by their signal. */
export function withReason(end: RunEnd, { reason }: AbortSignal): RunEnd {
  if (end.status !== 'cancelled' || !(reason instanceof RuntimeError)) return end;
  return { ...end, status: 'failed', error: new DhaavakError('deadline_exceeded', reason.message) };
}

/** The end of a run that could not begin, for a reason its user may know. Throws any other. */
export function failedEnd(error: unknown): RunEnd {
  if (!(error instanceof DhaavakError)) throw error;
  return { type: 'end', status: 'failed', messages: [], text: '', usage: { inputTokens: 0, outputTokens: 0 }, error };
}
