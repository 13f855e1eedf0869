/** Opens or makes a vector index, and saves it again and again: a thread to be terminated in the middle of it. */
import { parentPort, workerData } from 'node:worker_threads';
import { createVectorIndex, openVectorIndex } from '../../src/memory/vectors/open.ts';
import { clustered } from './vectors.ts';

const VECTORS = 2_000;
const options = { folder: workerData.folder as string, dimensions: 384, embedder: 'test' };

parentPort?.postMessage('opens');
const opened = await openVectorIndex(options);
const index = 'index' in opened ? opened.index : await createVectorIndex(options);
if (index.size === 0) {
  const next = clustered(1, options.dimensions, 30);
  for (let label = 1; label <= VECTORS; label++) index.add(label, next());
}
for (let position = 1; ; position++) {
  await index.save({ generation: 1, position });
  parentPort?.postMessage('saved');
}
