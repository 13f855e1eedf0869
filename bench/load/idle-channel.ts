/** A custom channel that is ready at once and does nothing: what is left is the cost of the channels' thread. */
import type { Adapter } from '../../src/channels/adapter.ts';

export function createAdapter(): Adapter {
  return {
    capabilities: {
      textLengthMax: 4_000,
      edits: false,
      editIntervalMs: 0,
      typingMs: 0,
      buttons: false,
      fileBytesMax: 0,
      detectsDuplicates: false,
    },
    start: async (events) => events.state('ready'),
    stop: async () => undefined,
    send: async () => ({ message: '1' }),
  };
}
