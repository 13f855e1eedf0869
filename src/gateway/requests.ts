/**
 * What happens to a client's frame: read its head, let `hello` in first, answer here what needs no session, pass the rest
 * to the session's shard unread.
 */
import { randomUUID } from 'node:crypto';
import type { z } from 'zod';
import { DEFAULT_AGENT, MAIN_SESSION, sessionKey } from '../../actors/session/session-key.ts';
import type { Route } from '../inbound/route.ts';
import { checkRequest } from '../protocol/check.ts';
import { CLOSE_CODES, DhaavakError } from '../protocol/errors.ts';
import { decodeFrame, encodeFrame } from '../protocol/frame.ts';
import { FRAME_BYTES_MAX_UNAUTHENTICATED, IN_FLIGHT_MAX } from '../protocol/limits.ts';
import type { GatewayStatus, REQUESTS, Replies, RequestType, StoreCheck } from '../protocol/messages.ts';
import { FrameError, type Head, sessionOf, skim } from '../protocol/skim.ts';
import { RECORD } from '../shards/link.ts';
import { shardOf, shardOfBytes } from '../shards/placement.ts';
import type { Receiver } from '../shards/receiver.ts';
import type { ChannelDesk } from './channels.ts';
import type { Connection } from './connection.ts';
import { type LoginContext, login, refuse } from './login.ts';
import type { Pace } from './pace.ts';
import type { PluginDesk } from './plugins.ts';
import { checkScope, isAdmin } from './scopes.ts';
import { createToken, revokeToken, rotateToken } from './token-requests.ts';

export interface RequestContext extends LoginContext {
  pace: Pace;
  status(): Promise<GatewayStatus>;
  channels: ChannelDesk;
  plugins: PluginDesk;
  /** Lets runs go on that were paused at the start; says whether they were. */
  resumeRuns(): Promise<boolean>;
  /** Has an MCP server connected anew. Throws `not_found`. */
  restartMcp(server: string): void;
  maintenance: {
    backUp(folder: string): Promise<Replies['backup']>;
    checkStore(): Promise<StoreCheck>;
  };
  memory: {
    inspect(): Promise<Replies['memory.status']['agents']>;
    rebuild(agent?: string): Promise<readonly string[]>;
  };
  /** The agent of a new session that names none. */
  route: Route;
  shards: {
    readonly size: number;
    request(index: number, session: string, frame: Uint8Array, id: string, receiver: Receiver, kind?: number): void;
  };
}

