/**
 * Which sessions a session's tools may see, and so send to: itself; the sub-agents it has spawned and theirs (`tree`); all of
 * its agent (`agent`, and with `tree` the agent's main session). Never those of another agent, but for its own sub-agents. A
 * sub-agent sees itself and what it has spawned, and nothing above it.
 */
import { keptSession } from '../../../actors/session/record.ts';
import { sessionKey } from '../../../actors/session/session-key.ts';
import type { Session } from '../../protocol/messages.ts';
import type { Store } from '../../storage/store.ts';
import type { ToolCaller } from '../tool.ts';

export type Visibility = 'self' | 'tree' | 'agent';
export type Viewer = Pick<ToolCaller, 'session' | 'agent'>;

/** Sessions above a sub-agent, at most: more than `tools.sessions.depthMax` allows. */
const DEPTH_MAX = 8;

/** Whether the viewer sees all sessions of its agent. */
export function seesAgent({ session, agent }: Viewer, rule: Visibility): boolean {
  if (rule === 'self' || session.startsWith(`agent:${agent}:sub:`)) return false;
  return rule === 'agent' || session === mainSessionOf(agent);
}

export function maySee(
  store: Store,
  viewer: Viewer,
  target: Pick<Session, 'id' | 'spawned'>,
  rule: Visibility,
): boolean {
  if (target.id === viewer.session) return true;
  if (rule === 'self') return false;
  if (isBelow(store, viewer.session, target)) return true;
  if (!seesAgent(viewer, rule) || !target.id.startsWith(`agent:${viewer.agent}:`)) return false;
  // A sub-agent of this agent that works for another is that one's business; of a damaged record nobody knows.
  const isSub = target.id.startsWith(`agent:${viewer.agent}:sub:`);
  return !isSub || target.spawned?.agents[0] === viewer.agent;
}

/** The session as far as the viewer may see it. Throws, in the same words for one that is not there. */
export function visibleSession(store: Store, viewer: Viewer, key: string, rule: Visibility): Session {
  const session = keptSession(store, key);
  if (session !== undefined && maySee(store, viewer, session, rule)) return session;
  throw new Error(`there is no session ${key.slice(0, 256)} that you may see; sessions.list shows those you may`);
}

function mainSessionOf(agent: string): string {
  return sessionKey({ agent, type: 'main', channel: '', user: '' });
}

/** Whether the target is a sub-agent of the viewer, or of one of those. */
export function isBelow(store: Store, viewer: string, target: Pick<Session, 'spawned'>): boolean {
  let { spawned } = target;
  for (let depth = 0; spawned !== undefined && depth < DEPTH_MAX; depth++) {
    if (spawned.by === viewer) return true;
    spawned = keptSession(store, spawned.by)?.spawned;
  }
  return false;
}
