import type { HistoryEntry } from '../../../src/protocol/messages.ts';
import type { Change, Disk, Tables } from '../disk.ts';
import { decode } from '../lmdb.ts';
import { tokenIn } from '../token.ts';
import type { Report } from './report.ts';

/**
 * How a message ended: with an answer (of whatever status), its own or that of the turn it went into, by somebody's
 * request, or given up.
 */
type End = 'answered' | 'joined' | 'withdrawn' | 'dead';

/** What is known of a message that was written to the inbox. */
interface Fate {
  message: string;
  session: string;
  seq: number;
  token: string;
  /** The step of the world in which it came first. */
  since: number;
  acked: boolean;
  /** Subscribers were told that it has ended. */
  told: boolean;
  /** Undefined while it stands in the inbox. */
  end: End | undefined;
  /** Its session was deleted: nothing more is asked of it. */
  deleted: boolean;
}

export interface MessagesView {
  /** Number of the step of the world. */
  step(): number;
  /** Whether a turn runs that answers the message; `own`: that began with it. */
  isRunning(message: string, own?: boolean): boolean;
}

/**
 * Nothing accepted is lost, and nothing happens twice:
 * - an acknowledged message is on the disk, and stays there whatever happens, until it has ended;
 * - it leaves the inbox with its answer, in one commit, or because somebody asked for that, or as a dead letter;
 * - what was told to have ended has ended for good, and is told once;
 * - a message is written once, however often it is sent under its key;
 * - an entry of a transcript is never written over, and messages are numbered in the order in which they are written.
 */
export class Messages {
  readonly #report: Report;
  readonly #world: MessagesView;
  readonly #fates = new Map<string, Fate>();
  /** By token: the step in which it came first. */
  readonly #came = new Map<string, number>();
  /** By token: the message that the last acknowledgement named. */
  readonly #acked = new Map<string, string>();
  readonly #dead = new Set<string>();
  /** By session: the number of the entry that ended its context last. */
  readonly #resets = new Map<string, number>();
  /** By session: the last steps in which somebody asked for that. */
  readonly #resetsAsked = new Map<string, number>();
  readonly #deletionsAsked = new Map<string, number>();
  /** By session: the last step in which somebody asked for messages to be withdrawn. */
  readonly #withdrawals = new Map<string, number>();

  constructor(report: Report, world: MessagesView) {
    this.#report = report;
    this.#world = world;
  }

  /** Everything acknowledged that is not known to have ended. */
  get open(): string[] {
    return this.#live.filter(({ acked, end }) => acked && end === undefined).map(({ token }) => token);
  }

