/**
 * Reads a text with `parse_mode: HTML` as the Bot API does, and refuses what it refuses: tags it does not know, tags that are
 * not closed or closed in the wrong order. Bare `<` and unknown `&…;` are among the former and taken as they are.
 */
import type { MessageEntity } from 'grammy/types';

export interface ParsedText {
  readonly text: string;
  readonly entities: MessageEntity[];
}

/** By tag; `undefined` from the function: the tag makes no entity, as a link without an address. */
const LOOKS: Record<string, (attributes: ReadonlyMap<string, string>) => Looks | undefined> = {
  b: () => ({ type: 'bold' }),
  strong: () => ({ type: 'bold' }),
  i: () => ({ type: 'italic' }),
  em: () => ({ type: 'italic' }),
  u: () => ({ type: 'underline' }),
  ins: () => ({ type: 'underline' }),
  s: () => ({ type: 'strikethrough' }),
  strike: () => ({ type: 'strikethrough' }),
  del: () => ({ type: 'strikethrough' }),
  'tg-spoiler': () => ({ type: 'spoiler' }),
  code: () => ({ type: 'code' }),
  pre: () => ({ type: 'pre' }),
  blockquote: () => ({ type: 'blockquote' }),
  a: (attributes) => {
    const url = attributes.get('href') ?? '';
    return /^[a-z]+:/i.test(url) ? { type: 'text_link', url } : undefined;
  },
};

type Looks =
  | { type: 'bold' | 'italic' | 'underline' | 'strikethrough' | 'spoiler' | 'code' | 'pre' | 'blockquote' }
  | { type: 'text_link'; url: string };

const NAMED: Record<string, string> = { lt: '<', gt: '>', amp: '&', quot: '"' };
const TOKEN = /<(\/?)([^\s>]*)([^>]*)>|&(#\d+|#x[\da-f]+|\w+);|<|[^<&]+|&/giu;

/** Throws an Error with what stands behind "can't parse entities: ". */
export function parseHtml(html: string): ParsedText {
  let text = '';
  const open: { tag: string; start: number; attributes: ReadonlyMap<string, string> }[] = [];
  const entities: MessageEntity[] = [];
  for (const match of html.matchAll(TOKEN)) {
    const [whole, slash, name = '', rest = '', reference] = match;
    const at = `at byte offset ${Buffer.byteLength(html.slice(0, match.index))}`;
    if (reference !== undefined) {
      text += decoded(reference) ?? whole;
    } else if (slash === undefined) {
      if (whole === '<') throw new Error(`Unclosed start tag ${at}`);
      text += whole;
    } else if (slash === '') {
      const tag = name.toLowerCase();
      if (!Object.hasOwn(LOOKS, tag)) throw new Error(`Unsupported start tag "${tag}" ${at}`);
      open.push({ tag, start: text.length, attributes: attributesOf(rest) });
    } else {
      const last = open.pop();
      const tag = name.toLowerCase();
      if (last === undefined) throw new Error(`Unexpected end tag ${at}`);
      if (tag !== last.tag && tag !== '') {
        throw new Error(`Unmatched end tag ${at}, expected "</${last.tag}>", found "</${tag}>"`);
      }
      const looks = LOOKS[last.tag]?.(last.attributes);
      const length = text.length - last.start;
      if (looks !== undefined && length > 0) entities.push({ ...looks, offset: last.start, length });
    }
  }
  const unclosed = open.pop();
  if (unclosed !== undefined) throw new Error(`Can't find end tag corresponding to start tag "${unclosed.tag}"`);
  return trimmed(text, withoutCodeInPre(entities));
}

/** Telegram shows no space before and after a message. */
export function trimmed(text: string, entities: readonly MessageEntity[] = []): ParsedText {
  const shift = text.length - text.trimStart().length;
  const shown = text.trim();
  const moved = entities.flatMap((entity) => {
    const offset = Math.max(0, entity.offset - shift);
    const length = Math.min(shown.length, entity.offset - shift + entity.length) - offset;
    return length > 0 ? [{ ...entity, offset, length }] : [];
  });
  return { text: shown, entities: moved.sort((a, b) => a.offset - b.offset || b.length - a.length) };
}

/** `<pre><code class="language-x">` is one block with a language. */
function withoutCodeInPre(entities: readonly MessageEntity[]): MessageEntity[] {
  const blocks = entities.filter(({ type }) => type === 'pre');
  return entities.filter(
    ({ type, offset, length }) =>
      type !== 'code' || !blocks.some((block) => block.offset === offset && block.length === length),
  );
}

function attributesOf(text: string): ReadonlyMap<string, string> {
  const found = text.matchAll(/([\w-]+)\s*=\s*"([^"]*)"/g);
  return new Map(Array.from(found, ([, name = '', value = '']) => [name.toLowerCase(), unescaped(value)]));
}

function unescaped(text: string): string {
  return text.replace(/&(#\d+|#x[\da-f]+|\w+);/gi, (whole, reference: string) => decoded(reference) ?? whole);
}

function decoded(reference: string): string | undefined {
  if (!reference.startsWith('#')) return NAMED[reference];
  const code = reference[1] === 'x' ? Number.parseInt(reference.slice(2), 16) : Number(reference.slice(1));
  return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : undefined;
}
