import type { Actor, Address, Cancelled } from './actor.ts';
import type { Host } from './host.ts';
import { CARRIED, Letter } from './letter.ts';
import { Mailbox } from './mailbox.ts';
import type { Runnable } from './scheduler.ts';
import { RunningTask } from './task.ts';
import { isThenable } from './thenable.ts';

/** The actor whose lane it is. */
export interface LaneOwner {
  readonly address: Address;
  readonly host: Host;
  readonly parallel: number;
  readonly deadlineMs: number | undefined;
  /** Who receives; null while nothing may start. */
  readonly receiver: Actor<unknown, unknown, unknown> | null;
  /** A task threw without having been aborted. The letter is back in the mailbox, or dead. */
  taskCrashed(error: unknown): void;
  /** The last running task has ended. */
  settled(): void;
}

/**
 * Takes letters from the mailbox and runs them, one at a time or up to `parallel`. It exists while its actor has
 * something to do, and is dropped with its mailbox when the actor is found idle.
 */
export class Lane implements Runnable {
  readonly mailbox = new Mailbox();
  readonly tasks: RunningTask[] = [];
  private readonly owner: LaneOwner;
  private scheduled = false;

  constructor(owner: LaneOwner) {
    this.owner = owner;
  }

  get isIdle(): boolean {
    return this.mailbox.length === 0 && this.tasks.length === 0;
  }

  /** Gives a letter its place, and says how many are ahead of it. To be followed by admit() or remove(). */
  put(letter: Letter): number {
    const ahead = this.tasks.length + this.mailbox.ahead(letter.rank);
    this.mailbox.put(letter);
    this.owner.host.queued += 1;
    return ahead;
  }

  /** The letter is accepted: it may run. */
  admit(letter: Letter): void {
    letter.state = 'waiting';
    this.wake();
  }

  /** Messages accepted in an earlier life: before all others, whatever the bound says. */
  carryOver(messages: Iterable<unknown>): void {
    for (const message of messages) {
      const letter = new Letter(message, undefined, null);
      letter.rank = CARRIED;
      letter.state = 'waiting';
      this.put(letter);
    }
  }

  /** Releases the place of a letter that was not accepted. Those behind it may now run. */
  remove(letter: Letter): void {
    this.mailbox.remove(letter);
    this.owner.host.queued -= 1;
    this.wake();
  }

  /** To be called when something may have become runnable: asks for a turn, if a turn could start anything. */
  wake(): void {
    if (this.scheduled || this.mailbox.length === 0 || !this.mayStart()) return;
    this.scheduled = true;
    this.owner.host.scheduler.enqueue(this);
  }

  /** One turn: starts one message. */
  step(): void {
    this.scheduled = false;
    const receiver = this.owner.receiver;
    if (receiver === null || !this.mayStart()) return;
    const letter = this.mailbox.take();
    if (letter === undefined) return;
    this.start(letter, receiver);
    this.wake();
  }

  cancel(matches: (message: unknown) => boolean, reason: unknown): Cancelled<unknown> {
    const running = this.tasks.filter((task) => !task.aborted && matches(task.letter.message));
    const queued = this.mailbox.takeWhere((letter) => matches(letter.message));
    this.owner.host.queued -= queued.length;
    for (const letter of queued) letter.reply?.settle({ status: 'failed', error: reason });
    for (const task of running) task.abort(reason);
    return { running: running.map((task) => task.letter.message), queued: queued.map((letter) => letter.message) };
  }

  private mayStart(): boolean {
    const { owner } = this;
    return this.tasks.length < owner.parallel && owner.receiver !== null && !owner.host.holdsBack;
  }

  private start(letter: Letter, receiver: Actor<unknown, unknown, unknown>): void {
    const { owner } = this;
    const { host } = owner;
    const task = new RunningTask(letter, owner, host.nextTask());
    this.tasks.push(task);
    host.queued -= 1;
    host.running += 1;
    const deadlineMs = letter.deadlineMs ?? owner.deadlineMs;
    if (deadlineMs !== undefined) task.startDeadline(host.clock, deadlineMs);
    try {
      const result = receiver.receive(letter.message, task);
      if (!isThenable(result)) this.succeeded(task, result);
      else {
        Promise.resolve(result).then(
          (value) => this.succeeded(task, value),
          (error) => this.failed(task, error),
        );
      }
    } catch (error) {
      this.failed(task, error);
    }
  }

  private succeeded(task: RunningTask, value: unknown): void {
    task.letter.reply?.settle({ status: 'ok', value });
    this.ended(task);
  }

  private failed(task: RunningTask, error: unknown): void {
    if (task.aborted) this.gaveUp(task, error);
    else this.crashed(task, error);
    this.ended(task);
    if (!task.aborted && this.isDead(task.letter)) this.bury(task, error);
  }

  private gaveUp({ letter }: RunningTask, error: unknown): void {
    const { address, host } = this.owner;
    letter.reply?.settle({ status: 'failed', error });
    host.emit({ type: 'aborted', address, message: letter.message, error });
  }

  private crashed({ letter }: RunningTask, error: unknown): void {
    letter.failures += 1;
    if (!this.isDead(letter)) {
      this.mailbox.putFirst(letter);
      this.owner.host.queued += 1;
    }
    this.owner.taskCrashed(error);
  }

  private isDead({ failures }: Letter): boolean {
    return failures >= this.owner.host.limits.attemptsMax;
  }

  /** Told last, when the instance that failed is gone: who hears of it may control the actor, and reaches the next one. */
  private bury({ letter }: RunningTask, error: unknown): void {
    const { address, host } = this.owner;
    const { message, failures: attempts } = letter;
    host.bury({ address, message, error, attempts, at: host.clock.now() });
    letter.reply?.settle({ status: 'failed', error });
  }

  private ended(task: RunningTask): void {
    const { tasks } = this;
    const { host } = this.owner;
    const last = tasks.pop()!;
    if (last !== task) tasks[tasks.indexOf(task)] = last;
    task.end(host.clock);
    host.taskEnded();
    if (tasks.length === 0) this.owner.settled();
    this.wake();
  }
}
