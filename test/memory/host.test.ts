/** The thread of the memory as the gateway's process sees it: it is never a reason for anything else to fail. */
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { configSchema } from '../../src/config/schema.ts';
import type { MemoryQuery } from '../../src/memory/backend.ts';
import { MemoryHost, type MemoryHostOptions } from '../../src/memory/host.ts';
import { ANNA } from '../support/memory-entries.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { until, within } from '../support/wait.ts';

const entry = new URL('../support/crashing-memory-worker.ts', import.meta.url);

async function host(options: Partial<MemoryHostOptions> = {}) {
  const lines: { msg: string; error?: { message: string } }[] = [];
  const log = pino({ level: 'error' }, { write: (line) => void lines.push(JSON.parse(line)) });
  const memory = new MemoryHost({ config: configSchema.parse({ home: await tempFolder() }), log, entry, ...options });
  onTestFinished(() => memory.stop());
  let calls = 0;
  const search = (text: string, call = `c${++calls}`) => memory.search(call, 'main', query(text));
  return { memory, search, lines };
}

const query = (text: string): MemoryQuery => ({ text, reader: ANNA, limit: 5 });

test.each(['throw', 'exit'])(
  'a thread that ends by %s fails what waits, is logged, and started again a second later',
  async (how) => {
    const { search, lines } = await host();
    const waiting = search('hang');
    await expect(search(how)).rejects.toMatchObject({ code: 'unavailable', retryAfterMs: expect.any(Number) });
    await expect(waiting).rejects.toMatchObject({ code: 'unavailable' });
    expect(lines.map(({ msg }) => msg)).toEqual(['the thread of the memory ended: it is started again']);
    await expect(search('anything')).rejects.toMatchObject({ code: 'unavailable' });
    await until(10_000, () => search('anything').catch(() => undefined), 'the thread to be there again');
  },
);

test('news wait for a thread that has crashed, and are told to the next one', async () => {
  const { memory, search } = await host();
  await expect(search('throw')).rejects.toMatchObject({ code: 'unavailable' });
  memory.changed({ sessions: ['agent:main:main'], agents: [] });
  const told = async () => {
    const [hit] = (await search('x').catch(() => [])) as unknown as { told: number }[];
    return hit !== undefined && hit.told > 0 ? true : undefined;
  };
  expect(await until(10_000, told, 'the news to be told')).toBe(true);
});

test('a search is cancelled, and more than 128 at a time are refused', async () => {
  const { memory, search } = await host();
  const waiting = Array.from({ length: 128 }, (_, n) => search('hang', `h${n}`));
  await expect(search('one more')).rejects.toMatchObject({ code: 'unavailable' });
  for (let n = 0; n < 128; n++) memory.cancel(`h${n}`);
  await within(10_000, Promise.all(waiting), () => 'all to be cancelled');
  expect(await search('now')).toHaveLength(1);
});

test('one that is idle ends, and comes back when it is needed', async () => {
  const { memory, search } = await host({ idleMs: 20 });
  memory.changed({ sessions: ['agent:main:main'], agents: [] });
  const toldOf = async () => ((await search('x')) as unknown as { told: number }[])[0]?.told;
  await until(10_000, async () => ((await toldOf()) ?? 0) > 0 || undefined, 'the news to be told');
  await until(10_000, async () => (await memory.status()).length === 0 || undefined, 'the status');
  const isNew = async () => {
    await new Promise((resolve) => setTimeout(resolve, 60));
    return (await toldOf()) === 0 || undefined;
  };
  expect(await until(10_000, isNew, 'another thread')).toBe(true);
});

test('the gateway stops in time whatever the thread does, and nothing is begun after that', async () => {
  const { memory, search } = await host();
  await search('first');
  const blocked = expect(search('block')).rejects.toMatchObject({ code: 'unavailable' });
  await within(10_000, memory.stop(), () => 'the thread to be stopped');
  await blocked;
  await expect(search('again')).rejects.toMatchObject({ code: 'unavailable', message: 'the gateway stops' });
});
