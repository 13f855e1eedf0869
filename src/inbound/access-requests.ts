/** `pairing.…` and `allow.…`: who may talk on channels, for admins. Any shard answers them: all is in the store. */

import type { ChannelsConfig } from '../config/channels.ts';
import { DEFAULT_ACCOUNT } from '../config/default-account.ts';
import { checkRequest } from '../protocol/check.ts';
import { DhaavakError } from '../protocol/errors.ts';
import type { Applicant, PairingEvent, Replies, RequestData } from '../protocol/messages.ts';
import type { GrantKey } from '../storage/pairing.ts';
import type { AllowLists } from './grants.ts';
import { type Pairing, pairingInfo } from './pairing.ts';

export type AccessRequestType = Extract<keyof Replies, `pairing.${string}` | `allow.${string}`>;

export interface AccessDependencies {
  channels: ChannelsConfig;
  pairing: Pairing;
  lists: AllowLists;
  /** Told when a request was resolved, or an approval taken back. */
  tell(event: PairingEvent): void;
}

/** Grants in one page, where the client names no limit. */
const PAGE = 50;

export class AccessRequests {
  readonly #shared: AccessDependencies;

  constructor(dependencies: AccessDependencies) {
    this.#shared = dependencies;
  }

  /** Throws `invalid_request`, `not_found`, `conflict` or `storage_failed`. */
  async answer(type: AccessRequestType, data: unknown): Promise<Replies[AccessRequestType]> {
    const { lists, pairing } = this.#shared;
    switch (type) {
      case 'pairing.list':
        return { pending: pairing.pending(checkRequest(type, data).channel).map(pairingInfo) };
      case 'pairing.approve': {
        const { channel, code } = checkRequest(type, data);
        return this.#resolved('approved', await pairing.approve(channel, code));
      }
      case 'pairing.reject': {
        const { channel, code } = checkRequest(type, data);
        return this.#resolved('rejected', await pairing.reject(channel, code));
      }
      case 'pairing.revoke': {
        const { channel, account, user } = checkRequest(type, data);
        const { name = '', ...grant } = await pairing.revoke(channel, account ?? this.#account(channel), user);
        return this.#resolved('revoked', { ...grant, user, name });
      }
      case 'allow.list':
        return this.#list(checkRequest(type, data));
      case 'allow.add': {
        const { channel, account, kind, peer } = checkRequest(type, data);
        return { grant: await lists.add(channel, this.#configured(channel, account), kind, peer) };
      }
      case 'allow.remove': {
        const { channel, account, kind, peer } = checkRequest(type, data);
        return { grant: await lists.remove(channel, account ?? this.#account(channel), kind, peer) };
      }
    }
  }

  #resolved(outcome: 'approved' | 'rejected' | 'revoked', person: Applicant): Applicant {
    const { channel, account, user, name, username } = person;
    const applicant = { channel, account, user, name, ...(username === undefined ? {} : { username }) };
    this.#shared.tell({ type: 'pairing.resolved', data: { outcome, ...applicant } });
    return applicant;
  }

  #list({ cursor, limit = PAGE, ...filter }: RequestData<'allow.list'>): Replies['allow.list'] {
    const after = cursor === undefined ? undefined : keyOf(cursor);
    const { grants, next } = this.#shared.lists.page({ ...filter, after, limit });
    return next === undefined ? { grants } : { grants, cursor: cursorOf(next) };
  }

  /** The account of a request that names none: the only one, or the one of the usual name. */
  #account(channel: string): string {
    const accounts = this.#accounts(channel);
    return accounts.length === 1 ? (accounts[0] ?? DEFAULT_ACCOUNT) : DEFAULT_ACCOUNT;
  }

  /** Throws `not_found` for an account that is not configured: an entry for it would be a mistake that nobody sees. */
  #configured(channel: string, account = this.#account(channel)): string {
    const accounts = this.#accounts(channel);
    if (accounts.includes(account)) return account;
    const [what, param] =
      accounts.length === 0
        ? [`the configuration has no channel ${channel}`, 'data.channel']
        : [`${channel} has no account ${account}; it has ${accounts.join(', ')}`, 'data.account'];
    throw new DhaavakError('not_found', what, { param });
  }

  #accounts(channel: string): string[] {
    const { custom, ...platforms } = this.#shared.channels;
    if (Object.hasOwn(custom, channel)) return [DEFAULT_ACCOUNT];
    return Object.keys(Object.entries(platforms).find(([platform]) => platform === channel)?.[1] ?? {});
  }
}

function cursorOf(key: GrantKey): string {
  return Buffer.from(JSON.stringify(key)).toString('base64url');
}

/** Throws `invalid_request`. */
function keyOf(cursor: string): GrantKey {
  try {
    const key: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    if (Array.isArray(key) && key.length === 4 && key.every((part) => typeof part === 'string')) return key as GrantKey;
  } catch {
    // told below
  }
  throw new DhaavakError('invalid_request', 'data.cursor is none of allow.list', { param: 'data.cursor' });
}
