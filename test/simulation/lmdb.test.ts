/**
 * Goal: the simulated lmdb reads as the real one, or what the simulation finds is worth little. Method: the same random
 * writes to both, then the same random reads, on keys as the store has them.
 */
import { join } from 'node:path';
import fc from 'fast-check';
import { type Database, open } from 'lmdb';
import { describe, expect, it } from 'vitest';
import { tempFolder } from '../support/temp-folder.ts';
import { Disk, type Key } from './disk.ts';
import { connect, open as openSimulated } from './lmdb.ts';
import { Random } from './random.ts';

const part = fc.constantFrom('agent:main:main', 'agent:main:dm:x:1', 'agent:main:dm:x:11', 's', '');
const number = fc.constantFrom(0, 1, 2, 9, 10, 255, 256, 70_000, 2 ** 40);
const bound = fc.oneof(number, fc.constantFrom(Infinity, Number.MAX_SAFE_INTEGER));
const key: fc.Arbitrary<Key> = fc.oneof(
  part.filter((text) => text !== ''),
  fc.tuple(part, number),
  fc.tuple(part, number, number),
  fc.tuple(number, part, part),
);
const edge: fc.Arbitrary<Key> = fc.oneof(key, fc.tuple(part), fc.tuple(part, bound), fc.tuple(part, bound, number));
const write = fc.record({ key, value: fc.option(fc.record({ seq: number, text: fc.string() }), { nil: undefined }) });
const read = fc.record(
  { start: edge, end: edge, limit: fc.integer({ min: 1, max: 5 }), reverse: fc.boolean() },
  { requiredKeys: [] },
);

describe('the simulated lmdb', () => {
  it('has the order, the ranges and the values of the real one', async () => {
    const folder = await tempFolder();
    const root = open({ path: join(folder, 'real.mdb'), maxDbs: 1_000 });
    let count = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(write, { maxLength: 30 }), fc.array(read, { maxLength: 10 }), async (writes, reads) => {
        const real = root.openDB({ name: `t${count++}`, encoding: 'msgpack' });
        const simulated = simulatedTable();
        const promises = writes.flatMap(({ key, value }) => {
          const table = real as Database<unknown, never>;
          if (value === undefined) return [table.remove(key as never), simulated.remove(key)];
          return [table.put(key as never, value), simulated.put(key, value)];
        });
        await Promise.all(promises);
        for (const range of reads) {
          const options = range as Parameters<typeof real.getRange>[0];
          expect([...simulated.getRange(range)]).toEqual(Array.from(real.getRange(options)));
          expect([...simulated.getKeys(range)]).toEqual(Array.from(real.getKeys(options)));
        }
        for (const { key } of writes) {
          expect(simulated.get(key)).toEqual(real.get(key as never));
          expect(simulated.doesExist(key)).toBe(real.doesExist(key as never));
        }
      }),
      { numRuns: 200 },
    );
    await root.close();
  });
});

function simulatedTable() {
  connect({
    disk: new Disk(),
    random: new Random(1),
    later: (_queue, _ms, run) => queueMicrotask(run),
    turn: () => 0,
    speed: { commitMs: 0, flushMs: 0 },
    mutant: {},
    onCommit: () => {},
  });
  return openSimulated({}).openDB({ name: 't' });
}
