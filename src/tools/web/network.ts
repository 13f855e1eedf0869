/**
 * What the tools of the web may reach, and the one way to get there: `web.fetch`, `web.search` and every request of the
 * browser go through here, so that there is one set of rules and no second door.
 *
 *     URL ── target() ──> scheme, credentials, host, port ── locate() ──> one look-up, every address checked ── dial()
 *                                                                  a socket to one of exactly these addresses
 *
 * The name is never looked up again, so that a name server that answers twice differently gains nothing.
 */

import { Resolver, lookup as systemLookup } from 'node:dns/promises';
import { once } from 'node:events';
import { BlockList, connect, isIP, isIPv6, type LookupFunction, type Socket } from 'node:net';
import { type AllowedHost, parseAllowedHost } from '../../config/allowed-host.ts';
import { canonicalAddress, isMetadata, privateBecause } from './address.ts';

/** How long a connection may take to be made, in milliseconds, all addresses of a host together. */
const CONNECT_MS = 10_000;
/** How long one address is waited for before the next one is tried beside it, in milliseconds. */
const NEXT_ADDRESS_MS = 300;
/** Wait for one answer of a name server, in milliseconds, and how often it is asked. */
const LOOKUP = { timeout: 2_500, tries: 2 };
/** Of one name; more of them are no site's. */
const ADDRESSES_MAX = 32;
/** Characters. A longer URL is refused. */
export const URL_LENGTH_MAX = 8_192;
/** Characters of a host that an error repeats. */
const HOST_SHOWN_MAX = 100;

/** Names that mean this machine or its cloud, whatever they resolve to. */
const INTERNAL_NAMES =
  /(^|\.)(localhost|localdomain|metadata\.google\.internal|metadata\.goog|instance-data)$|^metadata$/;

/** The rules refuse it: nothing was sent. */
export class BlockedError extends Error {
  override readonly name = 'BlockedError';
}

/** Where a request goes. */
export interface Target {
  /** As `URL` writes it, IPv6 without brackets, no dot at the end. */
  host: string;
  port: number;
}

/** A target and the addresses it was found at, each of them allowed. */
export interface Located extends Target {
  addresses: readonly string[];
}

export interface NetworkSettings {
  /** Hosts and networks the operator opens, as in `tools.web.allow`. */
  allow: readonly string[];
  ports: readonly number[];
}

/** The addresses of `host`; throws where there is none. `trusted`: the operator has named it. */
export type Resolve = (host: string, signal: AbortSignal, trusted: boolean) => Promise<readonly string[]>;

export class NetworkRules {
  readonly #allow: readonly (AllowedHost & { network?: BlockList })[];
  readonly #ports: ReadonlySet<number>;
  readonly #resolve: Resolve;

  /** Throws for an entry that is none. `resolve` is for tests. */
  constructor({ allow, ports }: NetworkSettings, resolve: Resolve = resolveName) {
    this.#allow = allow.map(allowed);
    this.#ports = new Set(ports);
    this.#resolve = resolve;
  }

  /** The URL, as far as it can be judged by itself; throws a BlockedError that says what is wrong. */
  parse(text: string, base?: URL): URL {
    if (text.length > URL_LENGTH_MAX) throw new BlockedError(`a URL has at most ${URL_LENGTH_MAX} characters`);
    const url = URL.parse(text, base?.href);
    if (url === null) throw new BlockedError('this is not a URL; give a whole one such as https://example.org/page');
    this.target(url);
    return url;
  }

  /** Where a request for `url` goes, if its scheme, credentials, name and port are allowed. Throws a BlockedError. */
  target(url: URL): Target {
    if (url.protocol !== 'http:' && url.protocol !== 'https:') {
      throw new BlockedError(`${url.protocol.slice(0, 20)} is not allowed: only http: and https: are`);
    }
    if (url.username !== '' || url.password !== '') {
      throw new BlockedError('a URL with a user name or password in it is not allowed: leave them out');
    }
    const host = url.hostname.replace(/^\[(.*)\]$/, '$1').replace(/\.$/, '');
    const port = Number(url.port) || (url.protocol === 'https:' ? 443 : 80);
    return this.#permit({ host, port });
  }

