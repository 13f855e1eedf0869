import type { MessageOrigin } from '../../src/protocol/messages.ts';
import type { SessionParts } from './parts.ts';
import { policyType } from './sub-agent.ts';

/** What the commands /remember and /forget do. Both reject with DhaavakErrors for whoever said them. */
export interface CommandMemory {
  /** The id of the fact. */
  save(text: string): Promise<string>;
  /** False: there is none that the session may forget. */
  forget(fact: string): Promise<boolean>;
}

/** The memory for the command `message`; undefined: it is switched off. What a person says is trusted. */
export function commandMemory(
  parts: Pick<SessionParts, 'shared' | 'record' | 'agentId'>,
  message: string,
  origin: MessageOrigin | undefined,
): CommandMemory | undefined {
  const { memory } = parts.shared;
  if (memory === undefined) return undefined;
  const session = parts.record.existing();
  const { channel, user } = session;
  const reader = memory.readerOf({
    session: session.id,
    agent: parts.agentId(),
    type: policyType(session),
    channel,
    user,
  });
  return {
    async save(text) {
      const sender = origin === undefined ? `${channel}:${user}` : `${origin.channel}:${origin.sender.id}`;
      const said = { text, trusted: true, channel: origin?.channel ?? channel, sender, message };
      return (await memory.facts.save(reader, { ...said, key: `command:${message}` })).id;
    },
    forget: (fact) => memory.facts.forget(reader, fact),
  };
}
