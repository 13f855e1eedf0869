/**
 * What a credential may do. The server grants scopes to credentials; nothing a client says about them is read anywhere.
 * A request type or route without an entry here does not compile.
 */
import { DhaavakError } from '../protocol/errors.ts';
import type { RequestType, Scope } from '../protocol/messages.ts';

/** `write` includes `read`, since the sender of a message hears its session; `admin` includes both. */
const GRANTED_BITS = { read: 0b001, write: 0b011, admin: 0b111 } as const satisfies Record<Scope, number>;
const REQUIRED_BIT = { read: 0b001, write: 0b010, admin: 0b100 } as const satisfies Record<Scope, number>;

/** The scope each request needs. */
export const REQUEST_SCOPES = {
  hello: 'read',
  ping: 'read',
  status: 'read',
  subscribe: 'read',
  unsubscribe: 'read',
  'message.send': 'write',
  'message.cancel': 'write',
  'session.create': 'write',
  'session.get': 'read',
  'session.context': 'read',
  'session.history': 'read',
  'session.attachment': 'read',
  'session.list': 'read',
  'session.update': 'write',
  'session.reset': 'write',
  'session.delete': 'write',
  'session.prune': 'admin',
  'schedule.list': 'read',
  'schedule.remove': 'write',
  'approval.resolve': 'admin',
  'approval.list': 'admin',
  'session.tools': 'read',
  'memory.search': 'read',
  'memory.save': 'write',
  'memory.forget': 'write',
  'memory.list': 'read',
  'dead-letter.list': 'read',
  'dead-letter.resubmit': 'write',
  'dead-letter.discard': 'write',
  'presence.list': 'read',
  'channel.list': 'read',
  'channel.restart': 'admin',
  'channel.send': 'write',
  'token.list': 'admin',
  'token.create': 'admin',
  'token.revoke': 'admin',
  'token.rotate': 'admin',
  'pairing.list': 'admin',
  'pairing.approve': 'admin',
  'pairing.reject': 'admin',
  'pairing.revoke': 'admin',
  'allow.list': 'admin',
  'allow.add': 'admin',
  'allow.remove': 'admin',
  'runs.resume': 'admin',
  'mcp.restart': 'admin',
  backup: 'admin',
  'store.check': 'admin',
  'plugin.list': 'admin',
  'plugin.reload': 'admin',
  'memory.status': 'read',
  'memory.rebuild': 'admin',
} as const satisfies Record<RequestType, Scope>;

/** Where platforms call the accounts of channels that have a webhook. POST only. */
export const WEBHOOK_ROUTE = '/webhooks/:channel/:account';

/** Routes of plugins. */
export const PLUGIN_ROUTE = '/plugins/*';

/** The scope each HTTP route needs; `open` needs no credential. Anything else is 404, to those who have one. */
export const ROUTE_SCOPES = {
  '/health': 'open',
  /** Without a credential it says 200 or 503 and no more. */
  '/ready': 'open',
  '/status': 'read',
  /** Whether it is the platform that calls is its adapter's to check. */
  [WEBHOOK_ROUTE]: 'open',
  /** Each states its own in its manifest, and `open` counts where the operator says so; what is no route is 404 as elsewhere. */
  [PLUGIN_ROUTE]: 'read',
} as const satisfies Record<string, Scope | 'open'>;

export type Route = keyof typeof ROUTE_SCOPES;

/** By type, for the one look-up a request costs. A Map: what a client sends as a type is no key of a prototype here. */
const REQUIRED_BITS: ReadonlyMap<string, number> = new Map(
  Object.entries(REQUEST_SCOPES).map(([type, scope]) => [type, REQUIRED_BIT[scope]]),
);

/** A credential that was recognised. */
export interface Grant {
  /** `admin`, `password`, `none`, or the name of a token. */
  readonly name: string;
  readonly scopes: readonly Scope[];
  /** The scopes as bits. */
  readonly bits: number;
}

export function grantOf(name: string, scopes: readonly Scope[]): Grant {
  return { name, scopes, bits: scopes.reduce((bits, scope) => bits | GRANTED_BITS[scope], 0) };
}

/** Throws `forbidden` when `bits` do not cover the request. A type that does not exist passes: it is refused as such. */
export function checkScope(bits: number, type: string): void {
  const required = REQUIRED_BITS.get(type);
  if (required === undefined || (bits & required) !== 0) return;
  throw new DhaavakError('forbidden', `${type} needs the scope ${REQUEST_SCOPES[type as RequestType]}`, {
    param: 'type',
  });
}

export function isAdmin(bits: number): boolean {
  return (bits & REQUIRED_BIT.admin) !== 0;
}

/** Whether the credential is good for what needs `scope`. */
export function covers({ bits }: Grant, scope: Scope): boolean {
  return (bits & REQUIRED_BIT[scope]) !== 0;
}

export function mayRead({ bits }: Grant): boolean {
  return (bits & REQUIRED_BIT.read) !== 0;
}

export function mayAdminister(bits: number): boolean {
  return (bits & REQUIRED_BIT.admin) !== 0;
}
