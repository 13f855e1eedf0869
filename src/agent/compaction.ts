/**
 * Compaction: what was said so far becomes a summary that the next runs look back on instead. The transcript keeps
 * everything; only what a model is sent changes.
 */
import type { RunBudget } from './budget.ts';
import type { PastTurn } from './context.ts';
import { contextLength, contextOf } from './context.ts';
import type { ModelLine } from './failover.ts';
import { type RunEnd, runAgent } from './loop.ts';
import { SUMMARIZER } from './summarizer.ts';

const REQUEST =
  'Summarize our conversation so far. Keep what was decided, what is still open, names, numbers, file names and other exact ' +
  "values, what the user wants and dislikes, and the outcome of tool calls. Write plainly, in the conversation's language, " +
  'without any introduction.';

export interface CompactionOptions {
  models: ModelLine;
  past: readonly PastTurn[];
  /** What whoever asked for it wants kept; empty: nothing in particular. */
  instructions: string;
  outputTokensMax: number;
  /** Longest silence of the model, in milliseconds. */
  stallMs: number;
  budget: RunBudget | undefined;
  signal: AbortSignal;
}

/** Asks the models in line for a summary. Never rejects; `text` of an end that is `ok` is the summary. */
export async function summarize({ past, instructions, ...options }: CompactionOptions): Promise<RunEnd> {
  const text = instructions === '' ? REQUEST : `${REQUEST}\nAbove all: ${instructions}`;
  const run = runAgent({
    ...options,
    system: SUMMARIZER,
    messages: contextOf(past, { role: 'user', text }),
    tools: {
      descriptions: [],
      isSafeToRepeat: () => false,
      execute: async () => ({ output: 'no tools', failed: true }),
    },
    thinkingLevel: 'off',
    turnsMax: 1,
  });
  for await (const event of run) if (event.type === 'end') return event;
  throw new Error('a run ended without saying how');
}

/** The summary as the turn that stands for those up to the user's entry `covers`. */
export function summaryTurn(text: string, covers: number): PastTurn {
  const summary = `[What we have said so far, summarized]\n${text}`;
  const messages = [{ role: 'user' as const, text: summary, outside: true as const }];
  return { message: '', seq: covers, messages, length: contextLength(messages) };
}
