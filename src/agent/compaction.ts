/**
 * Compaction: what was said so far becomes a summary that the next runs look back on instead. The transcript keeps
 * everything; only what a model is sent changes.
 */
import { DhaavakError } from '../protocol/errors.ts';
import type { Usage } from '../protocol/messages.ts';
import type { RunBudget } from './budget.ts';
import type { Calibration } from './calibration.ts';
import {
  contextLength,
  HISTORY_LENGTH_MAX,
  HISTORY_MESSAGES_MAX,
  HISTORY_TURNS_MAX,
  type History,
  type PastTurn,
  type TurnTokens,
} from './context.ts';
import { contextWindowOf, sharesOf } from './context-window.ts';
import type { ModelLine } from './failover.ts';
import { IMAGE_NOTE } from './images.ts';
import { type RunEnd, runAgent } from './loop.ts';
import { MENTIONS_HEADING, mentionsIn } from './mentions.ts';
import { TokenMeter } from './meter.ts';
import type { ModelMessage } from './provider.ts';
import { SUMMARIZER } from './summarizer.ts';
import { tokenFamilyOf } from './tokens.ts';
import { cutText } from './trim.ts';
import { RunUsage } from './usage.ts';

const REQUEST =
  'Summarize our conversation so far. Keep what was decided, what is still open (tasks, questions, promises), names, ids, ' +
  'numbers, file names, links and other exact values, what the user wants and dislikes, and the outcome of tool calls. An ' +
  "earlier summary is part of it: keep what still matters of that. Write plainly, in the conversation's language, without " +
  'any introduction.';
const HEADING = '[What we have said so far, summarized]';

/** Longest text of a model's summary, in UTF-16 code units, so that a summary of a summary does not grow. */
const SUMMARY_LENGTH_MAX = 16_000;
/** The most tokens a model may write for one, and of what a request may hold, the share. */
const SUMMARY_TOKENS_MAX = 4_096;
const SUMMARY_SHARE_MAX = 0.25;
/** What a summary that nobody asked for leaves of the turns as they are, of each limit. */
const KEPT_SHARE = 0.25;
/** Less than this share of a limit is not worth a request. */
const WORTH_SHARE = 0.1;
/** Requests for one summary, where the history is longer than the model's window: the oldest beyond are left out. */
const STEPS_MAX = 24;
/** How often a step is planned anew because the model's window turned out to be smaller. */
const REPLANS_MAX = 4;

export interface CompactionOptions {
  models: ModelLine;
  /** What is to be summarized. */
  history: History;
  /** What whoever asked for it wants kept; empty: nothing in particular. */
  instructions: string;
  outputTokensMax: number;
  /** Longest silence of the model, in milliseconds. */
  stallMs: number;
  budget: RunBudget | undefined;
  calibration: Calibration;
  signal: AbortSignal;
}

export interface Summary {
  text: string;
  /** Null where an API left it out. */
  usage: Usage | null;
  /** Turns the model was not shown, because there were too many. */
  left: number;
}

/** How full a history is, and what of it should become a summary. */
export interface Fullness {
  history: History;
  /** What else a request holds, in tokens; and what it may hold. */
  fixedTokens: number;
  room: number;
  /** Of each limit, from which on it is time. */
  share: number;
  /** Tokens of a turn. */
  tokensOf(turn: PastTurn): number;
}

/** How many of the oldest turns should become a summary now; 0: none. Pure. */
export function turnsToCover({ history, fixedTokens, room, share, tokensOf }: Fullness): number {
  const { summary, turns } = history;
  const fullOf = (from: number, to: number, besides: number): number => {
    let [tokens, length, messages] = [besides, 0, 0];
    for (let index = from; index < to; index += 1) {
      const turn = turns[index] as PastTurn;
      tokens += tokensOf(turn);
      length += turn.length;
      messages += turn.messages.length;
    }
    const shares = [tokens / room, length / HISTORY_LENGTH_MAX, messages / HISTORY_MESSAGES_MAX];
    return Math.max(...shares, (to - from) / HISTORY_TURNS_MAX);
  };
  const fixed = fixedTokens + (summary === undefined ? 0 : tokensOf(summary));
  if (fullOf(0, turns.length, fixed) < share) return 0;
  let first = turns.length;
  while (first > 0 && fullOf(first - 1, turns.length, 0) <= KEPT_SHARE) first -= 1;
  return fullOf(0, first, 0) >= WORTH_SHARE ? first : 0;
}

/**
 * Asks the models in line for a summary, in steps where the history is longer than their window. Throws the error of a
 * request that failed: nothing is half done then.
 */
export async function summarize(options: CompactionOptions): Promise<Summary> {
  const { history, models } = options;
  const covered = [history.summary, ...history.turns].flatMap((turn) => turn?.messages ?? []);
  const steps = new Steps(options);
  const usage = new RunUsage();
  let summary = history.summary?.messages ?? [];
  let text = '';
  for (let pending = history.turns; pending.length > 0; ) {
    const { end, turns } = await steps.next(summary, pending);
    if (end.status !== 'ok') throw end.error;
    text = boundedSummary(end.text);
    if (text === '') throw new DhaavakError('model_unavailable', 'the model wrote nothing');
    usage.add(end.usage, models.current.price);
    summary = summaryTurn(text, 0).messages;
    pending = pending.slice(turns);
  }
  const mentions = await mentionsIn(covered);
  return { text: mentions === '' ? text : `${text}\n\n${mentions}`, usage: usage.total, left: steps.left };
}

