/**
 * Goal: a session is cleaned up when it was idle for as long as the rule says, however the machine's clock is set meanwhile.
 * Method: a rule of half a second, and a clock that is days ahead or behind from one moment to the next.
 */
import { pino } from 'pino';
import { expect, it, onTestFinished, vi } from 'vitest';
import { CleanUp } from '../../actors/session/clean-up.ts';
import { configSchema } from '../../src/config/schema.ts';
import { Store } from '../../src/storage/store.ts';
import { sessionSystem } from '../support/session-system.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { holds } from '../support/wait.ts';

const KEY = 'agent:main:dm:api:ada';
const AFTER_MS = 500;
const DAY_MS = 86_400_000;

async function setUp() {
  const store = new Store(await tempFolder());
  const sessions = sessionSystem({ store });
  const rule = configSchema.parse({}).sessions.cleanUp;
  const cleanUp = new CleanUp({
    store,
    rule: { ...rule, action: 'delete', afterMs: AFTER_MS },
    log: pino({ level: 'silent' }),
    isOurs: () => true,
    expire: (key, lastActive) => sessions.session(key).control({ type: 'expire', lastActive }),
  });
  onTestFinished(async () => {
    cleanUp.stop();
    vi.restoreAllMocks();
    await sessions.system.drain(0);
    await store.close();
  });
  const create = () => sessions.session(KEY).control({ type: 'create', fields: { model: null, thinkingLevel: 'off' } });
  return { store, create };
}

/** From now on the machine's clock is off by this. */
function setClock(ms: number): void {
  const now = Date.now.bind(Date);
  vi.spyOn(Date, 'now').mockImplementation(() => now() + ms);
}

it.each([
  ['not set', 0],
  ['set forwards', 3 * DAY_MS],
  ['set back', -3 * DAY_MS],
])('a session is deleted after its time when the clock is %s', async (_, ms) => {
  const { store, create } = await setUp();
  await new Promise((resolve) => setTimeout(resolve, AFTER_MS / 2)); // a round comes by before its time
  const since = performance.now();
  await create();
  if (ms !== 0) setClock(ms);
  await holds(() => !store.sessions.doesExist(KEY));
  expect(performance.now() - since).toBeGreaterThanOrEqual(AFTER_MS);
});
