import type { Accepted, ActorRef, Address, AskOptions, AskOutcome, TellOptions } from './actor.ts';
import { closed, full } from './errors.ts';
import type { Kind } from './kind.ts';
import { Letter, Reply } from './letter.ts';

/** A ref to an actor of this system. */
export class LocalRef implements ActorRef<unknown, unknown, unknown, unknown> {
  private readonly kind: Kind;
  private readonly key: string;

  constructor(kind: Kind, key: string) {
    this.kind = kind;
    this.key = key;
  }

  get address(): Address {
    return { kind: this.kind.definition.kind, key: this.key };
  }

  tell(message: unknown, options?: TellOptions): Promise<Accepted> {
    return this.send(new Letter(message, options, null));
  }

  ask(message: unknown, options: AskOptions): Promise<AskOutcome<unknown>> {
    return new Promise((resolve) => {
      const reply = new Reply(this.kind.host.clock, options.timeoutMs, resolve);
      this.send(new Letter(message, options, reply)).catch((error) => reply.settle({ status: 'failed', error }));
    });
  }

  /** While draining, actors in memory still answer; no other is brought back for it. */
  control(message: unknown): Promise<unknown> {
    const { kind, key } = this;
    if (kind.host.draining && !kind.cells.has(key)) return Promise.reject(closed(this.address));
    return kind.reach(key)?.control(message) ?? Promise.reject(full(this.address, kind.activeMax));
  }

  private send(letter: Letter): Promise<Accepted> {
    if (this.kind.host.draining) return Promise.reject(closed(this.address));
    const cell = this.kind.reach(this.key);
    return cell === null ? Promise.reject(full(this.address, this.kind.activeMax)) : cell.arrive(letter);
  }
}
