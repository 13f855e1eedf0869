/**
 * Markdown as Slack's mrkdwn. What Slack has no form for becomes text: headings are bold, lists have bullets, tables are
 * aligned in a code block, images are links. `&`, `<` and `>` of the text are escaped, so that nothing a model writes is a
 * mention: `<!channel>` rings nobody.
 *
 * @see https://docs.slack.dev/messaging/formatting-message-text
 */
import { lexer, type MarkedToken, type Token, type Tokens } from 'marked';
import { drawnTable, words } from '../text-table.ts';
import { escaped } from './words.ts';

/** What may be a link. Any other address is shown as text: Slack reads `<@U…>` and `<!…>` as mentions. */
const LINKABLE = /^(https?:\/\/|mailto:|tel:)/i;
const TICKS = '```';
/** What Slack formats only where no letter is beside it. */
const MARKED = new Set(['strong', 'em', 'del', 'codespan']);
const LETTER = /[\p{L}\p{N}_]/u;
const ZERO_WIDTH_SPACE = '\u200b';

/** `markdown` rendered; undefined where nothing would be shown or it cannot be read (thousands of nested quotes). */
export function render(markdown: string): string | undefined {
  try {
    return blocks(lexer(markdown), '\n\n').trim() || undefined;
  } catch {
    return undefined;
  }
}

function blocks(tokens: readonly Token[], between: string): string {
  return tokens
    .map((token) => block(token as MarkedToken))
    .filter((text) => text !== '')
    .join(between);
}

function block(token: MarkedToken): string {
  switch (token.type) {
    case 'space':
    case 'def':
    case 'checkbox':
      return '';
    case 'heading':
      return `*${escaped(words(token.tokens))}*`;
    case 'code':
      return fenced(token.text);
    case 'blockquote':
      return blocks(token.tokens, '\n\n').replace(/^/gm, '> ');
    case 'list':
      return list(token);
    case 'table':
      return fenced(drawnTable(token));
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

function fenced(text: string): string {
  if (text === '') return '';
  return `${TICKS}\n${escaped(text).replaceAll(TICKS, `\`${ZERO_WIDTH_SPACE}\`\``)}\n${TICKS}`;
}

function list({ items, ordered, start }: Tokens.List): string {
  return items
    .map((item, index) => {
      const box = item.checked === undefined ? '' : item.checked ? '☑ ' : '☐ ';
      const bullet = ordered ? `${Number(start) + index}. ` : box === '' ? '• ' : '';
      return `${bullet}${box}${listItem(item)}`;
    })
    .join('\n');
}

/** Its text, and below it, moved to the right, what else is in it. */
function listItem({ tokens }: Tokens.ListItem): string {
  return tokens
    .map((token) => {
      const text = block(token as MarkedToken);
      return token.type === 'list' ? text.replace(/^/gm, '    ') : text;
    })
    .filter((text) => text !== '')
    .join('\n');
}

function inline(tokens: readonly Token[]): string {
  let text = '';
  let before = '';
  for (const token of tokens) {
    const next = span(token as MarkedToken);
    const joins =
      (MARKED.has(token.type) && LETTER.test(text.slice(-1))) || (MARKED.has(before) && LETTER.test(next[0] ?? ''));
    text += joins ? ZERO_WIDTH_SPACE + next : next;
    if (next !== '') before = token.type;
  }
  return text;
}

function span(token: MarkedToken): string {
  switch (token.type) {
    case 'strong':
      return marked('*', inline(token.tokens));
    case 'em':
      return marked('_', inline(token.tokens));
    case 'del':
      return marked('~', inline(token.tokens));
    case 'codespan':
      // Slack knows no way to have a backtick in it.
      return token.text.includes('`') ? escaped(token.text) : `\`${escaped(token.text)}\``;
    case 'br':
      return '\n';
    case 'link':
      return link(token.href, words(token.tokens));
    case 'image':
      return link(token.href, token.text);
    case 'text':
      return token.tokens === undefined ? escaped(token.text) : inline(token.tokens);
    case 'checkbox':
      return '';
    case 'escape':
      return escaped(token.text);
    case 'html':
      return /^<br\s*\/?>$/i.test(token.text) ? '\n' : escaped(token.text);
    default:
      return escaped(token.raw);
  }
}

/** Each line by itself: Slack's marks end with the line. Space inside of them would make them text. */
function marked(mark: string, text: string): string {
  return text.replace(/^([ \t]*)(.*?\S)([ \t]*)$/gm, `$1${mark}$2${mark}$3`);
}

function link(href: string, label: string): string {
  if (!LINKABLE.test(href)) return escaped(label === '' || label === href ? href : `${label} (${href})`);
  const address = escaped(href.replace(/[<>|\s]/g, encodeURIComponent));
  const text = escaped(label.replace(/\s+/g, ' ').trim());
  return text === '' || label === href ? `<${address}>` : `<${address}|${text}>`;
}
