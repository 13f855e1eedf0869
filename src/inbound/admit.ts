/**
 * What becomes of a message, by the policies of its account: the first question that is asked of it, and pure.
 *
 *     const access = new AccountAccess(settings, grants);      // once for each account
 *     access.admit(message)  →  run       it is for the agent; `admin`: its sender may use commands that change things
 *                               pair      pairing.request(…), and tell the sender the code it gives
 *                               withhold  not said to the bot: withheld.add(…), context for the next answer
 *                               ignore    nothing, for this `reason`
 *     access.isAdmin(chat, sender)                             // of whoever pressed a button
 *
 * DMs: `open` lets everybody in, `pairing` and `allowlist` whom an operator let in (the lists of users, of the
 * configuration and of the store, and the paired), `closed` nobody. `pairing` gives the others a code.
 *
 * Groups: `all` answers everything, `mention` what is addressed to the bot, `allowlist` the same but only in groups that
 * are listed (by their id, their parent's or their Discord server's), `disabled` nothing. Where the configuration has `users`, only they (and users of the store) are heard at all.
 * The store's list alone does not close groups: otherwise adding the first entry would shut everybody else out, and
 * removing the last would let everybody in. Being paired says nothing in groups.
 *
 * Bots never get a code, and are answered in groups only where they address the bot, also under `all`: two bots that answer
 * whatever they see would never end (`bot-loop.ts` ends those that address each other).
 *
 * `admins` may use the commands that change things in groups; being one lets nobody in. In DMs everybody let in is one.
 */
import type { Chat, InboundMessage, Sender } from '../channels/adapter.ts';
import type { AnyAccount } from '../config/channels.ts';
import { PeerList } from './peer-list.ts';

/** The settings of an account that decide. */
export type AccessRules = Pick<AnyAccount, 'dm' | 'group' | 'users' | 'groups' | 'admins'>;

/** What was granted while the gateway ran: `grants.ts`. */
export interface LiveAccess {
  isPaired(user: string): boolean;
  readonly users: PeerList;
  readonly groups: ReadonlySet<string>;
}

/**
 * - `closed`, `disabled`: the account takes no DMs, or nothing in groups.
 * - `sender`, `group`: not on the list.
 * - `bot`: a bot that may not have a code.
 */
export type IgnoreReason = 'closed' | 'disabled' | 'sender' | 'group' | 'bot';

export type Admission =
  | { readonly type: 'run'; readonly admin: boolean }
  | { readonly type: 'pair' }
  | { readonly type: 'withhold' }
  | { readonly type: 'ignore'; readonly reason: IgnoreReason };

/** Where a message is, who says it, and whether to us. */
export type Admitted = Pick<InboundMessage, 'chat' | 'surroundings' | 'sender' | 'addressed'>;

export class AccountAccess {
  readonly #rules: AccessRules;
  readonly #live: LiveAccess;
  readonly #users: PeerList;
  readonly #groups: ReadonlySet<string>;
  readonly #admins: PeerList;

  constructor(rules: AccessRules, live: LiveAccess) {
    this.#rules = rules;
    this.#live = live;
    this.#users = new PeerList(rules.users);
    this.#groups = new Set(rules.groups);
    this.#admins = new PeerList(rules.admins);
  }

  admit(message: Admitted): Admission {
    return message.chat.type === 'dm' ? this.#admitDm(message.sender) : this.#admitGroup(message);
  }

  /** Whether somebody who is let in may use the commands that change things, here. */
  isAdmin(chat: Chat, sender: Sender): boolean {
    return chat.type === 'dm' || this.#admins.has(sender);
  }

  /** Whether the sender is one of the account's `admins`: only they may decide what a tool does, in DMs too. */
  isOperator(sender: Sender): boolean {
    return this.#admins.has(sender);
  }

  #admitDm(sender: Sender): Admission {
    const { dm } = this.#rules;
    if (dm === 'closed') return ignore('closed');
    if (dm === 'open' || this.#isListed(sender) || this.#live.isPaired(sender.id)) return { type: 'run', admin: true };
    if (dm === 'allowlist') return ignore('sender');
    return sender.bot ? ignore('bot') : { type: 'pair' };
  }

  #admitGroup({ chat, surroundings, sender, addressed }: Admitted): Admission {
    const { group } = this.#rules;
    if (group === 'disabled') return ignore('disabled');
    if (group === 'allowlist' && !this.#isListedGroup([chat.id, surroundings.parent, surroundings.guild])) {
      return ignore('group');
    }
    if (!this.#users.empty && !this.#isListed(sender)) return ignore('sender');
    if (addressed || (group === 'all' && !sender.bot)) return { type: 'run', admin: this.isAdmin(chat, sender) };
    return { type: 'withhold' };
  }

  #isListedGroup(ids: readonly (string | undefined)[]): boolean {
    return ids.some((id) => id !== undefined && (this.#groups.has(id) || this.#live.groups.has(id)));
  }

  #isListed(sender: Sender): boolean {
    return this.#users.has(sender) || this.#live.users.has(sender);
  }
}

function ignore(reason: IgnoreReason): Admission {
  return { type: 'ignore', reason };
}
