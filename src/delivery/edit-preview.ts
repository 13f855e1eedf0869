import { chunk } from './chunk.ts';
import { AT_ONCE_MS, type Display, type FinishedAnswer, type LiveAnswerOptions, type ShownPiece } from './display.ts';
import { Pacer, pause } from './pacer.ts';
import { replyTo } from './reply.ts';
import { asChannelError, nextTry } from './retry.ts';

/**
 * The first message comes with so many characters, or so long after the first one: a stub of a word looks broken. It never
 * comes before AT_ONCE_MS: the rest of an answer that is short would have to wait for the platform's pace.
 */
const FIRST_LENGTH = 40;
const FIRST_AFTER_MS = 1_000;
/** A preview that fails so often in a row is not shown any more. */
const FAILURES_MAX = 5;
/** After a rate limit edits come half as often, and at the slowest by this factor. */
const SLOWNESS_MAX = 8;
/** How long the final text is tried to be put into the messages shown, before it is left to new ones. */
const FINISH_MAX_MS = 60_000;
/** What a message says whose text turned out not to be part of the answer; messages cannot be taken back. */
const EMPTIED = '…';

interface ShownMessage {
  readonly message: string;
  text: string;
  /** When it was sent or edited last. */
  at: number;
}

/** Shows an answer as messages that are edited while it grows. */
export class EditPreview implements Display {
  readonly #options: LiveAnswerOptions;
  readonly #pacer: Pacer;
  /** The text of this turn. */
  #text = '';
  #startedAt: number | undefined;
  #shown: ShownMessage[] = [];
  #failures = 0;
  #slowness = 1;

  constructor(options: LiveAnswerOptions) {
    this.#options = options;
    this.#pacer = new Pacer(options.clock, () => this.#step());
  }

  delta(text: string): void {
    this.#text += text;
    this.#startedAt ??= this.#options.clock.elapsed();
    const afterMs = this.#text.length < FIRST_LENGTH ? FIRST_AFTER_MS : AT_ONCE_MS;
    this.#pacer.wake(this.#shown.length === 0 ? this.#startedAt + afterMs : 0);
  }

  /** The next turn's text takes the place of this one's. What filled several messages stays, and new ones follow. */
  turn(): void {
    this.#text = '';
    if (this.#shown.length > 1) {
      this.#shown = [];
      this.#startedAt = undefined;
    }
  }

  async seal(): Promise<readonly string[] | undefined> {
    await this.#pacer.stop();
    return this.#shown.length === 0 ? undefined : this.#shown.map(({ message }) => message);
  }

  waitMs(text: string): number {
    const { adapter, clock } = this.#options;
    const { textLengthMax, editIntervalMs } = adapter.capabilities;
    if (this.#shown.length === 0) return 0;
    const pieces = chunk(text, textLengthMax);
    const changes = this.#shown.filter(
      (message, index) => pieces[index] !== undefined && message.text !== pieces[index],
    );
    return Math.max(0, ...changes.map(({ at }) => at + editIntervalMs - clock.elapsed()));
  }

  async finish(text: string): Promise<FinishedAnswer> {
    await this.seal();
    const pieces = chunk(text, this.#options.adapter.capabilities.textLengthMax);
    const shown: ShownPiece[] = [];
    for (const [index, message] of this.#shown.entries()) {
      const piece = pieces[index];
      if (piece === undefined) await this.#edit(message, EMPTIED).catch(() => {});
      else if (await this.#makeFinal(message, piece)) shown.push({ message: message.message, text: piece });
      else break;
    }
    return { shown, rest: pieces.slice(shown.length) };
  }

  /** Brings one message up to date. */
  async #step(): Promise<number> {
    const { capabilities } = this.#options.adapter;
    const shown = this.#shown;
    const pieces = chunk(this.#text, capabilities.textLengthMax);
    const index = pieces.findIndex((piece, at) => piece !== shown[at]?.text);
    const piece = pieces[index];
    if (piece === undefined) return 0;
    const message = shown[index];
    try {
      if (message !== undefined) await this.#edit(message, piece);
      else shown.push(await this.#send(piece, index === 0));
    } catch (error) {
      return this.#failed(error, message === undefined);
    }
    this.#failures = 0;
    this.#pacer.wake(); // more was said meanwhile, or another message is to be brought up to date
    return capabilities.editIntervalMs * this.#slowness;
  }

  /** A preview may fail: it is tried again later, or not at all. */
  #failed(error: unknown, isNew: boolean): number {
    const { adapter, clock, log, signal } = this.#options;
    this.#failures += 1;
    const failure = asChannelError(error);
    const now = clock.elapsed();
    // An edit may be made twice. A message that may be there is never sent again: the final answer must not stand twice.
    const tries = { attempts: this.#failures, firstAt: now, now, detectsDuplicates: !isNew };
    const next = nextTry(failure, tries, Math.random);
    if (next.type !== 'retry' || this.#failures >= FAILURES_MAX || signal.aborted) {
      log.debug({ error: failure }, 'an answer is not shown any more before it is final');
      void this.#pacer.stop();
      return 0;
    }
    if (failure.kind === 'rate_limited') this.#slowness = Math.min(SLOWNESS_MAX, this.#slowness * 2);
    this.#pacer.wake();
    return Math.max(next.afterMs, adapter.capabilities.editIntervalMs * this.#slowness);
  }

  /** Whether the message says `text` in the end. */
  async #makeFinal(message: ShownMessage, text: string): Promise<boolean> {
    if (message.text === text) return true;
    const { adapter, clock, log, signal } = this.#options;
    const firstAt = clock.elapsed();
    await pause(clock, message.at + adapter.capabilities.editIntervalMs - firstAt, signal);
    for (let attempts = 1; ; attempts += 1) {
      try {
        await this.#edit(message, text);
        return true;
      } catch (error) {
        const now = clock.elapsed();
        const next = nextTry(asChannelError(error), { attempts, firstAt, now, detectsDuplicates: true }, Math.random);
        const late = next.type !== 'retry' || now + next.afterMs > firstAt + FINISH_MAX_MS;
        if (!late) await pause(clock, next.afterMs, signal);
        if (!late && !signal.aborted) continue;
        log.warn({ error }, 'a preview could not be made the answer: it is sent anew');
        return false;
      }
    }
  }

  async #send(text: string, isFirst: boolean): Promise<ShownMessage> {
    const { adapter, chat, clock, newKey, signal } = this.#options;
    const reply = isFirst ? replyTo(adapter.capabilities, chat, this.#options.replyTo) : {};
    const { message } = await adapter.send({ chat, text, key: newKey(), ...reply }, signal);
    return { message, text, at: clock.elapsed() };
  }

  async #edit(message: ShownMessage, text: string): Promise<void> {
    const { adapter, chat, clock, signal } = this.#options;
    message.text = ''; // not known, should this fail
    await adapter.edit?.(chat, message.message, text, undefined, signal);
    message.text = text;
    message.at = clock.elapsed();
  }
}