/** The summary as the turn that stands for those up to the user's entry `covers`. */
export function summaryTurn(text: string, covers: number): PastTurn {
  const messages = [{ role: 'user' as const, text: `${HEADING}\n${text}`, outside: true as const }];
  return { message: '', seq: covers, messages, length: contextLength(messages) };
}

/** Without what a model has copied of the part that is added to it. */
function boundedSummary(text: string): string {
  const own = text.split(MENTIONS_HEADING, 1)[0] as string;
  const trimmed = own.trim();
  return trimmed.length <= SUMMARY_LENGTH_MAX ? trimmed : `${trimmed.slice(0, SUMMARY_LENGTH_MAX)} […]`.toWellFormed();
}

/** The requests of one summary. */
class Steps {
  readonly #options: CompactionOptions;
  #taken = 0;
  left = 0;

  constructor(options: CompactionOptions) {
    this.#options = options;
  }

  /** Makes the request for as many of the oldest turns as fit beside the summary of those before. */
  async next(summary: readonly ModelMessage[], pending: readonly PastTurn[]): Promise<{ end: RunEnd; turns: number }> {
    for (let replans = 0; ; replans += 1) {
      const { messages, turns, answerTokens } = this.#plan(summary, pending);
      const end = await this.#ask(messages, answerTokens);
      const again = end.error?.code === 'context_overflow' && replans < REPLANS_MAX;
      if (again) continue;
      this.#taken += 1;
      return { end, turns };
    }
  }

  #plan(
    summary: readonly ModelMessage[],
    pending: readonly PastTurn[],
  ): { messages: ModelMessage[]; turns: number; answerTokens: number } {
    const { models, calibration, instructions, outputTokensMax } = this.#options;
    const { current } = models;
    const meter = new TokenMeter(tokenFamilyOf(current.name));
    const window = calibration.windowOf(current.reference, current.window ?? contextWindowOf(current.name, undefined));
    const shares = sharesOf(window.tokens, Math.min(outputTokensMax, SUMMARY_TOKENS_MAX), 'off');
    const answerTokens = Math.max(1, Math.min(shares.answer, Math.floor(shares.room * SUMMARY_SHARE_MAX)));
    const request: ModelMessage = {
      role: 'user',
      text: instructions === '' ? REQUEST : `${REQUEST}\nAbove all: ${instructions}`,
    };
    const fixed = sum([...summary, request].map((message) => meter.message(message))) + meter.text(SUMMARIZER);
    const room = Math.floor(shares.room / calibration.ratioOf(current.reference)) - fixed;
    const costs = pending.map((turn) => tokensIn(meter.turn(turn)));
    const from = this.#taken > 0 ? 0 : this.#skipped(costs, room);
    this.left = Math.max(this.left, from);
    let turns = from;
    for (let used = 0; turns < pending.length; turns += 1) {
      used += costs[turns] as number;
      if (used > room) break;
    }
    const fits = pending.slice(from, turns).flatMap((turn) => turn.messages);
    if (turns > from) return { messages: [...summary, ...fits.map(withoutImages), request], turns, answerTokens };
    // A turn that is longer than the window by itself.
    const [first] = pending.slice(from) as [PastTurn];
    const cut = first.messages.map((message) => shortened(message, Math.floor(room / first.messages.length), meter));
    return { messages: [...summary, ...cut, request], turns: from + 1, answerTokens };
  }

  /** How many of the oldest turns have to be left out, so that the steps suffice for the others. */
  #skipped(costs: readonly number[], room: number): number {
    let steps = 1;
    let used = 0;
    for (let index = costs.length - 1; index >= 0; index -= 1) {
      const cost = Math.min(costs[index] as number, Math.max(1, room));
      if (used + cost > room) {
        steps += 1;
        used = 0;
      }
      used += cost;
      if (steps > STEPS_MAX) return index + 1;
    }
    return 0;
  }

  async #ask(messages: readonly ModelMessage[], outputTokensMax: number): Promise<RunEnd> {
    const run = runAgent({
      ...this.#options,
      history: undefined,
      system: SUMMARIZER,
      messages,
      outputTokensMax,
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
}

/** A summary tells of what was said about them. */
function withoutImages(message: ModelMessage): ModelMessage {
  if (message.role !== 'user' || message.stored === undefined) return message;
  return { role: 'user', text: message.text + `\n${IMAGE_NOTE}`.repeat(message.stored.length) };
}

/** The message in about `tokensMax` tokens; of a call with a long input only that it was made. */
function shortened(message: ModelMessage, tokensMax: number, meter: TokenMeter): ModelMessage {
  const plain = withoutImages(message);
  if (meter.message(plain) <= tokensMax) return plain;
  const text = cutText(plain.text, tokensMax, meter.family) ?? '[…]';
  if (plain.role !== 'assistant') return { ...plain, text };
  const { echo: _, ...rest } = plain;
  return {
    ...rest,
    text: plain.text === '' ? '' : text,
    toolCalls: plain.toolCalls.map((call) => ({ ...call, input: {} })),
  };
}

function tokensIn({ rest, results }: TurnTokens): number {
  return rest + results;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
