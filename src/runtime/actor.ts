/**
 * The contract between an actor and the runtime that keeps it (the shape of this header is that of Erlang's gen_server).
 *
 *   system                        actor
 *   ------                        -----
 *   comes into memory     ----->  definition.pending(key)    messages accepted in an earlier life
 *                         ----->  definition.create(context) a new instance
 *   ref.tell / ref.ask    ----->  accept(message)            outside the lane, as it arrives
 *   lane                  ----->  receive(message, task)     one at a time, or `parallel` at a time
 *   ref.control           ----->  control(message)           at once, beside running work
 *   idle for idleMs       ----->  passivate()                then the instance is forgotten
 *   receive threw         ----->  definition.create(context) after a backoff; pending() is not read again
 *
 * pending(key) → iterable of messages. Called once each time the actor comes into memory, never after a crash: the
 *   mailbox survives a crash. Its messages run before all others, in order, without accept(), and are never refused,
 *   though they count as waiting. Throws: counts as a crash; it is called again with the next attempt to start.
 * create(context) → the actor, synchronously. Throws: counts as a crash; no message is lost or blamed for it.
 * accept(message) → nothing, or a promise. Called in order of arrival, when a slot in the mailbox is already reserved.
 *   The message becomes runnable, and the sender's tell() resolves, when it has returned or resolved; within a priority
 *   messages become runnable in order of arrival even where their promises resolve in another. Throws or rejects: the
 *   slot is released and the error goes to the sender. That is no crash.
 * receive(message, task) → the result, or a promise of it; ask() gets it as `ok`. Throws or rejects
 *   - while its signal is not aborted: a crash. The instance is dropped, the next one gets the same message first
 *     (`attempt` 2, then 3). After the third failure the message goes to the dead letters and the lane goes on. The next
 *     one is created when every receive(), accept() and control() of the old one has ended, and what it holds
 *     ({@link ActorContext.hold}): there are never two. So none of them may wait for the next instance.
 *   - after its signal was aborted: the message has failed, ask() gets the error, and that is all.
 *   A receive() that ignores the abort keeps its place in the lane until it ends: order is never traded for time.
 * control(message) → the answer, or a promise of it. Never queued behind work; it waits only while there is no instance
 *   (a restart's backoff, a passivation). Throws or rejects: goes to the asker. That is no crash.
 * passivate() → nothing, or a promise. Called when nothing is queued, running, being accepted or being controlled. What
 *   arrives before it resolves waits, and then brings the actor back. Throws or rejects: reported as an event; the actor
 *   leaves memory all the same.
 */
import type { Clock } from './clock.ts';

/** Which actor: its kind, and its name within the kind. */
export interface Address {
  readonly kind: string;
  readonly key: string;
}

/** An address as people read it: `kind/key`. */
export function formatAddress(address: Address): string {
  return `${address.kind}/${address.key}`;
}

/**
 * Strict: a lower priority starts only when no higher one is runnable, so a steady stream of `high` holds `low` back
 * for as long as it lasts. The bounded mailbox then says `busy` to the senders; nothing is lost. FIFO within each.
 */
export type Priority = 'high' | 'normal' | 'low';

/** A kind of actor. Durations are in milliseconds. */
export interface ActorDefinition<Message, Result, Control = never, Answer = unknown> {
  readonly kind: string;
  /** Messages of one actor running at the same time. Default 1: a serial lane. */
  readonly parallel?: number;
  /** Messages of one actor waiting, those still being accepted included. Default 100. */
  readonly mailboxMax?: number;
  /**
   * Actors of this kind in memory. One more makes one that has been idle for long leave early; when none is idle the
   * caller gets `full`. Default: no limit.
   */
  readonly activeMax?: number;
  /** Time without a message or control, after which an actor leaves memory. Default 600,000 (10 min). */
  readonly idleMs?: number;
  /** Time a message has from its start (each attempt anew) until its signal is aborted. Default: none. */
  readonly deadlineMs?: number;
  create(context: ActorContext<Message>): Actor<Message, Result, Control, Answer>;
  pending?(key: string): Iterable<Message>;
}

