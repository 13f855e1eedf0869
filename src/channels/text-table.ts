/** Markdown's tables for platforms that have none: drawn with spaces, for a font in which all characters are equally wide. */
import type { MarkedToken, Token, Tokens } from 'marked';

/** Widths of columns beyond this are not evened out: a phone shows about 35 characters in a line. */
const COLUMN_WIDTH_MAX = 40;

/** Columns side by side. `textOf` gives what is shown of a cell. */
export function drawnTable({ header, rows, align }: Tokens.Table, textOf = words): string {
  const lines = [header, ...rows].map((row) => row.map((cell) => textOf(cell.tokens)));
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

/** In characters, near enough: wide ones (Chinese, emoji) are drawn wider by some programs and not by others. */
function width(text: string): number {
  return Array.from(text).length;
}

/** What is left of inline tokens without any formatting. */
export function words(tokens: readonly Token[]): string {
  return (tokens as readonly MarkedToken[])
    .map((token) => {
      if ('tokens' in token && token.tokens !== undefined) return words(token.tokens);
      return 'text' in token ? token.text : token.type === 'br' ? ' ' : token.raw;
    })
    .join('');
}
