/**
 * What the local Slack delivers, and delivers again until it is told that it arrived: over Socket Mode (`slack-socket.ts`) or
 * as signed requests.
 *
 * @see https://docs.slack.dev/apis/events-api/#errors
 */
import { createHmac } from 'node:crypto';

/** An event, a slash command or an interaction on its way. */
export interface Parcel {
  readonly kind: 'events_api' | 'slash_commands' | 'interactive';
  readonly body: object;
  /** Tries so far. */
  tries: number;
  arrived: boolean;
  /** What the app answered. */
  answer: unknown;
}

/** Takes a parcel to the app, and resolves with whether it arrived. */
export type Courier = (parcel: Parcel) => Promise<boolean>;

const RETRY_MS = 20;

export class SlackDeliveries {
  /** Tries again after the first one. */
  retriesMax = 3;
  /** Slack: 3 s. */
  patienceMs = 400;
  courier: Courier | undefined;
  /** False: nobody can be reached, and nothing is lost meanwhile. */
  open = true;
  readonly #waiting = new Set<Parcel>();

  send(kind: Parcel['kind'], body: object): Parcel {
    const parcel: Parcel = { kind, body, tries: 0, arrived: false, answer: undefined };
    this.again(parcel);
    return parcel;
  }

  /** Once more, also where it arrived. */
  again(parcel: Parcel): void {
    if (this.open && this.courier) void this.#carry(parcel);
    else this.#waiting.add(parcel);
  }

  /** Carries what had to wait. */
  resume(): void {
    this.open = true;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const parcel of waiting) this.again(parcel);
  }

  async #carry(parcel: Parcel): Promise<void> {
    parcel.tries += 1;
    const arrived = (await this.courier?.(parcel).catch(() => false)) ?? false;
    parcel.arrived ||= arrived;
    if (arrived || parcel.arrived) return;
    if (!this.open) {
      this.#waiting.add(parcel);
    } else if (parcel.kind === 'events_api' && parcel.tries <= this.retriesMax) {
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      this.again(parcel);
    }
  }
}

/** How Slack signs a request. */
export function signed(secret: string, body: string, timeS = Math.floor(Date.now() / 1_000)): Record<string, string> {
  const signature = createHmac('sha256', secret).update(`v0:${timeS}:${body}`).digest('hex');
  return { 'x-slack-request-timestamp': String(timeS), 'x-slack-signature': `v0=${signature}` };
}

/** Carries parcels as requests to `url`, signed with `secret`. */
export function httpCourier(url: () => string, secret: string, deliveries: SlackDeliveries): Courier {
  return async (parcel) => {
    const { kind, body, tries } = parcel;
    const form = kind !== 'events_api';
    const fields = kind === 'interactive' ? { payload: JSON.stringify(body) } : (body as Record<string, string>);
    const text = form ? new URLSearchParams(fields).toString() : JSON.stringify(body);
    const headers = {
      ...signed(secret, text),
      'content-type': form ? 'application/x-www-form-urlencoded' : 'application/json',
      ...(tries > 1 ? { 'x-slack-retry-num': String(tries - 1), 'x-slack-retry-reason': 'http_error' } : {}),
    };
    const response = await fetch(url(), {
      method: 'POST',
      headers,
      body: text,
      signal: AbortSignal.timeout(kind === 'events_api' ? deliveries.patienceMs : 3_000),
    });
    const answer = await response.text();
    if (answer !== '') parcel.answer = JSON.parse(answer);
    return response.status === 200;
  };
}
