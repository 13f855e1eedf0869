/**
 * The requests of protocol v1 as zod schemas (the server checks with them; the client is typed by them), and the data of
 * replies and events as types. `docs/protocol.md` explains each.
 */
import { z } from 'zod';
import type { WireError } from './errors.ts';
import {
  ATTACHMENTS_MAX,
  HISTORY_PAGE_MAX,
  LIST_PAGE_MAX,
  SEND_TEXT_LENGTH_MAX,
  TEXT_LENGTH_MAX,
  TITLE_LENGTH_MAX,
} from './limits.ts';

/** Ids and keys travel in logs and paths: printable ASCII without spaces. */
const printable = /^[\x21-\x7e]+$/;
const id = z.string().min(1).max(64).regex(printable, 'must be printable ASCII without spaces');
const sessionKey = z.string().min(1).max(256).regex(printable, 'must be printable ASCII without spaces');
const name = z.string().min(1).max(64);
/** Part of a session key, as it is: it must not hold the colon that divides a key. Agents in the configuration too. */
const word = z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, 'must be a lower-case word of at most 32 characters');

export const SESSION_TYPES = ['main', 'group', 'dm'] as const;
export type SessionType = (typeof SESSION_TYPES)[number];
export const THINKING_LEVELS = ['off', 'low', 'medium', 'high'] as const;
export type ThinkingLevel = (typeof THINKING_LEVELS)[number];
/** What a message does that comes while a run is going on; `docs/protocol.md` explains each. */
export const FOLLOW_UPS = ['steer', 'followup', 'collect', 'interrupt'] as const;
export type FollowUp = (typeof FOLLOW_UPS)[number];

/** What a credential may be good for: `write` includes `read`, `admin` everything. */
export const SCOPES = ['read', 'write', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];
export const TOKEN_NAME = /^[a-z][a-z0-9-]{0,31}$/;

/** How a channel account is; `docs/channels.md` explains each. */
export const CHANNEL_STATES = ['connecting', 'ready', 'degraded', 'logged-out', 'stopped'] as const;
/** The lists of an account that can be added to while the gateway runs. */
export const LIST_KINDS = ['user', 'group'] as const;
/** What gives access: to have been paired, or to be on a list. */
export const GRANT_KINDS = ['paired', ...LIST_KINDS] as const;
/** A pairing code as people type it. */
const code = z.string().min(1).max(32);
/** A platform's id of a person or group, or a person's handle. */
const peer = z.string().min(1).max(128);

/** The images a message may come with. */
export const IMAGE_TYPES = ['image/png', 'image/jpeg', 'image/webp', 'image/gif'] as const;
export type ImageType = (typeof IMAGE_TYPES)[number];

/** Bytes: msgpack binary, or base64 where a string is all there is, as in JSON. What is in them is checked later. */
const bytes = z
  .unknown()
  .refine((value) => typeof value === 'string' || value instanceof Uint8Array, 'must be binary, or base64 in a string')
  .meta({ type: 'string', contentEncoding: 'base64' }) as unknown as z.ZodType<
  Uint8Array | string,
  Uint8Array | string
>;
const attachment = z.strictObject({ type: z.literal('image'), mediaType: z.enum(IMAGE_TYPES), data: bytes });

