import type { Change } from './disk.ts';

/**
 * A fault built in on the simulated side, so that the code under test breaks its promises: the simulation is worth what
 * it finds of these.
 */
export interface Mutant {
  /** Turns of one session that may run at once. */
  parallel?: number;
  /** The store says "flushed" when it has only committed. */
  flushesLate?: boolean;
  /** What a life finds when it opens the store is not made durable: transactions of that moment are not flushed. */
  opensUnflushed?: boolean;
  /** The store leaves out the changes for which this is true. */
  loses?(change: Change): boolean;
  /** Unfinished sessions are not woken at the start. */
  sleepsOn?: boolean;
  /** Of no call it is known that it must not be made twice. */
  repeatsCalls?: boolean;
  /** What is left from an earlier life runs in the wrong order. */
  reversesPending?: boolean;
  /** Of the events that are sent again the first is left out. */
  skipsReplay?: boolean;
  /** Every so often an event does not reach anybody. */
  dropsEvents?: boolean;
}

const isRemoval = (change: Change, table: string) => change.table === table && change.value === undefined;

/** Each with a name that says what is wrong. */
export const MUTANTS: Readonly<Record<string, Mutant>> = {
  'acknowledges before the flush': { flushesLate: true },
  'takes what it finds for durable': { opensUnflushed: true },
  'runs two turns of a session at once': { parallel: 2 },
  'does not take what has ended out of the inbox': { loses: (change) => isRemoval(change, 'inbox') },
  'forgets idempotency keys': { loses: ({ table }) => table === 'keys' },
  'forgets what was accepted': { loses: ({ table, value }) => table === 'inbox' && value !== undefined },
  'does not wake sessions after a start': { sleepsOn: true },
  'runs what is left in the wrong order': { reversesPending: true },
  'makes calls again that must not be': { repeatsCalls: true },
  'leaves an event out of a replay': { skipsReplay: true },
  'drops an event': { dropsEvents: true },
};
