import type { ModelMessage } from '../../../src/agent/provider.ts';
import { tokenIn } from '../token.ts';
import type { Fates } from './fates.ts';
import type { Report } from './report.ts';
import type { Wishes } from './wishes.ts';

/** How often the process may end while it runs a message. */
const CUTS_MAX = 3;

/**
 * What a model is sent makes sense:
 * - every tool call is followed by its result;
 * - no message of a user stands there twice or comes from another session;
 * - nothing of what is to be forgotten is there, and all that was answered before;
 * - what waited or ran when its session was reset does not run, in a later life of the process either;
 * - no message with which the process has ended three times is asked again.
 */
export class ModelRequests {
  readonly #report: Report;
  readonly #fates: Fates;
  readonly #wishes: Wishes;

  constructor(report: Report, fates: Fates, wishes: Wishes) {
    this.#report = report;
    this.#fates = fates;
    this.#wishes = wishes;
  }

  asked(messages: readonly ModelMessage[]): void {
    const report = this.#report;
    this.#checkCalls(messages);
    const said = messages.flatMap((message) => (message.role === 'user' ? (tokenIn(message.text) ?? []) : []));
    const tokens = new Set<string>();
    for (const { token, session } of said) {
      if (tokens.has(token)) report(`a model is sent ${token} twice`);
      tokens.add(token);
      if (session !== said[0]?.session) report(`a model is sent ${token} in session ${said[0]?.session}`);
      if (this.#isForgotten(token)) report(`a model is sent ${token}, which is forgotten`);
      if (this.#isReset(token)) report(`a model is asked ${token}, which a reset has ended`);
      if (this.#isSpent(token)) report(`a model is asked ${token}, with which the process ended ${CUTS_MAX} times`);
    }
    if (said.length === 0) report('a model is asked without a message to answer');
    for (const token of this.#answeredBefore(tokens)) {
      if (!tokens.has(token)) report(`a model is not sent ${token}, which was answered before`);
    }
  }

  #checkCalls(messages: readonly ModelMessage[]): void {
    let open = new Set<string>();
    for (const message of messages) {
      if (message.role === 'tool') {
        if (!open.delete(message.call))
          this.#report(`a model is sent a result of ${message.call}, which it did not call`);
        continue;
      }
      for (const call of open) this.#report(`a model is sent its call ${call} without the result`);
      open = new Set(message.role === 'assistant' ? message.toolCalls.map(({ id }) => id) : []);
    }
    for (const call of open) this.#report(`a model is sent its call ${call} without the result`);
  }

  /** Whether a message that has ended is no context any more: the session was reset, or deleted. */
  #isForgotten(token: string): boolean {
    const fates = this.#fates;
    return fates
      .with(token)
      .every(({ deleted, end, seq, session }) => deleted || (end !== undefined && seq < fates.resetOf(session)));
  }

  /** Whether the message stands before a reset, however far it had come. */
  #isReset(token: string): boolean {
    const fates = this.#fates;
    return fates.live.some(({ seq, session, token: other }) => other === token && seq < fates.resetOf(session));
  }

  #isSpent(token: string): boolean {
    return this.#fates.live.some((fate) => fate.token === token && fate.end === undefined && fate.cuts >= CUTS_MAX);
  }

  /** The tokens of what was answered before the first of `asked` that has no answer, and that nobody wants forgotten. */
  #answeredBefore(asked: ReadonlySet<string>): string[] {
    const { live } = this.#fates;
    const open = live.filter(({ token, end }) => end === undefined && asked.has(token));
    const first = open.toSorted((a, b) => a.seq - b.seq)[0];
    if (first === undefined) return [];
    return live
      .filter(({ session, seq, end }) => session === first.session && end === 'answered' && seq < first.seq)
      .filter(({ session, since }) => !this.#wishes.since(since, 'reset', session))
      .map(({ token }) => token);
  }
}
