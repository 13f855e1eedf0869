/**
 * Turns and tokens of ten tasks, with tools called one by one and with the `code` tool: through the agent loop and the
 * registry, on real files, in a real sandbox. The model is a script of what a model does (`code-tasks.ts`), so this says
 * what the two ways cost where the model makes no mistake; how often it makes one, only a real model can show.
 *
 * Tokens are those of all requests of a run, tools and all, without a provider's cache, by `o200k_base`.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { countTokens } from 'gpt-tokenizer';
import { Cooldowns, ModelLine } from '../../src/agent/failover.ts';
import { runAgent } from '../../src/agent/loop.ts';
import type { ModelEvent, ModelProvider, ModelRequest } from '../../src/agent/provider.ts';
import { codeTool } from '../../src/tools/code/code.ts';
import { ToolRegistry } from '../../src/tools/registry.ts';
import { SandboxPool } from '../../src/tools/sandbox/pool.ts';
import { toolCaller } from '../../test/support/tool-caller.ts';
import type { BenchReport, BenchRow } from '../report.ts';
import { type CodeTask, type PlannedCall, TASKS } from './code-tasks.ts';
import { fillWorkspace, taskTools } from './code-tools.ts';

const SYSTEM = 'You are a helpful assistant. Answer briefly and plainly.';

interface Cost {
  turns: number;
  inputTokens: number;
  outputTokens: number;
}

export async function run(): Promise<BenchReport> {
  const pool = new SandboxPool(
    {
      hostsMax: 1,
      programsPerHost: 4,
      queueMax: 4,
      idleMs: 60_000,
      memoryMb: 64,
      rssMaxMb: 512,
      fence: 'auto',
      jit: false,
    },
    { warn: (fields, message) => console.error(message, fields) },
  );
  const rows: BenchRow[] = [];
  const totals = { single: zero(), code: zero() };
  try {
    for (const task of TASKS) {
      const single = await costOf(task, pool, false);
      const code = await costOf(task, pool, true);
      add(totals.single, single);
      add(totals.code, code);
      rows.push(...rowsOf(task.name, single, code));
    }
  } finally {
    pool.stop();
  }
  rows.push(...rowsOf('all ten', totals.single, totals.code));
  return { name: 'ten tasks, one by one and with code', rows };
}

function rowsOf(name: string, single: Cost, code: Cost): BenchRow[] {
  const [before, after] = [single.inputTokens + single.outputTokens, code.inputTokens + code.outputTokens];
  return [
    { label: `${name}: one by one, ${single.turns} turns`, value: before, unit: 'tokens', ratio: 1 },
    { label: `${name}: code, ${code.turns} turns`, value: after, unit: 'tokens', ratio: after / before },
  ];
}

async function costOf(task: CodeTask, pool: SandboxPool, withCode: boolean): Promise<Cost> {
  const home = await mkdtemp(join(tmpdir(), 'dhaavak-code-'));
  const workspace = join(home, 'agents', 'main');
  try {
    await fillWorkspace(workspace);
    const settings = { timeoutMs: 30_000, cpuMs: 5_000, callsMax: 100, only: true };
    const tools = taskTools(home);
    if (withCode) tools.push(codeTool(settings, (program) => pool.run(program)));
    const registry = new ToolRegistry(tools);
    const view = registry.view({ tools: ['*'], approve: [] }, toolCaller({ workspace }));
    const model = new ScriptedModel(withCode ? asProgram(task) : task);
    const resolved = { provider: model, name: 'm', reference: 'bench/m' };
    const events = runAgent({
      models: new ModelLine([resolved], new Cooldowns(() => 0)),
      system: SYSTEM,
      messages: [{ role: 'user', text: task.ask }],
      tools: view,
      thinkingLevel: 'off',
      outputTokensMax: 8_192,
      turnsMax: 25,
      stallMs: 60_000,
      signal: new AbortController().signal,
    });
    for await (const event of events) {
      if (event.type === 'toolEnd' && event.failed) throw new Error(`${task.name}: ${event.output}`);
      if (event.type === 'end' && !event.text.includes(task.answer)) throw new Error(`${task.name}: ${event.text}`);
    }
    return model.cost;
  } finally {
    await rm(home, { recursive: true });
  }
}

function asProgram({ program, ...task }: CodeTask): CodeTask {
  const turns = [(): PlannedCall[] => [{ name: 'code', input: { source: program } }]];
  return { ...task, program, turns, say: ([result]) => `Done. ${result}` };
}

/** Does what the task has written down, and counts what it is sent and says. */
class ScriptedModel implements ModelProvider {
  readonly name = 'bench';
  readonly cost = zero();
  readonly #task: CodeTask;

  constructor(task: CodeTask) {
    this.#task = task;
  }

  async *stream({ system, tools, messages }: ModelRequest): AsyncGenerator<ModelEvent> {
    const results = messages.flatMap((message) => (message.role === 'tool' ? [message.text] : []));
    const plan = this.#task.turns[this.cost.turns];
    this.cost.turns += 1;
    this.cost.inputTokens += countTokens(system + JSON.stringify(tools));
    for (const message of messages) {
      const calls = message.role === 'assistant' ? asText(message.toolCalls) : '';
      this.cost.inputTokens += countTokens(message.text + calls);
    }
    const calls = (plan?.(results) ?? []).map((call, n) => ({ id: `t${this.cost.turns}c${n}`, ...call }));
    const text = plan === undefined ? this.#task.say(results) : '';
    this.cost.outputTokens += countTokens(text + asText(calls));
    if (text !== '') yield { type: 'text', text };
    for (const call of calls) yield { type: 'toolCall', call };
    yield { type: 'end', reason: calls.length > 0 ? 'toolCalls' : 'stop', usage: { inputTokens: 0, outputTokens: 0 } };
  }
}

function asText(calls: readonly PlannedCall[]): string {
  return calls.map(({ name, input }) => `${name}${JSON.stringify(input)}`).join('');
}

function zero(): Cost {
  return { turns: 0, inputTokens: 0, outputTokens: 0 };
}

function add(to: Cost, more: Cost): void {
  to.turns += more.turns;
  to.inputTokens += more.inputTokens;
  to.outputTokens += more.outputTokens;
}
