/**
 * Goal: a damaged vector index crashes nothing: it is found to be damaged, with the reason, and built anew (scorecard 30, the
 * index half). Method: the files of a snapshot are cut at many places and bits of them flipped at many others, and it is
 * opened in a process of its own, in which hnswlib would follow any length it reads.
 */
import { cpSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createVectorIndex, openVectorIndex } from '../../src/memory/vectors/open.ts';
import type { VectorIndexOptions } from '../../src/memory/vectors/vector-index.ts';
import { seeded } from '../support/random.ts';
import { smallDisk } from '../support/small-disk.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { clustered, KINDS } from '../support/vectors.ts';

const VECTORS = 400;
const TAG = { generation: 1, position: VECTORS };
const CUTS = 60;
const FLIPS = 200;

async function fill(options: VectorIndexOptions): Promise<void> {
  const index = await createVectorIndex(options);
  const next = clustered(3, options.dimensions, 10);
  for (let label = 1; label <= VECTORS; label++) index.add(label, next());
  await index.save(TAG);
  await index.close();
}

describe.each(KINDS)('a snapshot of kind $kind', ({ kind, isMissing }) => {
  // hnsw: needs hnswlib-node, which is compiled at install (g++, make, python3)
  const test = it.skipIf(isMissing);

  /** A folder with a snapshot, and a way to damage a copy of it and open that. */
  async function snapshot() {
    const home = await tempFolder();
    const options = { folder: join(home, 'whole'), dimensions: 24, embedder: 'test', exact: kind === 'exact' };
    await fill(options);
    const copy = join(home, 'copy');
    const openDamaged = async (damage: (folder: string) => void) => {
      rmSync(copy, { recursive: true, force: true });
      cpSync(options.folder, copy, { recursive: true });
      damage(copy);
      return openVectorIndex({ ...options, folder: copy });
    };
    return { files: readdirSync(options.folder), openDamaged, options: { ...options, folder: copy } };
  }

  test('that is cut anywhere is damaged, and says which file', async () => {
    const { files, openDamaged } = await snapshot();
    expect(files).toHaveLength(2);
    for (const file of files) {
      for (let cut = 0; cut < CUTS; cut++) {
        const opened = await openDamaged((folder) => {
          const path = join(folder, file);
          truncateSync(path, Math.floor((statSync(path).size * cut) / CUTS));
        });
        expect(opened).toMatchObject({ reason: 'damaged', message: expect.stringContaining(`${file} is damaged: `) });
      }
    }
  });

  test('in which a bit is flipped is damaged', async () => {
    const { files, openDamaged } = await snapshot();
    const next = seeded(30);
    for (const file of files) {
      for (let flip = 0; flip < FLIPS; flip++) {
        const opened = await openDamaged((folder) => {
          const path = join(folder, file);
          const bytes = readFileSync(path);
          // The first bytes, which are lengths, each once; then anywhere.
          const at = flip < 100 ? flip : next(bytes.length);
          bytes[at] = (bytes[at] as number) ^ (1 << next(8));
          writeFileSync(path, bytes);
        });
        expect(opened).toMatchObject({ reason: 'damaged', message: expect.stringContaining(`${file} is damaged: `) });
      }
    }
  });

  test('that lacks a file, has one of another or is followed by something is damaged; built anew, it is used again', async () => {
    const { files, openDamaged, options } = await snapshot();
    const nodes = files.find((file) => file.endsWith('.nodes')) as string;
    const damages: ((folder: string) => void)[] = [
      (folder) => rmSync(join(folder, nodes)),
      (folder) => writeFileSync(join(folder, nodes), Buffer.alloc(statSync(join(folder, nodes)).size)),
      (folder) => writeFileSync(join(folder, nodes), 'more', { flag: 'a' }),
      (folder) => writeFileSync(join(folder, 'snapshot'), 'more', { flag: 'a' }),
      (folder) => cpSync(join(folder, nodes), join(folder, 'snapshot')),
    ];
    for (const damage of damages) expect(await openDamaged(damage)).toMatchObject({ reason: 'damaged' });
    await fill(options);
    expect(await openVectorIndex(options)).toMatchObject({ index: { size: VECTORS }, tag: TAG });
  });
});

it.skipIf(KINDS[0]?.isMissing)('a disk too small for the next snapshot leaves the one before', async (context) => {
  const folder = await smallDisk(1_500_000);
  if (folder === undefined) return context.skip('no disk can be mounted here (not root)');
  const options = { folder: join(folder, 'index'), dimensions: 128, embedder: 'test' };
  await fill(options);
  const index = await createVectorIndex(options);
  const next = clustered(3, options.dimensions, 10);
  // From where not all of the upper links fit, at the end of the file, to where nothing does.
  for (let label = 1; label <= 3_000; label++) index.add(label, next());
  await expect(index.save({ generation: 2, position: 3_000 })).rejects.toThrow('could not be written to its end');
  await index.close();
  expect(await openVectorIndex(options)).toMatchObject({ index: { size: VECTORS }, tag: TAG });
  expect(readdirSync(options.folder)).toHaveLength(2);
});
