/**
 * Markdown as Discord shows it. Nearly all of it is the same: only what Discord does not know, or reads as something
 * else, is written in another way, and the rest stays as it was, letter by letter.
 */
import { lexer, type Token, type Tokens } from 'marked';
import { drawnTable } from '../text-table.ts';

/** Characters of one message. */
export const TEXT_LENGTH_MAX = 2_000;

/** HTML that has a Markdown of its own. Anything else is shown as it is: it may be `Array<string>`. */
const HTML: Readonly<Record<string, string>> = {
  b: '**',
  strong: '**',
  i: '*',
  em: '*',
  u: '__',
  ins: '__',
  s: '~~',
  del: '~~',
  code: '`',
};
const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', nbsp: ' ' };
/** Headings below this are bold lines. */
const HEADING_DEPTH_MAX = 3;
const TICKS = '```';

/** The text for Discord, or the Markdown as it is where rendering makes it too long for one message. */
export function render(markdown: string): string {
  if (markdown.length > TEXT_LENGTH_MAX) return markdown;
  const rendered = blocks(lexer(markdown)).trim();
  return rendered.length > TEXT_LENGTH_MAX ? markdown : rendered;
}

function blocks(tokens: readonly Token[]): string {
  return tokens.map(block).join('');
}

function block(token: Token): string {
  const end = /\n*$/.exec(token.raw)![0];
  switch (token.type) {
    case 'heading':
      return heading(token as Tokens.Heading) + end;
    case 'code':
      return code(token as Tokens.Code);
    case 'table':
      return fenced(drawnTable(token as Tokens.Table, plain)) + end;
    case 'hr':
      return `───${end}`;
    case 'list':
      return (token as Tokens.List).items.map(item).join('');
    case 'blockquote':
      return (
        blocks(token.tokens ?? [])
          .trimEnd()
          .replace(/^/gm, '> ') + end
      );
    case 'checkbox':
      return (token as Tokens.Checkbox).checked ? '☑ ' : '☐ ';
    // The addresses of links that stand elsewhere: they are in the links already.
    case 'def':
      return '';
    case 'paragraph':
    case 'text':
      return words(token);
    default:
      return token.raw;
  }
}

/** A paragraph, or the words of a list's item. */
function words(token: Token): string {
  const tokens: readonly Token[] = 'tokens' in token && token.tokens ? token.tokens : [];
  const length = tokens.reduce((sum, part) => sum + part.raw.length, 0);
  return inline(tokens) + token.raw.slice(length);
}

function heading({ depth, tokens }: Tokens.Heading): string {
  const text = inline(tokens);
  return depth > HEADING_DEPTH_MAX ? `**${text.replaceAll('**', '')}**` : `${'#'.repeat(depth)} ${text}`;
}

/** Discord knows backticks only: no tildes, no indentation. */
function code({ raw, text, lang, codeBlockStyle }: Tokens.Code): string {
  const end = /\n*$/.exec(raw)![0];
  return codeBlockStyle === 'indented' || raw.trimStart().startsWith('~') ? fenced(text, lang) + end : raw;
}

function fenced(text: string, language = ''): string {
  // A zero-width space: nothing else keeps a fence in a text from ending it.
  return `${TICKS}${language}\n${text.replaceAll(TICKS, '`\u200b``')}\n${TICKS}`;
}

/** Without any markup. */
function plain(tokens: readonly Token[]): string {
  return tokens
    .map((token) => {
      if (token.type === 'br') return ' ';
      if (token.type === 'html') return HTML[tagOf(token.raw)] === undefined ? token.raw : '';
      return 'tokens' in token && token.tokens ? plain(token.tokens) : 'text' in token ? String(token.text) : token.raw;
    })
    .join('');
}

/** One of a list: as it was, unless something in it is written in another way. */
function item({ raw, text, tokens }: Tokens.ListItem): string {
  const content = blocks(tokens).trimEnd();
  if (content === text.trimEnd()) return raw;
  const end = /\n*$/.exec(raw)![0];
  const [marker] = /^\s*(?:[-+*]|\d+[.)])[ \t]*/.exec(raw) ?? ['- '];
  return `${marker}${content.replace(/\n(?=[^\n])/g, `\n${' '.repeat(marker.length)}`)}${end}`;
}

function inline(tokens: readonly Token[]): string {
  return tokens.map((token, index) => span(token, tokens, index)).join('');
}

function span(token: Token, tokens: readonly Token[], index: number): string {
  switch (token.type) {
    case 'strong':
      // `__text__` is underlined at Discord.
      return `**${inline(token.tokens ?? [])}**`;
    case 'em':
      return token.raw[0] + inline(token.tokens ?? []) + token.raw[0];
    case 'del':
      return `~~${inline(token.tokens ?? [])}~~`;
    case 'br':
      return '\n';
    case 'link':
      return link(token as Tokens.Link);
    case 'image':
      return masked(token.text || 'image', token.href);
    case 'html':
      return html(token, tokens, index);
    case 'text':
      return token.tokens ? inline(token.tokens) : text(token.raw);
    case 'checkbox':
      return block(token);
    default:
      return token.raw;
  }
}

/** Two bars are a spoiler at Discord, an entity is nothing. */
function text(raw: string): string {
  return raw.replace(/&(amp|lt|gt|quot|nbsp);/g, (_, name) => ENTITIES[name]!).replaceAll('||', '\\|\\|');
}

function link({ raw, href, text: label, tokens }: Tokens.Link): string {
  return raw === href || raw.startsWith('<') || label === href
    ? raw.replace(/^\[.*/s, href)
    : masked(inline(tokens), href);
}

/** Discord masks addresses of the web only. */
function masked(label: string, href: string): string {
  return /^https?:/i.test(href) ? `[${label}](${href.replace(/[()\s]/g, encodeURIComponent)})` : `${label} (${href})`;
}

/** A tag with a Markdown of its own, if its partner is there. */
function html({ raw }: Token, tokens: readonly Token[], index: number): string {
  const tag = tagOf(raw);
  if (tag === 'br') return '\n';
  const mark = HTML[tag];
  const closing = raw.startsWith('</');
  const others = closing ? tokens.slice(0, index) : tokens.slice(index + 1);
  const partner = (token: Token): boolean =>
    token.type === 'html' && tagOf(token.raw) === tag && token.raw.startsWith('</') !== closing;
  return mark !== undefined && others.some(partner) ? mark : raw;
}

function tagOf(raw: string): string {
  return /^<\/?([a-z]+)[\s/>]/i.exec(raw)?.[1]?.toLowerCase() ?? '';
}
