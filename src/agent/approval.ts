import type { ToolCall } from './provider.ts';

/** What an operator says of a tool call; `by`: their name, where it is known. */
export type Verdict = { allowed: true; by?: string } | { allowed: false; reason: string; by?: string };

/** What an operator is shown besides the call. */
export interface Grounds {
  /** Which rule asks: a key of the configuration, or `the tool itself`. */
  rule: string;
  /** What must be the same when the call is made: see `Tool.binding`. */
  bound: Readonly<Record<string, string>>;
}

/** Asks an operator whether a call may be made. Never rejects; no answer is no. */
export type Approve = (call: ToolCall, signal: AbortSignal, grounds: Grounds) => Promise<Verdict>;
