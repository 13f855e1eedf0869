/**
 * What happens to a client's frame: read its head, let `hello` in first, answer here what needs no session, pass the rest
 * to the session's shard unread.
 */
import { ulid } from 'ulid';
import type { z } from 'zod';
import { DEFAULT_AGENT, MAIN_SESSION, sessionKey } from '../../actors/session/session-key.ts';
import type { Route } from '../inbound/route.ts';
import { checkRequest } from '../protocol/check.ts';
import { CLOSE_CODES, DhaavakError } from '../protocol/errors.ts';
import { decodeFrame, encodeFrame } from '../protocol/frame.ts';
import {
  DEPTH_MAX,
  FRAME_BYTES_MAX,
  FRAME_BYTES_MAX_UNAUTHENTICATED,
  IN_FLIGHT_MAX,
  PROTOCOL_MAX,
  PROTOCOL_MIN,
  SUBSCRIPTIONS_MAX,
  TEXT_LENGTH_MAX,
  VALUES_MAX,
} from '../protocol/limits.ts';
import type { GatewayStatus, Limits, REQUESTS, Replies, RequestType } from '../protocol/messages.ts';
import { FrameError, type Head, sessionOf, skim } from '../protocol/skim.ts';
import { shardOf, shardOfBytes } from '../shards/placement.ts';
import type { Receiver } from '../shards/receiver.ts';
import type { TokenCheck } from './auth.ts';
import type { Connection } from './connection.ts';

export interface RequestContext {
  version: string;
  token: TokenCheck;
  status(): Promise<GatewayStatus>;
  /** The agent of a new session that names none. */
  route: Route;
  shards: {
    readonly size: number;
    request(index: number, session: string, frame: Uint8Array, id: string, receiver: Receiver): void;
  };
}

const LIMITS: Limits = {
  frameBytesMax: FRAME_BYTES_MAX,
  depthMax: DEPTH_MAX,
  valuesMax: VALUES_MAX,
  inFlightMax: IN_FLIGHT_MAX,
  subscriptionsMax: SUBSCRIPTIONS_MAX,
  textLengthMax: TEXT_LENGTH_MAX,
};

/** Handles one WebSocket message. Never throws: whatever is wrong is told to the client. */
export function handleMessage(context: RequestContext, connection: Connection, message: ArrayBuffer, binary: boolean) {
  connection.speaksJson = !binary;
  if (!connection.authenticated && message.byteLength > FRAME_BYTES_MAX_UNAUTHENTICATED) {
    connection.close(CLOSE_CODES.tooLarge, 'frame too large before hello');
    return;
  }
  let id: string | null = null;
  try {
    const frame = binary ? Buffer.from(message) : frameOfJson(message);
    const head = skim(frame);
    id = head.id;
    if (connection.authenticated) handleRequest(context, connection, head, frame);
    else handleHello(context, connection, head, frame);
  } catch (error) {
    connection.fail(error instanceof FrameError ? error.id : id, error);
    if (!connection.authenticated) connection.close(closeCodeOf(error), 'no good hello');
  }
}

/** A frame in JSON, for debugging by hand, as the msgpack frame it stands for. */
function frameOfJson(message: ArrayBuffer): Buffer {
  if (message.byteLength > FRAME_BYTES_MAX_UNAUTHENTICATED) {
    throw new DhaavakError('too_large', `a JSON frame has at most ${FRAME_BYTES_MAX_UNAUTHENTICATED} bytes`);
  }
  try {
    return encodeFrame(JSON.parse(Buffer.from(message).toString('utf8')));
  } catch {
    throw new DhaavakError('invalid_frame', 'a text frame must be one JSON object');
  }
}

function closeCodeOf(error: unknown): number {
  if (!(error instanceof DhaavakError)) return CLOSE_CODES.invalidFrame;
  if (error.code === 'unauthorized' || error.code === 'hello_required') return CLOSE_CODES.unauthorized;
  if (error.code === 'protocol_unsupported') return CLOSE_CODES.protocolUnsupported;
  return CLOSE_CODES.invalidFrame;
}

