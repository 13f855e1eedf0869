/**
 * Pairing (design §9): an unknown person who writes to the bot gets a code, and nothing of what they say runs until an
 * operator has approved it: `dhaavak pairing approve <channel> <code>`.
 *
 *     const pairing = new Pairing({ table: store.pairing, now: Date.now });      // in any thread
 *     await pairing.request(channel, account, sender)      // for an admission of `pair`
 *        → { type: 'told', request, isNew }   tell the sender `pairingText(request)`; isNew: pairing.requested for operators
 *          { type: 'silent', reason }         tell the sender nothing
 *          { type: 'paired' }                 approved in between: admit again
 *     await pairing.approve(channel, code) · reject(channel, code) · revoke(channel, account, user)   // what operators do
 *
 * A code has 8 of 32 characters, drawn by the system's generator: 40 bits, good for an hour. Operators compare it with what
 * the person says, so it must be hard to guess by other *people who ask*, of whom there are three at a time; trying codes
 * out takes the scope `admin`, which needs no code.
 *
 * A fourth person is told nothing: an answer would have to be remembered for everybody who asks (or be sent each time, and
 * the bot be an amplifier). As soon as a request is resolved or an hour old, their next message gets a code. Somebody who
 * asks again gets the same code, at most once a minute. Somebody rejected is told nothing until the hour is over.
 */
import { randomBytes } from 'node:crypto';
import type { Sender } from '../channels/adapter.ts';
import { DhaavakError } from '../protocol/errors.ts';
import type { GrantInfo, PairingInfo } from '../protocol/messages.ts';
import type { PairingRecords, PairingRequest, PairingTable } from '../storage/pairing.ts';

/** Life of a code, in milliseconds. */
export const CODE_TTL_MS = 3_600_000;
/** Requests that wait for an operator, for each account. */
export const PENDING_MAX = 3;
/** Least time between two answers to one person, in milliseconds. */
export const TOLD_AGAIN_MS = 60_000;
/** Paired people of an account. */
export const PAIRED_MAX = 10_000;
/** Further in the future nothing was asked for, in milliseconds. */
const AHEAD_MS = 60_000;
const CODE_LENGTH = 8;
/** 32 characters, none of which is taken for another: no 0, O, 1, I. */
const ALPHABET = 'ABCDEFGHJKLMNPQRSTUVWXYZ23456789';
/** Names are chosen by strangers and shown to operators. */
const NAME_LENGTH_MAX = 128;
/** A rejected request needs no place among the pending, but a bound: the oldest are forgotten first. */
const REJECTED_MAX = 100;

export type PairingAnswer =
  | { readonly type: 'told'; readonly request: PairingRequest; readonly isNew: boolean }
  /** `told`: less than a minute ago. `full`: three others wait. `rejected`: an operator said no. */
  | { readonly type: 'silent'; readonly reason: 'told' | 'full' | 'rejected' }
  | { readonly type: 'paired' };

export interface PairingDependencies {
  table: PairingTable;
  /** Milliseconds since the epoch. */
  now: () => number;
  /** A new code; for tests. */
  newCode?: () => string;
}

export class Pairing {
  readonly #shared: Required<PairingDependencies>;

  constructor(dependencies: PairingDependencies) {
    this.#shared = { newCode: randomCode, ...dependencies };
  }

