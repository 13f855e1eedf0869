import { z } from 'zod';
import { keptSession } from '../../../actors/session/record.ts';
import { endedByShutdown } from '../../../actors/session/run-end.ts';
import { sessionKey } from '../../../actors/session/session-key.ts';
import type { PeerRequests } from '../../shards/peer-requests.ts';
import { defineTool, type Tool, type ToolCaller, type ToolContext } from '../tool.ts';
import { callKey, checkHops, insist, type SessionDesk } from './desk.ts';
import { explain, outcomeText, WAIT_SECONDS_MAX } from './send.ts';

/** In Unicode code points. */
const TASK_LENGTH_MAX = 16_000;
const TITLE_LENGTH_MAX = 100;
/** Sessions of sub-agents that are kept of one session; the oldest make room. */
const KEPT_MAX = 50;
/** People whose policy is handed on; a run that answers more of them spawns nothing. */
const SPEAKERS_MAX = 50;
/** The idempotency key of a sub-agent's task: it has one. */
const TASK_KEY = 'task';

const input = z.strictObject({
  task: z.string().min(1).max(TASK_LENGTH_MAX).describe('All it has to know: it sees nothing of this conversation.'),
  agent: z.string().max(32).optional().describe('Without it: this one.'),
  model: z.string().max(128).optional().describe('Without it: that of its agent.'),
  title: z.string().min(1).max(TITLE_LENGTH_MAX).optional().describe('A few words, for lists.'),
  timeoutSeconds: z.int().min(1).max(86_400).optional().describe('It is ended after that.'),
  waitSeconds: z
    .int()
    .min(0)
    .max(WAIT_SECONDS_MAX)
    .default(0)
    .describe('How long to wait for its result; 0, or when it takes longer: you are told in a message of its own.'),
});

type Input = z.output<typeof input>;

/** `sessions.spawn`: a sub-agent, which is a session of its own. */
export function sessionsSpawn(desk: SessionDesk): Tool {
  const { ask, config } = desk;
  /** Sub-agents on their way to their shard, by the session that spawns them. */
  const starting = new Map<string, Set<string>>();
  return defineTool({
    name: 'sessions.spawn',
    group: 'sessions',
    description:
      'Starts a sub-agent: an agent with a session of its own that works on one task beside you, with no more tools than you have. Its result comes as a message in this session, or as the result of this call when you wait. Several can be at work at once.',
    input,
    risk: 'safe',
    safeToRepeat: true,
    returns: 'string',
    async handler(given, context) {
      const { caller, signal } = context;
      const message = order(desk, given, context);
      const child = message.spawn.key;
      const own = starting.get(caller.session) ?? new Set();
      starting.set(caller.session, own);
      checkLimits(desk, caller, child, own);
      own.add(child);
      try {
        await desk.store.journal.commit(() => {}); // that the call is made is on the disk before what it does
        const { outcome } = await insist(() => ask('peer.message', child, message.request), signal).catch(explain);
        if (outcome !== undefined) return outcomeText(`The sub-agent ${child}`, outcome);
      } finally {
        own.delete(child);
        if (own.size === 0) starting.delete(caller.session);
        makeRoom(desk, caller.session);
        if (signal.aborted && !endedByShutdown(signal)) callOff(desk, caller.session, child).catch(() => {}); // it ends by its own time
      }
      return `The sub-agent ${child} is at work${given.waitSeconds > 0 ? ' still' : ''}. You are told in a message when it is done: go on, or end your answer here.`;
    },
  });

  function order({ now, store }: SessionDesk, given: Input, context: ToolContext) {
    const { caller } = context;
    const parent = keptSession(store, caller.session);
    if (parent === undefined) throw new Error('this session is not there any more');
    const { depthMax } = config.tools.sessions;
    const depth = (parent.spawned?.depth ?? 0) + 1;
    if (depth > depthMax) {
      throw new Error(
        depthMax === 0
          ? 'sub-agents are not allowed on this gateway: do the task yourself'
          : `a sub-agent at depth ${depthMax} may not spawn further ones: do the task yourself`,
      );
    }
    if (caller.speakers.length > SPEAKERS_MAX) throw new Error('too many people are answered at once: do it yourself');
    const agent = given.agent ?? caller.agent;
    checkAgent(desk, caller, agent);
    if (given.model !== undefined) desk.checkModel(given.model);
    const hops = checkHops(desk, caller, 'sessions.spawn');
    const key = sessionKey({ agent, type: 'sub', channel: '', user: callKey(context, given).slice(0, 24) });
    const { runTimeoutMs } = config.sessions;
    const timeoutMs = Math.min((given.timeoutSeconds ?? Number.POSITIVE_INFINITY) * 1_000, runTimeoutMs);
    const spawned = {
      by: caller.session,
      depth,
      root: caller.type,
      agents: [...(parent.spawned?.agents ?? []), caller.agent],
      speakers: [...new Set(caller.speakers.map((one) => `${one.channel}:${one.user}`))],
      until: now() + timeoutMs,
    };
    const { channel, user } = parent;
    const request = {
      text: taskText(caller.session, given.task),
      source: { type: 'task' as const, session: caller.session, hops },
      key: TASK_KEY,
      ...(given.waitSeconds > 0 && { waitMs: given.waitSeconds * 1_000 }),
      spawn: {
        session: {
          model: given.model ?? null,
          thinkingLevel: 'off' as const,
          title: given.title ?? null,
          channel,
          user,
          spawned,
        },
        record: {
          turn: caller.message,
          hops: hops + 1,
          ...(caller.origin === undefined ? {} : { origin: caller.origin }),
        },
      },
    } satisfies PeerRequests['peer.message'];
    return { request, spawn: { key } };
  }
}

