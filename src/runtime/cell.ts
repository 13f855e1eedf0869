import type { Accepted, Address } from './actor.ts';
import { busy, closed, type RuntimeError, stopped } from './errors.ts';
import type { Host } from './host.ts';
import { Lane, type LaneOwner } from './lane.ts';
import type { Letter } from './letter.ts';
import { type AnyActor, type AnyDefinition, Life } from './life.ts';
import { Recovery } from './supervision.ts';
import { isThenable } from './thenable.ts';

/** The kind a cell is of. */
export interface CellKind {
  readonly definition: AnyDefinition;
  readonly host: Host;
  readonly parallel: number;
  readonly mailboxMax: number;
  readonly idleMs: number;
  /** The cell has left memory. */
  forget(key: string): void;
}

/** A letter or control that waits for an instance to take it. */
interface Caller {
  admit(): void;
  refuse(error: RuntimeError): void;
}

export type CellState = 'active' | 'passivating' | 'restarting' | 'stopped';

/**
 * One actor in memory: its life, its lane, and what happens between lives.
 * ```
 *                        ┌── idle ──> passivating ──┬── nobody called ──> forgotten
 * (first call) ──> active                           └── someone did ────> active
 *                        ├── crash ──────────────────────> restarting ── backoff ──> active
 *                        └── one crash too many ─────────> stopped ── window, resume ──> active
 * ```
 * Held by the hundred thousand, so an idle one has only what it must: `lane` and `recovery` are null most of the time.
 */
export class Cell implements LaneOwner {
  readonly key: string;
  life: Life | null = null;
  lane: Lane | null = null;
  private readonly kind: CellKind;
  private recovery: Recovery | null = null;
  /** Who waits for an instance, in order of arrival. Null: there is one, and it takes calls. */
  private callers: Caller[] | null = [];
  /** When the sweep first found it idle; 0: not since its last call. */
  private idleSince = 0;

  constructor(kind: CellKind, key: string) {
    this.kind = kind;
    this.key = key;
  }

  get address(): Address {
    return { kind: this.kind.definition.kind, key: this.key };
  }

  get host(): Host {
    return this.kind.host;
  }

  get definition(): AnyDefinition {
    return this.kind.definition;
  }

  get parallel(): number {
    return this.kind.parallel;
  }

  get deadlineMs(): number | undefined {
    return this.kind.definition.deadlineMs;
  }

  get receiver(): AnyActor | null {
    return this.callers === null ? this.life!.actor : null;
  }

  get state(): CellState {
    if (this.callers === null) return 'active';
    if (this.recovery === null) return 'passivating';
    return this.recovery.stoppedUntil === null ? 'restarting' : 'stopped';
  }

  // ── calls ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Resolves when the letter is accepted; rejects with why it was not. */
  arrive(letter: Letter): Promise<Accepted> {
    this.idleSince = 0;
    this.lane ??= new Lane(this);
    const refusal = this.refusal(this.lane.mailbox.length);
    if (refusal !== null) return Promise.reject(refusal);
    const queued = this.lane.put(letter);
    if (this.callers === null) return this.accept(letter, queued);
    return this.whenActive(
      () => this.accept(letter, queued),
      () => this.lane!.remove(letter),
    );
  }

  control(message: unknown): Promise<unknown> {
    this.idleSince = 0;
    // A crashed instance that still has tasks running answers too: they may be what the control is about.
    if (this.life !== null && (this.callers === null || this.hasTasks)) return this.life.control(message);
    // At most mailboxMax of the callers are letters: full mailboxes must not keep a cancellation out.
    const controls = this.callers!.length - this.kind.mailboxMax;
    const refusal = this.host.draining ? closed(this.address) : this.refusal(controls);
    if (refusal !== null) return Promise.reject(refusal);
    return this.whenActive(
      () => this.life!.control(message),
      () => {},
    );
  }

  private refusal(waiting: number): RuntimeError | null {
    const until = this.recovery?.stoppedUntil ?? null;
    if (until !== null) return stopped(this.address, Math.max(0, until - this.host.clock.elapsed()));
    return waiting >= this.kind.mailboxMax ? busy(this.address, waiting) : null;
  }

  private whenActive<T>(admit: () => Promise<T>, release: () => void): Promise<T> {
    return new Promise((resolve, reject) => {
      this.callers!.push({
        admit: () => resolve(admit()),
        refuse: (error) => {
          release();
          reject(error);
        },
      });
    });
  }

  private accept(letter: Letter, queued: number): Promise<Accepted> {
    const lane = this.lane!;
    try {
      const accepting = this.life!.actor.accept?.(letter.message);
      if (isThenable(accepting)) return this.acceptLater(lane, letter, queued, accepting);
    } catch (error) {
      lane.remove(letter);
      return Promise.reject(error);
    }
    lane.admit(letter);
    return Promise.resolve({ queued });
  }

  private async acceptLater(
    lane: Lane,
    letter: Letter,
    queued: number,
    accepting: PromiseLike<unknown>,
  ): Promise<Accepted> {
    const life = this.life!;
    life.calls += 1;
    this.host.callBegan();
    try {
      await accepting;
    } catch (error) {
      lane.remove(letter);
      throw error;
    } finally {
      this.host.callEnded();
      life.callEnded();
    }
    lane.admit(letter);
    return { queued };
  }

