import type { Adapter, ChannelState } from '../../src/channels/adapter.ts';
import type { EnabledAccount } from '../../src/config/channels.ts';
import type { ChannelStatus } from '../../src/protocol/messages.ts';
import { redactText } from '../../src/telemetry/redact.ts';
import { channelKey } from './channel-key.ts';

/** Longest reason that is told, in UTF-16 code units: it may hold what a platform said. */
const REASON_LENGTH_MAX = 300;

/** What outlives an actor of an account: how it is, and what it has done. */
export class Account {
  /** Of a plugin's channel they change: its connection is made anew then. */
  settings: EnabledAccount;
  /** Its plugin was removed, and it is to be as if it were not there. */
  removed = false;
  readonly key: string;
  readonly #told: (status: ChannelStatus) => void;
  readonly #status: ChannelStatus;
  /** By what it is connected now; another actor of the account has another. */
  connection: { readonly adapter: Adapter | undefined; readonly gone: AbortSignal } | undefined;
  /** What waits to be sent. */
  outbox: { readonly waiting: number } | undefined;
  /** Resolves when the last connection has ended: two must not send what waits. */
  ended: Promise<void> = Promise.resolve();

  constructor(settings: EnabledAccount, told: (status: ChannelStatus) => void) {
    this.settings = settings;
    this.key = channelKey(settings.platform, settings.account);
    this.#told = told;
    this.#status = {
      channel: settings.platform,
      account: settings.account,
      state: 'connecting',
      reason: null,
      since: Date.now(),
      lastInbound: null,
      received: 0,
      sent: 0,
      failed: 0,
      unknown: 0,
      waiting: 0,
    };
  }

  /** Whether nothing is tried until an operator acts. */
  get down(): boolean {
    return this.#status.state === 'logged-out' || this.#status.state === 'stopped';
  }

  status(): ChannelStatus {
    return { ...this.#status, waiting: this.outbox?.waiting ?? 0 };
  }

  /** Says whether that is news. */
  become(state: ChannelState, reason: string | null = null): boolean {
    const told = reason === null ? null : redactText(reason).slice(0, REASON_LENGTH_MAX);
    if (this.#status.state === state && this.#status.reason === told) return false;
    if (this.#status.state !== state) this.#status.since = Date.now();
    this.#status.state = state;
    this.#status.reason = told;
    this.#told(this.status());
    return true;
  }

  /** Something came from the platform. */
  alive(): void {
    this.#status.lastInbound = Date.now();
  }

  count(what: 'received' | 'sent' | 'failed' | 'unknown'): void {
    this.#status[what] += 1;
  }
}
