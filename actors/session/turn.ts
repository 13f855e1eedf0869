import type { Attachment, FollowUp, HistoryEntry, MessageOrigin } from '../../src/protocol/messages.ts';

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
  /** What its sender wants of it, if anything; once it has arrived, what becomes of it. */
  followUp: FollowUp | undefined;
  /** Later messages that its run answers too: collected with it, then steered into it. */
  joined: readonly Turn[];
  /** Its number in the transcript, and when it was accepted in milliseconds since the epoch; 0 until it is. */
  seq: number;
  acceptedAt: number;
  /** Told once the message is on the disk, before any of its events. `queued`: turns that run before it. */
  acknowledge: ((queued: number) => void) | undefined;
}

/** No joined messages, as nearly every turn has. */
export const NONE: readonly Turn[] = [];

/** The turn's message as it stands in the transcript. */
export function userEntry({ seq, text, acceptedAt, message, attachments, origin }: Turn): HistoryEntry {
  const entry: HistoryEntry = { seq, role: 'user', text, timestamp: acceptedAt, message };
  if (attachments !== undefined) entry.attachments = attachments;
  if (origin !== undefined) entry.origin = origin;
  return entry;
}

/** A message that was accepted in an earlier life, as the turn it still is. */
export function turnOf({ seq, text, timestamp, message, attachments, origin }: HistoryEntry): Turn {
  return {
    message,
    text,
    attachments,
    images: undefined,
    idempotencyKey: undefined,
    origin,
    followUp: undefined,
    joined: NONE,
    seq,
    acceptedAt: timestamp,
    acknowledge: undefined,
  };
}

/** The turn and those that its run answers too. */
export function withJoined(turn: Turn): readonly Turn[] {
  return turn.joined.length === 0 ? [turn] : [turn, ...turn.joined];
}

/** Thrown by accept for an idempotency key that was used before: nothing is accepted, `original` is the first message. */
export class DuplicateMessage extends Error {
  override readonly name = 'DuplicateMessage';
  readonly original: string;

  constructor(original: string) {
    super(`the idempotency key belongs to message ${original}`);
    this.original = original;
  }
}
