/**
 * The webhook: Telegram posts every update to us, and again until it is answered with 200. What comes is Telegram's only if
 * it carries the secret that was agreed on with `setWebhook`.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Update, WebhookInfo } from 'grammy/types';
import { type AdapterEvents, ChannelError, type WebhookRequest, type WebhookResponse } from '../adapter.ts';
import type { TelegramClient } from './connect.ts';
import type { Intake } from './intake.ts';
import { ALLOWED_UPDATES } from './normalize.ts';
import type { Standing } from './standing.ts';

/** Deliveries Telegram makes at a time, and updates that are under way at most. */
const CONNECTIONS_MAX = 40;
const UNDER_WAY_MAX = 100;
/** How often Telegram is asked whether it reaches the webhook, in milliseconds. */
const LOOK_MS = 60_000;
const SECRET_HEADER = 'x-telegram-bot-api-secret-token';

export interface WebhookSettings {
  readonly url: string;
  readonly secret: string;
}

export class Webhook {
  readonly #settings: WebhookSettings;
  readonly #client: TelegramClient;
  readonly #events: AdapterEvents;
  readonly #intake: Intake;
  readonly #standing: Standing;
  readonly #lookMs: number;
  readonly #stopping = new AbortController();
  #watching: Promise<void> | undefined;
  /** When Telegram was last heard here, in seconds since the epoch. */
  #heardAt = 0;

  constructor(
    settings: WebhookSettings,
    client: TelegramClient,
    events: AdapterEvents,
    intake: Intake,
    standing: Standing,
    lookMs = LOOK_MS,
  ) {
    this.#settings = settings;
    this.#client = client;
    this.#events = events;
    this.#intake = intake;
    this.#standing = standing;
    this.#lookMs = lookMs;
  }

  /** Throws a ChannelError. */
  async start(signal: AbortSignal): Promise<void> {
    const { url, secret } = this.#settings;
    await this.#client.call(
      'a webhook',
      signal,
      (api, sign) =>
        api.setWebhook(
          { url, secret_token: secret, allowed_updates: ALLOWED_UPDATES, max_connections: CONNECTIONS_MAX },
          sign,
        ),
      { repeatable: true },
    );
    this.#heardAt = nowS();
    this.#standing.well('webhook');
    this.#watching = this.#watch();
  }

  /** Telegram keeps what comes from now on, for a day, until somebody takes it. Never rejects. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#watching;
  }

  /** Never rejects. */
  async answer({ method, headers, body }: WebhookRequest): Promise<WebhookResponse> {
    if (!isSecret(headers.get(SECRET_HEADER), this.#settings.secret)) return { status: 401 };
    if (method !== 'POST') return { status: 405 };
    if (this.#stopping.signal.aborted || this.#intake.underWay >= UNDER_WAY_MAX) return { status: 503 };
    const update = parse(body);
    if (update === undefined) return { status: 400 };
    this.#events.alive();
    this.#heardAt = nowS();
    const kept = await this.#intake.take(update);
    if (kept) {
      this.#standing.well('keeping');
      return { status: 200 };
    }
    this.#standing.ill('keeping', 'messages cannot be kept now: Telegram delivers them again (the log says why)');
    return { status: 500 };
  }

  /** What does not reach us goes unseen here: only Telegram can tell. */
  async #watch(): Promise<void> {
    const { signal } = this.#stopping;
    for (;;) {
      await sleep(this.#lookMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      try {
        const info = await this.#client.call(
          'the state of the webhook',
          signal,
          (api, sign) => api.getWebhookInfo(sign),
          { repeatable: true },
        );
        this.#standing.well('connection');
        this.#judge(info);
      } catch (error) {
        if (signal.aborted || !(error instanceof ChannelError)) return;
        if (error.kind === 'unauthorized') return this.#standing.loggedOut(error);
        this.#standing.ill('connection', error.message);
      }
    }
  }

  #judge({ url, pending_update_count: pending, last_error_date: failedAt = 0, last_error_message }: WebhookInfo): void {
    if (url !== this.#settings.url) {
      this.#standing.ill('webhook', 'another program took the webhook of this bot: only one can have its messages');
    } else if (pending > 0 && failedAt > this.#heardAt) {
      const reason = this.#client.scrub(last_error_message ?? 'it does not say why');
      this.#standing.ill('webhook', `Telegram cannot deliver ${pending} updates: ${reason}`);
    } else {
      this.#standing.well('webhook');
    }
  }
}

function nowS(): number {
  return Math.floor(Date.now() / 1_000);
}

/** In constant time. No secret of ours is as good as none given: nothing matches. */
function isSecret(given: string | undefined, secret: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given ?? ''), digest(secret)) && secret !== '';
}

function parse(body: Uint8Array): Update | undefined {
  try {
    const update: unknown = JSON.parse(Buffer.from(body).toString());
    const isUpdate = typeof (update as Update | null)?.update_id === 'number';
    return isUpdate ? (update as Update) : undefined;
  } catch {
    return undefined;
  }
}
