import type { Actor, ActorContext, ActorDefinition, Address, Cancelled, Timers } from './actor.ts';
import type { Clock } from './clock.ts';
import type { Host } from './host.ts';
import type { Lane } from './lane.ts';
import { LifeTimers } from './timers.ts';

/** Definitions and actors as the runtime handles them: what they are about is not its concern. */
export type AnyDefinition = ActorDefinition<unknown, unknown, unknown, unknown>;
export type AnyActor = Actor<unknown, unknown, unknown, unknown>;

/** Whose life it is. */
interface LifeOwner {
  readonly address: Address;
  readonly host: Host;
  readonly lane: Lane | null;
  readonly life: Life | null;
  readonly definition: AnyDefinition;
  timerCrashed(life: Life, error: unknown): void;
  /** The last call of a life that is over has ended. */
  settled(): void;
}

/** One life of an actor: an instance, and the context it was given. A crash or passivation ends it; another may follow. */
export class Life implements ActorContext<unknown> {
  readonly actor: AnyActor;
  /** Calls of accept() and control() that have not ended, and work that is held. */
  calls = 0;
  private readonly owner: LifeOwner;
  private ownTimers: LifeTimers | null = null;
  private ended = false;

  /** Throws what create() throws. */
  constructor(owner: LifeOwner) {
    this.owner = owner;
    try {
      this.actor = owner.definition.create(this);
    } catch (error) {
      this.end();
      throw error;
    }
  }

  get address(): Address {
    return this.owner.address;
  }

  get clock(): Clock {
    return this.owner.host.clock;
  }

  get timers(): Timers {
    if (this.ownTimers === null) {
      const { clock, limits } = this.owner.host;
      this.ownTimers = new LifeTimers(clock, limits.timersMax, (error) => this.owner.timerCrashed(this, error));
      if (this.ended) this.ownTimers.end();
    }
    return this.ownTimers;
  }

  get queued(): number {
    return this.owner.lane?.mailbox.length ?? 0;
  }

  get running(): number {
    return this.owner.lane?.tasks.length ?? 0;
  }

  /** From an instance that is gone, this matches nothing: the lane is another's now. */
  cancel(matches: (message: unknown) => boolean, reason: unknown): Cancelled<unknown> {
    const { lane, life } = this.owner;
    if (lane === null || life !== this) return { running: [], queued: [] };
    return lane.cancel(matches, reason);
  }

  async control(message: unknown): Promise<unknown> {
    if (this.actor.control === undefined) throw new Error(`Actors of kind ${this.address.kind} have no control().`);
    this.calls += 1;
    try {
      return await this.actor.control(message);
    } finally {
      this.callEnded();
    }
  }

  hold(work: Promise<unknown>): void {
    const { host } = this.owner;
    this.calls += 1;
    host.callBegan();
    const ended = () => {
      host.callEnded();
      this.callEnded();
    };
    work.then(ended, ended);
  }

  callEnded(): void {
    this.calls -= 1;
    if (this.ended && this.calls === 0) this.owner.settled();
  }

  /** Ends the timers, then lets the actor say goodbye. */
  passivate(): unknown {
    this.end();
    return this.actor.passivate?.();
  }

  end(): void {
    this.ended = true;
    this.ownTimers?.end();
  }
}
