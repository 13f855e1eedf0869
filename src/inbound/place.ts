/** Which session a chat of a channel is. */
import { userOf } from '../../actors/channel/channel-key.ts';
import { sessionKey } from '../../actors/session/session-key.ts';
import type { InboundMessage } from '../channels/adapter.ts';
import type { Config } from '../config/schema.ts';
import { createRoute } from './route.ts';

/** The `channel` of the sessions of people who have one over several channels. */
const PERSON = 'person';

/** The key of the session that a message on an account belongs to. Throws `invalid_request` for ids that are too long. */
export type Place = (
  on: { platform: string; account: string },
  message: Pick<InboundMessage, 'chat' | 'sender' | 'surroundings'>,
) => string;

/**
 * A group (or a thread of it) is one session, so is a direct chat; the direct chats of a person of `identities` are one
 * together. The agent is chosen by the bindings: a person is the peer of a direct chat, a group or its thread of another.
 */
export function createPlace({ bindings, identities }: Pick<Config, 'bindings' | 'identities'>): Place {
  const route = createRoute(bindings);
  const people = new Map(identities.flatMap(({ name, peers }) => peers.map((peer) => [peer, name] as const)));
  return ({ platform, account }, { chat, sender, surroundings }) => {
    const { guild, team, parent } = surroundings;
    const dm = chat.type === 'dm';
    const thread = chat.thread === undefined ? undefined : `${chat.id}/${chat.thread}`;
    const peer = dm ? sender.id : (thread ?? chat.id);
    const parentPeer = parent ?? (thread === undefined || dm ? undefined : chat.id);
    const agent = route({ channel: platform, account, peer, parentPeer, guild, team });
    const person = dm
      ? (people.get(`${platform}/${account}:${sender.id}`) ?? people.get(`${platform}:${sender.id}`))
      : undefined;
    return person === undefined
      ? sessionKey({ agent, type: chat.type, channel: platform, user: userOf(account, chat) })
      : sessionKey({ agent, type: 'dm', channel: PERSON, user: person });
  };
}
