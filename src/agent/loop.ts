/**
 * The agent loop: context → model stream → tool calls → … → answer. What it yields:
 *
 * ```
 * runAgent
 * ├─ trimmed?                   the model refused the request for its length: it is asked again with less
 * ├─ model?                     the model failed before it said anything: another is asked, see failover.ts
 * ├─ text*                      pieces of the model's text, as they arrive
 * ├─ calls toolStart+ toolEnd+  all calls of one turn, in parallel; then the model is asked again
 * └─ end                        exactly one, last, whatever happened
 * ```
 */
import { DhaavakError } from '../protocol/errors.ts';
import type { RunStatus, ThinkingLevel, Usage } from '../protocol/messages.ts';
import type { ToolResult, ToolView } from '../tools/registry.ts';
import type { CallWatch } from '../tools/tool.ts';
import type { Approve } from './approval.ts';
import type { Trimmed } from './assembly.ts';
import type { RunBudget } from './budget.ts';
import { Calibration } from './calibration.ts';
import type { History } from './context.ts';
import type { ModelLine } from './failover.ts';
import { withImages } from './images.ts';
import { Interrupt } from './interrupt.ts';
import { ContextOverflow } from './overflow.ts';
import { Packer, type SentContext } from './packer.ts';
import type { Echo, EndReason, ModelEvent, ModelMessage, ToolCall } from './provider.ts';
import type { Resumption } from './resume.ts';
import { costOf, RunUsage } from './usage.ts';

export interface RunOptions {
  /** Who is asked, one after the other while they fail. */
  models: ModelLine;
  system: string;
  /** What is to be answered: the user's message, or several. Never cut. */
  messages: readonly ModelMessage[];
  /** What was said before: as much of it is sent as fits. */
  history?: History | undefined;
  /** Recalled from memory, for what is to be answered: a text of bounded size, sent right before that. */
  recalled?: string | undefined;
  /** What is known of the models' tokens; told more with every answer. */
  calibration?: Calibration | undefined;
  tools: ToolView;
  thinkingLevel: ThinkingLevel;
  /** In each turn. */
  outputTokensMax: number;
  /** How often the model may be asked. */
  turnsMax: number;
  /** Longest silence of the model, in milliseconds. */
  stallMs: number;
  /** Undefined: none, every request may be made. */
  budget?: RunBudget | undefined;
  /** Cancels the run, at any point and at once. */
  signal: AbortSignal;
  /** What the user has said since; asked when tools have run and the model is about to be called again. */
  steering?(): readonly ModelMessage[];
  /** Asks an operator about a tool call that needs it; undefined: such calls are refused. */
  approve?: Approve | undefined;
  /** Is told of calls that tools make. */
  watch?: CallWatch | undefined;
  /** Where an earlier attempt at this run was cut short: it goes on from there. */
  resume?: Resumption | undefined;
}

export type RunEvent =
  | { type: 'text'; text: string }
  /** `reference` is asked from now on: the model before it failed with `error`. */
  | { type: 'model'; reference: string; error: DhaavakError }
  /** `reference` has refused the request with `error`: it is asked again with less. */
  | { type: 'trimmed'; reference: string; error: DhaavakError; trimmed: Trimmed }
  /** None of the calls is made before the consumer has asked for more: it can write down what is about to happen. */
  | { type: 'calls'; text: string; calls: readonly ToolCall[] }
  | { type: 'toolStart'; call: ToolCall }
  /** `untrusted`: the output came from outside. */
  | { type: 'toolEnd'; call: ToolCall; output: string; failed: boolean; untrusted?: true }
  | RunEnd;

export interface RunEnd {
  type: 'end';
  status: RunStatus;
  /**
   * Everything the run added, what it was resumed with and the user's messages that came in between included. Each tool
   * call is followed by its result, also when the run did not get that far.
   */
  messages: ModelMessage[];
  /** What the model wrote in its last turn: the answer, or as much of it as there is. */
  text: string;
  /** Of all turns together. Null when the API left out that of a turn: then the caller counts. */
  usage: Usage | null;
  /** The last request that was made, in estimated tokens; undefined: none was. */
  sent?: SentContext | undefined;
  /** Unless `status` is `ok`. */
  error?: DhaavakError;
}

/** How often in a run a request that was refused for its length is made again with less. */
const TRIMS_MAX = 4;

/** The answer to one request to the model, as far as it came. */
interface Answer {
  text: string;
  toolCalls: ToolCall[];
  /** Null until the answer is whole. */
  reason: EndReason | null;
  usage: Usage | null;
  echo: Echo | undefined;
}

const NOTHING_USED: Usage = { inputTokens: 0, outputTokens: 0 };
const NOT_CALLED: ToolResult = { output: 'The run ended before this call was made.', failed: true };
const UNKNOWN: ToolResult = { output: 'The run ended before this call did: its outcome is unknown.', failed: true };

/**
 * Answers the last of `options.messages`. Does not throw: how it ended is in the `end` event. Whoever stops iterating
 * early stops the run. Nothing outlives it but a tool or provider that ignores its signal.
 */
