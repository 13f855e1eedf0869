import { z } from 'zod';
import { ToolRegistry } from '../../src/tools/registry.ts';
import { defineTool, type Tool, type ToolContext } from '../../src/tools/tool.ts';
import type { ProcessClock } from './clock.ts';
import type { Effects } from './invariants/effects.ts';
import type { Mutant } from './mutants.ts';
import { pause } from './pause.ts';
import type { Random } from './random.ts';
import type { Trace } from './trace.ts';

export interface ToolParts {
  clock: ProcessClock;
  random: Random;
  trace: Trace;
  /** The world outside, where tools do what they do. */
  effects: Effects;
  newId(): string;
  mutant: Mutant;
}

/** The tools of a simulated agent. */
export const TOOLS = ['look', 'order'];
const CALL_MS_MAX = 1_500;

/** Tools that look something up, which may be done twice, and order something, which may not. */
export class SimulatedTools {
  readonly registry: ToolRegistry;
  readonly #parts: ToolParts;
  /** Calls that are going on. */
  open = 0;

  constructor(parts: ToolParts) {
    this.#parts = parts;
    this.registry = new ToolRegistry([this.#tool('look'), this.#tool('order')]);
  }

  #tool(name: string): Tool {
    return defineTool({
      name,
      group: 'test',
      description: name,
      input: z.strictObject({ item: z.string(), call: z.string() }),
      risk: 'safe',
      safeToRepeat: name === 'look' || this.#parts.mutant.repeatsCalls === true,
      handler: (input, context) => this.#call(name, input, context),
    });
  }

  /** Takes a while, does it, takes a while again; may fail before or after, and may not listen. */
  async #call(name: string, { item, call }: { item: string; call: string }, { signal }: ToolContext): Promise<string> {
    const { clock, random, trace, effects, newId } = this.#parts;
    const heard = random.chance(0.3) ? undefined : signal;
    const queue = `tool ${newId()}`;
    this.open += 1;
    try {
      await pause(clock, queue, random.between(0, CALL_MS_MAX), heard);
      if (random.chance(0.1)) throw new Error('refused by the shop');
      trace.note(`tool ${name} ${item} by ${call}`);
      if (name === 'order') effects.ordered(item);
      await pause(clock, queue, random.between(0, CALL_MS_MAX), heard);
      if (random.chance(0.1)) throw new Error('the connection was cut');
      return `${name} ${item}: done`;
    } finally {
      this.open -= 1;
    }
  }
}
