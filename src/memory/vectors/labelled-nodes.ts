import { type BookPages, LabelBook } from './label-book.ts';
import { fingerprintOf, isSame } from './unit-vector.ts';
import type { VectorNodes } from './vector-nodes.ts';

/** Nodes and the labels at them. The same vector under many labels is one node: see `hnsw-nodes.ts`. */
export class LabelledNodes {
  readonly nodes: VectorNodes;
  readonly book: LabelBook;

  constructor(nodes: VectorNodes, pages?: BookPages) {
    this.nodes = nodes;
    this.book = pages === undefined ? new LabelBook() : LabelBook.from(pages);
  }

  /** Puts the label at this vector, wherever it was. */
  put(label: number, unit: Float32Array): void {
    const { book } = this;
    const fingerprint = fingerprintOf(unit);
    const like = book.nodeLike(fingerprint);
    let node = like !== undefined && isSame(unit, this.nodes.vectorOf(like)) ? like : undefined;
    if (node !== undefined && book.nodeOf(label) === node) return;
    if (node === undefined) {
      this.nodes.append(unit);
      node = book.addNode(fingerprint);
    }
    book.detach(label);
    book.attach(label, node);
  }

  /** The same for labels that are nowhere yet. */
  putAll(labels: Iterable<number>, unit: Float32Array): void {
    let node: number | undefined;
    for (const label of labels) {
      if (node === undefined) {
        this.put(label, unit);
        node = this.book.nodeOf(label) as number;
      } else this.book.attach(label, node);
    }
  }
}