  /** A client sends the text. */
  arrived(text: string): void {
    const token = tokenIn(text)?.token;
    if (token !== undefined && !this.#came.has(token)) this.#came.set(token, this.#world.step());
  }

  /** Somebody asks for the session to be reset: what came before may be forgotten from now on. */
  resetAsked(session: string): void {
    this.#resetsAsked.set(session, this.#world.step());
  }

  /** Somebody asks for the session to be deleted. */
  deletionAsked(session: string): void {
    this.#deletionsAsked.set(session, this.#world.step());
  }

  /** Somebody asks for what runs and waits in the session to be withdrawn, or may do so with what was just sent. */
  withdrawalAsked(session: string): void {
    this.#withdrawals.set(session, this.#world.step());
  }

  /** A transaction is about to become readable. */
  committed(changes: readonly Change[], visible: Tables): void {
    for (const change of changes) {
      if (change.table === 'entries') this.#entryWritten(change, visible, changes);
      else if (change.table === 'inbox') this.#inboxChanged(change, changes);
      else if (change.table === 'sessions' && change.value === undefined) this.#sessionRemoved(change.key as string);
    }
  }

  /** An acknowledgement leaves the process. */
  acknowledged(session: string, message: string, text: string, durable: Tables): void {
    const token = tokenIn(text)?.token;
    if (token === undefined) return; // a chat command: it is no turn
    const fate = this.#fates.get(message);
    if (fate === undefined) return this.#report(`${token} was acknowledged as ${message}, which was never written`);
    if (fate.token !== token) return this.#report(`${token} was acknowledged as ${message}, which is ${fate.token}`);
    const before = this.#acked.get(token);
    if (before !== undefined && before !== message && this.#fates.get(before)?.deleted === false) {
      this.#report(`${token} was acknowledged as ${before}, and now as ${message}`);
    }
    this.#acked.set(token, message);
    fate.acked = true;
    if (fate.deleted) return;
    if (durable.of('entries').get([session, fate.seq]) === undefined) {
      this.#report(`${token} was acknowledged before it was on the disk`);
    }
  }

  /** A request that carries the text was refused, with an error that says that nothing was done. */
  refused(text: string): void {
    const token = tokenIn(text)?.token;
    const fate = this.#live.find((other) => other.token === token);
    if (token !== undefined && fate !== undefined) {
      this.#report(`${token} was refused, but is written as ${fate.message}`);
    }
  }

  /** Subscribers are told that the message has ended. */
  toldEnd(message: string, durable: Tables): void {
    const fate = this.#fates.get(message);
    if (fate === undefined) return; // a chat command
    if (fate.told) this.#report(`the end of ${fate.token} was told twice`);
    fate.told = true;
    if (fate.deleted) return;
    if (fate.end === undefined) this.#report(`the end of ${fate.token} was told while it stands in the inbox`);
    if (durable.of('inbox').get([fate.session, fate.seq]) !== undefined) {
      this.#report(`the end of ${fate.token} was told before it was on the disk`);
    }
  }

  /** A turn begins that answers the message. */
  began(message: string, durable: Tables): void {
    const fate = this.#fates.get(message);
    if (fate === undefined) return this.#report(`${message} runs and was never written`);
    if (fate.deleted) return; // its session ends it
    if (fate.end !== undefined) this.#report(`${fate.token} runs, and has been ${fate.end} before`);
    if (durable.of('inbox').get([fate.session, fate.seq]) === undefined) {
      this.#report(`${fate.token} runs, and is not on the disk as unfinished`);
    }
  }

  /** Subscribers are told the answer of a run. */
  toldAnswer(session: string, run: string, durable: Tables): void {
    const isWritten = durable.of('entries').rows.some(({ key, value }) => {
      if ((key as [string, number])[0] !== session) return false;
      const entry = decode(value) as HistoryEntry;
      return entry.run === run && entry.role === 'assistant';
    });
    if (!isWritten) this.#report(`the answer of ${run} was told before it was on the disk`);
  }

  /** The tokens of what was answered before the first of `asked` that has no answer, and is not forgotten. */
  answeredBefore(asked: ReadonlySet<string>): string[] {
    const fates = this.#live;
    const open = fates.filter(({ token, end }) => end === undefined && asked.has(token));
    const first = open.reduce<Fate | undefined>(
      (least, fate) => (least && least.seq < fate.seq ? least : fate),
      undefined,
    );
    if (first === undefined) return [];
    const reset = this.#resetsAsked.get(first.session) ?? -1;
    return fates
      .filter(({ session, seq, end }) => session === first.session && end === 'answered' && seq < first.seq)
      .filter(({ since }) => since > reset)
      .map(({ token }) => token);
  }

  /** Whether a message that has ended is no context any more: the session was reset, or deleted. */
  isBehind(token: string): boolean {
    const fates = [...this.#fates.values()].filter((fate) => fate.token === token);
    return fates.every(({ deleted, end, seq, session }) => deleted || (end && seq < (this.#resets.get(session) ?? 0)));
  }

  /** The message was given up. */
  died(message: string): void {
    this.#dead.add(message);
  }

  /** The process ended, and this is what is left of the disk. */
  survived({ visible }: Disk): void {
    this.#resets.clear();
    for (const { key, value } of visible.of('entries').rows) {
      const [session, seq] = key as [string, number];
      if ((decode(value) as HistoryEntry).role === 'reset') this.#resets.set(session, seq);
    }
    for (const fate of this.#fates.values()) {
      const written = visible.of('entries').get([fate.session, fate.seq]);
      const isWritten = written !== undefined && messageIn(written) === fate.message;
      const waits = visible.of('inbox').get([fate.session, fate.seq]) !== undefined;
      if (fate.deleted && (!isWritten || visible.of('sessions').get(fate.session) === undefined)) continue;
      fate.deleted = false;
      if (!isWritten) {
        if (fate.acked) this.#report(`${fate.token} was acknowledged, and is not on the disk`);
        this.#fates.delete(fate.message);
      } else if (waits) {
        if (fate.told) this.#report(`${fate.token} was told to have ended, and the disk says it has not`);
        fate.end = undefined;
      } else if (fate.end === undefined) this.#report(`${fate.token} is not in the inbox, and did not end`);
    }
  }

  /** After the world has come to rest: everything has ended. */
  finished(): void {
    for (const { token, end } of this.#live) {
      if (end === undefined) this.#report(`${token} was accepted, and never ended`);
    }
  }

  /** Those of sessions that are there. */
  get #live(): Fate[] {
    return [...this.#fates.values()].filter(({ deleted }) => !deleted);
  }

  #entryWritten({ key, value }: Change, visible: Tables, changes: readonly Change[]): void {
    if (value === undefined) return; // its session is being deleted
    const [session, seq] = key as [string, number];
    const isTaken = visible.of('entries').get(key) !== undefined;
    const isTwice = changes.filter((other) => other.table === 'entries' && sameKey(other.key, key)).length > 1;
    if (isTaken || isTwice) this.#report(`entry ${seq} of ${session} is written over`);
    const { role, text, message } = decode(value) as HistoryEntry;
    if (role === 'user') this.#messageWritten(session, seq, message, text);
    if (role === 'reset') this.#resets.set(session, seq);
  }

  #messageWritten(session: string, seq: number, message: string, text: string): void {
    const token = tokenIn(text)?.token ?? text;
    for (const other of this.#live) {
      if (other.token === token) this.#report(`${token} is written as ${message}, and was as ${other.message} before`);
    }
    const later = this.#live.find((other) => other.session === session && other.seq > seq);
    if (later !== undefined) this.#report(`${token} is number ${seq}, and ${later.token} before it is ${later.seq}`);
    const since = this.#came.get(token) ?? 0;
    const fresh = { acked: false, told: false, end: undefined, deleted: false };
    this.#fates.set(message, { message, session, seq, token, since, ...fresh });
  }

  #inboxChanged({ key, value }: Change, changes: readonly Change[]): void {
    const [session, seq] = key as [string, number];
    for (const fate of this.#live) {
      if (fate.session !== session || fate.seq !== seq) continue;
      if (value === undefined) fate.end ??= this.#endOf(fate, changes);
      else if (fate.end !== undefined) this.#report(`${fate.token} is in the inbox again, and had been ${fate.end}`);
    }
  }

  /** Why the message leaves the inbox. */
  #endOf({ session, message, token, since }: Fate, changes: readonly Change[]): End {
    if (this.#dead.has(message)) return 'dead';
    if (this.#world.isRunning(message)) {
      if (isAnswered(session, changes)) return this.#world.isRunning(message, true) ? 'answered' : 'joined';
      // A turn that finds its session being deleted ends at once.
      const isDeleted = (this.#deletionsAsked.get(session) ?? -1) >= since;
      if (!isDeleted) this.#report(`${token} leaves the inbox, and its answer is not written`);
      return 'withdrawn';
    }
    const asked = (this.#withdrawals.get(session) ?? -1) >= since || this.#isRemoved(session, changes);
    if (!asked) this.#report(`${token} leaves the inbox without an answer, and nobody asked for that`);
    return 'withdrawn';
  }

  #isRemoved(session: string, changes: readonly Change[]): boolean {
    return changes.some(({ table, key, value }) => table === 'sessions' && key === session && value === undefined);
  }

  #sessionRemoved(session: string): void {
    this.#resets.delete(session);
    for (const fate of this.#fates.values()) if (fate.session === session) fate.deleted = true;
  }
}

function messageIn(value: Buffer): string {
  return (decode(value) as HistoryEntry).message;
}

/** Whether an entry of an assistant in the session is among the changes. */
function isAnswered(session: string, changes: readonly Change[]): boolean {
  return changes.some(({ table, key, value }) => {
    if (table !== 'entries' || value === undefined || (key as [string, number])[0] !== session) return false;
    return (decode(value) as HistoryEntry).role === 'assistant';
  });
}

function sameKey(a: Change['key'], b: Change['key']): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
