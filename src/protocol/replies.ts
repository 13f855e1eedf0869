/** The data of replies as zod schemas; see shapes.ts for what they are for and why a gateway never loads them. */
import { z } from 'zod';
import { factInfo, memoryResult } from './memory-shapes.ts';
import {
  applicant,
  approvalInfo,
  channelStatus,
  count,
  deadLetter,
  flag,
  grantInfo,
  historyEntry,
  limits,
  outcome,
  pairingInfo,
  presence,
  scheduleInfo,
  scopes,
  session,
  snapshot,
  time,
  tokenInfo,
  toolAccess,
  undelivered,
} from './shapes.ts';
import { gatewayStatus, memoryStatus, pluginStatus, storeCheck } from './status-shapes.ts';
import { IMAGE_TYPES, id, sessionKey } from './vocabulary.ts';

/** By the type of the request that is answered. `REPLY_TYPES` in messages.ts has the type of the frame. */
export const REPLIES = {
  hello: z.strictObject({
    protocol: z.int().positive(),
    server: z.strictObject({ name: z.string(), version: z.string() }),
    limits,
    features: z.array(z.string()),
    scopes,
  }),
  ping: z.strictObject({}),
  status: gatewayStatus,
  subscribe: z.strictObject({
    session: sessionKey,
    epoch: id,
    seq: count,
    recovered: z.boolean(),
    snapshot: snapshot.exactOptional(),
  }),
  unsubscribe: z.strictObject({ session: sessionKey }),
  'message.send': z.strictObject({
    session: sessionKey,
    message: id,
    queued: count,
    duplicate: flag,
    outcome: outcome.exactOptional(),
  }),
  'message.cancel': z.strictObject({ session: sessionKey, cancelled: z.array(id) }),
  'session.create': z.strictObject({ session, created: z.boolean() }),
  'session.get': z.strictObject({ session }),
  /** Tokens are estimated, and corrected by `ratio`: what the model's API reported for one that was estimated. */
  'session.context': z.strictObject({
    session: sessionKey,
    model: z.string(),
    /** Question and answer together, and who says so. */
    window: count,
    windowSource: z.enum(['configured', 'known', 'default', 'refused']),
    /** What a request may hold. */
    room: count,
    /** What the next one would, without its message. */
    total: count,
    tokens: z.strictObject({
      system: count,
      workspace: count,
      tools: count,
      memory: count,
      summary: count,
      turns: count,
      results: count,
    }),
    /** Turns that do not fit. */
    turnsLeft: count,
    ratio: z.number().positive(),
    /** How often the conversation was summarized. */
    summaries: count,
  }),
  'session.list': z.strictObject({
    sessions: z.array(session),
    /** There may be more; it is where to go on. */
    cursor: sessionKey.exactOptional(),
  }),
  'session.update': z.strictObject({ session }),
  'session.reset': z.strictObject({ session }),
  'session.delete': z.strictObject({ session: sessionKey }),
  'session.history': z.strictObject({
    session: sessionKey,
    /** The oldest first. */
    entries: z.array(historyEntry),
    /** Not all was looked at. */
    more: z.boolean(),
    /** With `more`: where to go on, as `before` or `after`. */
    cursor: count.exactOptional(),
    /** Entries that were looked at and cannot be read. */
    damaged: count.exactOptional(),
  }),
  'session.attachment': z.strictObject({
    session: sessionKey,
    seq: z.int().positive(),
    index: count,
    mediaType: z.enum(IMAGE_TYPES),
    /** Base64. */
    data: z.string(),
  }),
  'session.prune': z.strictObject({
    session: sessionKey,
    dryRun: z.boolean(),
    turns: count,
    entries: count,
    images: count,
    /** Of the entries in the store and of the images. */
    bytes: count,
    /** Times of the oldest and the newest entry; null: nothing goes. */
    oldest: time.nullable(),
    newest: time.nullable(),
  }),
  'schedule.list': z.strictObject({
    schedules: z.array(scheduleInfo),
    /** There may be more; it is where to go on. */
    cursor: z.string().exactOptional(),
  }),
  'schedule.remove': z.strictObject({ session: sessionKey, schedule: id }),
  'approval.resolve': z.strictObject({ session: sessionKey, approval: id, allowed: z.boolean() }),
  'approval.list': z.strictObject({
    /** Those that wait the oldest first, those that are decided the newest first. */
    approvals: z.array(approvalInfo),
    /** There are more. */
    more: z.boolean(),
  }),
  'session.tools': z.strictObject({
    session: sessionKey,
    agent: z.string(),
    sandbox: z.strictObject({ mode: z.enum(['off', 'non-main', 'always']), sandboxed: z.boolean(), rule: z.string() }),
    tools: z.array(toolAccess),
  }),
  'memory.search': z.strictObject({ agent: z.string(), results: z.array(memoryResult) }),
  /** `known`: the same was saved before, and is what is there. */
  'memory.save': z.strictObject({ agent: z.string(), fact: factInfo, known: z.boolean() }),
  /** False: there was none. */
  'memory.forget': z.strictObject({ agent: z.string(), fact: id, forgotten: z.boolean() }),
  'memory.status': z.strictObject({ agents: z.array(memoryStatus).readonly() }),
  /** Of these agents it has begun. */
  'memory.rebuild': z.strictObject({ agents: z.array(z.string()).readonly() }),
  'memory.list': z.strictObject({
    agent: z.string(),
    /** The oldest first. */
    facts: z.array(factInfo),
    /** There may be more; it is where to go on. */
    cursor: id.exactOptional(),
  }),
  'dead-letter.list': z.strictObject({
    /** The oldest first. */
    letters: z.array(deadLetter),
    /** There may be more; it is where to go on. */
    cursor: id.exactOptional(),
  }),
  'dead-letter.resubmit': z.strictObject({ session: sessionKey, message: id, resubmitted: id }),
  'dead-letter.discard': z.strictObject({ session: sessionKey, message: id }),
  'presence.list': z.strictObject({ connections: z.array(presence), total: count }),
  'channel.list': z.strictObject({ channels: z.array(channelStatus), undelivered: z.array(undelivered) }),
  'channel.restart': z.strictObject({ channel: channelStatus }),
  'channel.send': z.strictObject({
    channel: z.string(),
    account: z.string(),
    chat: z.string(),
    /** The platform's ids of the messages; a repeated `idempotencyKey` sends nothing, and no ids are known. */
    messages: z.array(z.string()),
    duplicate: flag,
  }),
  'pairing.list': z.strictObject({ pending: z.array(pairingInfo) }),
  'pairing.approve': applicant,
  'pairing.reject': applicant,
  'pairing.revoke': applicant,
  'allow.list': z.strictObject({
    grants: z.array(grantInfo),
    /** There is more; it is where to go on. */
    cursor: z.string().exactOptional(),
  }),
  'allow.add': z.strictObject({ grant: grantInfo }),
  'allow.remove': z.strictObject({ grant: grantInfo }),
  'runs.resume': z.strictObject({ resumed: z.boolean() }),
  'mcp.restart': z.strictObject({ server: z.string() }),
  backup: z.strictObject({
    folder: z.string(),
    bytes: count,
    tookMs: count,
    /** Nothing that was deleted is in it. */
    compacted: z.boolean(),
  }),
  'store.check': storeCheck,
  'plugin.list': z.strictObject({ plugins: z.array(pluginStatus) }),
  'plugin.reload': z.strictObject({ plugins: z.array(pluginStatus) }),
  'token.list': z.strictObject({ tokens: z.array(tokenInfo) }),
  'token.create': z.strictObject({ name: z.string(), scopes, token: z.string() }),
  'token.revoke': z.strictObject({ name: z.string(), closed: count }),
  'token.rotate': z.strictObject({ name: z.string(), token: z.string(), closed: count }),
} as const;
