/** The images a message comes with, from the wire to the store. */
import { DhaavakError } from '../../src/protocol/errors.ts';
import { imageTypeOf } from '../../src/protocol/image-type.ts';
import { ATTACHMENTS_BYTES_MAX } from '../../src/protocol/limits.ts';
import type { Attachment, RequestData } from '../../src/protocol/messages.ts';

/** Images and what is told about each. */
export interface Attached {
  attachments: readonly Attachment[];
  images: readonly Buffer[];
}

/** Strict: the alphabet of RFC 4648 section 4, whole groups of four. */
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/** The images of a message in bytes of their own. Throws `invalid_request` that names the first that is not in order. */
export function attachedTo(given: NonNullable<RequestData<'message.send'>['attachments']>): Attached {
  const images: Buffer[] = [];
  let total = 0;
  for (const [index, { mediaType, data }] of given.entries()) {
    const param = `data.attachments.${index}.data`;
    const image = bytesOf(data, param);
    if (image.length === 0) throw wrong(param, 'is empty');
    total += image.length;
    if (total > ATTACHMENTS_BYTES_MAX) {
      throw wrong('data.attachments', `has more than ${ATTACHMENTS_BYTES_MAX} bytes of images`);
    }
    if (imageTypeOf(image) !== mediaType) throw wrong(param, `does not begin as ${mediaType} does`);
    images.push(image);
  }
  const attachments = given.map(({ type, mediaType }, index) => ({ type, mediaType, bytes: images[index]!.length }));
  return { attachments, images };
}

/** Copied: what a frame was decoded to is a view of the memory it came in. */
function bytesOf(data: Uint8Array | string, param: string): Buffer {
  if (typeof data !== 'string') return Buffer.from(data);
  if (data.length % 4 !== 0 || !BASE64.test(data)) throw wrong(param, 'is not base64');
  return Buffer.from(data, 'base64');
}

function wrong(param: string, what: string): DhaavakError {
  return new DhaavakError('invalid_request', `${param} ${what}`, { param });
}
