import { Cell, type CellKind } from './cell.ts';
import type { Host } from './host.ts';
import type { AnyDefinition } from './life.ts';
import { IDLE_MS, MAILBOX_MAX } from './limits.ts';

/** Idle actors compared before the one that has been idle longest leaves: near enough to the oldest of all. */
const SAMPLE = 16;

/** The actors of one kind that are in memory, by key. */
export class Kind implements CellKind {
  readonly definition: AnyDefinition;
  readonly host: Host;
  readonly parallel: number;
  readonly mailboxMax: number;
  readonly idleMs: number;
  readonly activeMax: number;
  readonly cells = new Map<string, Cell>();
  /** Where the next search for idle actors goes on. */
  private round: Iterator<Cell> = this.cells.values();

  constructor(definition: AnyDefinition, host: Host) {
    this.definition = definition;
    this.host = host;
    this.parallel = definition.parallel ?? 1;
    this.mailboxMax = definition.mailboxMax ?? MAILBOX_MAX;
    this.idleMs = definition.idleMs ?? IDLE_MS;
    this.activeMax = definition.activeMax ?? Infinity;
    if (!(this.activeMax >= 1)) throw new RangeError(`Kind ${definition.kind}: activeMax is at least 1.`);
    if (!(this.parallel >= 1)) throw new RangeError(`Kind ${definition.kind}: parallel is at least 1.`);
    if (!(this.mailboxMax >= 1)) throw new RangeError(`Kind ${definition.kind}: mailboxMax is at least 1.`);
  }

  /** The actor of this key, brought into memory if it is not; null: there is no room, and all actors are at work. */
  reach(key: string): Cell | null {
    const known = this.cells.get(key);
    if (known !== undefined) return known;
    if (this.cells.size >= this.activeMax && !this.makeRoom()) return null;
    const cell = new Cell(this, key);
    this.cells.set(key, cell);
    cell.activate(true);
    return cell;
  }

  /**
   * Makes an idle actor leave: of the next few idle ones that which has been idle longest (the sampling is that of Redis'
   * approximated LRU). Looks at all actors only when nearly all are at work. Says whether there was one.
   */
  private makeRoom(): boolean {
    let oldest: Cell | undefined;
    let found = 0;
    for (let left = this.cells.size; left > 0 && found < SAMPLE; left--) {
      let next = this.round.next();
      if (next.done) {
        this.round = this.cells.values();
        next = this.round.next();
      }
      const cell = next.value as Cell;
      if (!cell.isIdle) continue;
      found += 1;
      if (oldest === undefined || cell.idleFrom < oldest.idleFrom) oldest = cell;
    }
    oldest?.leave();
    return oldest !== undefined;
  }

  forget(key: string): void {
    this.cells.delete(key);
  }
}
