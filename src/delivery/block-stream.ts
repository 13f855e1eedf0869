import { chunk } from './chunk.ts';
import type { Display, FinishedAnswer, LiveAnswerOptions, ShownPiece } from './display.ts';
import { fencesIn } from './markdown-spans.ts';
import { Pacer } from './pacer.ts';
import { replyTo } from './reply.ts';
import { asChannelError, nextTry } from './retry.ts';

/** Least time between two blocks: what platforms allow in one chat. Paragraphs finished meanwhile go as one. */
const BLOCK_INTERVAL_MS = 1_000;
/** How often a text is looked through that has no end of a paragraph: it may be one long fence. */
const LOOK_INTERVAL_MS = 250;

interface Block {
  readonly text: string;
  readonly key: string;
  /** The turn it is part of: those of earlier ones are not in the final text. */
  readonly turn: number;
}

/** Shows an answer paragraph by paragraph, each for good. */
export class BlockStream implements Display {
  readonly #options: LiveAnswerOptions;
  readonly #pacer: Pacer;
  #turn = 0;
  /** The text of this turn, and how much of it went into blocks. */
  #text = '';
  #taken = 0;
  /** Blocks that are not sent yet, or not known to be. */
  readonly #waiting: Block[] = [];
  #sent: (Block & ShownPiece)[] = [];
  /** Whether the first of those waiting may have been sent. */
  #isUnknown = false;
  #failures = 0;
  #failingSince = 0;

  constructor(options: LiveAnswerOptions) {
    this.#options = options;
    this.#pacer = new Pacer(options.clock, () => this.#step());
  }

  delta(text: string): void {
    this.#text += text;
    if (this.#waiting.length > 0 || /\n[^\S\n]*\n/.test(this.#text.slice(this.#taken))) this.#pacer.wake();
  }

  /** What was said before a tool is called is finished, too. */
  turn(): void {
    this.#take(this.#text.length);
    this.#turn += 1;
    this.#text = '';
    this.#taken = 0;
    this.#pacer.wake();
  }

  async seal(): Promise<readonly string[] | undefined> {
    await this.#pacer.stop();
    return this.#sent.length === 0 && !this.#isUnknown ? undefined : [];
  }

  waitMs(): number {
    return 0;
  }

  async finish(text: string): Promise<FinishedAnswer> {
    await this.seal();
    const pieces = (part: string) => chunk(part, this.#options.adapter.capabilities.textLengthMax);
    const taken = this.#text.slice(0, this.#taken);
    // An answer that is another one than what was said while it was made is sent whole.
    if (!text.startsWith(taken)) return { shown: [], rest: pieces(text) };
    const own = ({ turn }: Block) => turn === this.#turn;
    const shown = this.#sent.filter(own).map(({ message, text }) => ({ message, text }));
    const waiting = this.#waiting.filter(own);
    const isUnknown = this.#isUnknown && waiting[0] !== undefined && waiting[0] === this.#waiting[0];
    const [first] = isUnknown ? waiting.splice(0, 1) : [];
    const unknown = first === undefined ? undefined : { key: first.key, text: first.text };
    return { shown, unknown, rest: [...waiting.map((block) => block.text), ...pieces(text.slice(this.#taken))] };
  }

  /** Sends the next block. */
  async #step(): Promise<number> {
    if (this.#waiting.length === 0) this.#take(this.#taken + endOfParagraphs(this.#text.slice(this.#taken)));
    const block = this.#waiting[0];
    if (block === undefined) return LOOK_INTERVAL_MS;
    const { adapter, chat, signal } = this.#options;
    const isFirst = this.#sent.length === 0;
    const reply = isFirst ? replyTo(adapter.capabilities, chat, this.#options.replyTo) : {};
    try {
      const { message } = await adapter.send({ chat, text: block.text, key: block.key, ...reply }, signal);
      this.#sent.push({ ...block, message });
    } catch (error) {
      return this.#failed(error);
    }
    this.#waiting.shift();
    this.#isUnknown = false;
    this.#failures = 0;
    this.#pacer.wake();
    return BLOCK_INTERVAL_MS;
  }

  /** Makes blocks of the text up to `end`. */
  #take(end: number): void {
    const { adapter, newKey } = this.#options;
    const pieces = chunk(this.#text.slice(this.#taken, end), adapter.capabilities.textLengthMax);
    this.#waiting.push(...pieces.map((text) => ({ text, key: newKey(), turn: this.#turn })));
    this.#taken = end;
  }

  #failed(error: unknown): number {
    const { adapter, clock, log, signal } = this.#options;
    const failure = asChannelError(error);
    const now = clock.elapsed();
    if (this.#failures === 0) this.#failingSince = now;
    this.#failures += 1;
    // Once it is not known, only a try that works makes it known.
    this.#isUnknown ||= failure.kind === 'unknown';
    const { detectsDuplicates } = adapter.capabilities;
    const tries = { attempts: this.#failures, firstAt: this.#failingSince, now, detectsDuplicates };
    const next = nextTry(failure, tries, Math.random);
    if (next.type !== 'retry' || signal.aborted) {
      log.debug({ error: failure }, 'an answer is not shown any more before it is final');
      void this.#pacer.stop();
      return 0;
    }
    this.#pacer.wake();
    return next.afterMs;
  }
}

/** Where the last paragraph ends that is finished, with a blank line after it that is not in a code fence. */
function endOfParagraphs(text: string): number {
  const fences = fencesIn(text);
  const blank = /\n[^\S\n]*\n/g;
  let end = 0;
  for (let match = blank.exec(text); match !== null; match = blank.exec(text)) {
    const at = match.index;
    blank.lastIndex = at + match[0].length - 1; // the last newline may begin the next blank line
    if (!fences.some((fence) => fence.start < at && at < fence.end)) end = at + match[0].length;
  }
  return end;
}
