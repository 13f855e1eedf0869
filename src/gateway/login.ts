/** `hello`: the one request of a connection that nobody vouches for yet. */
import type { z } from 'zod';
import { CLOSE_CODES, DhaavakError } from '../protocol/errors.ts';
import {
  DEPTH_MAX,
  FRAME_BYTES_MAX,
  IN_FLIGHT_MAX,
  PROTOCOL_MAX,
  PROTOCOL_MIN,
  SUBSCRIPTIONS_MAX,
  TEXT_LENGTH_MAX,
  VALUES_MAX,
} from '../protocol/limits.ts';
import type { GatewayCounters, Limits, REQUESTS, Replies } from '../protocol/messages.ts';
import type { Access } from './access.ts';
import type { Clients } from './clients.ts';
import type { Connection } from './connection.ts';
import type { Grant } from './scopes.ts';

export interface LoginContext {
  version: string;
  access: Access;
  clients: Clients;
  counters: GatewayCounters;
}

type Hello = z.output<(typeof REQUESTS)['hello']>;

const LIMITS: Limits = {
  frameBytesMax: FRAME_BYTES_MAX,
  depthMax: DEPTH_MAX,
  valuesMax: VALUES_MAX,
  inFlightMax: IN_FLIGHT_MAX,
  subscriptionsMax: SUBSCRIPTIONS_MAX,
  textLengthMax: TEXT_LENGTH_MAX,
};

let lastPresence = 0;

/** Lets the connection in, at once or when its password was checked. Throws what is wrong with the hello. */
export function login(context: LoginContext, connection: Connection, id: string, hello: Hello): void {
  const [lowest, highest] = hello.protocol;
  if (lowest > PROTOCOL_MAX || highest < PROTOCOL_MIN) {
    throw new DhaavakError('protocol_unsupported', `this gateway speaks protocol ${PROTOCOL_MIN} to ${PROTOCOL_MAX}`, {
      param: 'data.protocol',
    });
  }
  checkLockout(context, connection);
  const found = context.access.check(hello.auth);
  if (!(found instanceof Promise)) {
    letIn(context, connection, id, hello, found);
    return;
  }
  connection.checking = true;
  found
    .then((grant) => {
      if (!connection.open) countFailure(context, connection, grant);
      else {
        checkLockout(context, connection); // its other connections have gone on guessing meanwhile
        letIn(context, connection, id, hello, grant);
      }
    })
    .catch((error: unknown) => refuse(connection, id, error));
}

/** Tells the client what is wrong with its hello and closes the connection. */
export function refuse(connection: Connection, id: string | null, error: unknown): void {
  connection.fail(id, error);
  connection.close(closeCodeOf(error), 'no good hello');
}

function closeCodeOf(error: unknown): number {
  if (!(error instanceof DhaavakError)) return CLOSE_CODES.invalidFrame;
  if (error.code === 'unauthorized' || error.code === 'hello_required') return CLOSE_CODES.unauthorized;
  if (error.code === 'protocol_unsupported') return CLOSE_CODES.protocolUnsupported;
  return error.code === 'rate_limited' ? CLOSE_CODES.rateLimited : CLOSE_CODES.invalidFrame;
}

function checkLockout({ access }: LoginContext, { address }: Connection): void {
  const retryAfterMs = access.attempts.lockedForMs(address);
  if (retryAfterMs > 0) throw new DhaavakError('rate_limited', 'too many failed logins from here', { retryAfterMs });
}

function letIn(context: LoginContext, connection: Connection, id: string, hello: Hello, grant: Grant | undefined) {
  countFailure(context, connection, grant);
  if (grant === undefined) {
    const what = hello.auth.token === undefined ? 'password' : 'token';
    throw new DhaavakError('unauthorized', `the ${what} is wrong`, { param: `data.auth.${what}` });
  }
  const scopes = [...grant.scopes];
  connection.checking = false;
  const { name, version } = hello.client;
  lastPresence += 1;
  connection.accept(grant, {
    id: lastPresence,
    client: { name, version },
    connectedAt: Date.now(),
    token: grant.name,
    scopes,
  });
  const welcome: Replies['hello'] = {
    protocol: Math.min(hello.protocol[1], PROTOCOL_MAX),
    server: { name: 'dhaavak', version: context.version },
    limits: LIMITS,
    features: ['json'],
    scopes,
  };
  connection.reply(id, 'welcome', welcome);
  context.clients.joined(connection);
}

function countFailure({ access, counters }: LoginContext, { address }: Connection, grant: Grant | undefined): void {
  if (grant !== undefined) return;
  counters.loginsFailed += 1;
  if (access.attempts.failed(address)) counters.lockouts += 1;
}
