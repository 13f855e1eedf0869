import type { HistoryEntry } from '../../../src/protocol/messages.ts';
import type { Change, Disk } from '../disk.ts';
import { decode } from '../lmdb.ts';
import { tokenIn } from '../token.ts';
import type { End, Fate, Fates } from './fates.ts';
import type { Report } from './report.ts';
import type { Wishes } from './wishes.ts';

export interface MessageParts {
  report: Report;
  disk: Disk;
  fates: Fates;
  wishes: Wishes;
  /** Whether a turn runs that answers the message; `own`: that began with it. */
  isRunning(message: string, own?: boolean): boolean;
  /** Number of the step of the world. */
  step(): number;
}

/**
 * Nothing accepted is lost, and nothing happens twice:
 * - an acknowledged message is on the disk, and stays there whatever happens, until it has ended;
 * - it leaves the inbox with its answer, in one commit, or because somebody asked for that, or as a dead letter;
 * - what was told to have ended has ended for good, and is told once;
 * - a message is written once, however often it is sent under its key; what was refused is not written;
 * - an entry of a transcript is never written over, and messages are numbered in the order in which they are written.
 */
export class Messages {
  readonly #parts: MessageParts;
  /** By token: the message that the last acknowledgement named. */
  readonly #acked = new Map<string, string>();
  readonly #dead = new Set<string>();

  constructor(parts: MessageParts) {
    this.#parts = parts;
  }

  /** A transaction is about to become readable. */
  committed(changes: readonly Change[]): void {
    for (const change of changes) {
      if (change.table === 'entries') this.#entryWritten(change, changes);
      else if (change.table === 'inbox') this.#inboxChanged(change, changes);
      else if (change.table === 'sessions' && change.value === undefined) {
        this.#parts.fates.remove(change.key as string, this.#parts.step());
      }
    }
  }

  /** An acknowledgement leaves the process, of a request that had come in the step `asked`. */
  acknowledged(message: string, text: string, asked: number): void {
    const { disk, fates, report } = this.#parts;
    const token = tokenIn(text)?.token;
    if (token === undefined) return; // a chat command: it is no turn
    const fate = fates.of(message);
    if (fate?.token !== token) {
      report(`${token} was acknowledged as ${message}, which is ${fate?.token ?? 'not written'}`);
      return;
    }
    const before = fates.of(this.#acked.get(token) ?? message);
    if (before !== undefined && before !== fate && !before.deleted) {
      report(`${token} was acknowledged as ${before.message}, and now as ${message}`);
    }
    if (fate.deleted && fate.deletedAt < asked) {
      report(`${token} is sent anew, and acknowledged as ${message} of the session that was deleted`);
    }
    this.#acked.set(token, message);
    fate.acked = true;
    if (!fate.deleted && disk.durable.of('entries').get([fate.session, fate.seq]) === undefined) {
      report(`${token} was acknowledged before it was on the disk`);
    }
  }

  /** A request that carries the text was refused, with an error that says that nothing was done. */
  refused(text: string): void {
    const { fates, report } = this.#parts;
    const written = fates.with(tokenIn(text)?.token ?? '').find(({ deleted }) => !deleted);
    if (written !== undefined) report(`${written.token} was refused, but is written as ${written.message}`);
  }

  /** A turn begins with the message. */
  began(message: string): void {
    const { fates, report } = this.#parts;
    const fate = fates.of(message);
    if (fate === undefined) report(`${message} runs and was never written`);
    if (fate === undefined || fate.deleted) return; // a session that is being deleted ends it at once
    if (fate.end !== undefined) report(`${fate.token} runs, and has been ${fate.end} before`);
    if (!this.#isDurablyOpen(fate)) report(`${fate.token} runs, and is not on the disk as unfinished`);
  }

  /** Subscribers are told the answer of a run. */
  toldAnswer(session: string, run: string): void {
    const { disk, report } = this.#parts;
    const isWritten = disk.durable.of('entries').rows.some(({ key, value }) => {
      if ((key as [string, number])[0] !== session) return false;
      const entry = decode(value) as HistoryEntry;
      return entry.run === run && entry.role === 'assistant';
    });
    if (!isWritten) report(`the answer of ${run} was told before it was on the disk`);
  }

  /** Subscribers are told that the message has ended. */
  toldEnd(message: string): void {
    const { fates, report } = this.#parts;
    const fate = fates.of(message);
    if (fate === undefined) return; // a chat command
    if (fate.told) report(`the end of ${fate.token} was told twice`);
    fate.told = true;
    if (fate.deleted) return;
    if (fate.end === undefined) report(`the end of ${fate.token} was told while it stands in the inbox`);
    if (this.#isDurablyOpen(fate)) report(`the end of ${fate.token} was told before it was on the disk`);
  }

  /** The message was given up. */
  died(message: string): void {
    this.#dead.add(message);
  }

  /** The process ended, and the disk has what is left. */
  survived(): void {
    const { disk, fates, report } = this.#parts;
    const { gone, undone } = fates.readAgain(disk.visible);
    for (const { acked, token } of gone) if (acked) report(`${token} was acknowledged, and is not on the disk`);
    for (const { told, token } of undone) if (told) report(`${token} was told to have ended, and the disk has it open`);
    for (const { end, session, seq, token } of fates.live) {
      const isLost = end === undefined && disk.visible.of('inbox').get([session, seq]) === undefined;
      if (isLost) report(`${token} is not in the inbox, and did not end`);
    }
  }

  /** After the world has come to rest: everything has ended. */
  finished(): void {
    const { disk, fates, report } = this.#parts;
    for (const { token, end } of fates.live) if (end === undefined) report(`${token} was accepted, and never ended`);
    for (const { key } of disk.visible.of('entries').rows) {
      const [session] = key as [string, number];
      if (disk.visible.of('sessions').get(session) === undefined) report(`entry ${key} is left of a deleted session`);
    }
  }

  #isDurablyOpen({ session, seq }: Fate): boolean {
    return this.#parts.disk.durable.of('inbox').get([session, seq]) !== undefined;
  }

  #entryWritten({ key, value }: Change, changes: readonly Change[]): void {
    const { disk, fates, report } = this.#parts;
    if (value === undefined) return; // its session is being deleted
    const [session, seq] = key as [string, number];
    const isTwice = changes.filter((other) => other.table === 'entries' && sameKey(other.key, key)).length > 1;
    if (isTwice || disk.visible.of('entries').get(key) !== undefined) {
      report(`entry ${seq} of ${session} is written over`);
    }
    const { role, text, message } = decode(value) as HistoryEntry;
    if (role === 'user') this.#messageWritten(session, seq, message, text);
    if (role === 'reset') fates.reset(session, seq);
  }

  #messageWritten(session: string, seq: number, message: string, text: string): void {
    const { fates, report, wishes } = this.#parts;
    const token = tokenIn(text)?.token ?? text;
    for (const other of fates.live) {
      if (other.token === token) report(`${token} is written as ${message}, and was as ${other.message} before`);
      if (other.session === session && other.seq > seq) {
        report(`${token} is number ${seq}, and ${other.token} before it is ${other.seq}`);
      }
    }
    fates.add({ message, session, seq, token, since: wishes.came(token) });
  }

