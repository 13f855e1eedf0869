import type { ModelMessage } from '../../../src/agent/provider.ts';
import { tokenIn } from '../token.ts';
import type { Report } from './report.ts';

/** What is known of the messages of a session. */
export interface Context {
  /** Whether a message is from before a reset, or of a session that was deleted. */
  isBehind(token: string): boolean;
  /** The tokens of what was answered before the first of `asked` that has no answer, and is to be remembered. */
  answeredBefore(asked: ReadonlySet<string>): string[];
}

/**
 * What a model is sent makes sense: every tool call is followed by its result, no message of a user stands there twice or
 * comes from another session, nothing of what is to be forgotten, and all that was answered before.
 */
export class ModelRequests {
  readonly #report: Report;
  readonly #context: Context;

  constructor(report: Report, context: Context) {
    this.#report = report;
    this.#context = context;
  }

  asked(messages: readonly ModelMessage[]): void {
    this.#checkCalls(messages);
    const said = messages.flatMap((message) => (message.role === 'user' ? (tokenIn(message.text) ?? []) : []));
    const session = said.at(-1)?.session;
    if (session === undefined) return this.#report('a model is asked without a message to answer');
    const tokens = new Set<string>();
    for (const { token, session: other } of said) {
      if (tokens.has(token)) this.#report(`a model is sent ${token} twice`);
      tokens.add(token);
      if (other !== session) this.#report(`a model is sent ${token} in session ${session}`);
      if (this.#context.isBehind(token)) this.#report(`a model is sent ${token}, which is forgotten`);
    }
    for (const token of this.#context.answeredBefore(tokens)) {
      if (!tokens.has(token)) this.#report(`a model is not sent ${token}, which was answered before`);
    }
  }

  #checkCalls(messages: readonly ModelMessage[]): void {
    let open = new Set<string>();
    for (const message of messages) {
      if (message.role === 'tool') {
        if (!open.delete(message.call))
          this.#report(`a model is sent the result of ${message.call}, which it did not call`);
        continue;
      }
      if (open.size > 0) this.#report(`a model is sent its call ${[...open][0]} without the result`);
      open = new Set(message.role === 'assistant' ? message.toolCalls.map(({ id }) => id) : []);
    }
    if (open.size > 0) this.#report(`a model is sent its call ${[...open][0]} without the result`);
  }
}
