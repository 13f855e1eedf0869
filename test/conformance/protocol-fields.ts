/**
 * What is in the protocol only as a type, as lists that protocol-doc.test.ts can read: the compiler refuses a field too few
 * or too many.
 */
import type { WireError } from '../../src/protocol/errors.ts';
import type { Frame } from '../../src/protocol/frame.ts';
import type * as limits from '../../src/protocol/limits.ts';
import type {
  Attachment,
  EventPosition,
  Events,
  EventType,
  GatewayCounters,
  GatewayEvents,
  GatewayStatus,
  HistoryEntry,
  Limits,
  Presence,
  Replies,
  RequestData,
  RequestType,
  RunStatus,
  Session,
  StoreCheck,
  TokenInfo,
  Usage,
} from '../../src/protocol/messages.ts';

/** All fields of a shape: the compiler refuses one too few and one too many. */
type Fields<Shape> = Record<keyof Required<Shape>, true>;

export const REPLY_FIELDS: { [T in RequestType]: Fields<Replies[T]> } = {
  hello: { protocol: true, server: true, limits: true, features: true, scopes: true },
  ping: {},
  status: {
    version: true,
    uptimeMs: true,
    loopLagMs: true,
    connections: true,
    rssBytes: true,
    shards: true,
    model: true,
    trouble: true,
    runsPaused: true,
    storage: true,
    counters: true,
  },
  subscribe: { session: true, epoch: true, seq: true, recovered: true },
  unsubscribe: { session: true },
  'message.send': { session: true, message: true, queued: true, duplicate: true },
  'message.cancel': { session: true, cancelled: true },
  'session.create': { session: true, created: true },
  'session.get': { session: true },
  'session.list': { sessions: true, cursor: true },
  'session.update': { session: true },
  'session.reset': { session: true },
  'session.delete': { session: true },
  'session.history': { session: true, entries: true, more: true },
  'presence.list': { connections: true, total: true },
  'token.list': { tokens: true },
  'token.create': { name: true, scopes: true, token: true },
  'token.revoke': { name: true, closed: true },
  'token.rotate': { name: true, token: true, closed: true },
  'runs.resume': { resumed: true },
  backup: { folder: true, bytes: true, tookMs: true },
  'store.check': {
    version: true,
    versionKnown: true,
    bytes: true,
    records: true,
    structure: true,
    damaged: true,
    damagedTotal: true,
  },
};

export const EVENT_FIELDS: { [T in EventType]: Fields<Events[T]> } & {
  [T in keyof GatewayEvents]: Fields<GatewayEvents[T]>;
} = {
  goaway: { reconnectAfterMs: true },
  presence: { change: true, connection: true },
  'message.inbound': { message: true, text: true, attachments: true },
  'run.start': { run: true, message: true, model: true },
  'run.model': { run: true, model: true, error: true },
  'message.delta': { run: true, text: true },
  'tool.start': { run: true, call: true, name: true, input: true },
  'tool.end': { run: true, call: true, name: true, output: true, failed: true },
  'message.outbound': { run: true, message: true, text: true, truncated: true },
  'run.end': { run: true, message: true, status: true, usage: true, error: true },
  'session.update': { state: true, deleted: true },
};

export const FRAME_FIELDS: Fields<Frame> = { id: true, type: true, timestamp: true, data: true, error: true };
export const POSITION_FIELDS: Fields<EventPosition> = { session: true, seq: true, epoch: true, skipped: true };
export const ERROR_FIELDS: Fields<WireError> = {
  code: true,
  message: true,
  retryable: true,
  retryAfterMs: true,
  param: true,
};
export const SESSION_FIELDS: Fields<Session> = {
  id: true,
  agent: true,
  type: true,
  channel: true,
  user: true,
  title: true,
  model: true,
  thinkingLevel: true,
  followUp: true,
  tokensUsed: true,
  costUsed: true,
  createdAt: true,
  lastActive: true,
};
export const ENTRY_FIELDS: Fields<HistoryEntry> = {
  seq: true,
  role: true,
  text: true,
  timestamp: true,
  message: true,
  run: true,
  truncated: true,
  status: true,
  toolCalls: true,
  toolCall: true,
  attachments: true,
};

type SentAttachment = NonNullable<RequestData<'message.send'>['attachments']>[number];