/** What can be asked, by type. Every schema is strict: an unknown field is refused by name. */
export const REQUESTS = {
  hello: z.strictObject({
    protocol: z.tuple([z.int().min(1), z.int().min(1)]),
    client: z.strictObject({ name, version: z.string().max(64) }),
    auth: z.strictObject({
      token: z.string().min(1).max(1024).optional(),
      password: z.string().min(1).max(1024).optional(),
    }),
  }),
  ping: z.strictObject({}),
  status: z.strictObject({}),
  subscribe: z.strictObject({
    session: sessionKey,
    after: z.int().nonnegative().optional(),
    epoch: id.optional(),
  }),
  unsubscribe: z.strictObject({ session: sessionKey }),
  'message.send': z.strictObject({
    session: sessionKey.optional(),
    text: z.string().min(1).max(TEXT_LENGTH_MAX),
    idempotencyKey: id.optional(),
    mode: z.enum(FOLLOW_UPS).optional(),
    attachments: z.array(attachment).min(1).max(ATTACHMENTS_MAX).optional(),
  }),
  'message.cancel': z.strictObject({ session: sessionKey, run: id.optional() }),
  'session.create': z.strictObject({
    agent: word.optional(),
    type: z.enum(SESSION_TYPES).optional(),
    channel: word.optional(),
    user: z.string().min(1).max(128).optional(),
    model: z.string().min(1).max(128).optional(),
    thinkingLevel: z.enum(THINKING_LEVELS).optional(),
  }),
  'session.get': z.strictObject({ session: sessionKey }),
  'session.list': z.strictObject({
    agent: word.optional(),
    type: z.enum(SESSION_TYPES).optional(),
    channel: word.optional(),
    limit: z.int().min(1).max(LIST_PAGE_MAX).optional(),
    cursor: sessionKey.optional(),
  }),
  'session.update': z.strictObject({
    session: sessionKey,
    model: z.string().min(1).max(128).nullable().optional(),
    thinkingLevel: z.enum(THINKING_LEVELS).optional(),
    title: z.string().min(1).max(TITLE_LENGTH_MAX).nullable().optional(),
    followUp: z.enum(FOLLOW_UPS).nullable().optional(),
  }),
  'session.reset': z.strictObject({ session: sessionKey }),
  'session.delete': z.strictObject({ session: sessionKey }),
  'session.history': z.strictObject({
    session: sessionKey,
    before: z.int().positive().optional(),
    limit: z.int().min(1).max(HISTORY_PAGE_MAX).optional(),
  }),
  'presence.list': z.strictObject({ watch: z.boolean().optional() }),
  'channel.list': z.strictObject({ watch: z.boolean().optional() }),
  'channel.restart': z.strictObject({ channel: word, account: word.optional() }),
  'channel.send': z.strictObject({
    to: z.string().min(3).max(256),
    text: z.string().min(1).max(SEND_TEXT_LENGTH_MAX),
    idempotencyKey: id.optional(),
  }),
  'token.list': z.strictObject({}),
  'token.create': z.strictObject({ name: word, scopes: z.array(z.enum(SCOPES)).min(1).max(3) }),
  'token.revoke': z.strictObject({ name: word }),
  'token.rotate': z.strictObject({ name: word }),
  'pairing.list': z.strictObject({ channel: word.optional(), watch: z.boolean().optional() }),
  'pairing.approve': z.strictObject({ channel: word, code }),
  'pairing.reject': z.strictObject({ channel: word, code }),
  'pairing.revoke': z.strictObject({ channel: word, account: word.optional(), user: peer }),
  'allow.list': z.strictObject({
    channel: word.optional(),
    account: word.optional(),
    kind: z.enum(GRANT_KINDS).optional(),
    limit: z.int().min(1).max(LIST_PAGE_MAX).optional(),
    cursor: z.string().min(1).max(1_024).optional(),
  }),
  'allow.add': z.strictObject({ channel: word, account: word.optional(), kind: z.enum(LIST_KINDS), peer }),
  'allow.remove': z.strictObject({ channel: word, account: word.optional(), kind: z.enum(LIST_KINDS), peer }),
} as const;

export type RequestType = keyof typeof REQUESTS;
export type RequestData<T extends RequestType> = z.input<(typeof REQUESTS)[T]>;

