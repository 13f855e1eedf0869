/**
 * What replies and events are made of, as zod schemas: the one source of the types in messages.ts, of
 * `docs/protocol.schema.json` and of what tests check. A gateway never loads this file, since it never checks what it sends
 * itself: import it with `import type`. Times are in milliseconds since the epoch.
 */
import { z } from 'zod';
import { ERROR_CODES } from './error-codes.ts';
import {
  CHANNEL_STATES,
  ENTRY_ROLES,
  FOLLOW_UPS,
  GRANT_KINDS,
  IMAGE_TYPES,
  id,
  MISSED_RUNS,
  ROOT_TYPES,
  SCOPES,
  SESSION_TYPES,
  sessionKey,
  THINKING_LEVELS,
} from './vocabulary.ts';

export const count = z.int().nonnegative();
export const time = z.number();
/** There only when it is true. */
export const flag = z.literal(true).exactOptional();
export const scopes = z.array(z.enum(SCOPES));

/** The `error` of a frame. */
export const wireError = z.strictObject({
  code: z.enum(Object.keys(ERROR_CODES) as (keyof typeof ERROR_CODES)[]),
  message: z.string(),
  retryable: z.boolean(),
  /** A hint, in milliseconds. */
  retryAfterMs: count.exactOptional(),
  /** A dotted path into the frame. */
  param: z.string().exactOptional(),
});

/** A conversation as clients see it. */
export const session = z.strictObject({
  /** The session key, e.g. `agent:main:dm:telegram:4711`. */
  id: sessionKey,
  agent: z.string(),
  type: z.enum(SESSION_TYPES),
  channel: z.string(),
  user: z.string(),
  /** Given by a client, or null. */
  title: z.string().nullable(),
  /** Model reference such as `anthropic/claude-sonnet-4-5`, or null: the agent's default. */
  model: z.string().nullable(),
  thinkingLevel: z.enum(THINKING_LEVELS),
  /** Null: the gateway's, `sessions.followUp` in its configuration. */
  followUp: z.enum(FOLLOW_UPS).nullable(),
  /** Input and output tokens of all runs. */
  tokensUsed: count,
  /** Micro-dollars, of the runs whose cost is known. */
  costUsed: count,
  createdAt: time,
  lastActive: time,
  /** Of a sub-agent's. */
  spawned: z
    .strictObject({
      /** The session that has spawned it. */
      by: sessionKey,
      /** How many sessions are above it, at least 1. */
      depth: z.int().positive(),
      /** What the one at the top is, and the agents of all above it, from the top: it may do no more than they may. */
      root: z.enum(ROOT_TYPES),
      agents: z.array(z.string()),
      /** People on channels whose messages led to it, such as `telegram:123`: what they may not do it may not. */
      speakers: z.array(z.string()),
      /** When its task has to be done. */
      until: time,
    })
    .exactOptional(),
});

/** Token counts of one run, as the model API reported them, or counted by us (`estimated`). */
export const usage = z.strictObject({
  inputTokens: count,
  outputTokens: count,
  /** Micro-dollars; only where the price of every model that answered is configured. */
  cost: count.exactOptional(),
  estimated: z.boolean().exactOptional(),
});

export const runStatus = z.enum(['ok', 'cancelled', 'failed']);

/** An image of a message, as it is told about: what is in it is sent to the model only. */
export const attachment = z.strictObject({
  type: z.literal('image'),
  mediaType: z.enum(IMAGE_TYPES),
  /** Its size. */
  bytes: count,
});

/** Where a message came from that a channel brought, and where its answer goes. Ids are the platform's. */
export const messageOrigin = z.strictObject({
  /** The platform, such as `telegram`. */
  channel: z.string(),
  /** Which of the gateway's accounts on it. */
  account: z.string(),
  chat: z.strictObject({ id: z.string(), type: z.enum(['dm', 'group']), thread: z.string().exactOptional() }),
  /** The message, to reply to. */
  message: z.string(),
  sender: z.strictObject({ id: z.string(), name: z.string() }),
});

/** Who sent a message, where that was no person. */
export const messageSource = z.strictObject({
  /** `session`: the agent of another one. `task`: what a sub-agent was spawned for. `report`: how one has ended. */
  type: z.enum(['session', 'task', 'report', 'schedule']),
  /** The session it comes from; of a schedule none. */
  session: sessionKey.exactOptional(),
  schedule: id.exactOptional(),
  /** How many sessions have handed on what a person, a schedule or a client began; bounded. */
  hops: count,
});

