/**
 * Requests as zod schemas: the gateway checks with them, and the client is typed by them. What is answered, and what
 * subscribers are told, as the types of the schemas in replies.ts, events.ts and shapes.ts, which only tests and documents
 * load. `docs/protocol.md` explains each.
 */
import { z } from 'zod';
import type { EVENTS, eventPosition, GATEWAY_EVENTS } from './events.ts';
import {
  ATTACHMENTS_MAX,
  FACT_TEXT_LENGTH_MAX,
  HISTORY_PAGE_MAX,
  LIST_PAGE_MAX,
  MEMORY_RESULTS_MAX,
  QUERY_TEXT_LENGTH_MAX,
  SEARCH_LENGTH_MAX,
  SEND_TEXT_LENGTH_MAX,
  TEXT_LENGTH_MAX,
  TITLE_LENGTH_MAX,
} from './limits.ts';
import type * as memoryShapes from './memory-shapes.ts';
import type { REPLIES } from './replies.ts';
import type * as shapes from './shapes.ts';
import type * as statusShapes from './status-shapes.ts';
import {
  ENTRY_ROLES,
  FOLLOW_UPS,
  GRANT_KINDS,
  IMAGE_TYPES,
  id,
  LIST_KINDS,
  MEMORY_KINDS,
  REACHES,
  ROOT_TYPES,
  SCOPES,
  SESSION_TYPES,
  sessionKey,
  THINKING_LEVELS,
  word,
} from './vocabulary.ts';

export type SessionType = (typeof SESSION_TYPES)[number];
export type RootType = (typeof ROOT_TYPES)[number];
export type ThinkingLevel = (typeof THINKING_LEVELS)[number];
export type FollowUp = (typeof FOLLOW_UPS)[number];
export type Scope = (typeof SCOPES)[number];
export type ImageType = (typeof IMAGE_TYPES)[number];

const name = z.string().min(1).max(64);
/** A pairing code as people type it. */
const code = z.string().min(1).max(32);
/** A platform's id of a person or group, or a person's handle. */
const peer = z.string().min(1).max(128);
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
    type: z.enum(ROOT_TYPES).optional(),
    channel: word.optional(),
    user: z.string().min(1).max(128).optional(),
    model: z.string().min(1).max(128).optional(),
    thinkingLevel: z.enum(THINKING_LEVELS).optional(),
  }),
  'session.get': z.strictObject({ session: sessionKey }),
  'session.context': z.strictObject({ session: sessionKey }),
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
    after: z.int().nonnegative().optional(),
    limit: z.int().min(1).max(HISTORY_PAGE_MAX).optional(),
    contains: z.string().min(1).max(SEARCH_LENGTH_MAX).optional(),
    roles: z.array(z.enum(ENTRY_ROLES)).min(1).max(ENTRY_ROLES.length).optional(),
    since: z.int().nonnegative().optional(),
    until: z.int().nonnegative().optional(),
  }),
  'session.attachment': z.strictObject({
    session: sessionKey,
    seq: z.int().positive(),
    index: z
      .int()
      .min(0)
      .max(ATTACHMENTS_MAX - 1),
  }),
  'session.prune': z.strictObject({
    session: sessionKey,
    dryRun: z.boolean().optional(),
    days: z.int().min(1).max(36_500).optional(),
    entriesMax: z.int().min(1).max(1e9).optional(),
    bytesMax: z
      .int()
      .min(1)
      .max(2 ** 50)
      .optional(),
  }),
  'schedule.list': z.strictObject({
    session: sessionKey.optional(),
    limit: z.int().min(1).max(LIST_PAGE_MAX).optional(),
    cursor: z.string().min(1).max(1_024).optional(),
  }),
  'schedule.remove': z.strictObject({ session: sessionKey, schedule: id }),
  'approval.resolve': z.strictObject({ session: sessionKey, approval: id, allow: z.boolean() }),
  'approval.list': z.strictObject({
    state: z.enum(['waiting', 'decided']).optional(),
    session: sessionKey.optional(),
    before: id.optional(),
    limit: z.int().min(1).max(LIST_PAGE_MAX).optional(),
  }),
  'session.tools': z.strictObject({ session: sessionKey, sender: z.string().min(3).max(256).optional() }),
  'memory.search': z.strictObject({
    agent: word.optional(),
    session: sessionKey.optional(),
    query: z.string().min(1).max(QUERY_TEXT_LENGTH_MAX),
    limit: z.int().min(1).max(MEMORY_RESULTS_MAX).optional(),
    kinds: z.array(z.enum(MEMORY_KINDS)).min(1).max(MEMORY_KINDS.length).optional(),
    channel: word.optional(),
    sender: z.string().min(3).max(256).optional(),
    after: z.int().nonnegative().optional(),
    before: z.int().nonnegative().optional(),
  }),
  'memory.save': z.strictObject({
    agent: word.optional(),
    session: sessionKey.optional(),
    text: z.string().min(1).max(FACT_TEXT_LENGTH_MAX),
    reach: z.enum(REACHES).optional(),
    idempotencyKey: id.optional(),
  }),
  'memory.forget': z.strictObject({ agent: word.optional(), fact: id }),
  'memory.status': z.strictObject({}),
  'memory.rebuild': z.strictObject({ agent: word.optional() }),
  'memory.list': z.strictObject({
    agent: word.optional(),
    limit: z.int().min(1).max(LIST_PAGE_MAX).optional(),
    cursor: id.optional(),
  }),
  'dead-letter.list': z.strictObject({
    session: sessionKey.optional(),
    limit: z.int().min(1).max(LIST_PAGE_MAX).optional(),
    cursor: id.optional(),
  }),
  'dead-letter.resubmit': z.strictObject({ session: sessionKey, message: id }),
  'dead-letter.discard': z.strictObject({ session: sessionKey, message: id }),
  'presence.list': z.strictObject({ watch: z.boolean().optional() }),
  'channel.list': z.strictObject({ watch: z.boolean().optional() }),
  'channel.restart': z.strictObject({ channel: word, account: word.optional() }),
  'channel.send': z.strictObject({
    to: z.string().min(3).max(256),
    text: z.string().min(1).max(SEND_TEXT_LENGTH_MAX),
    idempotencyKey: id.optional(),
  }),
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
  'token.list': z.strictObject({}),
  'token.create': z.strictObject({ name: word, scopes: z.array(z.enum(SCOPES)).min(1).max(3) }),
  'token.revoke': z.strictObject({ name: word }),
  'token.rotate': z.strictObject({ name: word }),
  'runs.resume': z.strictObject({}),
  'mcp.restart': z.strictObject({ server: word }),
  backup: z.strictObject({ folder: z.string().min(1).max(4_096).startsWith('/', 'must be an absolute path') }),
  'store.check': z.strictObject({}),
  'plugin.list': z.strictObject({}),
  'plugin.reload': z.strictObject({ plugin: word.optional() }),
} as const;

