/** What a tool is. A new one is a file in `builtin/` and a line in the list of `builtin/builtin.ts`. */
import type { z } from 'zod';
import type { Approve } from '../agent/approval.ts';
import type { ModelMessage, ToolCall, ToolDescription } from '../agent/provider.ts';
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
  /** People on channels whose policy counts, besides that of the session. */
  readonly speakers: readonly { channel: string; user: string }[];
  /** How many sessions have handed on what the messages that are answered are about. */
  readonly hops: number;
  /** Whether the run has something from outside before it. */
  readonly tainted: boolean;
}

/** What a call may use of the run that makes it. */
export interface CallContext {
  /** Aborts with the run. A handler that waits for anything passes it on; the run does not wait for one that won't. */
  signal: AbortSignal;
  /** Asks an operator; undefined: there is none to ask, which is a no. */
  approve?: Approve | undefined;
  /** What the model was shown before it made the call; undefined: nothing. */
  shown?: (() => readonly ModelMessage[]) | undefined;
  /** Is told of calls that are made by a call. */
  watch?: CallWatch | undefined;
  /** Addresses that were found on the web by the program that makes the call. */
  found?: ReadonlySet<string> | undefined;
}

/** Looks on while a call makes others; `parent` is its id. */
export interface CallWatch {
  started(call: ToolCall, parent: string): void;
  ended(call: ToolCall, parent: string, result: TypedResult): void;
}

/** The same, and whose call it is. */
export interface CallerContext extends CallContext {
  caller: ToolCaller;
}

export interface ToolContext extends CallerContext {
  /** The id of this call, as the model's API named it: unique within one answer of the model. */
  call: string;
  /** The same as of its caller, with what the call it is made from within has come by, where a program makes it. */
  readonly tainted: boolean;
  /** For a tool that has {@link Tool.over}: the names of those it may call. */
  others: readonly string[];
  /**
   * Makes a call of another tool that the same session may call, with all that comes of a call of the model: policy,
   * approval, check of the input, limit of the output. Tools that have {@link Tool.over} are not among them. Never rejects.
   */
  callTool(call: ToolCall, context: CallContext): Promise<TypedResult>;
}

/** What came of a call, for a tool that has made it. */
export interface TypedResult {
  output: string;
  failed: boolean;
  /** The output is JSON of a value: all of it, or its beginning. Undefined: it is text. */
  json?: 'whole' | 'cut';
  /** It comes from outside, or may have something of it: a model is given it between marks (`untrusted.ts`). */
  untrusted?: true;
}

/** What a tool that calls others is told of each. */
export interface OtherTool extends ToolDescription {
  safeToRepeat: boolean;
  returns: string | undefined;
}

export interface Tool<Input = unknown> {
  /** Lower-case words with dots: `time.now`. */
  name: string;
  /**
   * What kind of thing it touches, a lower-case word: `files`, `web`, `exec`, `code`, `browser`, `sessions`, `message`,
   * `schedule`, `memory`, `time`, `math`, `mcp`. The configuration names all tools of a group as `group:files`.
   */
  group: string;
  /** For the model: what it does, when to use it, what it returns. */
  description: string;
  input: z.ZodType<Input>;
  /** JSON Schema of the input for the model, an object; default: made of `input`. */
  inputSchema?: Record<string, unknown>;
  /** Of a call of which {@link riskOf} does not say more. `forbid` is final: no rule lowers it. */
  risk: ToolRisk;
  /** The risk of this one call, where it depends on the input. Must not wait for anything; what it throws refuses the call. */
  riskOf?(input: Input, context: CallerContext): ToolRisk;
  /**
   * What an approval of the call is bound to besides its input, by name: `{ cwd: '/work', 'sha256 of run.sh': '9f…' }`. Asked
   * before an operator is, who sees it, and again right before the call is made: where it has changed, the call is
   * refused. Asked only for calls that need an approval. What it throws refuses the call. At most 16 facts of 256 characters.
   * A moment is left between the second look and the call: where it matters, the handler looks again at what it opened.
   */
  binding?(input: Input, context: CallerContext): Promise<Record<string, string>>;
  /** True: calling it twice does no harm, so after a crash a call without a known outcome is simply made again. */
  safeToRepeat: boolean;
  /**
   * True: what it returns comes from outside and may say anything. The model is given it between marks (`untrusted.ts`). What it
   * throws is not marked unless it is an `UntrustedError`: that is in its own words. Of a tool of which only some results come
   * from there, those are an `UntrustedResult`.
   */
  untrusted?: boolean;
  /** Why it cannot be called on this gateway, and what to do about it: it is not offered to models then. */
  unavailable?: string;
  /** A string is given to the model as it is, anything else as JSON. What is thrown becomes a failed result. */
  handler(input: Input, context: ToolContext): unknown;
  /** The session is deleted: what the tool keeps for it (processes, pages) ends. */
  sessionEnded?(session: string): void | Promise<void>;
  /** The shard ends: what the tool keeps for any session ends, and nothing is called any more. Never rejects. */
  close?(): Promise<void>;
  /** Its result as a TypeScript type, for programs of the `code` tool; default: `unknown`. A tool that gives text: `string`. */
  returns?: string;
  /** For a tool that calls others: what it is where it may call `others`. */
  over?(others: readonly OtherTool[]): { description: string; safeToRepeat: boolean; instead: boolean };
}

/** Where tools come from that are not always there: a server of tools. The configuration may name what it has not yet. */
export interface ToolSource {
  /** Its tools' names begin with this, which ends with a dot. No other source's prefix begins with it. */
  prefix: string;
  /** What it is and how it is now, for a model that calls the tool `name` of it, which is not there. */
  state(name: string): string;
}

/** A {@link Tool} with its input typed by its schema. */
export function defineTool<Input>(tool: Tool<Input>): Tool {
  // The registry parses every input with `tool.input` before it calls the handler, so the handler's type holds.
  return tool as Tool;
}
