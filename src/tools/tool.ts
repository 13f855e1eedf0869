/** What a tool is. A new one is a file in `builtin/` and a line in the list of `builtin/builtin.ts`. */
import type { z } from 'zod';
import type { Approve } from '../agent/approval.ts';
import type { MessageOrigin, RootType } from '../protocol/messages.ts';

/** `safe` runs at once; `ask` needs an operator's approval; `forbid` is registered but never run. */
export type ToolRisk = 'safe' | 'ask' | 'forbid';

/** Whose calls they are: a session's. */
export interface ToolCaller {
  /** Its key, and what that says. */
  session: string;
  agent: string;
  /** Of a sub-agent that of the session at the top. */
  type: RootType;
  channel: string;
  user: string;
  /** The agent's folder: an absolute path. It need not be there yet. */
  workspace: string;
  /**
   * Whether the session is to be kept in a sandbox: a tool that runs programs runs them in one or not at all. What the
   * sandbox mode says of the session, see `policy.ts`.
   */
  sandboxed: boolean;
  /** The message that is answered. After a crash it is the same, which the run is not. */
  message: string;
  /** The chat it came from; undefined: no channel brought it. */
  origin: MessageOrigin | undefined;
  /** How many sessions have handed on what the messages that are answered are about. */
  readonly hops: number;
}

/** What a call may use of the run that makes it. */
export interface CallContext {
  /** Aborts with the run. A handler that waits for anything passes it on; the run does not wait for one that won't. */
  signal: AbortSignal;
  /** Asks an operator; undefined: there is none to ask, which is a no. */
  approve?: Approve | undefined;
}

export interface ToolContext extends CallContext {
  caller: ToolCaller;
  /** The call's id, as the model's API named it: unique within one answer of the model. */
  call: string;
}

export interface Tool<Input = unknown> {
  /** Lower-case words with dots: `time.now`. */
  name: string;
  /**
   * What kind of thing it touches, a lower-case word: `files`, `web`, `exec`, `code`, `browser`, `sessions`, `message`,
   * `schedule`, `memory`, `time`, `math`. The configuration names all tools of a group as `group:files`.
   */
  group: string;
  /** For the model: what it does, when to use it, what it returns. */
  description: string;
  input: z.ZodType<Input>;
  /** Of a call of which {@link riskOf} does not say more. `forbid` is final: no rule lowers it. */
  risk: ToolRisk;
  /** The risk of this one call, where it depends on the input. Must not wait for anything; what it throws refuses the call. */
  riskOf?(input: Input, context: ToolContext): ToolRisk;
  /**
   * What an approval of the call is bound to besides its input, by name: `{ cwd: '/work', 'sha256 of run.sh': '9f…' }`. Asked
   * before an operator is, who sees it, and again right before the call is made: where it has changed, the call is
   * refused. Asked only for calls that need an approval. What it throws refuses the call. At most 16 facts of 256 characters.
   */
  binding?(input: Input, context: ToolContext): Promise<Record<string, string>>;
  /** True: calling it twice does no harm, so after a crash a call without a known outcome is simply made again. */
  safeToRepeat: boolean;
  /** A string is given to the model as it is, anything else as JSON. What is thrown becomes a failed result. */
  handler(input: Input, context: ToolContext): unknown;
}

/** A {@link Tool} with its input typed by its schema. */
export function defineTool<Input>(tool: Tool<Input>): Tool {
  // The registry parses every input with `tool.input` before it calls the handler, so the handler's type holds.
  return tool as Tool;
}
