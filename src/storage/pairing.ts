import type { Database, RootDatabase } from 'lmdb';
import type { GrantInfo, PairingInfo } from '../protocol/messages.ts';

/** Somebody who asked to be let in. Times in milliseconds since the epoch; from `expiresAt` on the code is good for nothing. */
export interface PairingRequest extends PairingInfo {
  /** When the person was told the code last. */
  toldAt: number;
  /** An operator said no. The record stays until it expires, so that the person gets no new code before. */
  rejected?: true;
}

export type GrantKind = GrantInfo['kind'];

/** Grants sort by channel, account, kind and peer. */
export type GrantKey = [channel: string, account: string, kind: GrantKind, peer: string];
type RequestKey = [channel: string, account: string, user: string];

export interface PairingTables {
  requests: Database<PairingRequest, RequestKey>;
  grants: Database<GrantInfo, GrantKey>;
  /** How often the lists of an account were changed. */
  versions: Database<number, [channel: string, account: string]>;
}

/**
 * The tables of who asked to be let in and of who was. The channel worker and all shards read and change them, so nobody
 * owns a record: every change reads and writes inside one transaction of the store, of which there is only one at a time
 * over all threads. What was changed every thread reads within a millisecond.
 */
export class PairingTable {
  readonly #root: RootDatabase;
  readonly #tables: PairingTables;

  constructor(root: RootDatabase, tables: PairingTables) {
    this.#root = root;
    this.#tables = tables;
  }

  /**
   * Calls `change` in a transaction. It must not throw: what it had written by then would stay. Survives the death of the
   * process once it has resolved, and that of the machine after {@link flushed}.
   */
  change<T>(change: (records: PairingRecords) => T): Promise<T> {
    return this.#tables.grants.transaction(() => change(new PairingRecords(this.#tables)));
  }

  /** Resolves when all that was changed is on the disk. */
  async flushed(): Promise<void> {
    await this.#root.flushed;
  }

  /** Requests of one channel or of all, also those whose time is over. */
  requests(channel?: string): PairingRequest[] {
    return requestsIn(this.#tables, channel);
  }

  grant(key: GrantKey): GrantInfo | undefined {
    return this.#tables.grants.get(key);
  }

  /** The peers of one kind of grant of an account. */
  peers(channel: string, account: string, kind: GrantKind): string[] {
    return peersIn(this.#tables, channel, account, kind);
  }

  /** All grants in the order of their keys, from `start` on. */
  grantsFrom(start: GrantKey | undefined): Iterable<GrantInfo> {
    const range = this.#tables.grants.getRange(start === undefined ? {} : { start });
    return range.map(({ value }) => value).filter((value) => value !== undefined); // undefined: damaged
  }

  /** Grows with each change of the grants of an account. */
  version(channel: string, account: string): number {
    return this.#tables.versions.get([channel, account]) ?? 0;
  }
}

/** The tables inside a transaction. */
export class PairingRecords {
  readonly #tables: PairingTables;

  constructor(tables: PairingTables) {
    this.#tables = tables;
  }

  requests(channel: string): PairingRequest[] {
    return requestsIn(this.#tables, channel);
  }

  keepRequest(request: PairingRequest): void {
    void this.#tables.requests.put([request.channel, request.account, request.user], request);
  }

  forgetRequest({ channel, account, user }: PairingRequest): void {
    void this.#tables.requests.remove([channel, account, user]);
  }

  grant(key: GrantKey): GrantInfo | undefined {
    return this.#tables.grants.get(key);
  }

  peers(channel: string, account: string, kind: GrantKind): string[] {
    return peersIn(this.#tables, channel, account, kind);
  }

  keepGrant(grant: GrantInfo): void {
    void this.#tables.grants.put([grant.channel, grant.account, grant.kind, grant.peer], grant);
    this.#changed(grant);
  }

  forgetGrant(grant: GrantInfo): void {
    void this.#tables.grants.remove([grant.channel, grant.account, grant.kind, grant.peer]);
    this.#changed(grant);
  }

  #changed({ channel, account }: GrantInfo): void {
    const version = this.#tables.versions.get([channel, account]) ?? 0;
    void this.#tables.versions.put([channel, account], version + 1);
  }
}

function requestsIn({ requests }: PairingTables, channel: string | undefined): PairingRequest[] {
  const found: PairingRequest[] = [];
  for (const { value } of requests.getRange(channel === undefined ? {} : { start: [channel, '', ''] })) {
    if (value === undefined) continue; // damaged
    if (channel !== undefined && value.channel !== channel) break;
    found.push(value);
  }
  return found;
}

function peersIn({ grants }: PairingTables, channel: string, account: string, kind: GrantKind): string[] {
  const found: string[] = [];
  for (const key of grants.getKeys({ start: [channel, account, kind, ''] })) {
    if (key[0] !== channel || key[1] !== account || key[2] !== kind) break;
    found.push(key[3]);
  }
  return found;
}