export async function* runAgent(options: RunOptions): AsyncGenerator<RunEvent, void, undefined> {
  const run = new Run(options);
  try {
    yield* run.turns();
    yield run.end('ok');
  } catch (error) {
    yield run.end(run.interrupt.cancelled ? 'cancelled' : 'failed', error);
  } finally {
    run.interrupt.dispose();
  }
}

class Run {
  readonly interrupt: Interrupt;
  readonly #options: RunOptions;
  #added: ModelMessage[] = [];
  #thinkingLevel: ThinkingLevel;
  #text = '';
  #trims = 0;
  #sent: SentContext | undefined;
  readonly #packer: Packer;
  readonly #usage = new RunUsage();

  constructor(options: RunOptions) {
    this.#options = options;
    this.#thinkingLevel = options.thinkingLevel;
    this.#packer = new Packer(options, options.calibration ?? new Calibration());
    if (options.resume !== undefined) {
      this.#added = [...options.resume.messages];
      this.#forgetEchoes();
    }
    this.interrupt = new Interrupt(options.signal, options.stallMs);
  }

  /** Asks the model until it calls no more tools. Throws what ends the run early. */
  async *turns(): AsyncGenerator<RunEvent, void, undefined> {
    const { resume, turnsMax } = this.#options;
    if (resume !== undefined) yield* this.#resume(resume);
    const turnsBefore = this.#added.filter(({ role }) => role === 'assistant').length;
    for (let turn = turnsBefore + 1; ; turn += 1) {
      const answer: Answer = { text: '', toolCalls: [], reason: null, usage: null, echo: undefined };
      try {
        yield* this.#ask(answer);
        if (answer.reason === 'refused') throw new DhaavakError('model_rejected', 'the model declined to answer');
        if (answer.toolCalls.length > 0 && turn >= turnsMax) {
          throw new DhaavakError('model_limit', `the run reached its limit of ${turnsMax} model turns`);
        }
      } catch (error) {
        // Calls that are not going to be made need no results: they are left out.
        this.#keep({ ...answer, toolCalls: [], echo: undefined });
        throw error;
      }
      this.#keep(answer);
      if (answer.toolCalls.length === 0) return;
      yield { type: 'calls', text: answer.text, calls: answer.toolCalls };
      yield* this.#call(answer.toolCalls);
      this.#added.push(...(this.#options.steering?.() ?? []));
    }
  }

