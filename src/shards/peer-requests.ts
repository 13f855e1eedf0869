/**
 * What sessions ask of each other, as frames of the wire protocol's shape. No client can: the front end knows no such types,
 * and a shard takes them from records of a kind of their own only (`RECORD.peerRequest`).
 */
import type { MessageOrigin, MessageSource, Outcome, Session } from '../protocol/messages.ts';
import type { SpawnRecord } from '../storage/spawns.ts';

/** A sub-agent's session, to be made with its first message. */
export interface SpawnOrder {
  session: Pick<Session, 'model' | 'thinkingLevel' | 'title' | 'channel' | 'user'> & Required<Pick<Session, 'spawned'>>;
  record: Omit<SpawnRecord, 'task'>;
}

export interface PeerRequests {
  /** A message: journalled, then acknowledged. Asked again with the same key it is the same message. */
  'peer.message': {
    text: string;
    source: MessageSource;
    /** The chat its answer goes to. */
    origin?: MessageOrigin;
    key: string;
    /** Without it a session that is not there is `not_found`. */
    spawn?: SpawnOrder;
    /** How long its end is waited for, in milliseconds: the reply comes with that, or when the time is over. */
    waitMs?: number;
  };
  /** What goes on is cancelled, or the session deleted. One that is not there is left alone. */
  'peer.end': { how: 'cancel' | 'delete' };
}

export interface PeerReplies {
  /** Without an outcome when nobody waits, or it has not ended in time. */
  'peer.message': { message: string; duplicate?: true; outcome?: Outcome };
  'peer.end': Record<string, never>;
}

export type PeerRequestType = keyof PeerRequests;

/**
 * Asks the session `key`, wherever it lives. Throws a DhaavakError; `unavailable`: what became of the request is not known, and
 * it may be made again.
 */
export type AskPeer = <T extends PeerRequestType>(
  type: T,
  key: string,
  data: PeerRequests[T],
) => Promise<PeerReplies[T]>;
