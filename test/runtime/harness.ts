import type { Actor, ActorContext, ActorDefinition, ActorRef, Task } from '../../src/runtime/actor.ts';
import type { SystemEvent } from '../../src/runtime/events.ts';
import type { Limits } from '../../src/runtime/limits.ts';
import { ActorSystem } from '../../src/runtime/system.ts';
import { ManualClock } from '../support/manual-clock.ts';

/** A promise that the test settles. */
export function gate<T = void>(): PromiseWithResolvers<T> {
  return Promise.withResolvers<T>();
}

export type TestActor = Actor<string, unknown, string, unknown>;
export type TestRef = ActorRef<string, unknown, string, unknown>;
type Options = Partial<Omit<ActorDefinition<string, unknown, string, unknown>, 'create'>>;

/** A system on a manual clock that writes down its events, with one kind of actor, `test`. */
export class Harness {
  readonly clock = new ManualClock();
  readonly events: SystemEvent[] = [];
  readonly system: ActorSystem;
  /** Told of each event as it happens. */
  onEvent: (event: SystemEvent) => void = () => {};

  constructor(limits: Partial<Limits> = {}) {
    const onEvent = (event: SystemEvent) => {
      this.events.push(event);
      this.onEvent(event);
    };
    this.system = new ActorSystem({ clock: this.clock, limits, onEvent });
  }

  /** Resolves when the clock has moved on by `ms`. */
  wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.clock.setTimeout(resolve, ms);
    });
  }

  /** Events of one type, so far. */
  eventsOf<Type extends SystemEvent['type']>(type: Type): Extract<SystemEvent, { type: Type }>[] {
    return this.events.filter((event) => event.type === type) as Extract<SystemEvent, { type: Type }>[];
  }

  refs(create: (context: ActorContext<string>) => TestActor, options: Options = {}): (key: string) => TestRef {
    return this.system.register<string, unknown, string, unknown>({ kind: 'test', ...options, create });
  }

  ref(create: (context: ActorContext<string>) => TestActor, options: Options = {}): TestRef {
    return this.refs(create, options)('a');
  }
}

/** An actor whose messages run until the test ends them: `started` in order, `end` and `fail` by message. */
export class Held {
  readonly started: string[] = [];
  readonly tasks = new Map<string, Task>();
  private readonly gates = new Map<string, PromiseWithResolvers<unknown>>();

  readonly receive = (message: string, task: Task): Promise<unknown> => {
    this.started.push(message);
    this.tasks.set(message, task);
    const held = gate<unknown>();
    this.gates.set(message, held);
    return held.promise;
  };

  end(message: string, value: unknown = `${message} done`): void {
    this.gates.get(message)!.resolve(value);
  }

  fail(message: string, error: unknown = new Error(`${message} failed`)): void {
    this.gates.get(message)!.reject(error);
  }
}