function handleHello(context: RequestContext, connection: Connection, head: Head, frame: Buffer): void {
  if (head.type !== 'hello')
    throw new DhaavakError('hello_required', 'the first request must be hello', { param: 'type' });
  const { protocol, auth } = decode('hello', frame);
  const [lowest, highest] = protocol;
  if (lowest > PROTOCOL_MAX || highest < PROTOCOL_MIN) {
    throw new DhaavakError('protocol_unsupported', `this gateway speaks protocol ${PROTOCOL_MIN} to ${PROTOCOL_MAX}`, {
      param: 'data.protocol',
    });
  }
  if (!context.token.matches(auth.token)) {
    throw new DhaavakError('unauthorized', 'the token is wrong', { param: 'data.auth.token' });
  }
  connection.accept();
  const welcome: Replies['hello'] = {
    protocol: Math.min(highest, PROTOCOL_MAX),
    server: { name: 'dhaavak', version: context.version },
    limits: LIMITS,
    features: ['json'],
  };
  connection.reply(head.id, 'welcome', welcome);
}

function handleRequest(context: RequestContext, connection: Connection, head: Head, frame: Buffer): void {
  switch (head.type as RequestType) {
    case 'message.send':
      if (connection.subscriptionsFull) connection.checkSubscription(sessionOf(frame, head) ?? MAIN_SESSION);
      if (head.sessionEnd === 0) forward(context, connection, head, frame, MAIN_SESSION);
      else forward(context, connection, head, frame);
      break;
    case 'subscribe':
      if (connection.subscriptionsFull) connection.checkSubscription(sessionOf(frame, head));
      forward(context, connection, head, frame);
      break;
    case 'message.cancel':
    case 'session.get':
    case 'session.update':
    case 'session.reset':
    case 'session.delete':
    case 'session.history':
      forward(context, connection, head, frame);
      break;
    case 'session.list': // any shard will do: the id picks one
      forward(context, connection, head, frame, head.id);
      break;
    case 'session.create':
      forward(context, connection, head, frame, newSessionKey(context.route, frame));
      break;
    case 'ping':
      decode('ping', frame);
      connection.reply(head.id, 'pong', {});
      break;
    case 'unsubscribe': {
      const { session } = decode('unsubscribe', frame);
      connection.unsubscribe(session);
      connection.reply(head.id, 'result', { session });
      break;
    }
    case 'status':
      decode('status', frame);
      void context.status().then((status) => connection.reply(head.id, 'result', status));
      break;
    case 'hello':
      throw new DhaavakError('invalid_request', 'hello was said already', { param: 'type' });
    default:
      throw new DhaavakError('unknown_type', `no request has the type ${head.type}`, { param: 'type' });
  }
}

/** Passes the frame to the shard of its session: `key`, or where that is undefined the one the frame names. */
function forward(context: RequestContext, connection: Connection, head: Head, frame: Buffer, key?: string): void {
  const { shards } = context;
  if (connection.inFlight >= IN_FLIGHT_MAX) {
    throw new DhaavakError('too_many_requests', `${IN_FLIGHT_MAX} requests are in flight`, { retryAfterMs: 100 });
  }
  if (key === undefined && head.sessionEnd === 0) {
    throw new DhaavakError('invalid_request', 'data.session is missing', { param: 'data.session' });
  }
  const index =
    key === undefined
      ? shardOfBytes(frame, head.sessionStart, head.sessionEnd, shards.size)
      : shardOf(key, shards.size);
  shards.request(index, key ?? '', frame, head.id, connection);
  connection.inFlight++;
}

/** The key that decides where a session is made, and which agent answers. One without a user gets a user of its own. */
function newSessionKey(route: Route, frame: Buffer): string {
  const { agent, type = 'dm', channel = 'api', user = ulid() } = decode('session.create', frame);
  const routed = () => (type === 'main' ? DEFAULT_AGENT : route({ channel, peer: user }));
  return sessionKey({ agent: agent ?? routed(), type, channel, user });
}

function decode<T extends RequestType>(type: T, frame: Buffer): z.output<(typeof REQUESTS)[T]> {
  return checkRequest(type, decodeFrame(frame).data);
}
