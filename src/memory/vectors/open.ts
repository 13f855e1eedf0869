/** Opens and makes vector indexes. hnswlib-node is loaded here, with the first of them. */
import { ExactNodes } from './exact-nodes.ts';
import { HnswNodes, loadHnsw } from './hnsw-nodes.ts';
import { LabelledIndex } from './labelled-index.ts';
import { LabelledNodes } from './labelled-nodes.ts';
import { type SnapshotFound, Snapshots } from './snapshots.ts';
import type { OpenedVectorIndex, VectorIndex, VectorIndexKind, VectorIndexOptions } from './vector-index.ts';
import type { VectorNodes } from './vector-nodes.ts';

/** Nodes of one kind: empty ones, and those of a snapshot. */
interface Kind {
  kind: VectorIndexKind;
  create(): VectorNodes;
  read(found: SnapshotFound): Promise<VectorNodes>;
}

/**
 * The index as its snapshot has it, or why there is none to use: the caller then makes a new one and adds all there is. Some 0.3 s
 * for 100,000 vectors of 384 dimensions. Rejects only where the disk cannot be read.
 */
export async function openVectorIndex(options: VectorIndexOptions): Promise<OpenedVectorIndex> {
  const { folder, dimensions, embedder } = options;
  const kind = await kindFor(options);
  const snapshots = new Snapshots(folder);
  const found = await snapshots.read({ kind: kind.kind, dimensions, embedder });
  if ('reason' in found) return found;
  let nodes: VectorNodes;
  try {
    nodes = await kind.read(found);
  } catch (error) {
    return { reason: 'damaged', message: `${found.path} cannot be read: ${(error as Error).message}` };
  }
  const held = new LabelledNodes(nodes, found.pages);
  const index = new LabelledIndex({ dimensions, embedder, held, newNodes: kind.create, snapshots });
  return { index, tag: found.tag };
}

/** An empty one. A snapshot in the folder stays until `save` replaces it. */
export async function createVectorIndex(options: VectorIndexOptions): Promise<VectorIndex> {
  const { folder, dimensions, embedder } = options;
  const { create } = await kindFor(options);
  const held = new LabelledNodes(create());
  return new LabelledIndex({ dimensions, embedder, held, newNodes: create, snapshots: new Snapshots(folder) });
}

async function kindFor({ dimensions, exact }: VectorIndexOptions): Promise<Kind> {
  const library = exact ? undefined : await loadHnsw();
  if (library === undefined || library instanceof Error) {
    return {
      kind: 'exact',
      create: () => new ExactNodes(dimensions),
      read: ({ path, nodes }) => ExactNodes.read(path, dimensions, nodes),
    };
  }
  return {
    kind: 'hnsw',
    create: () => HnswNodes.create(library, dimensions),
    read: async ({ path }) => HnswNodes.read(library, path, dimensions),
  };
}