function checkAgent({ config }: SessionDesk, caller: ToolCaller, agent: string): void {
  const { agents } = config.tools.sessions;
  if (agent === caller.agent || (agents.includes(agent) && Object.hasOwn(config.agents, agent))) return;
  const others = agents.length === 0 ? 'none but your own' : `your own and ${agents.join(', ')}`;
  throw new Error(`a sub-agent may not be of the agent "${agent}"; allowed is ${others}`);
}

/** Throws where there are too many. One that is there already is no further one: the call is made again. */
function checkLimits(
  { config, store }: SessionDesk,
  { session }: ToolCaller,
  child: string,
  starting: Set<string>,
): void {
  if (store.sessions.doesExist(child)) return;
  const { childrenMax, totalMax } = config.tools.sessions;
  const working = new Set([...store.spawns.working(session).map((one) => one.child), ...starting]);
  if (working.size >= childrenMax) {
    throw new Error(`${working.size} sub-agents of this session are at work, the limit: wait until one is done`);
  }
  if (store.spawns.size >= totalMax) {
    throw new Error(
      `${totalMax} sub-agents are at work on this gateway, the limit: try later, or do the task yourself`,
    );
  }
}

/** The run that has spawned it was cancelled meanwhile. */
async function callOff({ ask, store }: SessionDesk, parent: string, child: string): Promise<void> {
  const record = store.spawns.get(parent, child);
  if (record === undefined) return;
  await store.journal.commit((batch) => store.spawns.put(batch, parent, child, { ...record, end: 'cancel' }));
  await ask('peer.end', child, { how: 'cancel' });
}

/** Deletes the oldest sessions of sub-agents that are done, where there are too many. */
function makeRoom({ ask, store }: SessionDesk, parent: string): void {
  const kept = store.spawns.children(parent);
  if (kept.length <= KEPT_MAX) return;
  const working = new Set(store.spawns.working(parent).map(({ child }) => child));
  const done = kept.filter(({ child }) => !working.has(child)).toSorted((a, b) => a.createdAt - b.createdAt);
  for (const { child } of done.slice(0, kept.length - KEPT_MAX)) {
    if (store.sessions.doesExist(child))
      ask('peer.end', child, { how: 'delete' }).catch(() => {}); // tried again next time
    else store.journal.commit((batch) => store.spawns.forget(batch, parent, child)).catch(() => {});
  }
}

function taskText(parent: string, task: string): string {
  const head = `You are a sub-agent of the session ${parent}. Nobody reads along or answers questions: do the task, and end with what the one who gave it to you has to know.`;
  return `${head}\n\n${task}`;
}
