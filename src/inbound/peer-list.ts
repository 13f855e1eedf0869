/**
 * A list of people as operators write it: their ids on the platform, or handles.
 *
 * Handles are compared without regard to case, and may have an `@` before them. **They can change hands**: whoever takes a
 * handle that was given up is let in in its owner's place, so ids are the safer entries. What could be an id is never
 * taken for a handle, or a person who calls himself `U02AB3CD4` or `4711` would be taken for somebody else: an entry
 * without a lower-case letter is an id, unless it begins with `@`.
 */
import type { Sender } from '../channels/adapter.ts';

export class PeerList {
  readonly #ids: ReadonlySet<string>;
  /** In lower case. */
  readonly #handles: ReadonlySet<string>;

  constructor(entries: readonly string[]) {
    this.#ids = new Set(entries.filter((entry) => !entry.startsWith('@')));
    this.#handles = new Set(
      entries.filter((entry) => entry.startsWith('@') || /\p{Ll}/u.test(entry)).map((entry) => bare(entry)),
    );
  }

  get empty(): boolean {
    return this.#ids.size === 0 && this.#handles.size === 0;
  }

  /** Whether an entry names this person, by id or handle. */
  has({ id, username }: Pick<Sender, 'id' | 'username'>): boolean {
    return this.#ids.has(id) || (username !== undefined && this.#handles.has(bare(username)));
  }
}

function bare(handle: string): string {
  return handle.replace(/^@/, '').toLowerCase();
}
