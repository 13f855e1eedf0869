/** Goal: what a session does when something of ours fails. Method: the session actor in this thread, on a real store. */
import { pino } from 'pino';
import { monotonicFactory } from 'ulid';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { sessionKind } from '../../actors/session/session.ts';
import type { Turn } from '../../actors/session/turn.ts';
import { createModels, type Models } from '../../src/agent/models.ts';
import { Workspaces } from '../../src/agent/workspace.ts';
import { configSchema } from '../../src/config/schema.ts';
import { DhaavakError } from '../../src/protocol/errors.ts';
import { decodeFrame } from '../../src/protocol/frame.ts';
import { ActorSystem } from '../../src/runtime/system.ts';
import { Store } from '../../src/storage/store.ts';
import { createToolRegistry } from '../../src/tools/builtin/builtin.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { holds } from '../support/wait.ts';

const KEY = 'agent:main:main';
const newId = monotonicFactory();
const config = configSchema.parse({});
let store: Store;
let system: ActorSystem;
let events: { type: string; data: Record<string, unknown> }[];

beforeEach(async () => {
  store = new Store(await tempFolder());
  events = [];
});
afterEach(async () => {
  await system.drain(1_000);
  await store.close();
});

/** A session whose models are `models`, composed as a shard composes it. */
function start(models: Models) {
  const refs = () => session;
  system = new ActorSystem({
    limits: { backoffMs: 1 },
    onEvent(event) {
      if (event.type !== 'deadLetter') return;
      void refs()(event.address.key).control({ type: 'bury', turn: event.message as Turn, error: event.error });
    },
  });
  const session = system.register(
    sessionKind({
      poke() {},
      config,
      store,
      models,
      tools: createToolRegistry(),
      activeMax: 100,
      budgets: undefined,
      workspaces: new Workspaces(config, { now: Date.now, onFault: () => {} }),
      log: pino({ level: 'silent' }),
      newId,
      emit: (_key, frame) => events.push(decodeFrame(frame) as (typeof events)[number]),
      room: () => undefined,
      countTokens: async (texts) => texts.map(() => 1),
    }),
  );
  return session;
}

const turn = (text: string): Turn => ({
  message: newId(),
  text,
  attachments: undefined,
  images: undefined,
  idempotencyKey: undefined,
  followUp: undefined,
  joined: [],
  seq: 0,
  acceptedAt: 0,
  acknowledge: undefined,
});
const ends = () => events.filter(({ type }) => type === 'run.end').map(({ data }) => data);

describe('an acknowledgement', () => {
  it('is not given, and nothing is shown or run, before the message is on the disk; a failed write gives none', async () => {
    const session = start(createModels(config));
    const disk = Promise.withResolvers<void>();
    const commit = vi.spyOn(store.journal, 'commit').mockReturnValueOnce(disk.promise);
    const acknowledge = vi.fn();
    const accepted = session(KEY).tell({ ...turn('hello'), acknowledge });
    await new Promise((resolve) => setImmediate(resolve));
    expect(commit).toHaveBeenCalledOnce();
    expect(acknowledge).not.toHaveBeenCalled();
    expect(events).toEqual([]);
    disk.resolve();
    await accepted;
    expect(acknowledge).toHaveBeenCalledOnce();
    await holds(() => ends().length === 1);

    commit.mockRejectedValueOnce(new DhaavakError('storage_failed', 'full'));
    const refused = session(KEY).tell({ ...turn('hello'), acknowledge });
    await expect(refused).rejects.toMatchObject({ code: 'storage_failed' });
    expect(acknowledge).toHaveBeenCalledOnce();
    expect(ends()).toHaveLength(1);
  });

  it('of a run: its answer and its end are not shown before they are on the disk', async () => {
    const session = start(createModels(config));
    const disk = Promise.withResolvers<void>();
    const { journal } = store;
    const real = journal.commit.bind(journal);
    vi.spyOn(journal, 'commit').mockImplementationOnce(real).mockReturnValueOnce(disk.promise);
    await session(KEY).tell(turn('hello'));
    await holds(() => events.some(({ type }) => type === 'message.delta'));
    await new Promise((resolve) => setImmediate(resolve));
    expect(events.some(({ type }) => type === 'message.outbound' || type === 'run.end')).toBe(false);
    disk.resolve();
    await holds(() => ends().length === 1);
  });
});

describe('a message whose handling always throws', () => {
  it('is a dead letter after three tries: its run ends as failed, nothing of the fault is told, the lane goes on', async () => {
    const good = createModels(config);
    let tries = 0;
    const session = start({
      ...good,
      line() {
        if (++tries <= 3) throw new TypeError('secret detail');
        return good.line('offline', []);
      },
    });
    const [poison, next] = [turn('poison'), turn('next')];
    await session(KEY).tell(poison);
    await session(KEY).tell(next);
    await holds(() => ends().length === 2);
    expect(tries).toBe(4);
    expect(ends().map(({ message, status }) => [message, status])).toEqual([
      [poison.message, 'failed'],
      [next.message, 'ok'],
    ]);
    expect(ends()[0]?.error).toMatchObject({ code: 'internal' });
    expect(JSON.stringify(events)).not.toContain('secret detail');
    expect(system.deadLetters.size).toBe(1);
    expect(store.unfinished(KEY)).toEqual([]);
  });
});

describe('a model that cannot be used any more', () => {
  it('fails the run with the reason, without a crash', async () => {
    const session = start({
      ...createModels(config),
      line() {
        throw new DhaavakError('invalid_request', 'there is no key for openai', { param: 'model' });
      },
    });
    await session(KEY).tell(turn('hello'));
    await holds(() => ends().length === 1);
    expect(ends()[0]).toMatchObject({ status: 'failed', error: { message: 'there is no key for openai' } });
    expect(system.stats().restarts).toBe(0);
  });
});
