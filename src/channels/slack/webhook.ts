/**
 * HTTP: Slack posts events, slash commands and interactions, and posts an event again until it is answered with 200. It is
 * Slack's only if it is signed with the secret of the app, a short while ago.
 *
 * @see https://docs.slack.dev/authentication/verifying-requests-from-slack
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { ChannelError, type WebhookRequest, type WebhookResponse } from '../adapter.ts';
import type { Listener } from './connect.ts';
import type { Delivery } from './intake.ts';

/** How far a request's time may be from ours, in seconds. */
const SKEW_S = 300;
/** How often Slack is asked whether the token is still good, in milliseconds. */
export const LOOK_MS = 60_000;

export class Webhook {
  readonly #signingSecret: string;
  readonly #listener: Listener;
  readonly #look: () => Promise<unknown>;
  readonly #lookMs: number;
  readonly #stopping = new AbortController();
  #watching: Promise<void> | undefined;

  /** @param look asks Slack whether the token is good; rejects with a ChannelError */
  constructor(signingSecret: string, listener: Listener, look: () => Promise<unknown>, lookMs: number) {
    this.#signingSecret = signingSecret;
    this.#listener = listener;
    this.#look = look;
    this.#lookMs = lookMs;
  }

  async open(): Promise<void> {
    this.#listener.state('ready');
    this.#watching = this.#watch();
  }

  /** Never rejects. */
  async close(): Promise<void> {
    this.#stopping.abort();
    await this.#watching;
  }

  /** Never rejects. */
  async answer(request: WebhookRequest): Promise<WebhookResponse> {
    if (!isSigned(request, this.#signingSecret)) return { status: 401 };
    if (request.method !== 'POST') return { status: 405 };
    if (this.#stopping.signal.aborted) return { status: 503 };
    this.#listener.alive();
    const delivery = parse(request);
    if (delivery === undefined) return { status: 400 };
    if ('challenge' in delivery) return { status: 200, body: delivery.challenge, contentType: 'text/plain' };
    const { kept, answer } = await this.#listener.take(delivery);
    if (!kept) return { status: 503 };
    if (answer === undefined) return { status: 200 };
    return { status: 200, body: JSON.stringify(answer), contentType: 'application/json; charset=utf-8' };
  }

  /** Who waits for requests does not see that none can come any more: a token that was revoked, an app that was removed. */
  async #watch(): Promise<void> {
    const { signal } = this.#stopping;
    for (;;) {
      await delay(this.#lookMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      try {
        await this.#look();
        this.#listener.state('ready');
      } catch (error) {
        if (signal.aborted || !(error instanceof ChannelError) || error.kind === 'unauthorized') return;
        this.#listener.state('degraded', error.message);
      }
    }
  }
}

/** Whether Slack signed it in the last five minutes. In constant time. No secret of ours: nothing is. */
function isSigned({ headers, body }: WebhookRequest, secret: string): boolean {
  const time = headers.get('x-slack-request-timestamp') ?? '';
  const given = headers.get('x-slack-signature') ?? '';
  if (secret === '' || !/^\d{1,12}$/.test(time)) return false;
  const signature = `v0=${createHmac('sha256', secret).update(`v0:${time}:`).update(body).digest('hex')}`;
  // Both keyed again, so that they are equally long.
  const digest = (text: string): Buffer => createHmac('sha256', secret).update(text).digest();
  const same = timingSafeEqual(digest(given), digest(signature));
  return same && Math.abs(Date.now() / 1_000 - Number(time)) <= SKEW_S;
}

/** Events are JSON; slash commands are a form; interactions are JSON in a form. Undefined: none of them. */
function parse({ headers, body }: WebhookRequest): Delivery | { challenge: string } | undefined {
  try {
    const text = Buffer.from(body).toString();
    if (!headers.get('content-type')?.startsWith('application/x-www-form-urlencoded')) return parseEvent(text);
    const form = Object.fromEntries(new URLSearchParams(text));
    if (form.payload !== undefined) {
      const payload: unknown = JSON.parse(form.payload);
      return isObject(payload) ? { kind: 'interactive', body: payload } : undefined;
    }
    const complete = ['user_id', 'channel_id', 'trigger_id', 'response_url'].every((name) => form[name] !== undefined);
    return complete ? { kind: 'slash_commands', body: form } : undefined;
  } catch {
    return undefined;
  }
}

function parseEvent(text: string): Delivery | { challenge: string } | undefined {
  const body: unknown = JSON.parse(text);
  if (!isObject(body)) return undefined;
  if (body.type === 'url_verification') {
    return typeof body.challenge === 'string' ? { challenge: body.challenge } : undefined;
  }
  return { kind: 'events_api', body };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
