/** What waits for linked devices: a message stays until the device said that it has it, however often it was sent. */
import type { BinaryNode } from '@whiskeysockets/baileys';

export class Mail {
  readonly #waiting = new Map<string, BinaryNode[]>();
  readonly #delivered = new Map<string, { readonly device: string; readonly stanza: BinaryNode }>();

  add(device: string, stanza: BinaryNode): void {
    const id = stanza.attrs.id!;
    this.#delivered.set(id, { device, stanza });
    this.#waiting.set(device, [...this.of(device).filter(({ attrs }) => attrs.id !== id), stanza]);
  }

  of(device: string): readonly BinaryNode[] {
    return this.#waiting.get(device) ?? [];
  }

  remove(device: string, ids: readonly string[]): void {
    this.#waiting.set(
      device,
      this.of(device).filter(({ attrs }) => !ids.includes(attrs.id!)),
    );
  }

  /** A message as it was last delivered, waiting or not. */
  delivered(id: string): { readonly device: string; readonly stanza: BinaryNode } {
    return this.#delivered.get(id)!;
  }
}
