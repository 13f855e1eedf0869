/**
 * Markdown as Telegram's HTML: only the tags its Bot API knows. What Telegram has no form for becomes text: headings are
 * bold, lists have bullets, tables are aligned in a code block, a quote in a quote is one quote.
 */
import { lexer, type MarkedToken, type Token, type Tokens } from 'marked';
import { drawnTable } from '../text-table.ts';

/** A message as the Bot API takes it. `html` false: the text is to be shown as it is. */
export interface Rendered {
  readonly text: string;
  readonly html: boolean;
}

/** What Telegram makes a link of. Any other address is shown as text, or it would be lost without a word. */
const LINKABLE = /^(https?|tg|mailto|tel):/i;

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
      return `<pre>${escaped(drawnTable(token))}</pre>`;
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

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
