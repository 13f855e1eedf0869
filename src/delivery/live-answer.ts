/**
 * How an answer that is being made is shown in a chat: `off` (typing only), `edit` (one message that grows; a long one goes
 * on in further messages) or `block` (finished paragraphs as messages). An account that cannot edit shows typing only.
 *
 *     const live = new LiveAnswer({ adapter, chat, replyTo, mode, clock, newKey, log, signal });   // at run.start
 *     live.delta(text)                            // message.delta
 *     live.turn()                                 // tool.start: what follows is another turn's text
 *     const ids = await live.seal()               // before the outbox journals what it intends: nothing more is shown;
 *                                                 //   the messages that `finish` will edit; undefined: nothing was shown
 *     live.waitMs(text)                           // so long the platform wants us to wait before that; `finish` does, too
 *     const { shown, unknown, rest } = await live.finish(text)   // message.outbound: made final
 *     await live.abandon()                        // instead: there will be no answer; what is shown stays
 *
 * None of them rejects. What `finish` resolves with is all of the final text, in order: `shown` is on the platform for
 * good, of `unknown` nobody knows, and the outbox is to send `rest`, a message each. (It takes up to a minute where the
 * platform wants us to wait.) `rest[0]` is a reply to `replyTo` only where nothing is shown.
 *
 * Nothing here is durable. When the process dies, the next one makes the run again, and its answer comes whole, beside the
 * stale preview, or the paragraphs, of the first. What of a final answer is on the platform is for the outbox to journal.
 * Should it die between `seal` and that, editing the messages of `seal` to the pieces of `chunk` again is harmless.
 */
import { BlockStream } from './block-stream.ts';
import { chunk } from './chunk.ts';
import type { Display, FinishedAnswer, LiveAnswerOptions } from './display.ts';
import { EditPreview } from './edit-preview.ts';
import { Typing } from './typing.ts';

export class LiveAnswer {
  readonly #display: Display;
  readonly #typing: Typing;

  constructor(options: LiveAnswerOptions) {
    this.#display = displayOf(options);
    this.#typing = new Typing(options);
  }

  delta(text: string): void {
    this.#typing.keepUp();
    this.#display.delta(text);
  }

  turn(): void {
    this.#typing.keepUp();
    this.#display.turn();
  }

  seal(): Promise<readonly string[] | undefined> {
    this.#typing.stop();
    return this.#display.seal();
  }

  waitMs(text: string): number {
    return this.#display.waitMs(text);
  }

  async finish(text: string): Promise<FinishedAnswer> {
    await this.seal();
    return this.#display.finish(text);
  }

  async abandon(): Promise<void> {
    await this.seal();
  }
}

function displayOf(options: LiveAnswerOptions): Display {
  const { adapter, mode } = options;
  if (mode === 'block') return new BlockStream(options);
  if (mode === 'edit' && adapter.capabilities.edits && adapter.edit !== undefined) return new EditPreview(options);
  return {
    delta: () => {},
    turn: () => {},
    seal: async () => undefined,
    waitMs: () => 0,
    finish: async (text) => ({ shown: [], rest: chunk(text, adapter.capabilities.textLengthMax) }),
  };
}
