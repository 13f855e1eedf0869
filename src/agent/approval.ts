import type { ToolCall } from './provider.ts';

/** What an operator says of a tool call; `by`: their name, where it is known. */
export type Verdict = { allowed: true; by?: string } | { allowed: false; reason: string; by?: string };

/** Asks an operator whether a call may be made. Never rejects; no answer is no. */
export type Approve = (call: ToolCall, signal: AbortSignal) => Promise<Verdict>;
