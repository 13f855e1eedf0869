import { describe, expect, it } from 'vitest';
import type { Capabilities } from '../../src/channels/adapter.ts';
import { replyTo } from '../../src/delivery/reply.ts';

const capabilities: Capabilities = {
  textLengthMax: 4_000,
  edits: true,
  editIntervalMs: 1_000,
  typingMs: 0,
  buttons: false,
  fileBytesMax: 0,
  detectsDuplicates: false,
};
const opening: Capabilities = { ...capabilities, repliesOpenThreads: true };

describe('an answer', () => {
  it('is a reply to what it answers', () => {
    expect(replyTo(capabilities, { id: 'c', type: 'dm' }, 'm1')).toEqual({ replyTo: 'm1' });
    expect(replyTo(capabilities, { id: 'c', type: 'dm' }, undefined)).toEqual({});
  });

  it('is none where a reply would begin a thread, and with it another conversation', () => {
    expect(replyTo(opening, { id: 'c', type: 'dm' }, 'm1')).toEqual({});
    expect(replyTo(opening, { id: 'c', type: 'group', thread: 't1' }, 'm1')).toEqual({ replyTo: 'm1' });
  });
});
