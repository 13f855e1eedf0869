/** What protocol-doc.test.ts looks for beyond the fields of requests, replies and events. */
import { GATEWAY_EVENTS } from '../../src/protocol/events.ts';
import type { Frame } from '../../src/protocol/frame.ts';
import type * as limits from '../../src/protocol/limits.ts';
import { type Limits, REQUESTS } from '../../src/protocol/messages.ts';
import { REPLIES } from '../../src/protocol/replies.ts';
import {
  attachment,
  channelStatus,
  decision,
  delivery,
  grantInfo,
  historyEntry,
  messageOrigin,
  outcome,
  pairingInfo,
  presence,
  runStatus,
  session,
  shardStatus,
  snapshot,
  tokenInfo,
  toolAccess,
  undelivered,
  usage,
} from '../../src/protocol/shapes.ts';
import { mcpServerStatus, memoryStatus } from '../../src/protocol/status-shapes.ts';

/** The one shape that is a type only: the compiler refuses a field too few and one too many. */
export const FRAME_FIELDS: Record<keyof Frame, true> = {
  id: true,
  type: true,
  timestamp: true,
  data: true,
  error: true,
};

/** Shapes that stand in one row, in code letters: section, field, and what must be in it. */
export const NESTED: readonly (readonly [section: string, field: string, fields: object])[] = [
  ['`hello`', 'client', REQUESTS.hello.shape.client.shape],
  ['`hello`', 'auth', REQUESTS.hello.shape.auth.shape],
  ['`hello`', 'server', REPLIES.hello.shape.server.shape],
  ['`hello`', 'limits', REPLIES.hello.shape.limits.shape],
  ['`status`', 'shards', shardStatus.shape],
  ['`status`', 'mcp', mcpServerStatus.shape],
  ['`memory.status`', 'agents', memoryStatus.shape],
  ['`status`', 'loopLagMs', REPLIES.status.shape.loopLagMs.shape],
  ['`status`', 'counters', REPLIES.status.shape.counters.shape],
  ['`presence.list`', 'connections', presence.shape],
  ['`presence`', 'change', GATEWAY_EVENTS.presence.shape.change.enum],
  ['`token.list`', 'tokens', tokenInfo.shape],
  ['`run.end`', 'usage', usage.shape],
  ['`run.end`', 'status', runStatus.enum],
  ['Entry', 'toolCalls', historyEntry.shape.toolCalls.unwrap().element.shape],
  ['Entry', 'toolCall', historyEntry.shape.toolCall.unwrap().shape],
  ['Snapshot', 'run', snapshot.shape.run.unwrap().shape],
  ['`message.send`', 'outcome', outcome.shape],
  ['Entry', 'attachments', attachment.shape],
  ['Entry', 'origin', messageOrigin.shape],
  ['Entry', 'delivery', delivery.shape],
  ['Session', 'spawned', session.shape.spawned.unwrap().shape],
  ['`channel.list`', 'channels', channelStatus.shape],
  ['`channel.list`', 'undelivered', undelivered.shape],
  ['Approval', 'decision', decision.shape],
  ['`session.context`', 'tokens', REPLIES['session.context'].shape.tokens.shape],
  ['`session.tools`', 'sandbox', REPLIES['session.tools'].shape.sandbox.shape],
  ['`session.tools`', 'tools', toolAccess.shape],
  ['`pairing.list`', 'pending', pairingInfo.shape],
  ['`allow.list`', 'grants', grantInfo.shape],
  ['`message.send`', 'attachments', REQUESTS['message.send'].shape.attachments.unwrap().element.shape],
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
  SEND_TEXT_LENGTH_MAX: 'text of a `channel.send`',
  ATTACHMENTS_MAX: 'images of a message',
  ATTACHMENTS_BYTES_MAX: 'bytes of the images of a message',
  HISTORY_PAGE_MAX: 'entries of a page of history',
  SEARCH_LENGTH_MAX: 'characters looked for in a transcript',
  LIST_PAGE_MAX: 'entries of a page of sessions',
  TITLE_LENGTH_MAX: 'characters of a title',
  FACT_TEXT_LENGTH_MAX: 'characters of a fact',
  QUERY_TEXT_LENGTH_MAX: 'characters of a search of the memory',
  MEMORY_RESULTS_MAX: 'results of a search of the memory',
  BACKPRESSURE_BYTES_MERGE: 'bytes waiting before deltas are merged',
  SLOW_CLOSE_MS: 'milliseconds a slow client has to read why it is closed',
  PRESENCE_MAX: 'connections in an answer to `presence.list`',
  RECONNECT_AFTER_MS: 'milliseconds in `goaway`',
  BACKPRESSURE_BYTES_MAX: 'bytes waiting for a slow client',
  PROTOCOL_MIN: 'lowest protocol version',
  PROTOCOL_MAX: 'highest protocol version',
};
