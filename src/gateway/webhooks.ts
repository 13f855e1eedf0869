/** What platforms send to accounts of channels over HTTP: read within limits, passed on, answered with what comes back. */

import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import { Bodies, refuse } from './bodies.ts';
import type { ChannelDesk } from './channels.ts';

export class Webhooks {
  readonly #channels: ChannelDesk;
  readonly #bodies = new Bodies();

  constructor(channels: ChannelDesk) {
    this.#channels = channels;
  }

  /** Handles one POST. Everything of `request` is read before this returns. Nobody has shown a credential. */
  handle(response: HttpResponse, request: HttpRequest): void {
    const name = { channel: request.getParameter(0) ?? '', account: request.getParameter(1) ?? '' };
    if (!this.#channels.hasWebhook(name)) {
      response.onAborted(() => {});
      refuse({ response, alive: true }, '404 Not Found');
      return;
    }
    const headers = new Map<string, string>();
    request.forEach((key, value) => void headers.set(key, value));
    const method = request.getMethod().toUpperCase();
    this.#bodies.handle(response, Number(request.getHeader('content-length')), async (body) => {
      const answer = await this.#channels.webhook(name, { method, headers, body });
      if (answer === undefined) return undefined;
      const { status, contentType, body: text = '' } = answer;
      return { status, headers: contentType === undefined ? [] : [['content-type', contentType]], body: text };
    });
  }
}
