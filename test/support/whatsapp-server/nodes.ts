/** Short ways to make and read the nodes of WhatsApp's binary XML. */
import { type BinaryNode, getBinaryNodeChild } from '@whiskeysockets/baileys';

export const SERVER = 's.whatsapp.net';

export function node(tag: string, attrs: BinaryNode['attrs'] = {}, content?: BinaryNode['content']): BinaryNode {
  return content === undefined ? { tag, attrs } : { tag, attrs, content };
}

/** The children with this tag; of any tag without one. */
export function children(parent: BinaryNode | undefined, tag?: string): BinaryNode[] {
  const content = parent?.content;
  return Array.isArray(content) ? content.filter((child) => tag === undefined || child.tag === tag) : [];
}

/** The node under `parent` that the tags lead to. */
export function find(parent: BinaryNode, ...tags: string[]): BinaryNode | undefined {
  return tags.reduce<BinaryNode | undefined>((found, tag) => getBinaryNodeChild(found, tag), parent);
}

/** The bytes a node has as its content. */
export function bytesOf(found: BinaryNode | undefined): Buffer {
  if (found === undefined) throw new Error('there is no such node');
  if (Array.isArray(found.content) || found.content === undefined) throw new Error(`<${found.tag}> has no bytes`);
  return Buffer.from(found.content as Uint8Array);
}

export function seconds(milliseconds = Date.now()): string {
  return String(Math.floor(milliseconds / 1_000));
}