/** A conversation as clients see it. */
export interface Session {
  /** The session key, e.g. `agent:main:dm:telegram:4711`. */
  id: string;
  agent: string;
  type: SessionType;
  channel: string;
  user: string;
  /** Given by a client, or null. */
  title: string | null;
  /** Model reference such as `anthropic/claude-sonnet-4-5`, or null: the agent's default. */
  model: string | null;
  thinkingLevel: ThinkingLevel;
  /** Null: the gateway's, `sessions.followUp` in its configuration. */
  followUp: FollowUp | null;
  /** Input and output tokens of all runs. */
  tokensUsed: number;
  /** Micro-dollars, of the runs whose cost is known. */
  costUsed: number;
  /** Milliseconds since the epoch. */
  createdAt: number;
  lastActive: number;
}

/** Token counts of one run, as the model API reported them, or counted by us (`estimated`). */
export interface Usage {
  inputTokens: number;
  outputTokens: number;
  /** Micro-dollars; only where the price of every model that answered is configured. */
  cost?: number;
  estimated?: boolean;
}

export type RunStatus = 'ok' | 'cancelled' | 'failed';

/** An image of a message, as it is told about: what is in it is sent to the model only. */
export interface Attachment {
  type: 'image';
  mediaType: ImageType;
  /** Its size. */
  bytes: number;
}

/** Where a message came from that a channel brought, and where its answer goes. Ids are the platform's. */
export interface MessageOrigin {
  /** The platform, such as `telegram`. */
  channel: string;
  /** Which of the gateway's accounts on it. */
  account: string;
  chat: { id: string; type: 'dm' | 'group'; thread?: string };
  /** The message, to reply to. */
  message: string;
  sender: { id: string; name: string };
}

/** What became of an answer on its way to a channel, where that is not simply that it is there. */
export interface Delivery {
  /** `unknown`: it may be there, or not; it is not sent again, so that it cannot be there twice. */
  status: 'failed' | 'unknown';
  reason: string;
}

/** One line of a transcript. `seq` counts within the session and only grows; it is not the `seq` of events. */
export interface HistoryEntry {
  seq: number;
  /** `reset`: no model is sent what stands before this entry. It has no text. */
  role: 'user' | 'assistant' | 'tool' | 'reset';
  text: string;
  timestamp: number;
  /** Id of the user's message this entry belongs to. */
  message: string;
  /** The run that wrote it; absent on the user's own messages. */
  run?: string;
  /** The text is only the beginning of a longer one. */
  truncated?: true;
  /** For a run that did not end well: how it ended. Its text is what was written until then. */
  status?: Exclude<RunStatus, 'ok'>;
  /** Tool calls the assistant made in this entry. */
  toolCalls?: { id: string; name: string; input: unknown }[];
  /** For role `tool`: which call this answers. */
  toolCall?: { id: string; name: string; failed?: true };
  /** Images the user's message came with. */
  attachments?: readonly Attachment[];
  /** Of a user's message that a channel brought. */
  origin?: MessageOrigin;
  /** Of an answer that may not have reached its channel. */
  delivery?: Delivery;
}

export interface Limits {
  frameBytesMax: number;
  depthMax: number;
  valuesMax: number;
  inFlightMax: number;
  subscriptionsMax: number;
  textLengthMax: number;
}

export interface GatewayStatus {
  version: string;
  uptimeMs: number;
  connections: number;
  rssBytes: number;
  /** How late the front end's event loop was, in milliseconds, since the last `status` of anybody. */
  loopLagMs: { p99: number; max: number };
  shards: {
    index: number;
    /** `starting`, `ready`, `restarting`, `failed`, `stopped`, or `silent`: it did not answer in time. */
    state: string;
    /** Sessions in memory. */
    sessions: number;
    running: number;
    queued: number;
    deadLetters: number;
    restarts: number;
  }[];
  model: string;
  /** Since the start; see docs/protocol.md. */
  counters: GatewayCounters;
  channels: ChannelStatus[];
}

