/** What a server answers to a call, as text for the model. */
import { z } from 'zod';
import type { McpAnswer } from './messages.ts';

/** In UTF-16 code units: below the limit of the registry, so that the marks round it are never cut. */
export const TEXT_LENGTH_MAX = 32_000;
/** Of a URI or a name in a line of ours. */
const LABEL_LENGTH_MAX = 512;

const label = z.string().transform((text) => JSON.stringify(text.slice(0, LABEL_LENGTH_MAX)).slice(1, -1));
const media = z.object({ type: z.enum(['image', 'audio']), data: z.string(), mimeType: label });
const embedded = z.object({
  uri: label,
  mimeType: label.optional(),
  text: z.string().optional(),
  blob: z.string().optional(),
});
const block = z.union([
  z.object({ type: z.literal('text'), text: z.string() }),
  media,
  z.object({ type: z.literal('resource'), resource: embedded }),
  z.object({ type: z.literal('resource_link'), uri: label, name: label, mimeType: label.optional() }),
]);

export const callResult = z.looseObject({
  content: z.array(z.unknown()).default([]),
  structuredContent: z.looseObject({}).optional(),
  isError: z.boolean().optional(),
});

/**
 * Texts as they are; of what is no text the model is told what it is and how large. Structured content is given only where
 * there is no other: the protocol wants servers to send it as text too.
 */
export function answerOf({ content, structuredContent, isError }: z.output<typeof callResult>): McpAnswer {
  const pieces: string[] = [];
  let length = 0;
  let left = 0;
  for (const item of content) {
    if (length > TEXT_LENGTH_MAX) left += 1;
    else {
      const piece = pieceOf(item);
      pieces.push(piece);
      length += piece.length + 1;
    }
  }
  if (pieces.length === 0 && structuredContent !== undefined) pieces.push(JSON.stringify(structuredContent));
  const text = bounded(pieces.join('\n'), left);
  return { text: text === '' ? '(an empty result)' : text, failed: isError === true, foreign: true };
}

function pieceOf(item: unknown): string {
  const parsed = block.safeParse(item);
  if (!parsed.success) return '[content of a kind that is not known here]';
  const found = parsed.data;
  switch (found.type) {
    case 'text':
      return found.text;
    case 'image':
    case 'audio':
      return `[${found.type}, ${found.mimeType}, ${bytesOf(found.data)} bytes: it cannot be shown here]`;
    case 'resource_link':
      return `[link to the resource ${found.uri} (${found.name}${found.mimeType === undefined ? '' : `, ${found.mimeType}`})]`;
    case 'resource': {
      const { uri, mimeType = 'of an unknown type', text, blob } = found.resource;
      if (text !== undefined) return `[resource ${uri}, ${mimeType}]\n${text}`;
      return `[resource ${uri}, ${mimeType}, ${bytesOf(blob ?? '')} bytes: it cannot be shown here]`;
    }
  }
}

/** Of base64. */
function bytesOf(base64: string): number {
  return Math.floor((base64.replace(/=+$/, '').length * 3) / 4);
}

function bounded(text: string, piecesLeft: number): string {
  const cut = text.length - TEXT_LENGTH_MAX;
  if (cut <= 0) return text;
  const more = piecesLeft === 0 ? '' : ` and ${piecesLeft} more pieces of content`;
  return `${text.slice(0, TEXT_LENGTH_MAX)}\n[${cut} more characters${more} were cut: ask the tool for less at a time]`;
}
