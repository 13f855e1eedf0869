import type { InboundMessage, Sender } from '../../src/channels/adapter.ts';

let count = 0;

/** A message as an adapter makes it: in a DM with Ada, unless told otherwise. */
export function inbound(changes: Partial<InboundMessage> = {}): InboundMessage {
  count += 1;
  return {
    update: `u${count}`,
    chat: { id: 'c1', type: 'dm' },
    surroundings: {},
    sender: person('1'),
    message: `m${count}`,
    text: `text ${count}`,
    addressed: true,
    attachments: [],
    timestamp: count,
    ...changes,
  };
}

export function person(id: string, changes: Partial<Sender> = {}): Sender {
  return { id, name: `Person ${id}`, username: `user_${id}`, bot: false, ...changes };
}
