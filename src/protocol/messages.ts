/**
 * The requests of protocol v1 as zod schemas (the server checks with them; the client is typed by them), and the data of
 * replies and events as types. `docs/protocol.md` explains each.
 */
import { z } from 'zod';
import type { WireError } from './errors.ts';
import { ATTACHMENTS_MAX, HISTORY_PAGE_MAX, LIST_PAGE_MAX, TEXT_LENGTH_MAX, TITLE_LENGTH_MAX } from './limits.ts';

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
  'token.list': z.strictObject({}),
  'token.create': z.strictObject({ name: word, scopes: z.array(z.enum(SCOPES)).min(1).max(3) }),
  'token.revoke': z.strictObject({ name: word }),
  'token.rotate': z.strictObject({ name: word }),
  'runs.resume': z.strictObject({}),
  backup: z.strictObject({ folder: z.string().min(1).max(4_096).startsWith('/', 'must be an absolute path') }),
  'store.check': z.strictObject({}),
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
    /** Damaged values of the store it has read. */
    damaged: number;
    restarts: number;
  }[];
  model: string;
  /** Why `/ready` says 503; null: the gateway is ready. */
  trouble: string | null;
  /** Nothing runs until `runs.resume`: the gateway crashed too often. */
  runsPaused: boolean;
  storage: { bytes: number; diskFreeBytes: number };
  /** Since the start; see docs/protocol.md. */
  counters: GatewayCounters;
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

/** What was found when all of a store was read. */
export interface StoreCheck {
  /** The version it is of, null where that cannot be read, and the one this gateway reads and writes. */
  version: number | null;
  versionKnown: number;
  bytes: number;
  /** Records by table, as the store counts them. */
  records: Record<string, number>;
  /** Damage to the file itself: how much, and the first of it in words. */
  structure: { damages: number; first: string[] };
  /** Records whose values are damaged, the first of them by table and key, and how many there are. */
  damaged: { table: string; key: string }[];
  damagedTotal: number;
}

/** A named token without the secret. Times in milliseconds since the epoch. */
export interface TokenInfo {
  name: string;
  scopes: Scope[];
  createdAt: number;
  rotatedAt: number | null;
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
  'token.list': { tokens: TokenInfo[] };
  'token.create': { name: string; scopes: Scope[]; token: string };
  'token.revoke': { name: string; closed: number };
  'token.rotate': { name: string; token: string; closed: number };
  'runs.resume': { resumed: boolean };
  backup: { folder: string; bytes: number; tookMs: number };
  'store.check': StoreCheck;
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
  'token.list': 'result',
  'token.create': 'result',
  'token.revoke': 'result',
  'token.rotate': 'result',
  'runs.resume': 'result',
  backup: 'result',
  'store.check': 'result',
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
}

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
  /** `state` is the session as it is now, or was when it was deleted. */
  'session.update': { state: Session; deleted?: true };
}

export type EventType = keyof Events;
export type EventData<T extends EventType> = Events[T] & EventPosition;
