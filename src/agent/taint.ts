import { isFramed } from '../tools/untrusted.ts';
import type { History, PastTurn } from './context.ts';
import type { ModelMessage } from './provider.ts';

/**
 * Whether what the model of one run has before it came in part from outside: then what it says, or has remembered, may be what
 * somebody there wanted it to. Once true it stays so for the run. An earlier answer does not make it true by itself, only
 * the page, report or result itself while that stands in the context, or a summary of it.
 */
export class Taint {
  #tainted = false;

  get isThere(): boolean {
    return this.#tainted;
  }

  /** What comes next is from outside. */
  add(): void {
    this.#tainted = true;
  }

  /** Looks through what the model is sent. */
  look(messages: readonly ModelMessage[]): void {
    this.#tainted ||= isTainted(messages);
  }
}

/** Whether there is something from outside in what was said before. */
export function isHistoryTainted({ summary, turns }: History): boolean {
  return (summary !== undefined && isTainted(summary.messages)) || turns.some(isTurnTainted);
}

/** Looked at once: a turn that has ended does not change. */
function isTurnTainted(turn: PastTurn): boolean {
  turn.tainted ??= isTainted(turn.messages);
  return turn.tainted;
}

function isTainted(messages: readonly ModelMessage[]): boolean {
  return messages.some(({ role, text }) => role !== 'assistant' && isFramed(text));
}
