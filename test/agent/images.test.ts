/** Goal: a model is sent the newest images, within the limits, and notes for the others. Method: contexts of all sizes. */
import { describe, expect, it } from 'vitest';
import { CONTEXT_IMAGE_BYTES_MAX, CONTEXT_IMAGES_MAX, IMAGE_NOTE, withImages } from '../../src/agent/images.ts';
import type { ModelMessage } from '../../src/agent/provider.ts';

/** A message with images of the given sizes; -1: one that is not there any more. */
function said(text: string, ...sizes: number[]): ModelMessage {
  const stored = sizes.map((bytes) => ({
    mediaType: 'image/png' as const,
    bytes: Math.max(0, bytes),
    read: () => (bytes < 0 ? undefined : new Uint8Array(bytes)),
  }));
  return { role: 'user', text, stored };
}

/** Of each message its text, and the sizes of its images. */
function sent(...messages: ModelMessage[]): [string, ...number[]][] {
  return withImages(messages).map((message) => [
    message.text,
    ...(message.role === 'user' ? (message.images ?? []).map(({ data }) => data.length) : []),
  ]);
}

describe('the images of a context', () => {
  it('are none where no message has any: the same messages go on', () => {
    const messages: ModelMessage[] = [{ role: 'user', text: 'hello' }];
    expect(withImages(messages)).toBe(messages);
  });

  it(`are the newest ${CONTEXT_IMAGES_MAX}, each in its message and in order, and notes stand for the others`, () => {
    const messages = [said('a', 1, 2, 3), said('b', 4, 5, 6, 7), said('c', 8, 9, 10)];
    expect(sent(...messages)).toEqual([
      [`a\n${IMAGE_NOTE}\n${IMAGE_NOTE}`, 3],
      ['b', 4, 5, 6, 7],
      ['c', 8, 9, 10],
    ]);
  });

  it('have at most the bytes of the limit together, without a hole', () => {
    const half = CONTEXT_IMAGE_BYTES_MAX / 2;
    expect(sent(said('a', 1), said('b', half), said('c', half))).toEqual([
      [`a\n${IMAGE_NOTE}`],
      ['b', half],
      ['c', half],
    ]);
    expect(sent(said('a', 1), said('b', half + 1), said('c', half))).toEqual([
      [`a\n${IMAGE_NOTE}`],
      [`b\n${IMAGE_NOTE}`],
      ['c', half],
    ]);
  });

  it('that are not there any more are noted', () => {
    expect(sent(said('a', -1, 5))).toEqual([[`a\n${IMAGE_NOTE}`, 5]]);
  });
});
