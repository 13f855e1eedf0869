import type { ActorDefinition, ActorRef, Address } from './actor.ts';
import type { Cell, CellState } from './cell.ts';
import { type Clock, realClock, type TimerHandle } from './clock.ts';
import type { DeadLetters } from './dead-letters.ts';
import { RuntimeError } from './errors.ts';
import type { SystemEvent } from './events.ts';
import { Host } from './host.ts';
import { Kind } from './kind.ts';
import type { AnyDefinition } from './life.ts';
import { DEFAULT_LIMITS, type Limits } from './limits.ts';
import { LocalRef } from './ref.ts';
import { Sweep } from './sweep.ts';

/** How long what was aborted at the end of a drain has to end, in milliseconds. */
const ABORT_GRACE_MS = 1_000;

export interface ActorSystemOptions {
  /** Default: the real one. */
  readonly clock?: Clock;
  /** Called at once with everything of note, for logs and metrics. What it throws becomes a process warning. */
  readonly onEvent?: (event: SystemEvent) => void;
  readonly limits?: Partial<Limits>;
}

export interface SystemStats {
  /** Actors in memory. */
  readonly actors: number;
  readonly running: number;
  /** Messages waiting, those still being accepted included. */
  readonly queued: number;
  /** Since the start of the system, as is the next. */
  readonly restarts: number;
  readonly deadLetters: number;
}

export interface ActorStatus {
  readonly state: CellState;
  readonly queued: number;
  readonly running: number;
}

/** All actors of a thread. `docs/actors.md` teaches it; `actor.ts` has the contract. */
export class ActorSystem {
  private readonly host: Host;
  private readonly sweep: Sweep;
  private readonly kinds = new Map<string, Kind>();
  private drained: Promise<{ finished: boolean }> | null = null;
  /** Ends the wait of a drain for what runs. */
  private endWait: () => void = () => {};

  constructor(options: ActorSystemOptions = {}) {
    const clock = options.clock ?? realClock;
    const limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.host = new Host(clock, limits, options.onEvent);
    this.sweep = new Sweep(clock, limits, () => this.cells());
  }

  get deadLetters(): DeadLetters {
    return this.host.deadLetters;
  }

  /**
   * Makes a kind known, and returns how to get refs to its actors. A ref brings nothing into memory: the first message
   * does. Throws when the kind is known already, or its limits make no sense.
   */
  register<Message, Result, Control = never, Answer = unknown>(
    definition: ActorDefinition<Message, Result, Control, Answer>,
  ): (key: string) => ActorRef<Message, Result, Control, Answer> {
    if (this.kinds.has(definition.kind)) throw new Error(`Kind ${definition.kind} is registered already.`);
    // Safe: only refs made below carry messages to this kind, and they take nothing but its own.
    const kind = new Kind(definition as unknown as AnyDefinition, this.host);
    this.kinds.set(definition.kind, kind);
    return (key) => new LocalRef(kind, key) as unknown as ActorRef<Message, Result, Control, Answer>;
  }

  /** What an actor is doing; undefined: it is not in memory. Never brings it there. */
  peek(address: Address): ActorStatus | undefined {
    const cell = this.find(address);
    if (cell === undefined) return undefined;
    return { state: cell.state, queued: cell.lane?.mailbox.length ?? 0, running: cell.lane?.tasks.length ?? 0 };
  }

  /** Starts a stopped actor (or one in its backoff) now. Says whether there was something to start. */
  resume(address: Address): boolean {
    return this.find(address)?.restart() ?? false;
  }

  /**
   * Starts no more messages, in any actor, until {@link unpause}: they are accepted and wait, within the bounds of their
   * mailboxes. What runs goes on; control() is answered; the time of an ask() passes.
   */
  pause(): void {
    this.host.paused = true;
  }

  /** Goes on with what waits, lane by lane in their order. */
  unpause(): void {
    this.host.paused = false;
    for (const cell of this.cells()) cell.lane?.wake();
  }

  stats(): SystemStats {
    const { running, queued, restarts, deadLetterCount } = this.host;
    let actors = 0;
    for (const kind of this.kinds.values()) actors += kind.cells.size;
    return { actors, running, queued, restarts, deadLetters: deadLetterCount };
  }

  /**
   * Leaves in good order, for good: from now on new messages are refused (`closed`) and none is started; what is being
   * accepted or running may end, for at most `timeoutMs`; then what still runs is aborted (`closed`), queued asks get
   * `unknown` and all timers end. Actors in memory answer control() throughout. `finished`: nothing had to be aborted.
   * Called again it only shortens the wait.
   */
  drain(timeoutMs: number): Promise<{ finished: boolean }> {
    this.drained ??= this.drainOnce();
    const { clock } = this.host;
    const timer = clock.setTimeout(this.endWait, timeoutMs);
    void this.drained.finally(() => clock.clearTimeout(timer));
    return this.drained;
  }

  private async drainOnce(): Promise<{ finished: boolean }> {
    const { clock } = this.host;
    const reason = new RuntimeError('closed', 'the system is draining');
    this.host.draining = true;
    this.sweep.stop();
    for (const cell of this.cells()) cell.refuseCallers(reason);
    const finished = await new Promise<boolean>((resolve) => {
      this.endWait = () => resolve(false);
      void this.host.quiet().then(() => resolve(true));
    });
    for (const cell of this.cells()) cell.close(reason);
    // What was aborted may write down where it was; one turn of the event loop for what does not take notice.
    await new Promise<void>((resolve) => clock.setImmediate(resolve));
    if (!finished) await this.quietWithin(ABORT_GRACE_MS);
    return { finished };
  }

  /** Resolves when nothing runs any more, or after `ms` milliseconds. */
  private async quietWithin(ms: number): Promise<void> {
    const { clock } = this.host;
    let timer: TimerHandle | undefined;
    const late = new Promise<void>((resolve) => {
      timer = clock.setTimeout(resolve, ms);
    });
    await Promise.race([this.host.quiet(), late]);
    if (timer !== undefined) clock.clearTimeout(timer);
  }

  private find(address: Address): Cell | undefined {
    return this.kinds.get(address.kind)?.cells.get(address.key);
  }

  private *cells(): Generator<Cell, void> {
    for (const kind of this.kinds.values()) yield* kind.cells.values();
  }
}
