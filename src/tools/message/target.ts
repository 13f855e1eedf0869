/** Where `message.send` may write to. */
import { parseTarget } from '../../../actors/channel/channel-key.ts';
import { enabledAccounts } from '../../config/channels.ts';
import { DEFAULT_ACCOUNT } from '../../config/default-account.ts';
import type { Config } from '../../config/schema.ts';
import type { MessageOrigin } from '../../protocol/messages.ts';
import { laneOf } from '../../storage/outbox.ts';

/** A chat on an account that is configured and on. */
export interface ChatTarget {
  channel: string;
  account: string;
  chat: MessageOrigin['chat'];
}

/** Throws an Error that tells a model what to say instead: for what is no target, or on no account that is on. */
export function targetOf(to: string, channels: Config['channels']): ChatTarget {
  const parsed = parse(to);
  const accounts = enabledAccounts(channels).filter(({ platform }) => platform === parsed.platform);
  const account = parsed.account ?? (accounts.length === 1 ? accounts[0]?.account : DEFAULT_ACCOUNT);
  const found = accounts.find((one) => one.account === account);
  if (found === undefined) {
    const names = enabledAccounts(channels).map((one) => `${one.platform}/${one.account}`);
    throw new Error(`no account ${parsed.platform}/${account} is on here; there are: ${names.join(', ') || 'none'}`);
  }
  const { chat: id, thread } = parsed;
  return {
    channel: found.platform,
    account: found.account,
    chat: { id, type: 'dm', ...(thread === undefined ? {} : { thread }) },
  };
}

export function isSameChat(a: ChatTarget, b: Pick<MessageOrigin, 'channel' | 'account' | 'chat'>): boolean {
  return a.channel === b.channel && a.account === b.account && laneOf(a.chat) === laneOf(b.chat);
}

/** As people write it: `telegram/work:123`. */
export function formatTarget({ channel, account, chat }: Pick<MessageOrigin, 'channel' | 'account' | 'chat'>): string {
  return `${channel}${account === DEFAULT_ACCOUNT ? '' : `/${account}`}:${laneOf(chat)}`;
}

function parse(to: string): ReturnType<typeof parseTarget> {
  try {
    return parseTarget(to);
  } catch {
    throw new Error(`"${to.slice(0, 100)}" is no chat: use one such as telegram:123 or telegram/work:123`);
  }
}