  /** Makes the calls again that may be, and takes in what the user had said by then. */
  async *#resume({ calls, said }: Resumption): AsyncGenerator<RunEvent, void, undefined> {
    if (calls.length > 0) yield* this.#call(calls);
    this.#added.push(...said, ...(this.#options.steering?.() ?? []));
  }

  end(status: RunStatus, thrown?: unknown): RunEnd {
    const usage = this.#usage.total;
    const end = { type: 'end' as const, status, messages: this.#added, text: this.#text, usage, sent: this.#sent };
    return status === 'ok' ? end : { ...end, error: runError(status, thrown) };
  }

  /** Fills `answer` as it arrives, from the first model in line that says anything. */
  async *#ask(answer: Answer): AsyncGenerator<RunEvent, void, undefined> {
    const { models } = this.#options;
    for (;;) {
      try {
        yield* this.#attempt(answer);
        models.succeeded();
        return;
      } catch (error) {
        if (this.interrupt.cancelled) throw error;
        const overflow = error instanceof ContextOverflow;
        if (overflow && answer.text === '' && this.#trim(error)) {
          answer.toolCalls = [];
          const { trimmed } = this.#sent as SentContext;
          yield { type: 'trimmed', reference: models.current.reference, error, trimmed };
          continue;
        }
        // One with a larger window may take it; its failure says nothing about the model.
        if (!(overflow || models.failed(error)) || answer.text !== '' || !models.next()) throw error;
        answer.toolCalls = [];
        this.#forgetEchoes();
        yield { type: 'model', reference: models.current.reference, error: error as DhaavakError };
      }
    }
  }

  /** Whether there is less to be sent, after a request that was too long for its model. */
  #trim(error: ContextOverflow): boolean {
    if (error.refused === undefined || this.#sent === undefined || this.#trims >= TRIMS_MAX) return false;
    this.#trims += 1;
    const before = this.#sent;
    this.#packer.refused(before, error.refused);
    try {
      this.#sent = this.#packer.pack(this.#options.models.current, this.#added, this.#thinkingLevel);
    } catch {
      return false;
    }
    return this.#sent.tokens < before.tokens || this.#sent.answerTokens < before.answerTokens;
  }

  /**
   * Another model cannot read what the one before signed; and one that thinks wants its own thoughts before the calls
   * it answers, so the rest of a run that has made some goes without.
   */
  #forgetEchoes(): void {
    if (this.#added.length === 0) return;
    this.#thinkingLevel = 'off';
    this.#added = this.#added.map((message) => {
      if (message.role !== 'assistant') return message;
      const { echo: _, ...rest } = message;
      return rest;
    });
  }

  /** Sends one request to the current model. */
  async *#attempt(answer: Answer): AsyncGenerator<RunEvent, void, undefined> {
    const { models, system, budget } = this.#options;
    const { provider, name: model } = models.current;
    const thinkingLevel = this.#thinkingLevel;
    this.interrupt.check();
    const sent = this.#packer.pack(models.current, this.#added, thinkingLevel);
    this.#sent = sent;
    const { messages, tools, answerTokens: outputTokensMax } = sent;
    if (budget) await budget.admit(models.current, this.interrupt.signal);
    const events = provider
      .stream(
        { model, system, messages: withImages(messages), tools, thinkingLevel, outputTokensMax },
        this.interrupt.signal,
      )
      [Symbol.asyncIterator]();
    try {
      while (answer.reason === null) {
        const { done, value: event } = await this.interrupt.waitForModel(events.next());
        if (done) throw new DhaavakError('internal', `the provider ${provider.name} ended without saying how`);
        if (event.type === 'text') {
          answer.text += event.text;
          yield event;
        } else {
          take(answer, event);
        }
      }
    } finally {
      if (answer.usage !== null && !answer.usage.estimated) this.#packer.learn(sent, answer.usage.inputTokens);
      // Not awaited: a provider that ignores its signal would hold up the end of the run.
      events.return?.().catch(() => undefined);
      if (budget) {
        const usage = brought(answer) ? answer.usage : NOTHING_USED;
        const used = usage ?? { inputTokens: sent.tokens, outputTokens: Math.ceil(answer.text.length / 4) };
        budget.settle(used.inputTokens + used.outputTokens, costOf(used, models.current.price) ?? 0);
      }
    }
  }

  #keep(answer: Answer): void {
    const { text, toolCalls, usage, echo } = answer;
    this.#text = text;
    if (text !== '' || toolCalls.length > 0) {
      this.#added.push({ role: 'assistant', text, toolCalls, ...(echo ? { echo } : {}) });
    }
    if (!brought(answer)) return;
    this.#usage.add(usage, this.#options.models.current.price);
  }

  /** Makes the calls of one answer, all at once, and adds their results in the order of the calls. */
  async *#call(calls: readonly ToolCall[]): AsyncGenerator<RunEvent, void, undefined> {
    const results = new Map<ToolCall, ToolResult>();
    const running = new Map<ToolCall, Promise<{ call: ToolCall; result: ToolResult }>>();
    try {
      for (const call of calls) yield { type: 'toolStart', call };
      this.interrupt.check();
      for (const call of calls) running.set(call, this.#execute(call));
      while (running.size > 0) {
        const { call, result } = await this.interrupt.wait(Promise.race(running.values()));
        running.delete(call);
        results.set(call, result);
        yield { type: 'toolEnd', call, ...result };
      }
    } catch (error) {
      for (const call of calls) {
        if (results.has(call)) continue;
        const result = running.has(call) ? UNKNOWN : NOT_CALLED;
        results.set(call, result);
        yield { type: 'toolEnd', call, ...result };
      }
      throw error;
    } finally {
      for (const call of calls) this.#added.push(resultMessage(call, results.get(call) ?? UNKNOWN));
      // Still running here only when the consumer has stopped iterating.
      if (running.size > 0) this.interrupt.abort(new DhaavakError('cancelled', 'the run was abandoned'));
    }
  }

  /** All of it, also what did not fit into the last request: what a model has read once may still speak through it. */
  #shown(): ModelMessage[] {
    const { history, messages } = this.#options;
    const past = [history?.summary, ...(history?.turns ?? [])].flatMap((turn) => turn?.messages ?? []);
    return [...past, ...messages, ...this.#added];
  }

  async #execute(call: ToolCall): Promise<{ call: ToolCall; result: ToolResult }> {
    const context = {
      signal: this.interrupt.signal,
      approve: this.#options.approve,
      shown: () => this.#shown(),
      watch: this.#options.watch,
    };
    return { call, result: await this.#options.tools.execute(call, context) };
  }
}

function take(answer: Answer, event: Exclude<ModelEvent, { type: 'text' }>): void {
  if (event.type === 'toolCall') {
    answer.toolCalls.push(event.call);
    return;
  }
  answer.reason = event.reason;
  answer.usage = event.usage;
  answer.echo = event.echo;
}

/** A request that failed before it brought anything was not charged. */
function brought({ usage, text, reason }: Answer): boolean {
  return usage !== null || text !== '' || reason !== null;
}

function resultMessage(call: ToolCall, { output, failed }: ToolResult): ModelMessage {
  return { role: 'tool', call: call.id, name: call.name, text: output, failed };
}

function runError(status: RunStatus, thrown: unknown): DhaavakError {
  if (status === 'cancelled') {
    return thrown instanceof DhaavakError && thrown.code === 'cancelled'
      ? thrown
      : new DhaavakError('cancelled', 'the run was cancelled', { cause: thrown });
  }
  return thrown instanceof DhaavakError ? thrown : new DhaavakError('internal', 'the run failed', { cause: thrown });
}