  // ── lives ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Brings up an instance, and lets in those who wait for it. `readPending`: it comes into memory, not from a crash. */
  activate(readPending: boolean): void {
    let unread = readPending;
    try {
      if (unread) this.readPending();
      unread = false;
      this.life = new Life(this);
    } catch (error) {
      this.crash(error, unread);
      return;
    }
    if (this.recovery !== null) {
      this.host.restarts += 1;
      this.host.emit({ type: 'restart', address: this.address });
    }
    // By index: whoever calls while the callers are let in goes behind them.
    for (let i = 0; i < this.callers!.length; i++) this.callers![i]!.admit();
    this.callers = null;
    this.lane?.wake();
  }

  private readPending(): void {
    const messages = this.definition.pending?.(this.key);
    if (messages === undefined) return;
    this.lane ??= new Lane(this);
    // All of them or none: an iteration that fails half-way is read again from its start.
    this.lane.carryOver([...messages]);
  }

  taskCrashed(error: unknown): void {
    if (this.callers === null) this.crash(error, false);
    // Of several tasks in parallel the first has brought the instance down already.
    else this.host.emit({ type: 'crash', address: this.address, error });
  }

  timerCrashed(life: Life, error: unknown): void {
    if (this.life === life && this.callers === null) this.crash(error, false);
  }

  private crash(error: unknown, pendingUnread: boolean): void {
    const { address, host } = this;
    this.life?.end();
    this.callers ??= [];
    this.recovery ??= new Recovery(host.limits);
    this.recovery.pendingUnread = pendingUnread;
    const { stopped: isStopped, waitMs } = this.recovery.crashed(host.clock.elapsed());
    this.recovery.timer = host.clock.setTimeout(() => this.restart(), waitMs);
    this.settled();
    host.emit({ type: 'crash', address, error });
    if (!isStopped) return;
    host.emit({ type: 'stopped', address, error, retryAfterMs: waitMs });
    this.refuseCallers(stopped(address, waitMs));
  }

  /** Ends the wait after a crash; says whether there was one. */
  restart(): boolean {
    const { recovery } = this;
    if (recovery === null || recovery.timer === null) return false;
    this.host.clock.clearTimeout(recovery.timer);
    recovery.timer = null;
    recovery.stoppedUntil = null;
    this.settled();
    return true;
  }

  /**
   * After a crash: the instance goes when its last task and its last call have ended, and the next comes when the wait is
   * over as well. There are never two: what the old one is still writing, the new one will have read.
   */
  settled(): void {
    if (this.callers === null || this.recovery === null || this.hasTasks) return;
    if (this.life !== null && this.life.calls > 0) return;
    this.life = null;
    if (this.recovery.timer === null) this.activate(this.recovery.pendingUnread);
  }

  private get hasTasks(): boolean {
    return this.lane !== null && this.lane.tasks.length > 0;
  }

  refuseCallers(error: RuntimeError): void {
    if (this.callers === null) return;
    const callers = this.callers;
    this.callers = [];
    for (const caller of callers) caller.refuse(error);
  }

  // ── leaving ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The sweep comes by, at `now` (any clock that only grows, from 1): an idle cell sheds what it can, then leaves. */
  visit(now: number): void {
    if (this.callers !== null) return;
    if (this.recovery?.isQuiet(this.host.clock.elapsed())) this.recovery = null;
    if (this.lane?.isIdle === false || this.life!.calls > 0) this.idleSince = 0;
    else if (this.idleSince === 0) {
      this.idleSince = now;
      this.lane = null;
    } else if (now - this.idleSince >= this.kind.idleMs && this.recovery === null) this.passivate(this.life!);
  }

  /** Whether it could leave at once. */
  get isIdle(): boolean {
    return this.callers === null && this.recovery === null && this.lane?.isIdle !== false && this.life!.calls === 0;
  }

  /** When the sweep first found it idle; one that has worked since then comes last. */
  get idleFrom(): number {
    return this.idleSince === 0 ? Infinity : this.idleSince;
  }

  /** Leaves memory before its time. It must be idle. */
  leave(): void {
    this.lane = null;
    this.passivate(this.life!);
  }

  private passivate(life: Life): void {
    this.life = null;
    this.callers = [];
    this.host.callBegan();
    try {
      const leaving = life.passivate();
      if (isThenable(leaving)) {
        Promise.resolve(leaving).then(
          () => this.passivated(),
          (error) => this.passivateFailed(error),
        );
      } else this.passivated();
    } catch (error) {
      this.passivateFailed(error);
    }
  }

  private passivateFailed(error: unknown): void {
    this.host.emit({ type: 'passivateFailed', address: this.address, error });
    this.passivated();
  }

  private passivated(): void {
    this.host.callEnded();
    this.host.emit({ type: 'passivated', address: this.address });
    if (this.callers!.length > 0) this.activate(true);
    else this.kind.forget(this.key);
  }

  /** The end of a drain: aborts what still runs, and ends every timer and every wait. */
  close(reason: RuntimeError): void {
    this.life?.end();
    this.refuseCallers(reason);
    if (this.recovery?.timer) this.host.clock.clearTimeout(this.recovery.timer);
    if (this.lane === null) return;
    for (const letter of this.lane.mailbox) letter.reply?.settle({ status: 'unknown' });
    for (const task of this.lane.tasks) task.abort(reason);
  }
}