  /** What to tell somebody who is not let in. Throws `storage_failed`. */
  request(channel: string, account: string, sender: Sender): Promise<PairingAnswer> {
    return this.#change((records) => {
      const now = this.#shared.now();
      if (records.grant([channel, account, 'paired', sender.id])) return { type: 'paired' };
      const requests = forgetExpired(records, channel, now);
      const own = requests.find((request) => request.account === account && request.user === sender.id);
      if (own !== undefined) return tellAgain(records, own, now);
      const pending = requests.filter((request) => request.account === account && !request.rejected);
      if (pending.length >= PENDING_MAX) return { type: 'silent', reason: 'full' };
      const request = this.#newRequest(channel, account, sender, requests);
      records.keepRequest(request);
      return { type: 'told', request, isNew: true };
    });
  }

  /** Requests that an operator may resolve, oldest first. */
  pending(channel?: string): PairingRequest[] {
    const now = this.#shared.now();
    const pending = this.#shared.table
      .requests(channel)
      .filter(({ expiresAt, rejected }) => now < expiresAt && !rejected);
    return pending.sort((a, b) => a.requestedAt - b.requestedAt);
  }

  /** Lets the person in whose code this is. Throws `not_found`, also for all but the first of several at once. */
  async approve(channel: string, code: string): Promise<PairingRequest> {
    const approved = await this.#change((records) => {
      const now = this.#shared.now();
      const request = findPending(forgetExpired(records, channel, now), code);
      if (request === undefined) return 'unknown';
      const { account, user, name, username } = request;
      if (records.peers(channel, account, 'paired').length >= PAIRED_MAX) return 'full';
      const person = { peer: user, name, ...(username === undefined ? {} : { username }) };
      records.forgetRequest(request);
      records.keepGrant({ channel, account, kind: 'paired', ...person, grantedAt: now });
      return request;
    }, 'flushed');
    if (approved === 'unknown') throw noSuchCode(channel);
    if (approved === 'full') throw new DhaavakError('conflict', `${PAIRED_MAX} people are paired: revoke one first`);
    return approved;
  }

  /** Refuses the request with this code. Throws `not_found`. */
  async reject(channel: string, code: string): Promise<PairingRequest> {
    const rejected = await this.#change((records) => {
      const requests = forgetExpired(records, channel, this.#shared.now());
      const request = findPending(requests, code);
      if (request === undefined) return undefined;
      const earlier = requests.filter(({ account, rejected }) => account === request.account && rejected);
      const oldest = earlier.sort((a, b) => a.requestedAt - b.requestedAt)[0];
      if (earlier.length >= REJECTED_MAX && oldest !== undefined) records.forgetRequest(oldest);
      records.keepRequest({ ...request, rejected: true });
      return request;
    }, 'flushed');
    if (rejected === undefined) throw noSuchCode(channel);
    return rejected;
  }

  /** Takes back an approval: the person's next message gets a code again. Throws `not_found`. */
  async revoke(channel: string, account: string, user: string): Promise<GrantInfo> {
    const revoked = await this.#change((records) => {
      const grant = records.grant([channel, account, 'paired', user]);
      if (grant !== undefined) records.forgetGrant(grant);
      return grant;
    }, 'flushed');
    if (revoked !== undefined) return revoked;
    throw new DhaavakError('not_found', `${user} is not paired on ${channel}, account ${account}`, {
      param: 'data.user',
    });
  }

  #newRequest(channel: string, account: string, sender: Sender, others: readonly PairingRequest[]): PairingRequest {
    const requestedAt = this.#shared.now();
    let code = this.#shared.newCode();
    // Unique in the channel, since that is how an operator names it.
    while (others.some((other) => other.code === code)) code = this.#shared.newCode();
    return {
      channel,
      account,
      user: sender.id,
      name: sender.name.slice(0, NAME_LENGTH_MAX),
      ...(sender.username === undefined ? {} : { username: sender.username.slice(0, NAME_LENGTH_MAX) }),
      code,
      requestedAt,
      expiresAt: requestedAt + CODE_TTL_MS,
      toldAt: requestedAt,
    };
  }

  async #change<T>(change: (records: PairingRecords) => T, until?: 'flushed'): Promise<T> {
    try {
      const result = await this.#shared.table.change(change);
      if (until === 'flushed') await this.#shared.table.flushed();
      return result;
    } catch (error) {
      throw new DhaavakError('storage_failed', 'the pairing could not be read and written', { cause: error });
    }
  }
}

/** The request as operators see it; of `pairing.requested` too. */
export function pairingInfo({ toldAt: _, rejected: __, ...info }: PairingRequest): PairingInfo {
  return info;
}

/** What a person who is not let in is told. */
export function pairingText({ channel, code }: PairingRequest): string {
  return [
    'I answer only people my operator has let in. Your pairing code is:',
    `\`${code}\``,
    `Ask the operator to run \`dhaavak pairing approve ${channel} ${code}\` within an hour.`,
  ].join('\n\n');
}

/** Each of the 32 characters as likely as any other: 256 is a multiple of 32. */
function randomCode(): string {
  return Array.from(randomBytes(CODE_LENGTH), (byte) => ALPHABET[byte % ALPHABET.length]).join('');
}

/**
 * The requests of the channel whose time is not over; the others are taken out. One that was made in the future was made
 * when the machine's clock was wrong: it has its hour from now.
 */
function forgetExpired(records: PairingRecords, channel: string, now: number): PairingRequest[] {
  const requests = records.requests(channel).map((request) => {
    if (request.requestedAt <= now + AHEAD_MS) return request;
    const put = { ...request, requestedAt: now, expiresAt: now + CODE_TTL_MS, toldAt: Math.min(now, request.toldAt) };
    records.keepRequest(put);
    return put;
  });
  for (const request of requests) if (now >= request.expiresAt) records.forgetRequest(request);
  return requests.filter(({ expiresAt }) => now < expiresAt);
}

function tellAgain(records: PairingRecords, request: PairingRequest, now: number): PairingAnswer {
  if (request.rejected) return { type: 'silent', reason: 'rejected' };
  if (Math.abs(now - request.toldAt) < TOLD_AGAIN_MS) return { type: 'silent', reason: 'told' };
  const told = { ...request, toldAt: now };
  records.keepRequest(told);
  return { type: 'told', request: told, isNew: false };
}

/** As people type them: in any case, with spaces or dashes between. */
function findPending(requests: readonly PairingRequest[], code: string): PairingRequest | undefined {
  const wanted = code.replace(/[\s-]/g, '').toUpperCase();
  return requests.find((request) => request.code === wanted && !request.rejected);
}

function noSuchCode(channel: string): DhaavakError {
  const message = `no request on ${channel} has this code: it was resolved, or is over an hour old`;
  return new DhaavakError('not_found', message, { param: 'data.code' });
}