export type RequestType = keyof typeof REQUESTS;
export type RequestData<T extends RequestType> = z.input<(typeof REQUESTS)[T]>;

export type Session = z.output<typeof shapes.session>;
export type Usage = z.output<typeof shapes.usage>;
export type RunStatus = z.output<typeof shapes.runStatus>;
export type Attachment = z.output<typeof shapes.attachment>;
export type HistoryEntry = z.output<typeof shapes.historyEntry>;
export type PendingApproval = z.output<typeof shapes.pendingApproval>;
export type ApprovalInfo = z.output<typeof shapes.approvalInfo>;
export type Outcome = z.output<typeof shapes.outcome>;
export type Snapshot = z.output<typeof shapes.snapshot>;
export type DeadLetterInfo = z.output<typeof shapes.deadLetter>;
export type MessageOrigin = z.output<typeof shapes.messageOrigin>;
export type MessageSource = z.output<typeof shapes.messageSource>;
export type ScheduleInfo = z.output<typeof shapes.scheduleInfo>;
export type Delivery = z.output<typeof shapes.delivery>;
export type ChannelStatus = z.output<typeof shapes.channelStatus>;
export type PluginStatus = z.output<typeof statusShapes.pluginStatus>;
export type McpServerStatus = z.output<typeof statusShapes.mcpServerStatus>;
export type MemoryResult = z.output<typeof memoryShapes.memoryResult>;
export type FactInfo = z.output<typeof memoryShapes.factInfo>;
export type Undelivered = z.output<typeof shapes.undelivered>;
export type Applicant = z.output<typeof shapes.applicant>;
export type PairingInfo = z.output<typeof shapes.pairingInfo>;
export type GrantInfo = z.output<typeof shapes.grantInfo>;
export type Limits = z.output<typeof shapes.limits>;
export type GatewayStatus = z.output<typeof statusShapes.gatewayStatus>;
export type GatewayCounters = z.output<typeof shapes.gatewayCounters>;
export type StoreCheck = z.output<typeof statusShapes.storeCheck>;
export type TokenInfo = z.output<typeof shapes.tokenInfo>;
export type Presence = z.output<typeof shapes.presence>;

/** Data of the reply to each request: `welcome`, `pong`, `ack` or `result`. */
export type Replies = { [T in RequestType]: z.output<(typeof REPLIES)[T]> };

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
  'session.context': 'result',
  'session.list': 'result',
  'session.update': 'result',
  'session.reset': 'result',
  'session.delete': 'result',
  'session.history': 'result',
  'session.attachment': 'result',
  'session.prune': 'result',
  'schedule.list': 'result',
  'schedule.remove': 'result',
  'approval.resolve': 'result',
  'approval.list': 'result',
  'session.tools': 'result',
  'memory.search': 'result',
  'memory.save': 'result',
  'memory.forget': 'result',
  'memory.list': 'result',
  'memory.status': 'result',
  'memory.rebuild': 'result',
  'dead-letter.list': 'result',
  'dead-letter.resubmit': 'result',
  'dead-letter.discard': 'result',
  'presence.list': 'result',
  'channel.list': 'result',
  'channel.restart': 'result',
  'channel.send': 'result',
  'pairing.list': 'result',
  'pairing.approve': 'result',
  'pairing.reject': 'result',
  'pairing.revoke': 'result',
  'allow.list': 'result',
  'allow.add': 'result',
  'allow.remove': 'result',
  'token.list': 'result',
  'token.create': 'result',
  'token.revoke': 'result',
  'token.rotate': 'result',
  'runs.resume': 'result',
  'mcp.restart': 'result',
  backup: 'result',
  'store.check': 'result',
  'plugin.list': 'result',
  'plugin.reload': 'result',
} as const satisfies Record<RequestType, string>;

/** What every event of a session carries besides its own data. */
export type EventPosition = z.output<typeof eventPosition>;

/** Data of the events that belong to no session. */
export type GatewayEvents = { [T in keyof typeof GATEWAY_EVENTS]: z.output<(typeof GATEWAY_EVENTS)[T]> };

/** An event of {@link GatewayEvents} for those who watch who asks to be let in. */
export type PairingEvent = {
  [T in 'pairing.requested' | 'pairing.resolved']: { type: T; data: GatewayEvents[T] };
}['pairing.requested' | 'pairing.resolved'];

/** Data of the events of a session, by type. */
export type Events = { [T in keyof typeof EVENTS]: z.output<(typeof EVENTS)[T]> };

export type EventType = keyof Events;
export type EventData<T extends EventType> = Events[T] & EventPosition;