/** What becomes a message of its session when it is due. */
export const scheduleInfo = z.strictObject({
  schedule: id,
  session: sessionKey,
  text: z.string(),
  /** Of one that is due again and again: five fields, in the time zone. */
  cron: z.string().exactOptional(),
  timeZone: z.string().exactOptional(),
  /** When it is due next. */
  next: time,
  /** What becomes of times at which the gateway did not run: nothing, or one message for all of them. */
  missed: z.enum(MISSED_RUNS),
  /** How often it was due, and when last. */
  fired: count,
  last: time.exactOptional(),
  createdAt: time,
});

/** What became of an answer on its way to a channel, where that is not simply that it is there. */
export const delivery = z.strictObject({
  /** `unknown`: it may be there, or not; it is not sent again, so that it cannot be there twice. */
  status: z.enum(['failed', 'unknown']),
  reason: z.string(),
});

/** One line of a transcript. `seq` counts within the session and only grows; it is not the `seq` of events. */
export const historyEntry = z.strictObject({
  seq: z.int().positive(),
  /**
   * `reset`: no model is sent what stands before this entry; it has no text. `summary`: models are sent its text instead of
   * the users' messages up to the entry `covers`, and of what they led to.
   */
  role: z.enum(ENTRY_ROLES),
  text: z.string(),
  timestamp: time,
  /** Id of the user's message this entry belongs to. */
  message: id,
  /** The run that wrote it; absent on the user's own messages. */
  run: id.exactOptional(),
  /** The text is only the beginning of a longer one. */
  truncated: flag,
  /** For a run that did not end well: how it ended. Its text is what was written until then. */
  status: runStatus.exclude(['ok']).exactOptional(),
  /** Tool calls the assistant made in this entry. */
  toolCalls: z.array(z.strictObject({ id: z.string(), name: z.string(), input: z.unknown() })).exactOptional(),
  /** For role `tool`: which call this answers. */
  toolCall: z
    .strictObject({
      id: z.string(),
      name: z.string(),
      failed: flag,
      /** The gateway stopped while the call was being made: nobody knows whether it happened. */
      unknown: flag,
      /** The text came from outside, and says so between marks. */
      untrusted: flag,
    })
    .exactOptional(),
  /** Of the assistant's: its model had something from outside before it when it wrote this. */
  untrusted: flag,
  /** On a summary: `seq` of the newest user's entry it stands for. */
  covers: count.exactOptional(),
  /** Messages besides `message` that the run answered, on its last entry. */
  answers: z.array(id).exactOptional(),
  /** Images the user's message came with. */
  attachments: z.array(attachment).readonly().exactOptional(),
  /** Of a user's message that a channel brought. */
  origin: messageOrigin.exactOptional(),
  /** Of a user's message that no person sent. */
  source: messageSource.exactOptional(),
  /** Of an answer that may not have reached its channel. */
  delivery: delivery.exactOptional(),
});

/** A tool call that waits for an operator. */
export const pendingApproval = z.strictObject({
  approval: id,
  run: id,
  call: z.string(),
  name: z.string(),
  input: z.unknown(),
  /** Which rule asks: a key of the configuration, or `the tool itself`. */
  rule: z.string(),
  /** What must be the same when the call is made, or it is not made: such as its folder, and the hash of a file it names. */
  bound: z.record(z.string(), z.string()).exactOptional(),
  /** Then the answer is no. */
  expiresAt: time,
});

/** Who decided on a tool call, and how. */
export const decision = z.strictObject({
  allowed: z.boolean(),
  at: time,
  /** The operator: their name on the channel, or the name of their token. Absent: nobody did. */
  by: z.string().exactOptional(),
  /** Where: `api`, or the channel and the platform's id of the operator, such as `telegram:123`. */
  via: z.string().exactOptional(),
  /** Why it is not allowed. */
  reason: z.string().exactOptional(),
});

/** A tool call that waits for an operator, or was decided. */
export const approvalInfo = z.strictObject({
  ...pendingApproval.shape,
  session: sessionKey,
  /** The user's message whose run made the call. */
  message: id,
  askedAt: time,
  /** Absent: it waits. */
  decision: decision.exactOptional(),
});

/** How the turn of a message ended: the first answer, to whoever sends the message again under its key. */
export const outcome = z.strictObject({
  /** Empty for a chat command. */
  run: z.string(),
  status: runStatus,
  text: z.string(),
  truncated: flag,
});

/** Where a session stands, for whoever cannot be sent all the events it missed. */
export const snapshot = z.strictObject({
  state: session,
  /** `seq` of the newest entry in the transcript; 0: there is none. */
  entry: count,
  /** The run that is going on, and what its model has written since the last tool call. */
  run: z.strictObject({ run: id, message: id, text: z.string() }).exactOptional(),
  /** Messages that wait. */
  queued: count,
  /** Tool calls that wait for an operator. */
  approvals: z.array(pendingApproval).exactOptional(),
});

