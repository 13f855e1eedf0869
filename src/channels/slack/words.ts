/**
 * Slack's texts as people read them: `<@U…>`, `<#C…|name>`, `<https://…|label>` become words, `&lt;` becomes `<`.
 *
 * @see https://docs.slack.dev/messaging/formatting-message-text
 */
import type { Sender } from '../adapter.ts';

/** People whose names are looked up for one text; the others stay ids. */
const NAMES_MAX = 20;

/** Whether the text mentions this user. */
export function mentions(text: string, user: string): boolean {
  return new RegExp(`<@${user}(\\|[^>]*)?>`).test(text);
}

/** The text without mentions of this user, and without the space around them that nobody needs. */
export function withoutMention(text: string, user: string): string {
  const mention = new RegExp(`([ \\t]*)<@${user}(?:\\|[^>]*)?>([ \\t]*)`, 'g');
  const rest = text.replace(mention, (_, before, after) => (before !== '' && after !== '' ? ' ' : before + after));
  if (rest === text) return text;
  return text.trimStart().startsWith(`<@${user}`) ? rest.trim().replace(/^[,:]\s*/, '') : rest.trim();
}

/** The text with names for ids. `personOf` never rejects. */
export async function readable(text: string, personOf: (id: string) => Promise<Sender>): Promise<string> {
  const ids = new Set([...text.matchAll(/<@([A-Z0-9]+)(?:\|[^>]*)?>/g)].map((match) => match[1]!));
  const asked = [...ids].slice(0, NAMES_MAX);
  const names = new Map(await Promise.all(asked.map(async (id) => [id, (await personOf(id)).name] as const)));
  return plainText(text, names);
}

/** The text with words for its links; people by the names in `names`, else by what the text has of them. */
export function plainText(text: string, names: ReadonlyMap<string, string> = new Map()): string {
  return unescaped(
    text.replace(/<([^<>]+)>/g, (_, inner: string) => {
      const bar = inner.indexOf('|');
      const [target, label] = bar < 0 ? [inner, ''] : [inner.slice(0, bar), inner.slice(bar + 1)];
      if (target.startsWith('@')) return `@${escaped(names.get(target.slice(1)) ?? '') || label || target.slice(1)}`;
      if (target.startsWith('#')) return `#${label || target.slice(1)}`;
      // <!here>, <!subteam^S123|@team>, <!date^…|fallback>
      if (target.startsWith('!')) return label || `@${target.slice(1).split('^')[0]}`;
      return label === '' || target.endsWith(label) ? target.replace(/^mailto:/, '') : `${label} (${target})`;
    }),
  );
}

/** As Slack wants text that is no markup. */
export function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function unescaped(text: string): string {
  return text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
}
