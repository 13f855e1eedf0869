import { open } from 'node:fs/promises';
import { imageTypeOf } from '../protocol/image-type.ts';
import { ATTACHMENTS_BYTES_MAX, ATTACHMENTS_MAX } from '../protocol/limits.ts';
import type { RequestData } from '../protocol/messages.ts';
import { CliError, EXIT } from './exit.ts';

export type Images = NonNullable<RequestData<'message.send'>['attachments']>;

/** What a message may come with, as the help says it. */
const IMAGES_MAX = `${ATTACHMENTS_MAX} of PNG, JPEG, WebP or GIF, together ${ATTACHMENTS_BYTES_MAX / 1024} KiB`;

/**
 * The images in these files; their types are told by what is in them, not by their names. Throws a {@link CliError} that
 * names the first file that cannot be sent, before anything is.
 */
export async function readImages(files: readonly string[]): Promise<Images> {
  if (files.length > ATTACHMENTS_MAX) throw refused(`${files.length} images are too many`);
  const images: Images = [];
  let bytesLeft = ATTACHMENTS_BYTES_MAX;
  for (const file of files) {
    const data = await readUpTo(file, bytesLeft);
    bytesLeft -= data.length;
    const mediaType = imageTypeOf(data);
    if (mediaType === undefined) throw refused(`${file} is not an image that can be sent`);
    images.push({ type: 'image', mediaType, data });
  }
  return images;
}

/** What is in a file, without reading one that is too large. */
async function readUpTo(path: string, bytesMax: number): Promise<Buffer> {
  try {
    await using file = await open(path);
    const { size } = await file.stat();
    if (size > bytesMax) throw refused(`${path} is too large: it has ${size} bytes, and ${bytesMax} are left`);
    return await file.readFile();
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw new CliError(`${path} cannot be read: ${(error as Error).message}`, EXIT.usage);
  }
}

function refused(what: string): CliError {
  return new CliError(`${what}; a message may come with up to ${IMAGES_MAX}`, EXIT.usage);
}
