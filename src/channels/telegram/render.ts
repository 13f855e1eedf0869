/**
 * Markdown as Telegram's HTML: only the tags its Bot API knows. What Telegram has no form for becomes text: headings are
 * bold, lists have bullets, tables are aligned in a code block, a quote in a quote is one quote.
 */
import { lexer, type MarkedToken, type Token, type Tokens } from 'marked';

/** A message as the Bot API takes it. `html` false: the text is to be shown as it is. */
export interface Rendered {
  readonly text: string;
  readonly html: boolean;
}

/** What Telegram makes a link of. Any other address is shown as text, or it would be lost without a word. */
const LINKABLE = /^(https?|tg|mailto|tel):/i;
/** Widths of columns beyond this are not evened out: a phone shows about 35 characters in a line. */
const COLUMN_WIDTH_MAX = 40;

/**
 * `markdown` rendered, or as it is: where it is more than `lengthMax` UTF-16 code units once rendered (Telegram counts what is
 * shown, and a table may grow), where nothing would be shown, or where it cannot be read (thousands of nested quotes).
 */
export function render(markdown: string, lengthMax: number): Rendered {
  const plain = { text: markdown, html: false };
  try {
    const text = blocks(lexer(markdown), { inQuote: false });
    const shown = shownLength(text);
    return shown === 0 || shown > lengthMax ? plain : { text, html: true };
  } catch {
    return plain;
  }
}

/** Length of what is shown of our own HTML, in UTF-16 code units: every `<` and `&` in it is ours. */
function shownLength(html: string): number {
  return html
    .replace(/<[^>]*>/g, '')
    .replace(/&\w+;/g, '.')
    .trim().length;
}

interface Context {
  readonly inQuote: boolean;
}

function blocks(tokens: readonly Token[], context: Context): string {
  return tokens
    .map((token) => block(token as MarkedToken, context))
    .filter((text) => text !== '')
    .join('\n\n');
}

function block(token: MarkedToken, context: Context): string {
  switch (token.type) {
    case 'space':
    case 'def':
    case 'checkbox':
      return '';
    case 'heading':
      return `<b>${inline(token.tokens)}</b>`;
    case 'code':
      return code(token);
    case 'blockquote': {
      const text = blocks(token.tokens, { inQuote: true });
      return context.inQuote || text === '' ? text : `<blockquote>${text}</blockquote>`;
    }
    case 'list':
      return list(token, context);
    case 'table':
      return `<pre>${escaped(table(token))}</pre>`;
    case 'hr':
      return '———';
    case 'html':
      return escaped(token.text.trim());
    case 'paragraph':
      return inline(token.tokens);
    default:
      return inline([token]);
  }
}

function code({ text, lang = '' }: Tokens.Code): string {
  const language = /^[\w+#.-]+/.exec(lang)?.[0];
  if (text === '') return '';
  if (language === undefined) return `<pre>${escaped(text)}</pre>`;
  return `<pre><code class="language-${language}">${escaped(text)}</code></pre>`;
}

function list({ items, ordered, start }: Tokens.List, context: Context): string {
  return items
    .map((item, index) => {
      const box = item.checked === undefined ? '' : item.checked ? '☑ ' : '☐ ';
      const bullet = ordered ? `${Number(start) + index}. ` : box === '' ? '• ' : '';
      return `${bullet}${box}${listItem(item, context)}`;
    })
    .join('\n');
}

/** Its text, and below it, moved to the right, what else is in it. */
function listItem(item: Tokens.ListItem, context: Context): string {
  return item.tokens
    .map((token) => {
      const text = block(token as MarkedToken, context);
      return token.type === 'list' ? text.replace(/^/gm, '   ') : text;
    })
    .filter((text) => text !== '')
    .join('\n');
}

function inline(tokens: readonly Token[]): string {
  return tokens.map((token) => span(token as MarkedToken)).join('');
}

function span(token: MarkedToken): string {
  switch (token.type) {
    case 'strong':
      return `<b>${inline(token.tokens)}</b>`;
    case 'em':
      return `<i>${inline(token.tokens)}</i>`;
    case 'del':
      return `<s>${inline(token.tokens)}</s>`;
    case 'codespan':
      return `<code>${escaped(token.text)}</code>`;
    case 'br':
      return '\n';
    case 'link':
      return link(token.href, inline(token.tokens), token.text === token.href || token.autolink === true);
    case 'image':
      return link(token.href, escaped(token.text || token.href), false);
    case 'text':
      return token.tokens === undefined ? escaped(token.text) : inline(token.tokens);
    case 'checkbox':
      return '';
    case 'escape':
    case 'html':
      return escaped(token.text);
    default:
      return escaped(token.raw);
  }
}

function link(href: string, label: string, bare: boolean): string {
  if (bare) return label; // Telegram makes a link of it by itself
  if (!LINKABLE.test(href)) return label === escaped(href) ? label : `${label} (${escaped(href)})`;
  return `<a href="${escaped(href)}">${label}</a>`;
}

/** Columns side by side, for a font in which all characters are equally wide. */
function table({ header, rows, align }: Tokens.Table): string {
  const lines = [header, ...rows].map((row) => row.map((cell) => words(cell.tokens)));
  const widths = header.map((_, column) =>
    Math.min(COLUMN_WIDTH_MAX, Math.max(...lines.map((line) => width(line[column] ?? '')))),
  );
  const drawn = lines.map((line) =>
    line
      .map((text, column) => padded(text, widths[column] ?? 0, align[column] ?? 'left'))
      .join(' | ')
      .trimEnd(),
  );
  drawn.splice(1, 0, widths.map((columnWidth) => '-'.repeat(columnWidth)).join('-+-'));
  return drawn.join('\n');
}

function padded(text: string, columnWidth: number, align: 'left' | 'right' | 'center'): string {
  const missing = Math.max(0, columnWidth - width(text));
  const before = align === 'right' ? missing : align === 'center' ? missing >> 1 : 0;
  return `${' '.repeat(before)}${text}${' '.repeat(missing - before)}`;
}

/** In characters, near enough: wide ones (Chinese, emoji) are drawn wider by some phones and not by others. */
function width(text: string): number {
  return Array.from(text).length;
}

/** What is left of inline tokens without any formatting. */
function words(tokens: readonly Token[]): string {
  return (tokens as readonly MarkedToken[])
    .map((token) => {
      if ('tokens' in token && token.tokens !== undefined) return words(token.tokens);
      return 'text' in token ? token.text : token.type === 'br' ? ' ' : token.raw;
    })
    .join('');
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
