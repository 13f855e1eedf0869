import { changing } from './changing.ts';
import type { Boundary } from './folder.ts';
import { replaceFile } from './replace.ts';
import { bytesInWords } from './text.ts';

export interface WriteRequest {
  path: string;
  content: string;
}

/** Makes `content` all there is in a file, with the folders on the way to it. At most `bytesMax`. */
export async function writeWhole(
  boundary: Boundary,
  bytesMax: number,
  { path, content }: WriteRequest,
): Promise<string> {
  const bytes = Buffer.from(content);
  if (bytes.length > bytesMax) {
    const sizes = `${bytesInWords(bytes.length)}, and a file may be written with ${bytesInWords(bytesMax)} at most`;
    throw new Error(`the content has ${sizes}; write it in several files`);
  }
  return changing(
    boundary,
    path,
    async (folder, name) => {
      const replaced = await replaceFile(folder, name, bytes);
      return `${replaced ? 'replaced' : 'made'} ${folder.shown(name)}: ${bytesInWords(bytes.length)}`;
    },
    { make: true },
  );
}
