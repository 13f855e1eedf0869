import type { Sender } from '../../src/channels/adapter.ts';

const NAME_LENGTH_MAX = 64;

/** On one line, without what would make it look like somebody else's. */
export function nameOf({ name, username, id }: Sender): string {
  return (name || username || id)
    .replace(/[\s:]+/g, ' ')
    .trim()
    .slice(0, NAME_LENGTH_MAX);
}
