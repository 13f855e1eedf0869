/** What is known of groups: who is in them, which sending needs every time and WhatsApp does not like to be asked every time. */
import type { GroupMetadata } from '@whiskeysockets/baileys';
import type { Socket } from './library.ts';

const KNOWN_MAX = 100;
const FRESH_MS = 5 * 60 * 1_000;

export class Groups {
  readonly #known = new Map<string, { readonly metadata: GroupMetadata; readonly until: number }>();

  /** Throws what baileys does when the group is not there, or not ours. */
  async metadata(socket: Socket, jid: string): Promise<GroupMetadata> {
    const known = this.#known.get(jid);
    if (known && known.until > performance.now()) return known.metadata;
    const metadata = await socket.groupMetadata(jid);
    this.forget(jid);
    for (const oldest of this.#known.keys()) {
      if (this.#known.size < KNOWN_MAX) break;
      this.#known.delete(oldest);
    }
    this.#known.set(jid, { metadata, until: performance.now() + FRESH_MS });
    return metadata;
  }

  /** Its subject. Undefined when nobody asked for the group yet; then it is asked for, to be known the next time. */
  title(socket: Socket, jid: string): string | undefined {
    const known = this.#known.get(jid);
    if (!known) this.metadata(socket, jid).catch(() => undefined);
    return known?.metadata.subject;
  }

  forget(jid: string | undefined): void {
    if (jid !== undefined) this.#known.delete(jid);
  }

  watch(socket: Socket): void {
    socket.ev.on('groups.update', (updates) => {
      for (const { id } of updates) this.forget(id);
    });
    socket.ev.on('group-participants.update', ({ id }) => this.forget(id));
  }
}