/** Handles one WebSocket message. Never throws: whatever is wrong is told to the client. */
export function handleMessage(context: RequestContext, connection: Connection, message: ArrayBuffer, binary: boolean) {
  connection.speaksJson = !binary;
  if (!connection.authenticated && message.byteLength > FRAME_BYTES_MAX_UNAUTHENTICATED) {
    connection.close(CLOSE_CODES.tooLarge, 'frame too large before hello');
    return;
  }
  let id: string | null = null;
  try {
    const paid = !connection.authenticated || connection.spend(context.pace);
    const frame = binary ? Buffer.from(message) : frameOfJson(message);
    const head = skim(frame);
    id = head.id;
    if (!paid) throw tooFast(context);
    if (connection.authenticated) handleRequest(context, connection, head, frame);
    else handleHello(context, connection, head, frame);
  } catch (error) {
    const failed = error instanceof FrameError ? error.id : id;
    if (connection.authenticated) connection.fail(failed, error);
    else refuse(connection, failed, error);
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

function handleHello(context: RequestContext, connection: Connection, head: Head, frame: Buffer): void {
  if (connection.checking) {
    throw new DhaavakError('hello_required', 'wait for the answer to hello before the next request', { param: 'type' });
  }
  if (head.type !== 'hello')
    throw new DhaavakError('hello_required', 'the first request must be hello', { param: 'type' });
  login(context, connection, head.id, decode('hello', frame));
}

function tooFast({ counters, pace }: RequestContext): DhaavakError {
  counters.rateLimited += 1;
  return new DhaavakError('rate_limited', 'too many requests in a second', { retryAfterMs: pace.tickMs });
}

function handleRequest(context: RequestContext, connection: Connection, head: Head, frame: Buffer): void {
  checkScope(connection.scopeBits, head.type);
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
    case 'session.context':
    case 'session.update':
    case 'session.reset':
    case 'session.delete':
    case 'session.history':
    case 'session.attachment':
    case 'session.prune':
    case 'schedule.remove':
    case 'session.tools':
    case 'dead-letter.resubmit':
    case 'dead-letter.discard':
      forward(context, connection, head, frame);
      break;
    case 'approval.resolve': {
      const data = decode('approval.resolve', frame);
      // A client cannot say who it is: a field `by` of its own was refused just now.
      const named = {
        id: head.id,
        type: head.type,
        timestamp: Date.now(),
        data: { ...data, by: connection.grant?.name },
      };
      forward(context, connection, head, Buffer.from(encodeFrame(named)), data.session);
      break;
    }
    case 'pairing.list': {
      const { watch } = decode('pairing.list', frame);
      if (watch !== undefined) context.clients.watchPairing(connection, watch);
      forward(context, connection, head, frame, head.id);
      break;
    }
    case 'session.list': // any shard will do: the id picks one
    case 'schedule.list':
    case 'memory.search':
    case 'memory.list':
    case 'approval.list':
    case 'dead-letter.list':
    case 'pairing.approve':
    case 'pairing.reject':
    case 'pairing.revoke':
    case 'allow.list':
    case 'allow.add':
    case 'allow.remove':
      forward(context, connection, head, frame, head.id);
      break;
    case 'memory.save': // always the same shard, so that one that is sent twice meets the first
    case 'memory.forget':
      forward(context, connection, head, frame, 'memory');
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
      answer(connection, head.id, context.status());
      break;
    case 'presence.list': {
      const { watch } = decode('presence.list', frame);
      if (watch !== undefined) context.clients.watch(connection, watch);
      connection.reply(head.id, 'result', context.clients.list());
      break;
    }
    case 'channel.list':
      answer(connection, head.id, context.channels.list(connection, decode('channel.list', frame)));
      break;
    case 'channel.restart':
      answer(connection, head.id, context.channels.restart(decode('channel.restart', frame)));
      break;
    case 'channel.send':
      answer(connection, head.id, context.channels.send(decode('channel.send', frame)));
      break;
    case 'token.list':
      decode('token.list', frame);
      connection.reply(head.id, 'result', { tokens: context.access.named.list() });
      break;
    case 'token.create':
      answer(connection, head.id, createToken(context, decode('token.create', frame)));
      break;
    case 'token.revoke':
      answer(connection, head.id, revokeToken(context, decode('token.revoke', frame)));
      break;
    case 'token.rotate':
      answer(connection, head.id, rotateToken(context, decode('token.rotate', frame)));
      break;
    case 'runs.resume':
      decode('runs.resume', frame);
      answer(
        connection,
        head.id,
        context.resumeRuns().then((resumed) => ({ resumed })),
      );
      break;
    case 'mcp.restart': {
      const { server } = decode('mcp.restart', frame);
      context.restartMcp(server);
      connection.reply(head.id, 'result', { server });
      break;
    }
    case 'backup':
      answer(connection, head.id, context.maintenance.backUp(decode('backup', frame).folder));
      break;
    case 'store.check':
      decode('store.check', frame);
      answer(connection, head.id, context.maintenance.checkStore());
      break;
    case 'plugin.list':
      decode('plugin.list', frame);
      connection.reply(head.id, 'result', context.plugins.list());
      break;
    case 'plugin.reload':
      answer(connection, head.id, context.plugins.reload(decode('plugin.reload', frame).plugin));
      break;
    case 'memory.status':
      decode('memory.status', frame);
      answer(
        connection,
        head.id,
        context.memory.inspect().then((agents) => ({ agents })),
      );
      break;
    case 'memory.rebuild':
      answer(
        connection,
        head.id,
        context.memory.rebuild(decode('memory.rebuild', frame).agent).then((agents) => ({ agents })),
      );
      break;
    case 'hello':
      throw new DhaavakError('invalid_request', 'hello was said already', { param: 'type' });
    default:
      throw new DhaavakError('unknown_type', `no request has the type ${head.type}`, { param: 'type' });
  }
}

/** Replies when `result` is there. */
function answer(connection: Connection, id: string, result: Promise<Replies[RequestType]>): void {
  result.then(
    (data) => connection.reply(id, 'result', data),
    (error: unknown) => connection.fail(id, error),
  );
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
  const kind = isAdmin(connection.scopeBits) ? RECORD.adminRequest : RECORD.request;
  if (!connection.mustWait) {
    shards.request(index, key ?? '', frame, head.id, connection, kind);
    connection.inFlight++;
    return;
  }
  const kept = Buffer.from(frame);
  connection.wait(() => {
    try {
      shards.request(index, key ?? '', kept, head.id, connection, kind);
    } catch (error) {
      connection.fail(head.id, error);
      connection.answered();
    }
  });
}

/** The key that decides where a session is made, and which agent answers. One without a user gets a user of its own. */
function newSessionKey(route: Route, frame: Buffer): string {
  const { agent, type = 'dm', channel = 'api', user = randomUUID() } = decode('session.create', frame);
  const routed = () => (type === 'main' ? DEFAULT_AGENT : route({ channel, peer: user }));
  return sessionKey({ agent: agent ?? routed(), type, channel, user });
}

function decode<T extends RequestType>(type: T, frame: Buffer): z.output<(typeof REQUESTS)[T]> {
  return checkRequest(type, decodeFrame(frame).data);
}
