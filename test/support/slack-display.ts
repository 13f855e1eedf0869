/** How Slack's clients show mrkdwn, as far as bold, italics, code, blocks, links and escapes go. */
import type { Shown } from '../channels/adapter-fixture.ts';
import type { Block } from './slack-world.ts';

const MARKUP =
  /```\n?([\s\S]*?)\n?```|`([^`\n]+)`|(?<![\p{L}\p{N}*])\*(?=\S)([^*\n]*[^\s*])\*(?![\p{L}\p{N}*])|(?<![\p{L}\p{N}_])_(?=\S)([^_\n]*[^\s_])_(?![\p{L}\p{N}_])|<(?:https?:|mailto:|tel:)[^>|]+\|([^>]+)>|<((?:https?:|mailto:|tel:)[^>|]+)>/gu;

/** Text and looks of a message. Mentions are shown as `[rings …]`: none should be there. */
export function displayed(text: string, blocks: readonly Block[]): Pick<Shown, 'text' | 'formatting'> {
  const formatting: Shown['formatting'][number][] = [];
  const show = (mrkdwn: string): string =>
    mrkdwn.replace(MARKUP, (_, block, code, bold, italic, label, bare) => {
      const looks = [
        ['block', block],
        ['code', code],
        ['bold', bold],
        ['italic', italic],
        ['link', label ?? bare],
      ] as const;
      const [look, inner] = looks.find(([, found]) => found !== undefined)!;
      const shown = look === 'bold' || look === 'italic' ? show(inner) : inner;
      formatting.push({ look, text: unescaped(shown) });
      return shown;
    });
  const ringing = (mrkdwn: string): string => mrkdwn.replace(/<([!@#][^>]*)>/g, '[rings $1]');
  const sections = blocks.filter(({ type }) => type === 'section').map(({ text: part }) => part!);
  const shown =
    sections.length === 0
      ? unescaped(show(ringing(text)))
      : sections
          .map((part) => (part.type === 'plain_text' ? part.text : unescaped(show(ringing(part.text)))))
          .join('\n');
  return { text: shown, formatting };
}

function unescaped(text: string): string {
  return text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&').replaceAll('\u200b', '');
}
