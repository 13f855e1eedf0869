import { z } from 'zod';
import { keptSession } from '../../../actors/session/record.ts';
import { listSessions } from '../../../actors/session/session-list.ts';
import type { Session } from '../../protocol/messages.ts';
import { defineTool, type Tool } from '../tool.ts';
import type { SessionDesk } from './desk.ts';
import { maySee, seesAgent, type Viewer } from './visibility.ts';

const PAGE_MAX = 50;
const PAGE = 20;
/** Sub-agents, and theirs, that are listed. */
const TREE_MAX = 100;

const input = z.strictObject({
  limit: z.int().min(1).max(PAGE_MAX).default(PAGE),
  cursor: z.string().max(256).optional().describe('`next` of the page before.'),
});

/** `sessions.list`: what else is said and done here. */
export function sessionsList(desk: SessionDesk): Tool {
  const { config, store } = desk;
  return defineTool({
    name: 'sessions.list',
    group: 'sessions',
    description:
      'Lists the sessions (conversations) you may see: this one, the sub-agents it has spawned, and others where the configuration allows it. Gives their keys, for sessions.history and sessions.send.',
    input,
    risk: 'safe',
    safeToRepeat: true,
    returns:
      '{ sessions: { session: string; type: string; title?: string; channel?: string; user?: string; lastActive: string; thisOne?: true; spawnedBy?: string; atWork?: boolean }[]; next?: string }',
    handler({ limit, cursor }, { caller }) {
      const rule = config.tools.sessions.visibility;
      if (!seesAgent(caller, rule)) {
        const tree = rule === 'self' ? [] : treeOf(desk, caller.session);
        const own = keptSession(store, caller.session);
        return { sessions: [...(own === undefined ? [] : [own]), ...tree].map((one) => shown(desk, one, caller)) };
      }
      const page = listSessions(store, { agent: caller.agent, limit, ...(cursor === undefined ? {} : { cursor }) });
      const seen = page.sessions.filter((session) => maySee(store, caller, session, rule));
      // Its sub-agents of other agents stand under those agents' keys.
      const elsewhere =
        cursor === undefined ? treeOf(desk, caller.session).filter(({ agent }) => agent !== caller.agent) : [];
      const next = page.cursor === undefined ? {} : { next: page.cursor };
      return { sessions: [...elsewhere, ...seen].map((one) => shown(desk, one, caller)), ...next };
    },
  });
}

/** The sub-agents of a session, each with its own behind it. */
function treeOf({ store }: SessionDesk, root: string): Session[] {
  const found: Session[] = [];
  const parents = [root];
  for (let parent = parents.shift(); parent !== undefined; parent = parents.shift()) {
    for (const { child } of store.spawns.children(parent, TREE_MAX)) {
      const session = keptSession(store, child);
      if (session === undefined) continue;
      if (found.length === TREE_MAX) return found;
      found.push(session);
      parents.push(child);
    }
  }
  return found;
}

function shown(
  { store }: SessionDesk,
  { id, type, title, channel, user, lastActive, spawned }: Session,
  viewer: Viewer,
) {
  const isAtWork = spawned !== undefined && store.spawns.get(spawned.by, id)?.report === undefined;
  return {
    session: id,
    type,
    ...(title === null ? {} : { title }),
    ...(type === 'sub' ? {} : { channel, user }),
    lastActive: new Date(lastActive).toISOString(),
    ...(id === viewer.session && { thisOne: true }),
    ...(spawned !== undefined && {
      spawnedBy: spawned.by,
      atWork: isAtWork && store.spawns.get(spawned.by, id) !== undefined,
    }),
  };
}
