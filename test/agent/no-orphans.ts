import { expect } from 'vitest';
import type { ModelMessage } from '../../src/agent/provider.ts';

/** Each call directly followed by its result, each result preceded by its call. */
export function expectNoOrphans(messages: readonly ModelMessage[]): void {
  let open: string[] = [];
  for (const message of messages) {
    if (message.role === 'tool') {
      expect(message.call).toBe(open.shift());
    } else {
      expect(open).toEqual([]);
      if (message.role === 'assistant') open = message.toolCalls.map(({ id }) => id);
    }
  }
  expect(open).toEqual([]);
}
