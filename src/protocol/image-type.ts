import type { ImageType } from './messages.ts';

/** How a file of each type begins: pieces of Latin-1 text, each with the place where it stands. */
const SIGNATURES: Record<ImageType, [at: number, text: string][][]> = {
  'image/png': [[[0, '\x89PNG\r\n\x1a\n']]],
  'image/jpeg': [[[0, '\xff\xd8\xff']]],
  'image/webp': [
    [
      [0, 'RIFF'],
      [8, 'WEBP'],
    ],
  ],
  'image/gif': [[[0, 'GIF87a']], [[0, 'GIF89a']]],
};

/** What kind of image a file is by how it begins; undefined: none that a message may come with. */
export function imageTypeOf(file: Buffer): ImageType | undefined {
  const types = Object.keys(SIGNATURES) as ImageType[];
  return types.find((type) =>
    SIGNATURES[type].some((pieces) =>
      pieces.every(([at, text]) => file.toString('latin1', at, at + text.length) === text),
    ),
  );
}
