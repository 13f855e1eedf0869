/**
 * What one request to a model holds, so that it fits. Pure. In the order in which the room is given out:
 *
 * 1. what the model is told first (prompt, workspace files), its tools, and what is to be answered: never cut
 * 2. what the run itself has said and called so far; only when that alone is too much, its oldest calls go
 * 3. what was recalled from memory, then the summary
 * 4. the results of the newest calls
 * 5. earlier turns, the newest first
 * 6. all other results, the newest first
 *
 * A result that does not get enough is cut or left out, and says so. For any history and any room: it fits, no tool call is
 * without its result and no result without its call, and what is to be answered comes last (with the run's own calls
 * behind it).
 */
import type { History, PastTurn } from './context.ts';
import { CONTEXT_IMAGES_MAX } from './images.ts';
import type { TokenMeter } from './meter.ts';
import { ContextOverflow } from './overflow.ts';
import type { ModelMessage } from './provider.ts';
import { IMAGE_TOKENS } from './tokens.ts';
import { cutText, leftOut, trimmedResult } from './trim.ts';

/** Of the room for older calls and earlier turns, what is kept for results of the run's newer calls. */
const RUN_RESULTS_SHARE = 0.5;

/** What there is to send. */
export interface ContextParts {
  /** What the model is told first, and the descriptions of its tools, in estimated tokens. */
  systemTokens: number;
  toolTokens: number;
  history: History;
  /** Recalled from memory for what is to be answered; placed right before it, so that what stands before stays the same. */
  recalled: string | undefined;
  /** What is to be answered. */
  said: readonly ModelMessage[];
  /** What the run has added: answers with calls, their results, and what users have said meanwhile. */
  added: readonly ModelMessage[];
}

/** Estimated tokens of a request, by what they are for. */
export interface ContextSizes {
  system: number;
  tools: number;
  memory: number;
  summary: number;
  /** What was said, earlier and now, images and calls included. */
  turns: number;
  /** What tools answered. */
  results: number;
}

export interface AssembledContext {
  messages: ModelMessage[];
  sizes: ContextSizes;
  /** What does not fit. */
  trimmed: Trimmed;
}

export interface Trimmed {
  /** Earlier turns that are left out. */
  turns: number;
  /** Results that are cut or left out. */
  results: number;
  /** Rounds of calls of this run that are left out. */
  rounds: number;
  /** The summary is cut, or what was recalled is left out. */
  other: boolean;
}

/** One answer of the model with the results of its calls; or a user's message. */
type Group = readonly [ModelMessage, ...ModelMessage[]];

/** The sum of all sizes. */
export function totalOf({ system, tools, memory, summary, turns, results }: ContextSizes): number {
  return system + tools + memory + summary + turns + results;
}

/**
 * Puts together what fits into `room` estimated tokens. Throws {@link ContextOverflow} where what is never cut is too much
 * by itself.
 */
export function assemble(parts: ContextParts, room: number, meter: TokenMeter): AssembledContext {
  const assembly = new Assembly(parts, room, meter);
  if (assembly.fitsWhole()) return assembly.whole();
  assembly.run();
  assembly.recalled();
  assembly.summary();
  assembly.newestResults();
  assembly.turns();
  assembly.otherResults();
  return assembly.whole();
}

class Assembly {
  readonly #parts: ContextParts;
  readonly #meter: TokenMeter;
  readonly #sizes: ContextSizes;
  readonly #trimmed: Trimmed = { turns: 0, results: 0, rounds: 0, other: false };
  /** What is left. */
  #room: number;
  #groups: Group[] = [];
  #kept: readonly PastTurn[] = [];
  #recalled: ModelMessage | undefined;
  #summary: readonly ModelMessage[] = [];
  /** Of past turns' messages. */
  readonly #costs = new Map<ModelMessage, number>();
  /** Results as they are sent, where that is not as they are. */
  readonly #results = new Map<ModelMessage, ModelMessage>();

  constructor(parts: ContextParts, room: number, meter: TokenMeter) {
    const { systemTokens, toolTokens, said, added, history } = parts;
    this.#parts = parts;
    this.#meter = meter;
    this.#sizes = { system: systemTokens, tools: toolTokens, memory: 0, summary: 0, turns: 0, results: 0 };
    this.#room = room - systemTokens - toolTokens;
    const images = imagesIn(said) + imagesIn(added) + meter.turns(history.turns).images;
    this.#take('turns', Math.min(images, CONTEXT_IMAGES_MAX) * IMAGE_TOKENS);
    for (const message of said) this.#take('turns', meter.message(message));
  }