  /** Where `host:port` of a CONNECT request leads. Throws a BlockedError. */
  targetOf(authority: string): Target {
    const url = /^[^/?#@\\\s]+:\d{1,5}$/.test(authority) ? URL.parse(`http://${authority}/`) : null;
    if (url === null) throw new BlockedError('this is not a host with a port');
    return this.target(url);
  }

  /** Looks the host up, once, and checks every address. Throws a BlockedError, or an Error where there is no such host. */
  async locate(target: Target, signal: AbortSignal): Promise<Located> {
    const { host } = target;
    const trusted = this.#namesIt(target);
    const found = isIP(host) === 0 ? await this.#resolve(host, signal, trusted) : [host];
    if (found.length === 0) throw new Error(`${shown(host)} has no address`);
    const addresses = [...new Set(found.slice(0, ADDRESSES_MAX).map(canonicalAddress))];
    for (const address of addresses) this.#checkAddress(address, target, trusted);
    return { ...target, addresses };
  }

  /** A connection to one of the addresses, and to no other. Throws an Error when none of them answers in time. */
  async dial({ host, port, addresses }: Located, signal: AbortSignal): Promise<Socket> {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(CONNECT_MS)]);
    const socket = connect({
      host,
      port,
      lookup: pinned(addresses),
      autoSelectFamily: true,
      autoSelectFamilyAttemptTimeout: NEXT_ADDRESS_MS,
    });
    try {
      await once(socket, 'connect', { signal: limit });
    } catch (cause) {
      socket.on('error', () => {}).destroy();
      signal.throwIfAborted();
      throw new Error(`${shown(host)} does not answer on port ${port}`, { cause });
    }
    const remote = socket.remoteAddress;
    if (remote !== undefined && addresses.includes(canonicalAddress(remote))) return socket;
    socket.destroy();
    throw new BlockedError(`${shown(host)} was not reached at the address that was checked`);
  }

  #permit(target: Target): Target {
    const { host, port } = target;
    const named = this.#namesIt(target);
    if (isIP(host) === 0) {
      if (host === '' || host.includes('%')) throw new BlockedError('the URL names no host');
      if (!named && INTERNAL_NAMES.test(host)) throw new BlockedError(`${shown(host)} is this machine or its cloud`);
    } else {
      this.#checkAddress(canonicalAddress(host), target, named);
    }
    // One that is open for somebody; for whom, the addresses will tell.
    if (!this.#ports.has(port) && !this.#allow.some((entry) => entry.port === port)) throw this.#wrongPort(port);
    return target;
  }

  #checkAddress(address: string, { host, port }: Target, trusted: boolean): void {
    const opened = this.#allow.filter((entry) => isIn(entry, address) && this.#isFor(entry, port));
    if (isMetadata(address)) {
      if (opened.some(({ prefix }) => prefix === (isIPv6(address) ? 128 : 32))) return;
      throw new BlockedError(
        `${shown(host)} serves the metadata of a cloud: only an entry for exactly ${address} opens it`,
      );
    }
    if (trusted || opened.length > 0) return;
    const reason = privateBecause(address);
    const at = host === address ? host : `${shown(host)}, found at ${address},`;
    if (reason !== undefined) throw new BlockedError(`${at} ${reason}: only the public internet may be reached`);
    if (!this.#ports.has(port)) throw this.#wrongPort(port);
  }

  /** Whether the operator has opened this very name, on this port. */
  #namesIt({ host, port }: Target): boolean {
    return this.#allow.some((entry) => entry.name === host && this.#isFor(entry, port));
  }

  #isFor({ port: only }: AllowedHost, port: number): boolean {
    return only === undefined ? this.#ports.has(port) : only === port;
  }

  #wrongPort(port: number): BlockedError {
    return new BlockedError(`port ${port} is not allowed: only ${[...this.#ports].join(', ')} are`);
  }
}

function allowed(text: string): AllowedHost & { network?: BlockList } {
  const entry = parseAllowedHost(text);
  if (entry === undefined) throw new Error(`"${text}" is neither a host name nor a network such as 10.0.0.0/8`);
  const { address, prefix } = entry;
  if (address === undefined || prefix === undefined) return entry;
  const network = new BlockList();
  network.addSubnet(address, prefix, familyOf(address));
  return { ...entry, network };
}

function isIn({ address: of, network }: AllowedHost & { network?: BlockList }, address: string): boolean {
  // Families are kept apart: BlockList itself takes ::ffff:10.0.0.1 for a part of 10.0.0.0/8.
  return of !== undefined && isIPv6(of) === isIPv6(address) && network?.check(address, familyOf(address)) === true;
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIPv6(address) ? 'ipv6' : 'ipv4';
}

/** Gives whoever connects the addresses that were checked, whatever it asks for. */
function pinned(addresses: readonly string[]): LookupFunction {
  const records = addresses.map((address) => ({ address, family: isIPv6(address) ? 6 : 4 }));
  return (_host, options, callback) => {
    const [first] = records;
    if (options.all) callback(null, records);
    else callback(null, first?.address ?? '', first?.family);
  };
}

/**
 * Asks name servers directly: exactly this name, no search domain that would make `metadata` a host of the cloud, and no
 * thread of libuv's pool, which the whole process shares with its files. A name the operator has opened is looked up as the
 * system does, /etc/hosts included.
 */
const resolveName: Resolve = async (host, signal, trusted) => {
  if (trusted) {
    const found = await systemLookup(host, { all: true }).catch((cause: unknown) =>
      Promise.reject(notFound(host, cause)),
    );
    return found.map(({ address }) => address);
  }
  const resolver = new Resolver(LOOKUP);
  const cancel = (): void => resolver.cancel();
  signal.addEventListener('abort', cancel, { once: true });
  try {
    const answers = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
    signal.throwIfAborted();
    const found = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
    if (found.length > 0) return found;
    throw notFound(host, answers.find((answer) => answer.status === 'rejected')?.reason);
  } finally {
    signal.removeEventListener('abort', cancel);
  }
};

function notFound(host: string, cause: unknown): Error {
  const code = (cause as NodeJS.ErrnoException | undefined)?.code;
  return new Error(`${shown(host)} cannot be found (${code ?? 'no address'})`, { cause });
}

/** A host as an error names it: a page chooses what it redirects to, so no more of it than needed. */
function shown(host: string): string {
  return host.length > HOST_SHOWN_MAX ? `${host.slice(0, HOST_SHOWN_MAX)}…` : host;
}