  #inboxChanged({ key, value }: Change, changes: readonly Change[]): void {
    const { fates, report } = this.#parts;
    const fate = fates.live.find(({ session, seq }) => sameKey([session, seq], key));
    if (fate === undefined) return;
    if (value === undefined) fate.end ??= this.#endOf(fate, changes);
    else if (fate.end !== undefined) report(`${fate.token} is in the inbox again, and had been ${fate.end}`);
  }

  /** Why the message leaves the inbox. */
  #endOf({ session, message, token, since }: Fate, changes: readonly Change[]): End {
    const { isRunning, report, wishes } = this.#parts;
    if (this.#dead.has(message)) return 'dead';
    const answer = answerIn(session, changes);
    if (isRunning(message) && answer !== undefined) {
      return isRunning(message, true) && answer.status === undefined ? 'answered' : 'ended';
    }
    // A turn that finds its session being deleted ends at once; no other that runs ends without an answer.
    const isAsked = wishes.since(since, isRunning(message) ? 'delete' : 'withdraw', session);
    if (!isAsked && !isRemoved(session, changes)) {
      report(`${token} leaves the inbox without an answer, and nobody asked for that`);
    }
    return 'withdrawn';
  }
}

/** The last entry of an assistant in the session among the changes. */
function answerIn(session: string, changes: readonly Change[]): HistoryEntry | undefined {
  const written = changes.flatMap(({ table, key, value }) => {
    if (table !== 'entries' || value === undefined || (key as [string, number])[0] !== session) return [];
    return [decode(value) as HistoryEntry];
  });
  return written.findLast(({ role }) => role === 'assistant');
}

function isRemoved(session: string, changes: readonly Change[]): boolean {
  return changes.some(({ table, key, value }) => table === 'sessions' && key === session && value === undefined);
}

function sameKey(a: Change['key'], b: Change['key']): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
