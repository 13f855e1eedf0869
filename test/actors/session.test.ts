/** Goal: what a session does when something of ours fails. Method: the session actor in this thread, on a real store. */
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { newTurn, type Turn } from '../../actors/session/turn.ts';
import { createModels, type Models } from '../../src/agent/models.ts';
import { configSchema } from '../../src/config/schema.ts';
import { DhaavakError } from '../../src/protocol/errors.ts';
import { Store } from '../../src/storage/store.ts';
import { newId, type SessionSystem, sessionSystem } from '../support/session-system.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { holds } from '../support/wait.ts';

const KEY = 'agent:main:main';
const config = configSchema.parse({});
let store: Store;
let running: SessionSystem;

beforeEach(async () => {
  const opened = new Store(await tempFolder());
  store = opened;
  onTestFinished(() => opened.close());
});

function start(models: Models) {
  const started = sessionSystem({ store, models });
  running = started;
  onTestFinished(async () => void (await started.system.drain(0)));
  return running.session;
}

const turn = (text: string): Turn => newTurn(newId(), text);
const ends = () => running.eventsOf('run.end');

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
    expect(running.events).toEqual([]);
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
    await holds(() => running.events.some(({ type }) => type === 'message.delta'));
    await new Promise((resolve) => setImmediate(resolve));
    expect(running.events.some(({ type }) => type === 'message.outbound' || type === 'run.end')).toBe(false);
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
    expect(JSON.stringify(running.events)).not.toContain('secret detail');
    expect(store.deadLetters.get(poison.message)).toMatchObject({ session: KEY, text: 'poison', attempts: 3 });
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
    expect(running.system.stats().restarts).toBe(0);
  });
});
