/**
 * Markdown as WhatsApp writes it: *bold*, _italic_, ~struck~, `code`, ```blocks```, lists and quotes. It has no links with a
 * text of their own, no headings, no tables and no way to escape a sign; what has no form there stays readable.
 */
import { marked, type Token, type Tokens } from 'marked';

/** A sign only counts beside what is neither letter nor digit; otherwise it would be seen. */
const LETTER = /[\p{L}\p{N}]/u;

export function render(markdown: string): string {
  return blocks(marked.lexer(markdown)).join('\n\n');
}

function blocks(tokens: readonly Token[]): string[] {
  return tokens.map(block).filter((text) => text !== '');
}

function block(token: Token): string {
  switch (token.type) {
    case 'space':
    case 'def':
      return '';
    case 'heading':
      return wrapped('*', plain(inline((token as Tokens.Heading).tokens)));
    case 'code':
      return `\`\`\`\n${(token as Tokens.Code).text}\n\`\`\``;
    case 'blockquote':
      return quote(blocks((token as Tokens.Blockquote).tokens).join('\n\n'));
    case 'list':
      return list(token as Tokens.List);
    case 'table':
      return table(token as Tokens.Table);
    case 'hr':
      return '———';
    default:
      return inline('tokens' in token && token.tokens ? token.tokens : [token]).trim();
  }
}

function quote(text: string): string {
  return text.replaceAll(/^/gm, '> ');
}

function list({ items, ordered, start }: Tokens.List): string {
  const first = typeof start === 'number' ? start : 1;
  return items
    .map((item, index) => {
      const mark = ordered ? `${first + index}. ` : '- ';
      const check = item.task ? (item.checked ? '☑ ' : '☐ ') : '';
      const text = blocks(item.tokens.filter(({ type }) => type !== 'checkbox')).join('\n');
      return mark + check + text.replaceAll('\n', '\n   ');
    })
    .join('\n');
}

/** With letters of one width the columns stay columns. */
function table({ header, rows }: Tokens.Table): string {
  const cells = [header, ...rows].map((row) => row.map(({ tokens }) => plain(inline(tokens))));
  const widths = header.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  const lines = cells.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  );
  return `\`\`\`\n${lines.join('\n')}\n\`\`\``;
}

function inline(tokens: readonly Token[]): string {
  let text = '';
  for (const [index, token] of tokens.entries()) {
    const next = tokens[index + 1]?.raw ?? '';
    const alone = !LETTER.test(text.at(-1) ?? '') && !LETTER.test(next.at(0) ?? '');
    text += span(token, alone);
  }
  return text;
}

/** `alone`: a sign before and after it would count. */
function span(token: Token, alone: boolean): string {
  const content = token.type !== 'text' && 'tokens' in token && token.tokens ? inline(token.tokens) : '';
  switch (token.type) {
    case 'strong':
      return alone ? wrapped('*', content) : content;
    case 'em':
      return alone ? wrapped('_', content) : content;
    case 'del':
      return alone ? wrapped('~', content) : content;
    case 'codespan':
      return `\`${(token as Tokens.Codespan).text}\``;
    case 'br':
      return '\n';
    case 'link':
      return link(content, (token as Tokens.Link).href);
    case 'image':
      return link((token as Tokens.Image).text, (token as Tokens.Image).href);
    case 'text':
      return 'tokens' in token && token.tokens ? inline(token.tokens) : (token as Tokens.Text).text;
    default:
      return 'text' in token ? String(token.text) : token.raw;
  }
}

function link(text: string, href: string): string {
  const shown = plain(text);
  return shown === '' || shown === href || href === `mailto:${shown}` ? href : `${text} (${href})`;
}

/** No sign counts across lines, nor beside a space. */
function wrapped(sign: string, text: string): string {
  return text.replaceAll(/\S.*\S|\S/g, (line) => `${sign}${line}${sign}`);
}

/** Without the signs of `inline`: where they would be in each other's way. */
function plain(text: string): string {
  return text.replaceAll(/([*_~`])(?=\S)(.+?)(?<=\S)\1/g, '$2');
}