/** One actor in memory. The header of this file says when each method is called and what its errors mean. */
export interface Actor<Message, Result, Control = never, Answer = unknown> {
  accept?(message: Message): void | Promise<void>;
  receive(message: Message, task: Task): Result | Promise<Result>;
  control?(message: Control): Answer | Promise<Answer>;
  passivate?(): void | Promise<void>;
}

/** One attempt to handle one message. */
export interface Task {
  /** `kind/key#n`: unique in its system, another one for each attempt. */
  readonly id: string;
  /** Aborted when the deadline passes, by {@link ActorContext.cancel}, or at the end of a drain; `reason` says which. */
  readonly signal: AbortSignal;
  /** 1, or after failures 2 and 3. */
  readonly attempt: number;
  /** Milliseconds since the epoch; undefined: no deadline. */
  readonly deadline: number | undefined;
}

/**
 * Timers that die with the actor's instance, at a crash or passivation, and do not keep it in memory: what must happen
 * even so belongs in a journal.
 */
export interface Timers {
  /**
   * Calls back after `ms` milliseconds, at once and beside running work, like control(). A callback that throws or
   * rejects crashes the actor. Throws a RangeError for what is no timer's time, and a `RuntimeError`: `busy` with too
   * many waiting, `closed` when this instance is no longer alive.
   */
  after(ms: number, callback: () => void | Promise<void>): Timer;
}

/** One timer that waits. */
export interface Timer {
  /** Does nothing when it has already fired. */
  cancel(): void;
}

/** What an actor may ask of the runtime, for as long as its instance lives. */
export interface ActorContext<Message> {
  readonly address: Address;
  readonly clock: Clock;
  readonly timers: Timers;
  /** Messages waiting, those still being accepted included. */
  readonly queued: number;
  readonly running: number;
  /**
   * Aborts the matching running tasks with `reason`, and takes the matching accepted messages out of the mailbox; an ask
   * waiting for one of those gets `failed` with `reason`. Both are returned. Messages still being accepted stay.
   */
  cancel(matches: (message: Message) => boolean, reason: unknown): Cancelled<Message>;
  /**
   * For work that goes on beside everything and that nobody waits for, such as a write: until it has settled, however it
   * does, the actor stays in memory, no other instance follows a crashed one, and a drain waits for it as for a message.
   */
  hold(work: Promise<unknown>): void;
}

export interface Cancelled<Message> {
  running: Message[];
  queued: Message[];
}

export interface TellOptions {
  /** Default `normal`. */
  readonly priority?: Priority;
  /** Overrides the definition's. */
  readonly deadlineMs?: number;
}

export interface AskOptions extends TellOptions {
  /** How long to wait for the answer. The message itself goes on: give it a `deadlineMs` to end it. */
  readonly timeoutMs: number;
}

export interface Accepted {
  /** Messages ahead of it when it arrived: running ones, and waiting ones of its priority or higher. */
  readonly queued: number;
}

/** `unknown`: the time passed (or the system was drained) first. The message may have run, may run still, or not at all. */
export type AskOutcome<Result> =
  | { readonly status: 'ok'; readonly value: Result }
  | { readonly status: 'failed'; readonly error: unknown }
  | { readonly status: 'unknown' };

/** How to reach an actor, in memory or not. Cheap: it holds no state and keeps nothing in memory. */
export interface ActorRef<Message, Result, Control = never, Answer = unknown> {
  readonly address: Address;
  /**
   * Resolves when the message is accepted. Rejects, with nothing accepted, with a `RuntimeError` (`busy`, `full`,
   * `stopped`, `closed`) or with what accept() threw. Never throws.
   */
  tell(message: Message, options?: TellOptions): Promise<Accepted>;
  /** Resolves when the message has been handled for good, after retries, or `timeoutMs` has passed. Never rejects. */
  ask(message: Message, options: AskOptions): Promise<AskOutcome<Result>>;
  /** Rejects with what control() threw, or with a `RuntimeError` (`busy`, `full`, `stopped`, `closed`). */
  control(message: Control): Promise<Answer>;
}
