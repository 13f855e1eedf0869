/**
 * Access that operators give while the gateway runs, beside what the configuration gives: who is paired, and the users and
 * groups added to the lists of an account. Kept in the store; all threads see a change within a millisecond.
 *
 *     const live = new AccountGrants(store.pairing, channel, account);     // what admit.ts asks
 *     await new AllowLists({ table, now }).add(channel, account, 'user', '4711')
 */
import { DhaavakError } from '../protocol/errors.ts';
import type { GrantInfo } from '../protocol/messages.ts';
import type { GrantKey, GrantKind, PairingRecords, PairingTable } from '../storage/pairing.ts';
import type { LiveAccess } from './admit.ts';
import { PeerList } from './peer-list.ts';

/** Entries that can be added to each list of an account. */
export const LIST_MAX = 1_000;

/** The grants of one account as they are now: its lists are read again when they were changed. */
export class AccountGrants implements LiveAccess {
  readonly #table: PairingTable;
  readonly #channel: string;
  readonly #account: string;
  #version = -1;
  #users = new PeerList([]);
  #groups: ReadonlySet<string> = new Set();

  constructor(table: PairingTable, channel: string, account: string) {
    this.#table = table;
    this.#channel = channel;
    this.#account = account;
  }

  isPaired(user: string): boolean {
    return this.#table.grant([this.#channel, this.#account, 'paired', user]) !== undefined;
  }

  get users(): PeerList {
    this.#refresh();
    return this.#users;
  }

  get groups(): ReadonlySet<string> {
    this.#refresh();
    return this.#groups;
  }

  #refresh(): void {
    const version = this.#table.version(this.#channel, this.#account);
    if (version === this.#version) return;
    this.#users = new PeerList(this.#table.peers(this.#channel, this.#account, 'user'));
    this.#groups = new Set(this.#table.peers(this.#channel, this.#account, 'group'));
    this.#version = version;
  }
}

/** The lists that requests change. */
export class AllowLists {
  readonly #table: PairingTable;
  readonly #now: () => number;

  constructor({ table, now }: { table: PairingTable; now: () => number }) {
    this.#table = table;
    this.#now = now;
  }

  /** Adds an entry; one that is there already stays as it is. Throws `conflict` when the list is full. */
  async add(channel: string, account: string, kind: 'user' | 'group', peer: string): Promise<GrantInfo> {
    const added = await this.#change((records) => {
      const there = records.grant([channel, account, kind, peer]);
      if (there !== undefined) return there;
      if (records.peers(channel, account, kind).length >= LIST_MAX) return undefined;
      const grant: GrantInfo = { channel, account, kind, peer, grantedAt: this.#now() };
      records.keepGrant(grant);
      return grant;
    });
    if (added !== undefined) return added;
    throw new DhaavakError('conflict', `there are ${LIST_MAX} ${kind}s already: remove one, or use the configuration`);
  }

  /** Throws `not_found`. */
  async remove(channel: string, account: string, kind: 'user' | 'group', peer: string): Promise<GrantInfo> {
    const removed = await this.#change((records) => {
      const grant = records.grant([channel, account, kind, peer]);
      if (grant !== undefined) records.forgetGrant(grant);
      return grant;
    });
    if (removed !== undefined) return removed;
    const message = `no ${kind} ${peer} was added to ${channel}, account ${account}; what the configuration lists stays`;
    throw new DhaavakError('not_found', message, { param: 'data.peer' });
  }

  /** At most `limit` grants of all kinds, of one channel or account if named, and where the next page begins. */
  page({ channel, account, kind, after, limit }: GrantPage): { grants: GrantInfo[]; next: GrantKey | undefined } {
    const grants: GrantInfo[] = [];
    for (const grant of this.#table.grantsFrom(
      after ?? (channel === undefined ? undefined : [channel, '', 'group', '']),
    )) {
      if (channel !== undefined && grant.channel !== channel) break;
      if (account !== undefined && grant.account !== account) continue;
      if (kind !== undefined && grant.kind !== kind) continue;
      if (grants.length === limit) return { grants, next: [grant.channel, grant.account, grant.kind, grant.peer] };
      grants.push(grant);
    }
    return { grants, next: undefined };
  }

  async #change<T>(change: (records: PairingRecords) => T): Promise<T> {
    try {
      const result = await this.#table.change(change);
      await this.#table.flushed();
      return result;
    } catch (error) {
      throw new DhaavakError('storage_failed', 'the lists could not be read and written', { cause: error });
    }
  }
}

export interface GrantPage {
  channel?: string | undefined;
  account?: string | undefined;
  kind?: GrantKind | undefined;
  after?: GrantKey | undefined;
  limit: number;
}
