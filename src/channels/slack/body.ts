/**
 * A text and its buttons as the Web API takes them. A short text is just `text`. A longer one is in blocks: `chat.update`
 * takes 4,000 bytes of `text`, counted after escaping, and `chat.postMessage` makes several messages of more, cut anywhere.
 * Beside blocks, `text` is what notifications show.
 */
import type { ActionsBlock, Button as ButtonElement, SectionBlock } from '@slack/web-api';
import type { Button, OutboundMessage } from '../adapter.ts';
import { render } from './render.ts';
import { escaped } from './words.ts';

const TEXT_BYTES_MAX = 4_000;
const SECTION_LENGTH_MAX = 3_000;
/** Slack refuses blocks with about 13,000 characters in all, though it does not say so anywhere. */
const BLOCKS_LENGTH_MAX = 12_000;
const NOTIFICATION_BYTES_MAX = 1_000;
const LABEL_LENGTH_MAX = 75;
const ROW_MAX = 5;
const FENCE = '```';

export interface Body {
  readonly text: string;
  /** None: the text is all there is. */
  readonly blocks: (SectionBlock | ActionsBlock)[];
}

/** Markdown and buttons for one message. What cannot be rendered, or would be too long, is shown as it is. */
export function bodyOf(markdown: string, buttons: OutboundMessage['buttons'] = []): Body {
  const rendered = render(markdown);
  if (rendered !== undefined && buttons.length === 0 && Buffer.byteLength(rendered) <= TEXT_BYTES_MAX) {
    return { text: rendered, blocks: [] };
  }
  const sections =
    rendered !== undefined && rendered.length <= BLOCKS_LENGTH_MAX
      ? cut(rendered).map((text): SectionBlock => ({ type: 'section', text: { type: 'mrkdwn', text }, expand: true }))
      : cut(markdown).map(
          (text): SectionBlock => ({ type: 'section', text: { type: 'plain_text', text }, expand: true }),
        );
  return { text: notification(markdown), blocks: [...sections, ...actions(buttons)] };
}

/** Pieces of at most 3,000 characters, cut between lines if possible, else words; a code block goes on in the next piece. */
export function cut(text: string): string[] {
  const pieces: string[] = [];
  let rest = text;
  while (rest.length > SECTION_LENGTH_MAX) {
    const most = rest.slice(0, SECTION_LENGTH_MAX - FENCE.length - 1);
    const line = most.lastIndexOf('\n');
    const word = most.lastIndexOf(' ');
    const at = line > 0 ? line : word > 0 ? word : whole(most);
    const piece = rest.slice(0, at);
    const open = piece.split(FENCE).length % 2 === 0;
    pieces.push(open ? `${piece}\n${FENCE}` : piece);
    rest = (open ? `${FENCE}\n` : '') + rest.slice(line > 0 || word > 0 ? at + 1 : at);
  }
  return rest.trim() === '' ? pieces : [...pieces, rest];
}

/** Where a text ends that may not end within an entity, a link or a surrogate pair. */
function whole(text: string): number {
  const broken = /(&[a-z]{0,3}|<[^>]*|[\ud800-\udbff])$/.exec(text);
  return broken && broken.index > 0 ? broken.index : text.length;
}

function notification(markdown: string): string {
  let text = markdown.slice(0, NOTIFICATION_BYTES_MAX);
  while (Buffer.byteLength(escaped(text)) > NOTIFICATION_BYTES_MAX) text = text.slice(0, (text.length * 0.8) | 0);
  return escaped(text.slice(0, whole(text)));
}

function actions(buttons: readonly (readonly Button[])[]): ActionsBlock[] {
  const short = buttons.flatMap((row) =>
    Array.from({ length: Math.ceil(row.length / ROW_MAX) }, (_, index) =>
      row.slice(index * ROW_MAX, (index + 1) * ROW_MAX),
    ),
  );
  return short.map((row, number) => ({
    type: 'actions',
    elements: row.map(
      ({ label, data, style }, index): ButtonElement => ({
        type: 'button',
        action_id: `${number}-${index}`,
        text: { type: 'plain_text', text: label.slice(0, LABEL_LENGTH_MAX) },
        value: data,
        ...(style === undefined ? {} : { style }),
      }),
    ),
  }));
}
