/**
 * Goal: a session's tools see what the rule says and nothing else (row 18). Method: sessions of several agents and sub-agents of
 * sub-agents, made at random; what each sees is compared with the rule as it is written in the documentation, and what
 * `sessions.list`, `sessions.history` and `sessions.send` give away is looked through for what it may not know.
 */
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { configSchema } from '../../../src/config/schema.ts';
import type { Session } from '../../../src/protocol/messages.ts';
import { sessionOfKey } from '../../../src/storage/session-record.ts';
import { Store } from '../../../src/storage/store.ts';
import { ToolRegistry } from '../../../src/tools/registry.ts';
import type { SessionDesk } from '../../../src/tools/sessions/desk.ts';
import { reachTools } from '../../../src/tools/sessions/reach.ts';
import { tempFolder } from '../../support/temp-folder.ts';
import { toolCaller } from '../../support/tool-caller.ts';

const AGENTS = ['main', 'other', 'third'] as const;
const TOOLS = ['sessions.list', 'sessions.history', 'sessions.send'];

/** A session at the top, or a sub-agent of one made before it. */
interface Made {
  agent: (typeof AGENTS)[number];
  type: 'main' | 'dm' | 'group' | 'sub';
  /** Of a sub-agent: which of those before it has spawned it. */
  parent: number;
}

const made = fc.record<Made>({
  agent: fc.constantFrom(...AGENTS),
  type: fc.constantFrom('main', 'dm', 'group', 'sub'),
  parent: fc.nat(),
});

describe('what the tools of a session see', () => {
  it('is itself, its sub-agents, and what else the rule allows: never another agent, never more', async () => {
    const store = new Store(await tempFolder());
    onTestFinished(() => store.close());
    let world = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(made, { minLength: 2, maxLength: 9 }),
        fc.constantFrom('self' as const, 'tree' as const, 'agent' as const),
        async (plan, visibility) => {
          const sessions = await write(store, plan, world++);
          const sentTo: string[] = [];
          const view = registry(store, visibility, sentTo);
          for (const viewer of sessions) {
            for (const target of sessions) {
              const may = allowed(sessions, viewer, target, visibility);
              const caller = toolCaller({ session: viewer.id, agent: viewer.agent });
              const ask = (name: string, input: object) =>
                view(caller).execute({ id: 'c', name, input }, { signal: new AbortController().signal });
              const history = await ask('sessions.history', { session: target.id });
              expect([viewer.id, target.id, history.output.includes(`secret of ${target.id}!`)]).toEqual([
                viewer.id,
                target.id,
                may,
              ]);
              sentTo.length = 0;
              await ask('sessions.send', { session: target.id, text: 'hello' });
              expect([viewer.id, sentTo]).toEqual([viewer.id, may && target.id !== viewer.id ? [target.id] : []]);
              const list = await ask('sessions.list', { limit: 50 });
              expect([viewer.id, target.id, list.output.includes(`"session":"${target.id}"`)]).toEqual([
                viewer.id,
                target.id,
                may,
              ]);
              // One that is not there is spoken of in the same words.
              if (!may) {
                const missing = await ask('sessions.history', { session: `${target.id}x` });
                expect(history.output).toBe(missing.output.replace(`${target.id}x`, target.id));
              }
            }
          }
          await remove(store, sessions);
        },
      ),
      { numRuns: 40 },
    );
  }, 60_000);
});

/** The rule, as docs/tools-sessions.md has it. */
function allowed(all: readonly Session[], viewer: Session, target: Session, rule: 'self' | 'tree' | 'agent'): boolean {
  if (viewer.id === target.id) return true;
  if (rule === 'self') return false;
  for (let above = target.spawned?.by; above !== undefined; above = all.find(({ id }) => id === above)?.spawned?.by) {
    if (above === viewer.id) return true;
  }
  if (viewer.type === 'sub' || (rule === 'tree' && viewer.type !== 'main')) return false;
  const top = target.spawned === undefined ? target.agent : target.spawned.agents[0];
  return target.agent === viewer.agent && top === viewer.agent;
}

async function write(store: Store, plan: readonly Made[], world: number): Promise<Session[]> {
  const sessions = new Map<string, Session>();
  for (const [index, { agent, type, parent }] of plan.entries()) {
    const before = [...sessions.values()];
    const by = type === 'sub' && before.length > 0 ? before[parent % before.length] : undefined;
    const key =
      by !== undefined
        ? `agent:${agent}:sub:w${world}-${index}`
        : type === 'main'
          ? `agent:${agent}:main`
          : `agent:${agent}:${type === 'sub' ? 'dm' : type}:api:w${world}-${index}`;
    if (sessions.has(key)) continue;
    const session = sessionOfKey(key, 1);
    if (by !== undefined) {
      session.spawned = {
        by: by.id,
        depth: (by.spawned?.depth ?? 0) + 1,
        root: 'main',
        agents: [...(by.spawned?.agents ?? []), by.agent],
        speakers: [],
        until: 1,
      };
    }
    sessions.set(key, session);
  }
  const all = [...sessions.values()];
  await store.journal.commit((batch) => {
    for (const session of all) {
      batch.put(store.sessions, session.id, session);
      const entry = { seq: 1, role: 'user' as const, text: `secret of ${session.id}!`, timestamp: 1, message: 'm' };
      batch.put(store.entries, [session.id, 1], entry);
      if (session.spawned !== undefined) store.spawns.keep(batch, session.spawned.by, session.id, 1);
    }
  });
  return all;
}

async function remove(store: Store, sessions: readonly Session[]): Promise<void> {
  await store.journal.commit((batch) => {
    for (const { id, spawned } of sessions) {
      batch.remove(store.sessions, id);
      batch.remove(store.entries, [id, 1]);
      if (spawned !== undefined) store.spawns.forget(batch, spawned.by, id);
    }
  });
}

function registry(store: Store, visibility: 'self' | 'tree' | 'agent', sentTo: string[]) {
  const config = configSchema.parse({
    agents: { main: { tools: TOOLS }, other: {}, third: {} },
    tools: { sessions: { visibility } },
  });
  const desk: SessionDesk = {
    config,
    store,
    checkModel() {},
    ask: async (_, key) => {
      sentTo.push(key);
      return { message: 'm' } as never;
    },
    schedules: { add: async () => {}, remove: async () => {} },
    poke() {},
    newId: () => 'id',
    now: () => 1,
  };
  const tools = new ToolRegistry(reachTools(desk));
  const agent = config.agents.main as (typeof config.agents)[string];
  return (caller: ReturnType<typeof toolCaller>) => tools.view(agent, caller);
}
