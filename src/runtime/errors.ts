import { type Address, formatAddress } from './actor.ts';

/**
 * Why the runtime itself refused or aborted something:
 * - `busy`: a limit is reached (mailbox, timers); nothing was accepted.
 * - `full`: as many actors of the kind are in memory as may be, and all of them are at work; nothing was accepted.
 * - `stopped`: the actor crashed too often; it starts again by itself after `retryAfterMs`.
 * - `closed`: the system is draining, or the actor has left memory.
 * - `deadline`: the reason of a task's signal when its time is up.
 */
export type RuntimeErrorCode = 'busy' | 'full' | 'stopped' | 'closed' | 'deadline';

/** The one error class of the runtime. Whatever an actor throws reaches its caller as it was thrown. */
export class RuntimeError extends Error {
  override readonly name = 'RuntimeError';
  readonly code: RuntimeErrorCode;
  /** Milliseconds after which the same call may succeed, where that is known. */
  readonly retryAfterMs: number | undefined;

  constructor(code: RuntimeErrorCode, message: string, retryAfterMs?: number) {
    const { stackTraceLimit } = Error;
    if (code === 'busy' || code === 'full') Error.stackTraceLimit = 0; // under a flood a stack is most of the cost
    super(message);
    Error.stackTraceLimit = stackTraceLimit;
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }
}

export function busy(address: Address, waiting: number): RuntimeError {
  return new RuntimeError('busy', `${formatAddress(address)} has ${waiting} waiting, its limit; nothing was accepted`);
}

export function full({ kind }: Address, activeMax: number): RuntimeError {
  return new RuntimeError('full', `${activeMax} actors of kind ${kind} are at work, the limit; nothing was accepted`);
}

export function stopped(address: Address, retryAfterMs: number): RuntimeError {
  const message = `${formatAddress(address)} crashed too often and starts again in ${retryAfterMs} ms`;
  return new RuntimeError('stopped', message, retryAfterMs);
}

export function closed(address: Address): RuntimeError {
  return new RuntimeError('closed', `the system is draining; ${formatAddress(address)} takes nothing new`);
}
