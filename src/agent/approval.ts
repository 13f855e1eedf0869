import type { ToolCall } from './provider.ts';

/** What an operator says of a tool call. */
export type Verdict = { allowed: true } | { allowed: false; reason: string };

/** Asks an operator whether a call may be made. Never rejects; no answer is no. */
export type Approve = (call: ToolCall, signal: AbortSignal) => Promise<Verdict>;