/** How one account of a channel is. Times in milliseconds since the epoch, counts since the channels' thread started. */
export interface ChannelStatus {
  channel: string;
  account: string;
  state: (typeof CHANNEL_STATES)[number];
  /** Why it is so, for an operator. */
  reason: string | null;
  /** When it became so. */
  since: number;
  /** When something last came from the platform. */
  lastInbound: number | null;
  /** Messages that were accepted. */
  received: number;
  /** Messages that are on the platform. */
  sent: number;
  /** Answers that could not be sent, and such of which it is not known. */
  failed: number;
  unknown: number;
  /** Answers that wait to be sent. */
  waiting: number;
}

/** An answer that could not be sent, or of which it is not known. */
export interface Undelivered extends Delivery {
  channel: string;
  account: string;
  /** The platform's id of the chat. */
  chat: string;
  /** Milliseconds since the epoch. */
  at: number;
  session?: string;
  /** Id of the user's message it answers. */
  message?: string;
}

/** What was done to clients, counted. */
export interface GatewayCounters {
  /** Deltas that were merged with others, or left out before the whole text. */
  deltasMerged: number;
  /** Connections closed because they read too slowly. */
  slowClosed: number;
  rateLimited: number;
  loginsFailed: number;
  lockouts: number;
  /** Refused for their Origin or Host header. */
  refusedOrigins: number;
  /** Refused because there were too many connections. */
  refusedFull: number;
  /** Connections closed because their token was revoked or rotated. */
  tokensClosed: number;
}

/** A named token without the secret. Times in milliseconds since the epoch. */
export interface TokenInfo {
  name: string;
  scopes: Scope[];
  createdAt: number;
  rotatedAt: number | null;
}

/** A person on a channel who asked to be let in. */
export interface Applicant {
  channel: string;
  account: string;
  /** The platform's id. */
  user: string;
  /** What others see. */
  name: string;
  /** Their handle, where they have one. */
  username?: string;
}

/** A request that an operator has not resolved. Times in milliseconds since the epoch. */
export interface PairingInfo extends Applicant {
  code: string;
  requestedAt: number;
  expiresAt: number;
}

/** Access that was given while the gateway ran. */
export interface GrantInfo {
  channel: string;
  account: string;
  kind: (typeof GRANT_KINDS)[number];
  /** Id of a person or group, or a person's handle. */
  peer: string;
  /** Of a paired person. */
  name?: string;
  username?: string;
  grantedAt: number;
}

/** An authenticated connection as others see it. */
export interface Presence {
  /** Unique until the gateway stops. */
  id: number;
  client: { name: string; version: string };
  /** Milliseconds since the epoch. */
  connectedAt: number;
  /** The name of its credential. */
  token: string;
  scopes: Scope[];
}

/** Data of the reply to each request: `welcome`, `pong`, `ack` or `result`. */
export interface Replies {
  hello: {
    protocol: number;
    server: { name: string; version: string };
    limits: Limits;
    features: string[];
    scopes: Scope[];
  };
  ping: Record<string, never>;
  status: GatewayStatus;
  subscribe: { session: string; epoch: string; seq: number; recovered: boolean };
  unsubscribe: { session: string };
  'message.send': { session: string; message: string; queued: number; duplicate?: true };
  'message.cancel': { session: string; cancelled: string[] };
  'session.create': { session: Session; created: boolean };
  'session.get': { session: Session };
  /** `cursor`: there may be more; it is where to go on. */
  'session.list': { sessions: Session[]; cursor?: string };
  'session.update': { session: Session };
  'session.reset': { session: Session };
  'session.delete': { session: string };
  'session.history': { session: string; entries: HistoryEntry[]; more: boolean };
  'presence.list': { connections: Presence[]; total: number };
  'channel.list': { channels: ChannelStatus[]; undelivered: Undelivered[] };
  'channel.restart': { channel: ChannelStatus };
  /** The platform's ids of the messages; a repeated `idempotencyKey` sends nothing, and no ids are known. */
  'channel.send': { channel: string; account: string; chat: string; messages: string[]; duplicate?: true };
  'token.list': { tokens: TokenInfo[] };
  'token.create': { name: string; scopes: Scope[]; token: string };
  'token.revoke': { name: string; closed: number };
  'token.rotate': { name: string; token: string; closed: number };
  'pairing.list': { pending: PairingInfo[] };
  'pairing.approve': Applicant;
  'pairing.reject': Applicant;
  'pairing.revoke': Applicant;
  /** `cursor`: there is more; it is where to go on. */
  'allow.list': { grants: GrantInfo[]; cursor?: string };
  'allow.add': { grant: GrantInfo };
  'allow.remove': { grant: GrantInfo };
}

