import type { Config } from '../../src/config/schema.ts';
import { DhaavakError } from '../../src/protocol/errors.ts';
import type { Session } from '../../src/protocol/messages.ts';
import type { ActorContext } from '../../src/runtime/actor.ts';
import type { Turn } from './turn.ts';

/** Why a letter left the mailbox without an end of its own: nobody waits for it there. */
const JOINED = new Error('it went into another turn');

/**
 * What becomes of messages that come while their session is at work (the four modes are OpenClaw's). A message that finds
 * its session idle is a turn like any other, whatever the mode. Modes are on the disk, in the inbox: after a crash what was
 * not answered is collected, steered or ended as it would have been.
 */
export class FollowUps {
  readonly #context: ActorContext<Turn>;
  readonly #settings: Config['sessions'];
  /** Turns of mode `collect` that wait, those still being accepted included, oldest first. */
  #collecting: Turn[] = [];
  /** When the last of them came, in elapsed time: the machine's clock may be set meanwhile. */
  #cameAt = Number.NEGATIVE_INFINITY;

  constructor(context: ActorContext<Turn>, settings: Config['sessions']) {
    this.#context = context;
    this.#settings = settings;
  }

  /**
   * To be called as a turn arrives, its slot in the mailbox reserved: settles what becomes of it. Returns the turn that
   * has to go for it, when too many are being collected; throws `busy` when it is this one that has to.
   */
  arrive(turn: Turn, session: Session): Turn | undefined {
    const mode = turn.followUp ?? session.followUp ?? this.#settings.followUp;
    const working = this.#context.queued + this.#context.running > 1;
    turn.followUp = working ? mode : 'followup';
    if (turn.followUp !== 'collect') return undefined;
    const { collectMax, overflow } = this.#settings;
    const full = this.#collecting.length >= collectMax && overflow !== 'summarize';
    const dropped = full ? this.#drop() : undefined;
    this.#collecting.push(turn);
    this.#cameAt = this.#context.clock.elapsed();
    return dropped;
  }

  /** The turn does not wait any more. */
  gone(turn: Turn): void {
    if (turn.followUp !== 'collect') return;
    this.#collecting = this.#collecting.filter((other) => other !== turn);
  }

  /** Takes what is to enter `running` out of the mailbox, in order. */
  steered(running: Turn): Turn[] {
    return this.#context.cancel((turn) => turn.followUp === 'steer' && turn !== running, JOINED).queued;
  }

  /**
   * Waits until nobody has said more for `debounceMs`, or `collectMax` messages are there, and takes those that follow
   * `turn` out of the mailbox, up to the first of another mode: order is kept. Where more than `collectMax` may gather, the
   * model is shown only the beginning of the oldest.
   */
  async collected(turn: Turn, signal: AbortSignal): Promise<Turn[]> {
    const { collectMax, debounceMs, overflow } = this.#settings;
    this.gone(turn);
    while (this.#collecting.length + 1 < collectMax && !signal.aborted) {
      const quietMs = this.#context.clock.elapsed() - this.#cameAt;
      if (quietMs >= debounceMs) break;
      await this.#pause(debounceMs - quietMs, signal);
    }
    let room = overflow === 'summarize' ? Number.POSITIVE_INFINITY : collectMax - 1;
    const { queued } = this.#context.cancel((other) => {
      if (other === turn) return false;
      if (other.followUp !== 'collect') room = 0;
      room -= 1;
      return room >= 0;
    }, JOINED);
    for (const other of queued) this.gone(other);
    const all = [turn, ...queued];
    for (const other of all.slice(0, Math.max(0, all.length - collectMax))) other.abridged = true;
    return queued;
  }

  /** Makes room by the rule: the oldest leaves the mailbox, or the new one is refused. */
  #drop(): Turn {
    const { collectMax, overflow } = this.#settings;
    const [oldest] = this.#collecting;
    // One that is still being accepted cannot leave yet.
    if (overflow === 'old' && this.#context.cancel((turn) => turn === oldest, JOINED).queued.length > 0) {
      return this.#collecting.shift() as Turn;
    }
    throw new DhaavakError('busy', `${collectMax} messages are being collected`, { retryAfterMs: 500 });
  }

  /** Resolves after `ms` milliseconds, or when the signal is aborted. */
  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = this.#context.timers.after(ms, resolve);
    signal.addEventListener('abort', () => resolve(), { once: true });
    await promise;
    timer.cancel();
  }
}
