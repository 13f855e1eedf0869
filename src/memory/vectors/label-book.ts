/** As arrays, for a snapshot: `labels[i]` is at `nodes[i]`; `fingerprints[n]` is of node n. */
export interface BookPages {
  labels: Uint32Array;
  nodes: Uint32Array;
  fingerprints: Int32Array;
}

/** Which label is at which node. A node has several where vectors are the same, and none where it is dead. */
export class LabelBook {
  readonly #nodeOf = new Map<number, number>();
  /** By node. A Set only where there are several: most have one, which costs 8 bytes. */
  readonly #labelsOf: (number | Set<number> | undefined)[] = [];
  readonly #fingerprints: number[] = [];
  readonly #nodeByFingerprint = new Map<number, number>();
  /** Nodes without a label. */
  dead = 0;

  static from({ labels, nodes, fingerprints }: BookPages): LabelBook {
    const book = new LabelBook();
    for (const fingerprint of fingerprints) book.addNode(fingerprint);
    labels.forEach((label, i) => {
      book.attach(label, nodes[i] as number);
    });
    return book;
  }

  get labels(): number {
    return this.#nodeOf.size;
  }

  get nodes(): number {
    return this.#labelsOf.length;
  }

  nodeOf(label: number): number | undefined {
    return this.#nodeOf.get(label);
  }

  labelsOf(node: number): Iterable<number> {
    const labels = this.#labelsOf[node];
    if (labels === undefined) return [];
    return typeof labels === 'number' ? [labels] : labels;
  }

  isLive(node: number): boolean {
    return this.#labelsOf[node] !== undefined;
  }

  /** Whether the filter lets one of its labels through. */
  hasAccepted(node: number, accepts: (label: number) => boolean): boolean {
    const labels = this.#labelsOf[node];
    if (typeof labels === 'number') return accepts(labels);
    for (const label of labels ?? []) if (accepts(label)) return true;
    return false;
  }

  /** The first node with this fingerprint; of two with the same, which are rare, the second is not found. */
  nodeLike(fingerprint: number): number | undefined {
    return this.#nodeByFingerprint.get(fingerprint);
  }

  /** The next node, dead so far. Returns its number. */
  addNode(fingerprint: number): number {
    const node = this.#labelsOf.push(undefined) - 1;
    this.#fingerprints.push(fingerprint);
    if (!this.#nodeByFingerprint.has(fingerprint)) this.#nodeByFingerprint.set(fingerprint, node);
    this.dead += 1;
    return node;
  }

  /** The label is at no node so far. */
  attach(label: number, node: number): void {
    this.#nodeOf.set(label, node);
    const labels = this.#labelsOf[node];
    if (labels === undefined) {
      this.#labelsOf[node] = label;
      this.dead -= 1;
    } else if (typeof labels === 'number') this.#labelsOf[node] = new Set([labels, label]);
    else labels.add(label);
  }

  detach(label: number): void {
    const node = this.#nodeOf.get(label);
    if (node === undefined) return;
    this.#nodeOf.delete(label);
    const labels = this.#labelsOf[node];
    if (typeof labels === 'object' && labels.delete(label) && labels.size > 0) return;
    this.#labelsOf[node] = undefined;
    this.dead += 1;
  }

  pages(): BookPages {
    return {
      labels: Uint32Array.from(this.#nodeOf.keys()),
      nodes: Uint32Array.from(this.#nodeOf.values()),
      fingerprints: Int32Array.from(this.#fingerprints),
    };
  }
}