/** A message that failed for good. */
export const deadLetter = z.strictObject({
  message: id,
  session: sessionKey,
  text: z.string(),
  attachments: z.array(attachment).readonly().exactOptional(),
  error: wireError,
  attempts: count,
  acceptedAt: time,
  diedAt: time,
});

/** The limits of src/protocol/limits.ts that a client must know. */
export const limits = z.strictObject({
  frameBytesMax: count,
  depthMax: count,
  valuesMax: count,
  inFlightMax: count,
  subscriptionsMax: count,
  textLengthMax: count,
});

/** What was done to clients since the start, counted. */
export const gatewayCounters = z.strictObject({
  /** Deltas that were merged with others, or left out before the whole text. */
  deltasMerged: count,
  /** Connections closed because they read too slowly. */
  slowClosed: count,
  rateLimited: count,
  loginsFailed: count,
  lockouts: count,
  /** Refused for their Origin or Host header. */
  refusedOrigins: count,
  /** Refused because there were too many connections. */
  refusedFull: count,
  /** Connections closed because their token was revoked or rotated. */
  tokensClosed: count,
});

export const shardStatus = z.strictObject({
  index: count,
  /** `starting`, `ready`, `restarting`, `failed`, `stopped`, or `silent`: it did not answer in time. */
  state: z.string(),
  /** Sessions in memory. */
  sessions: count,
  running: count,
  queued: count,
  deadLetters: count,
  /** Damaged values of the store it has read. */
  damaged: count,
  /** How late its event loop was, in milliseconds, since the last `status` of anybody; the first only begins to look. */
  loopLagMs: z.strictObject({ p99: z.number(), max: z.number() }),
  restarts: count,
});

/** What the policy comes to for one tool and one session. */
export const toolAccess = z.strictObject({
  name: z.string(),
  group: z.string(),
  allowed: z.boolean(),
  /** The key of the configuration that decided, and what stands there. */
  rule: z.string(),
  /** Of a call that no rule with a pattern speaks of, and what decided that. */
  risk: z.enum(['safe', 'ask', 'forbid']),
  riskRule: z.string(),
  /** Whether other calls of it may have another risk. */
  varies: z.boolean(),
});

/** How one account of a channel is. Counts are since the channels' thread started. */
export const channelStatus = z.strictObject({
  channel: z.string(),
  account: z.string(),
  state: z.enum(CHANNEL_STATES),
  /** Why it is so, for an operator. */
  reason: z.string().nullable(),
  /** When it became so. */
  since: time,
  /** When something last came from the platform. */
  lastInbound: time.nullable(),
  /** Messages that were accepted. */
  received: count,
  /** Messages that are on the platform. */
  sent: count,
  /** Answers that could not be sent, and such of which it is not known. */
  failed: count,
  unknown: count,
  /** Answers that wait to be sent. */
  waiting: count,
});

/** An answer that could not be sent, or of which it is not known. */
export const undelivered = z.strictObject({
  ...delivery.shape,
  channel: z.string(),
  account: z.string(),
  /** The platform's id of the chat. */
  chat: z.string(),
  at: time,
  session: z.string().exactOptional(),
  /** Id of the user's message it answers. */
  message: z.string().exactOptional(),
});

/** A person on a channel who asked to be let in. */
export const applicant = z.strictObject({
  channel: z.string(),
  account: z.string(),
  /** The platform's id. */
  user: z.string(),
  /** What others see. */
  name: z.string(),
  /** Their handle, where they have one. */
  username: z.string().exactOptional(),
});

/** A request that an operator has not resolved. */
export const pairingInfo = z.strictObject({
  ...applicant.shape,
  code: z.string(),
  requestedAt: time,
  expiresAt: time,
});

/** Access that was given while the gateway ran. */
export const grantInfo = z.strictObject({
  channel: z.string(),
  account: z.string(),
  kind: z.enum(GRANT_KINDS),
  /** Id of a person or group, or a person's handle. */
  peer: z.string(),
  /** Of a paired person. */
  name: z.string().exactOptional(),
  username: z.string().exactOptional(),
  grantedAt: time,
});

/** A named token without the secret. */
export const tokenInfo = z.strictObject({
  name: z.string(),
  scopes,
  createdAt: time,
  /** Null: never. */
  rotatedAt: time.nullable(),
});

/** An authenticated connection as others see it. */
export const presence = z.strictObject({
  /** Unique until the gateway stops. */
  id: count,
  client: z.strictObject({ name: z.string(), version: z.string() }),
  connectedAt: time,
  /** The name of its credential. */
  token: z.string(),
  scopes,
});