/** The frame type that answers each request. */
export const REPLY_TYPES = {
  hello: 'welcome',
  ping: 'pong',
  status: 'result',
  subscribe: 'result',
  unsubscribe: 'result',
  'message.send': 'ack',
  'message.cancel': 'ack',
  'session.create': 'result',
  'session.get': 'result',
  'session.list': 'result',
  'session.update': 'result',
  'session.reset': 'result',
  'session.delete': 'result',
  'session.history': 'result',
  'presence.list': 'result',
  'channel.list': 'result',
  'channel.restart': 'result',
  'channel.send': 'result',
  'token.list': 'result',
  'token.create': 'result',
  'token.revoke': 'result',
  'token.rotate': 'result',
  'pairing.list': 'result',
  'pairing.approve': 'result',
  'pairing.reject': 'result',
  'pairing.revoke': 'result',
  'allow.list': 'result',
  'allow.add': 'result',
  'allow.remove': 'result',
} as const satisfies Record<RequestType, string>;

/** What every event of a session carries besides its own data. */
export interface EventPosition {
  session: string;
  /** Counts the events of this session's stream; a gap is a missed event. */
  seq: number;
  epoch: string;
  /**
   * Deltas right before this event that a slow connection was not sent on their own: their text is part of this event's.
   * `seq` jumps by as many.
   */
  skipped?: number;
}

/** Data of the events that belong to no session. */
export interface GatewayEvents {
  goaway: { reconnectAfterMs: number };
  presence: { change: 'joined' | 'left'; connection: Presence };
  'channel.update': { channel: ChannelStatus };
  /** A pairing code to be shown as a QR code, to admins only; null: it is not good any more. */
  'channel.qr': { channel: string; account: string; code: string | null };
  'pairing.requested': PairingInfo;
  'pairing.resolved': Applicant & { outcome: 'approved' | 'rejected' | 'revoked' };
}

/** An event of {@link GatewayEvents} for those who watch who asks to be let in. */
export type PairingEvent = {
  [T in 'pairing.requested' | 'pairing.resolved']: { type: T; data: GatewayEvents[T] };
}['pairing.requested' | 'pairing.resolved'];

/** Data of the events of a session, by type, in the order they occur in a run. */
export interface Events {
  'message.inbound': { message: string; text: string; attachments?: readonly Attachment[] };
  'run.start': { run: string; message: string; model: string };
  'run.model': { run: string; model: string; error: WireError };
  'message.delta': { run: string; text: string };
  'tool.start': { run: string; call: string; name: string; input: unknown };
  'tool.end': { run: string; call: string; name: string; output: string; failed: boolean };
  'message.outbound': { run: string; message: string; text: string; truncated?: true };
  'run.end': { run: string; message: string; status: RunStatus; usage: Usage; error?: WireError };
  /** An answer to `message` did not reach the channel it came from, or may not have. */
  'message.delivery': { message: string; channel: string; account: string; status: Delivery['status']; reason: string };
  /** `state` is the session as it is now, or was when it was deleted. */
  'session.update': { state: Session; deleted?: true };
}

export type EventType = keyof Events;
export type EventData<T extends EventType> = Events[T] & EventPosition;