  /** Takes everything, where there is room for it, as nearly always; else nothing. */
  fitsWhole(): boolean {
    const { history, recalled, added } = this.#parts;
    const { rest: turns, results } = this.#meter.turns(history.turns);
    const more: ContextSizes = { system: 0, tools: 0, memory: 0, summary: 0, turns, results };
    for (const message of added) more[message.role === 'tool' ? 'results' : 'turns'] += this.#meter.message(message);
    const summary = history.summary === undefined ? undefined : this.#meter.turn(history.summary);
    more.summary = summary?.rest ?? 0;
    const memory: ModelMessage | undefined = recalled ? { role: 'user', text: recalled } : undefined;
    more.memory = memory === undefined ? 0 : this.#meter.message(memory);
    if (totalOf(more) > this.#room) return false;
    for (const what of ['memory', 'summary', 'turns', 'results'] as const) this.#take(what, more[what]);
    this.#summary = history.summary?.messages ?? [];
    this.#kept = history.turns;
    this.#recalled = memory;
    this.#groups = added.map((message): Group => [message]);
    return true;
  }

  /** The run's own calls, with the notes that would stand for their results; of the newest the results matter more. */
  run(): void {
    const groups = groupsOf(this.#parts.added);
    const costs = groups.map((group) => this.#leastOf(group));
    let sum = costs.reduce((total, cost) => total + cost, 0);
    const dropped = new Set<Group>();
    const newest = groups.findLast((group) => group.length > 1) ?? [];
    const results = newest.reduce((total, message) => total + this.#costOf(message), 0) - this.#leastOf(newest);
    const room = this.#room - Math.min(results, Math.floor(this.#room * RUN_RESULTS_SHARE));
    for (const [index, group] of groups.entries()) {
      if (sum <= room || index === groups.length - 1) break;
      if (group[0].role === 'user') continue;
      dropped.add(group);
      sum -= costs[index] as number;
    }
    if (sum > this.#room) throw this.#tooMuch(sum);
    this.#trimmed.rounds = dropped.size;
    this.#groups = groups.filter((group) => !dropped.has(group));
    for (const group of this.#groups) this.#takeLeast(group);
  }

  recalled(): void {
    const { recalled } = this.#parts;
    if (recalled === undefined || recalled === '') return;
    const message: ModelMessage = { role: 'user', text: recalled };
    const tokens = this.#meter.message(message);
    if (tokens > this.#room) {
      this.#trimmed.other = true;
      return;
    }
    this.#take('memory', tokens);
    this.#recalled = message;
  }

  summary(): void {
    const { summary } = this.#parts.history;
    if (summary === undefined) return;
    const tokens = this.#meter.turn(summary).rest;
    if (tokens <= this.#room) {
      this.#take('summary', tokens);
      this.#summary = summary.messages;
      return;
    }
    this.#trimmed.other = true;
    const [message] = summary.messages;
    // A third of what is left: the rest is for the newest turns.
    const text = message && cutText(message.text, Math.floor(this.#room / 3), this.#meter.family);
    if (text === undefined) return;
    const cut: ModelMessage = { role: 'user', text };
    const cost = this.#meter.message(cut);
    if (cost > this.#room) return;
    this.#take('summary', cost);
    this.#summary = [cut];
  }

  /** What the model is about to read. */
  newestResults(): void {
    const newest = this.#groups.findLast((group) => group.length > 1);
    if (newest !== undefined) this.#grant(newest.slice(1).reverse(), this.#room);
  }

  turns(): void {
    const { turns } = this.#parts.history;
    const wanted = this.#groups.flatMap((group) => group.slice(1)).filter((result) => this.#results.has(result));
    const results = wanted.reduce((total, result) => total + this.#missing(result), 0);
    const most = this.#room - Math.min(results, Math.floor(this.#room * RUN_RESULTS_SHARE));
    let room = most;
    const kept: PastTurn[] = [];
    for (const turn of turns.toReversed()) {
      const cost = this.#leastOfTurn(turn);
      // One that is too long for any request must not hide those before it.
      if (cost > most) continue;
      if (cost > room) break;
      room -= cost;
      kept.push(turn);
    }
    this.#kept = kept.reverse();
    this.#trimmed.turns = turns.length - kept.length;
    for (const turn of this.#kept) this.#takeLeast(turn.messages);
  }

  otherResults(): void {
    const results = [
      ...this.#kept.flatMap(({ messages }) => messages.filter(({ role }) => role === 'tool')),
      ...this.#groups.flatMap((group) => group.slice(1)),
    ];
    this.#grant(results.reverse(), this.#room);
  }

  whole(): AssembledContext {
    const messages: ModelMessage[] = [...this.#summary];
    const whole = this.#results.size === 0; // nearly always
    for (const turn of this.#kept) {
      for (const message of turn.messages) messages.push(whole ? message : this.#asSent(message));
    }
    if (this.#recalled !== undefined) messages.push(this.#recalled);
    messages.push(...this.#parts.said);
    for (const group of this.#groups) for (const message of group) messages.push(this.#asSent(message));
    this.#trimmed.results = this.#results.size;
    return { messages, sizes: this.#sizes, trimmed: this.#trimmed };
  }

  #asSent(message: ModelMessage): ModelMessage {
    return this.#results.get(message) ?? message;
  }

  #take(what: keyof ContextSizes, tokens: number): void {
    this.#sizes[what] += tokens;
    this.#room -= tokens;
    if (this.#room < 0) throw this.#tooMuch(0);
  }

  /** Takes the messages, with notes for results that are longer than their note. */
  #takeLeast(messages: readonly ModelMessage[]): void {
    for (const message of messages) {
      const whole = this.#costOf(message);
      if (message.role !== 'tool') {
        this.#take('turns', whole);
        continue;
      }
      const note = leftOut(message);
      const least = Math.min(whole, this.#meter.message(note));
      this.#take('results', least);
      if (least < whole) this.#results.set(message, note);
    }
  }

  /** Gives the results, in this order, what they lack, out of `room`: the first that does not get all of it is cut. */
  #grant(results: readonly ModelMessage[], room: number): void {
    let left = room;
    for (const result of results) {
      const note = this.#results.get(result);
      if (note === undefined || result.role !== 'tool') continue;
      const missing = this.#missing(result);
      if (missing <= left) {
        left -= missing;
        this.#results.delete(result);
        this.#take('results', missing);
        continue;
      }
      const least = this.#meter.message(note);
      const cut = trimmedResult(result, left, this.#meter.family);
      const more = this.#meter.message(cut) - least;
      if (more > 0 && more <= left) {
        this.#results.set(result, cut);
        this.#take('results', more);
      }
      return;
    }
  }

  /** What the result costs beyond what stands for it. */
  #missing(result: ModelMessage): number {
    const sent = this.#results.get(result);
    return sent === undefined ? 0 : this.#costOf(result) - this.#meter.message(sent);
  }

  #leastOf(messages: readonly ModelMessage[]): number {
    return messages.reduce((total, message) => {
      const whole = this.#costOf(message);
      return total + (message.role === 'tool' ? Math.min(whole, this.#meter.message(leftOut(message))) : whole);
    }, 0);
  }

  #leastOfTurn(turn: PastTurn): number {
    const { each, rest, results } = this.#meter.turn(turn);
    for (const [index, tokens] of each.entries()) this.#costs.set(turn.messages[index] as ModelMessage, tokens);
    return results === 0 ? rest : this.#leastOf(turn.messages);
  }

  /** Of a past turn's message the turn knows it. */
  #costOf(message: ModelMessage): number {
    return this.#costs.get(message) ?? this.#meter.message(message);
  }

  #tooMuch(more: number): ContextOverflow {
    const { system, tools } = this.#sizes;
    const needed = totalOf(this.#sizes) + more;
    return new ContextOverflow(
      `what cannot be left out is about ${needed} tokens (${system} of prompt and workspace files, ${tools} of tools, ` +
        `${needed - system - tools} of what is to be answered), and there is room for ${this.#room + totalOf(this.#sizes)}`,
    );
  }
}

/** An answer is followed by the results of its calls. */
function groupsOf(added: readonly ModelMessage[]): Group[] {
  const groups: [ModelMessage, ...ModelMessage[]][] = [];
  for (const message of added) {
    if (message.role === 'tool') groups.at(-1)?.push(message);
    else groups.push([message]);
  }
  return groups;
}

function imagesIn(messages: readonly ModelMessage[]): number {
  let images = 0;
  for (const message of messages) if (message.role === 'user') images += message.stored?.length ?? 0;
  return images;
}
