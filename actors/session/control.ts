import type { Delivery, FollowUp, MessageOrigin, Replies, Session, Snapshot } from '../../src/protocol/messages.ts';
import type { Write } from '../../src/storage/journal.ts';
import type { Decider } from './approvals.ts';
import type { OldTurn } from './old-turns.ts';
import type { Turn } from './turn.ts';

/** What a client may change in a session; what is undefined stays. Checked: the model can be used here. */
export interface SessionChanges {
  model?: string | null | undefined;
  thinkingLevel?: Session['thinkingLevel'] | undefined;
  title?: string | null | undefined;
  followUp?: FollowUp | null | undefined;
}

/** What is said of a session when it is made; of a sub-agent's more than its key tells. */
export type NewSession = Pick<Session, 'model' | 'thinkingLevel'> &
  Partial<Pick<Session, 'title' | 'channel' | 'user' | 'spawned'>>;

/** A command and what was said after it. */
export interface SaidCommand {
  name: string;
  argument: string;
}

/** The account of a channel. */
type DeliveryPlace = Pick<MessageOrigin, 'channel' | 'account'>;

/** What whoever says a command may do. */
export interface Rights {
  /** Change things for everybody in the conversation. */
  change: boolean;
  /** Decide on tool calls that wait for an operator. */
  approve: boolean;
}

/** The message that a command is. */
export interface CommandMessage {
  message: string;
  text: string;
  idempotencyKey: string | undefined;
  /** Makes its session where there is none. */
  opens?: true;
  /** Where the answer goes, when a channel brought it. */
  origin?: MessageOrigin;
  rights: Rights;
  /** Told once it has been carried out, before any of its events. */
  acknowledge(): void;
}

/** What the control lane of a session answers: at once, also while a run is going on. */
export type SessionControl =
  | { type: 'wake' }
  | { type: 'create'; fields: NewSession; also?: Write }
  | { type: 'get' }
  /** What the next request to the model would hold. */
  | { type: 'context' }
  | { type: 'update'; changes: SessionChanges }
  | { type: 'reset' }
  | { type: 'delete' }
  /** Deletes the session unless it was active after `lastActive` or has work; one active in the future is from now on today's. */
  | { type: 'expire'; lastActive: number }
  /** Removes old turns, as they are told, and says what of them it has removed. */
  | { type: 'prune'; turns: AsyncIterable<OldTurn>; alive(): boolean; removed(turn: OldTurn): void }
  | { type: 'command'; said: SaidCommand; message: CommandMessage }
  | { type: 'cancel'; run: string | undefined }
  /** An answer to `message`, the entry `seq`, did not reach its channel, or may not have. */
  | { type: 'delivery'; message: string; seq: number | undefined; place: DeliveryPlace; delivery: Delivery }
  /** The turn failed for good and is a dead letter now: its session ends it and goes on. */
  | { type: 'bury'; turn: Turn; error: unknown; attempts: number }
  /** Makes the summary that a command has asked for. Resolves when that is there: the session stays in memory so long. */
  | { type: 'compact' }
  /** An operator's answer to a tool call that waits for one; undefined: the only one that waits. */
  | { type: 'approve'; approval: string | undefined; allow: boolean; decider?: Decider }
  /** Forgets a dead letter. */
  | { type: 'discard'; message: string }
  /** `tell` is called before any further event is published: what it sends and the events that follow have no gap. */
  | { type: 'subscribe'; after: number | undefined; epoch: string | undefined; tell(stream: StreamPosition): void };

/** Where a session's stream stands, and what a subscriber missed of it. */
export interface StreamPosition {
  epoch: string;
  seq: number;
  recovered: boolean;
  /** Where not everything could be replayed. */
  snapshot?: Snapshot;
  missed: readonly Uint8Array[];
}

export interface SessionAnswers {
  wake: undefined;
  create: { session: Session; created: boolean };
  get: { session: Session };
  context: Replies['session.context'];
  update: { session: Session };
  reset: { session: Session };
  delete: { session: string };
  expire: undefined;
  prune: undefined;
  command: undefined;
  cancel: { cancelled: string[] };
  delivery: undefined;
  bury: undefined;
  compact: undefined;
  approve: { session: string; approval: string; allowed: boolean };
  discard: { session: string; message: string };
  subscribe: undefined;
}

export type SessionAnswer = SessionAnswers[SessionControl['type']];
