import type { Attachment, FollowUp, HistoryEntry, MessageOrigin, MessageSource } from '../../src/protocol/messages.ts';
import type { KeyOwner } from '../../src/storage/idempotency.ts';
import type { Write } from '../../src/storage/journal.ts';
import type { Speaker } from '../../src/tools/policy.ts';

/** One message of a session and the run that answers it. */
export interface Turn {
  /** The message's id; unique over all sessions. */
  readonly message: string;
  readonly text: string;
  readonly attachments: readonly Attachment[] | undefined;
  /** The bytes of the attachments until they are on the disk, from where runs read them; then undefined. */
  images: readonly Buffer[] | undefined;
  readonly idempotencyKey: string | undefined;
  /** More of them, where a channel has joined several messages into this one. */
  readonly otherKeys?: readonly string[] | undefined;
  /** Where the answer goes besides to subscribers, when a channel brought the message. */
  readonly origin?: MessageOrigin | undefined;
  /** Who sent it, where that was no person. */
  readonly source?: MessageSource | undefined;
  /** What else is written in the commit that accepts it. */
  readonly also?: Write | undefined;
  /** Makes its session where there is none, in the order of its arrival: no message behind it may come before it. */
  readonly opens?: true;
  /** What its sender wants of it, if anything; once it has arrived, what becomes of it. */
  followUp: FollowUp | undefined;
  /** Later messages that its run answers too: collected with it, then steered into it. */
  joined: readonly Turn[];
  /** In how many lives of the process it began to run before this one; undefined: it was accepted in this one. */
  readonly starts: number | undefined;
  /** The dead letter that is sent again as this message: it goes with the same commit that brings this. */
  readonly resubmits?: string;
  /** The model is shown only its beginning: too many messages were answered together. */
  abridged?: true;
  /** It is to be ended and not run: a later message or a reset had done that when the process ended. */
  readonly interrupted?: true;
  /** Its number in the transcript, and when it was accepted in milliseconds since the epoch; 0 until it is. */
  seq: number;
  acceptedAt: number;
  /** Told once the message is on the disk, before any of its events. `queued`: turns that run before it. */
  acknowledge: ((queued: number) => void) | undefined;
}

/** No joined messages, as nearly every turn has. */
export const NONE: readonly Turn[] = [];

/** A message as it arrives: a turn of its own that nobody waits for. */
export function newTurn(message: string, text: string): Turn {
  return {
    message,
    text,
    attachments: undefined,
    images: undefined,
    idempotencyKey: undefined,
    followUp: undefined,
    joined: NONE,
    starts: undefined,
    seq: 0,
    acceptedAt: 0,
    acknowledge: undefined,
  };
}

/** The turn's message as it stands in the transcript. */
export function userEntry({ seq, text, acceptedAt, message, attachments, origin, source }: Turn): HistoryEntry {
  const entry: HistoryEntry = { seq, role: 'user', text, timestamp: acceptedAt, message };
  if (attachments !== undefined) entry.attachments = attachments;
  if (origin !== undefined) entry.origin = origin;
  if (source !== undefined) entry.source = source;
  return entry;
}

/** The turn and those that its run answers too. */
export function withJoined(turn: Turn): readonly Turn[] {
  return turn.joined.length === 0 ? [turn] : [turn, ...turn.joined];
}

/** How many sessions have handed on what these messages are about. */
export function hopsOf(turns: readonly Turn[]): number {
  return turns.reduce((most, { source }) => Math.max(most, source?.hops ?? 0), 0);
}

/** Who said what the turn's run answers, where channels brought it. */
export function speakersOf(turn: Turn): Speaker[] {
  return withJoined(turn).flatMap(({ origin }) => {
    return origin === undefined ? [] : [{ channel: origin.channel, user: origin.sender.id }];
  });
}

/** Thrown by accept for an idempotency key that was used before: nothing is accepted, `original` is the first message. */
export class DuplicateMessage extends Error {
  override readonly name = 'DuplicateMessage';
  readonly original: KeyOwner;

  constructor(original: KeyOwner) {
    super(`the idempotency key belongs to message ${original.message}`);
    this.original = original;
  }
}