/** Shapes that stand in one row, in code letters: section, field, and what must be in it. */
export const NESTED: [string, string, object][] = [
  ['`hello`', 'client', { name: true, version: true } satisfies Fields<RequestData<'hello'>['client']>],
  ['`hello`', 'auth', { token: true, password: true } satisfies Fields<RequestData<'hello'>['auth']>],
  [
    '`hello`',
    'limits',
    {
      frameBytesMax: true,
      depthMax: true,
      valuesMax: true,
      inFlightMax: true,
      subscriptionsMax: true,
      textLengthMax: true,
    } satisfies Fields<Limits>,
  ],
  [
    '`status`',
    'shards',
    {
      index: true,
      state: true,
      sessions: true,
      running: true,
      queued: true,
      deadLetters: true,
      damaged: true,
      restarts: true,
    } satisfies Fields<GatewayStatus['shards'][number]>,
  ],
  [
    '`run.end`',
    'usage',
    { inputTokens: true, outputTokens: true, cost: true, estimated: true } satisfies Fields<Usage>,
  ],
  ['`status`', 'storage', { bytes: true, diskFreeBytes: true } satisfies Fields<GatewayStatus['storage']>],
  ['`store.check`', 'structure', { damages: true, first: true } satisfies Fields<StoreCheck['structure']>],
  ['`store.check`', 'damaged', { table: true, key: true } satisfies Fields<StoreCheck['damaged'][number]>],
  [
    '`status`',
    'counters',
    {
      deltasMerged: true,
      slowClosed: true,
      rateLimited: true,
      loginsFailed: true,
      lockouts: true,
      refusedOrigins: true,
      refusedFull: true,
      tokensClosed: true,
    } satisfies Fields<GatewayCounters>,
  ],
  [
    '`presence.list`',
    'connections',
    { id: true, client: true, connectedAt: true, token: true, scopes: true } satisfies Fields<Presence>,
  ],
  [
    '`token.list`',
    'tokens',
    { name: true, scopes: true, createdAt: true, rotatedAt: true } satisfies Fields<TokenInfo>,
  ],
  ['`run.end`', 'status', { ok: true, cancelled: true, failed: true } satisfies Record<RunStatus, true>],
  ['Entry', 'toolCalls', { id: true, name: true, input: true }],
  ['Entry', 'toolCall', { id: true, name: true, failed: true }],
  ['Entry', 'attachments', { type: true, mediaType: true, bytes: true } satisfies Fields<Attachment>],
  ['`message.send`', 'attachments', { type: true, mediaType: true, data: true } satisfies Fields<SentAttachment>],
];

/** What the table of limits calls each constant, where a client is sent it under a name that is its name. */
export const LIMIT_NAMES: Record<keyof typeof limits, keyof Limits | string> = {
  FRAME_BYTES_MAX: 'frameBytesMax',
  FRAME_BYTES_MAX_UNAUTHENTICATED: 'bytes of a frame before `hello`',
  DEPTH_MAX: 'depthMax',
  VALUES_MAX: 'valuesMax',
  HELLO_TIMEOUT_MS: 'milliseconds until `hello`',
  IN_FLIGHT_MAX: 'inFlightMax',
  SUBSCRIPTIONS_MAX: 'subscriptionsMax',
  TEXT_LENGTH_MAX: 'textLengthMax',
  ATTACHMENTS_MAX: 'images of a message',
  ATTACHMENTS_BYTES_MAX: 'bytes of the images of a message',
  HISTORY_PAGE_MAX: 'entries of a page of history',
  LIST_PAGE_MAX: 'entries of a page of sessions',
  TITLE_LENGTH_MAX: 'characters of a title',
  BACKPRESSURE_BYTES_MERGE: 'bytes waiting before deltas are merged',
  SLOW_CLOSE_MS: 'milliseconds a slow client has to read why it is closed',
  PRESENCE_MAX: 'connections in an answer to `presence.list`',
  RECONNECT_AFTER_MS: 'milliseconds in `goaway`',
  BACKPRESSURE_BYTES_MAX: 'bytes waiting for a slow client',
  PROTOCOL_MIN: 'lowest protocol version',
  PROTOCOL_MAX: 'highest protocol version',
};
