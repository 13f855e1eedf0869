/** The data of events as zod schemas; see shapes.ts for what they are for and why a gateway never loads them. */
import { z } from 'zod';
import {
  applicant,
  attachment,
  channelStatus,
  count,
  decision,
  delivery,
  flag,
  messageSource,
  pairingInfo,
  pendingApproval,
  presence,
  runStatus,
  session,
  usage,
  wireError,
} from './shapes.ts';
import { id, MEMORY_KINDS, sessionKey } from './vocabulary.ts';

/** What every event of a session carries besides its own data. */
export const eventPosition = z.strictObject({
  session: sessionKey,
  /** Counts the events of this session's stream; a gap is a missed event. */
  seq: z.int().positive(),
  epoch: id,
  /**
   * Deltas right before this event that a slow connection was not sent on their own: their text is part of this event's.
   * `seq` jumps by as many.
   */
  skipped: z.int().positive().exactOptional(),
});

/** The events of a session, by type, in the order they occur in a run. */
export const EVENTS = {
  'message.inbound': z.strictObject({
    message: id,
    text: z.string(),
    attachments: z.array(attachment).readonly().exactOptional(),
    /** Who sent it, where that was no person. */
    source: messageSource.exactOptional(),
  }),
  'run.start': z.strictObject({
    run: id,
    message: id,
    model: z.string(),
    /** An earlier run of the message was cut short by the end of the process, and this one goes on from there. */
    resumed: flag,
  }),
  /** Something that is remembered is put before the model of the run, unasked: what. */
  'memory.recalled': z.strictObject({
    run: id,
    message: id,
    entries: z.array(z.strictObject({ id: z.string(), kind: z.enum(MEMORY_KINDS), session: sessionKey })),
  }),
  'run.model': z.strictObject({ run: id, model: z.string(), error: wireError }),
  /** The model refused the request for its length, and is asked again with less of what was said before. */
  'run.trimmed': z.strictObject({
    run: id,
    model: z.string(),
    error: wireError,
    /** Earlier turns that are left out, results of tools that are cut, and rounds of this run's own calls left out. */
    turns: count,
    results: count,
    rounds: count,
  }),
  'message.delta': z.strictObject({ run: id, text: z.string() }),
  /** `call` is as the model's API named it. */
  'tool.start': z.strictObject({
    run: id,
    call: z.string(),
    /** The call that made this one. */
    parent: z.string().exactOptional(),
    name: z.string(),
    input: z.unknown(),
  }),
  'tool.end': z.strictObject({
    run: id,
    call: z.string(),
    parent: z.string().exactOptional(),
    name: z.string(),
    output: z.string(),
    failed: z.boolean(),
    /** Nobody knows whether it happened. */
    unknown: flag,
    /** Of a program: how many calls it has made. */
    calls: z.int().positive().exactOptional(),
  }),
  /** A tool call waits for an operator: `approval.resolve`, or the command `/approve`. */
  'approval.requested': pendingApproval,
  /** It was decided, or time is up. */
  'approval.resolved': z.strictObject({
    approval: id,
    ...decision.omit({ at: true }).shape,
  }),
  'message.outbound': z.strictObject({ run: id, message: id, text: z.string(), truncated: flag }),
  'run.end': z.strictObject({
    run: id,
    message: id,
    status: runStatus,
    usage,
    error: wireError.exactOptional(),
    /** It failed for good, and is kept to be looked at and sent again. */
    deadLetter: flag,
  }),
  /** An answer to `message` did not reach the channel it came from, or may not have. */
  'message.delivery': z.strictObject({
    message: id,
    channel: z.string(),
    account: z.string(),
    ...delivery.shape,
  }),
  /** What was said up to now became a summary for the next runs, or failed to. `turns`: how many it stands for. */
  'session.compacted': z.strictObject({
    status: z.enum(['ok', 'failed']),
    turns: count,
    /** Nobody asked for it: the context was nearly full. */
    automatic: flag,
    error: wireError.exactOptional(),
  }),
  /** `state` is the session as it is now, or was when it was deleted. */
  'session.update': z.strictObject({ state: session, deleted: flag }),
} as const;

/** The events that belong to no session. */
export const GATEWAY_EVENTS = {
  goaway: z.strictObject({ reconnectAfterMs: count }),
  'channel.update': z.strictObject({ channel: channelStatus }),
  /** A pairing code to be shown as a QR code, to admins only; null: it is not good any more. */
  'channel.qr': z.strictObject({ channel: z.string(), account: z.string(), code: z.string().nullable() }),
  'pairing.requested': pairingInfo,
  'pairing.resolved': z.strictObject({ ...applicant.shape, outcome: z.enum(['approved', 'rejected', 'revoked']) }),
  presence: z.strictObject({ change: z.enum(['joined', 'left']), connection: presence }),
} as const;
