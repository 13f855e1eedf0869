import { Cell, type CellKind } from './cell.ts';
import type { Host } from './host.ts';
import type { AnyDefinition } from './life.ts';
import { IDLE_MS, MAILBOX_MAX } from './limits.ts';

/** The actors of one kind that are in memory, by key. */
export class Kind implements CellKind {
  readonly definition: AnyDefinition;
  readonly host: Host;
  readonly parallel: number;
  readonly mailboxMax: number;
  readonly idleMs: number;
  readonly cells = new Map<string, Cell>();

  constructor(definition: AnyDefinition, host: Host) {
    this.definition = definition;
    this.host = host;
    this.parallel = definition.parallel ?? 1;
    this.mailboxMax = definition.mailboxMax ?? MAILBOX_MAX;
    this.idleMs = definition.idleMs ?? IDLE_MS;
    if (!(this.parallel >= 1)) throw new RangeError(`Kind ${definition.kind}: parallel is at least 1.`);
    if (!(this.mailboxMax >= 1)) throw new RangeError(`Kind ${definition.kind}: mailboxMax is at least 1.`);
  }

  /** The actor of this key, brought into memory if it is not. */
  reach(key: string): Cell {
    const known = this.cells.get(key);
    if (known !== undefined) return known;
    const cell = new Cell(this, key);
    this.cells.set(key, cell);
    cell.activate(true);
    return cell;
  }

  forget(key: string): void {
    this.cells.delete(key);
  }
}
