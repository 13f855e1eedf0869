/**
 * Which agent a conversation belongs to: the binding that says most about where it takes place. Pure. Seven levels, most
 * specific first (the idea is OpenClaw's):
 *
 *     exact peer → parent peer → guild → team → account of a channel → channel → default
 *
 * A binding's level is that of the most specific field it names, and every field it names must be met. Of two on one
 * level the one that stands first in the configuration counts.
 */
import { DEFAULT_AGENT } from '../../actors/session/session-key.ts';
import type { Config } from '../config/schema.ts';

/** Where a conversation takes place, in the channel's own ids. Fields a channel does not have are left out. */
export interface Origin {
  channel: string;
  /** Which of the gateway's accounts on that channel. */
  account?: string | undefined;
  /** Who it is with: a person, a group, a thread. */
  peer: string;
  /** What the peer is part of: the group of a thread. */
  parentPeer?: string | undefined;
  /** Discord's server. */
  guild?: string | undefined;
  /** Slack's or Microsoft's workspace. */
  team?: string | undefined;
}

/** The agent for a conversation. */
export type Route = (origin: Origin) => string;

type Match = Config['bindings'][number]['match'];

/** Most specific first. */
const LEVELS = ['peer', 'parentPeer', 'guild', 'team', 'account', 'channel'] as const satisfies (keyof Match)[];

/** The routes of a configuration. A binding that names nothing is the default of all; without one it is `main`. */
export function createRoute(bindings: Config['bindings']): Route {
  // Stable: on one level they stay in their order.
  const ordered = bindings.toSorted((a, b) => levelOf(a.match) - levelOf(b.match));
  return (origin) => ordered.find(({ match }) => meets(origin, match))?.agent ?? DEFAULT_AGENT;
}

/** 0 is the most specific. */
function levelOf(match: Match): number {
  const level = LEVELS.findIndex((field) => match[field] !== undefined);
  return level < 0 ? LEVELS.length : level;
}

function meets(origin: Origin, match: Match): boolean {
  return LEVELS.every((field) => match[field] === undefined || match[field] === origin[field]);
}
