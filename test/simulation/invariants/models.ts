import type { ModelMessage } from '../../../src/agent/provider.ts';
import { tokenIn } from '../token.ts';
import type { Report } from './report.ts';

/**
 * What a model is sent makes sense: every tool call is followed by its result, no message of a user stands there twice or
 * comes from another session, and nothing of what is to be forgotten.
 */
export class ModelRequests {
  readonly #report: Report;
  /** Whether a message is from before a reset, or of a session that was deleted. */
  readonly #isBehind: (token: string) => boolean;

  constructor(report: Report, isBehind: (token: string) => boolean) {
    this.#report = report;
    this.#isBehind = isBehind;
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
      if (this.#isBehind(token)) this.#report(`a model is sent ${token}, which is forgotten`);
    }
  }

  #checkCalls(messages: readonly ModelMessage[]): void {
    let open = new Set<string>();
    for (const message of messages) {
      if (message.role === 'tool') {
        if (!open.delete(message.call)) this.#report(`a model is sent the result of ${message.call}, which it did not call`);
        continue;
      }
      if (open.size > 0) this.#report(`a model is sent its call ${[...open][0]} without the result`);
      open = new Set(message.role === 'assistant' ? message.toolCalls.map(({ id }) => id) : []);
    }
    if (open.size > 0) this.#report(`a model is sent its call ${[...open][0]} without the result`);
  }
}
