/** The names of channel accounts, of the chats on them, and of the sessions of those chats. */
import { DEFAULT_ACCOUNT } from '../../src/config/default-account.ts';
import { DhaavakError } from '../../src/protocol/errors.ts';

/** An account's actor: `telegram:work`. */
export function channelKey(platform: string, account: string): string {
  return `${platform}:${account}`;
}

/** Where a message is to go: `telegram:123`, `telegram/work:123`, and a thread behind a slash: `slack:C12/1712.0001`. */
export interface Target {
  platform: string;
  /** Undefined: the one there is. */
  account: string | undefined;
  chat: string;
  thread: string | undefined;
}

/** Throws `invalid_request`. */
export function parseTarget(to: string): Target {
  const [, platform, account, chat, thread] =
    /^([a-z][a-z0-9-]*)(?:\/([a-z][a-z0-9-]*))?:([^/\s]+)(?:\/([^\s]+))?$/.exec(to) ?? [];
  if (platform === undefined || chat === undefined) {
    throw new DhaavakError('invalid_request', 'data.to must be such as telegram:123 or telegram/work:123', {
      param: 'data.to',
    });
  }
  return { platform, account, chat, thread };
}

/** The `user` of the session that a chat is: `[<account>@]<chat>[/<thread>]`. */
export function userOf(account: string, chat: { id: string; thread?: string | undefined }): string {
  const place = chat.thread === undefined ? chat.id : `${chat.id}/${chat.thread}`;
  return account === DEFAULT_ACCOUNT ? place : `${account}@${place}`;
}
