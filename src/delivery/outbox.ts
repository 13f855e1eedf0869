/**
 * Sends what waits in the outbox of one account: each chat in order, chats beside each other. What becomes of one record is
 * in `dispatch.ts`.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { OutboxKey, OutboxRecord } from '../storage/outbox.ts';
import { Dispatch, type DispatchParts, type Outcome } from './dispatch.ts';
import { Gate } from './gate.ts';

/** Messages that are sent at the same time. */
const SENDING_MAX = 64;
/** Wait before the disk is tried again. */
const STORAGE_RETRY_MS = 1_000;
/** How long what is being sent may take to become known, when the outbox stops. */
const STOP_GRACE_MS = 1_000;

export interface OutboxParts extends DispatchParts {
  /** As in the keys of the table. */
  account: string;
  /** A record has ended, and is gone from the disk. */
  ended(key: OutboxKey, record: OutboxRecord, outcome: Outcome): void;
}

export class Outbox {
  readonly #parts: OutboxParts;
  /** Ids that wait, by lane, oldest first; the first is being sent. */
  readonly #lanes = new Map<string, string[]>();
  readonly #known = new Set<string>();
  readonly #waiters = new Map<string, ((outcome: Outcome) => void)[]>();
  readonly #stop = new AbortController();
  readonly #gate = new Gate(SENDING_MAX);
  /** Lanes that wait for another try. */
  #resting = 0;
  #idle: (() => void) | undefined;

  constructor(parts: OutboxParts) {
    this.#parts = parts;
  }

  /** Records that wait or are being sent. */
  get waiting(): number {
    return this.#known.size;
  }

  /** Takes up what the disk has. Also to be called now and then, for what was not announced. */
  scan(): void {
    for (const key of [...this.#parts.store.outbox.keysOf(this.#parts.account)]) this.add(key);
  }

  /** A record was put into the table. */
  add([, lane, id]: OutboxKey): void {
    if (this.#known.has(id) || this.#stop.signal.aborted) return;
    this.#known.add(id);
    const waiting = this.#lanes.get(lane);
    if (waiting !== undefined) {
      waiting.push(id);
      return;
    }
    this.#lanes.set(lane, [id]);
    void this.#runLane(lane);
  }

  /** How record `id` ends; undefined when it is not there. */
  outcome(id: string): Promise<Outcome> | undefined {
    if (!this.#known.has(id)) return undefined;
    return new Promise((resolve) => this.#waiters.set(id, [...(this.#waiters.get(id) ?? []), resolve]));
  }

  /** Lets messages go out. */
  open(): void {
    this.#gate.open();
  }

  /** Lets none go out until {@link open}. */
  close(): void {
    this.#gate.close();
  }

  /**
   * Sends nothing more, and writes nothing more once it resolves: what is being sent then is not known to have arrived, and
   * another outbox may take up the account.
   */
  async stop(): Promise<void> {
    this.#gate.close();
    const grace = pause(STOP_GRACE_MS, undefined, { signal: this.#stop.signal }).catch(() => {});
    await Promise.race([this.#gate.empty(), grace]);
    this.#stop.abort(new Error('the outbox stops'));
    this.#gate.open(); // for those who wait to be told
  }

  /** Resolves when nothing is being sent: all is, or waits for another try, or may not go out. */
  async idle(): Promise<void> {
    if (this.#lanes.size === this.#resting || !this.#gate.isOpen) return;
    await new Promise<void>((resolve) => {
      this.#idle = resolve;
    });
  }

  async #runLane(lane: string): Promise<void> {
    const ids = this.#lanes.get(lane) as string[];
    while (ids.length > 0) {
      const id = ids[0] as string;
      const key: OutboxKey = [this.#parts.account, lane, id];
      await this.#gate.pass(); // until then another life of the account may be at it
      const record = this.#stop.signal.aborted ? undefined : this.#parts.store.outbox.get(key);
      this.#gate.leave();
      if (this.#stop.signal.aborted) return;
      if (record !== undefined && !(await this.#sendRecord(key, record))) return;
      ids.shift();
      this.#known.delete(id);
    }
    this.#lanes.delete(lane);
    this.#rest(0);
  }

  /** Sends one record to its end. False: the outbox stops. */
  async #sendRecord(key: OutboxKey, record: OutboxRecord): Promise<boolean> {
    const signal = this.#stop.signal;
    const dispatch = new Dispatch(key, record, this.#parts, {
      gate: this.#gate,
      signal,
      wait: (ms) => this.#wait(ms),
      pause: (ms) => this.#pause(ms),
    });
    for (;;) {
      try {
        const outcome = await dispatch.run();
        this.#parts.ended(key, record, outcome);
        for (const tell of this.#waiters.get(key[2]) ?? []) tell(outcome);
        this.#waiters.delete(key[2]);
        return true;
      } catch (error) {
        if (signal.aborted) return false;
        this.#parts.trouble(error, key);
        await this.#wait(STORAGE_RETRY_MS);
      }
    }
  }

  async #wait(ms: number): Promise<void> {
    this.#rest(1);
    await this.#pause(ms);
    this.#rest(-1);
  }

  async #pause(ms: number): Promise<void> {
    await pause(ms, undefined, { signal: this.#stop.signal }).catch(() => {});
  }

  #rest(lanes: number): void {
    this.#resting += lanes;
    if (this.#lanes.size === this.#resting) this.#idle?.();
  }
}
