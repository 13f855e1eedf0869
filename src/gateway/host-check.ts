/**
 * Which pages and names may reach the gateway. A browser sends `Origin` with every WebSocket, so a page of somebody else is
 * told by it; a page whose own name was made to resolve to this machine (DNS rebinding) is told by `Host`.
 */
import { isIP } from 'node:net';
import { isLoopback } from '../config/loopback.ts';

export interface HostRules {
  /** The address the gateway listens on. */
  host: string;
  /** Further names it may be called by, lower case, without port. */
  hosts: readonly string[];
  /** Origins of pages that may connect besides its own, as browsers write them. */
  origins: readonly string[];
  tls: boolean;
}

/** A name or IPv4 address, or an IPv6 address in brackets; then a port or nothing. */
const HOST = /^(?:\[([0-9a-f:.]{2,45})\]|([a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?))(?::\d{1,5})?$/;

export class HostCheck {
  readonly #names: ReadonlySet<string>;
  readonly #origins: ReadonlySet<string>;
  readonly #anyAddress: boolean;
  readonly #scheme: string;

  constructor({ host, hosts, origins, tls }: HostRules) {
    this.#anyAddress = host === '0.0.0.0' || host === '::';
    this.#names = new Set([...hosts, ...(this.#anyAddress ? [] : [host])].map((name) => name.toLowerCase()));
    this.#origins = new Set(origins);
    this.#scheme = tls ? 'https' : 'http';
  }

  /**
   * Whether a request with these headers (empty: not there) may go on. Where the gateway listens on every address, any
   * literal address passes as host: rebinding needs a name.
   */
  allows(hostHeader: string, origin: string): boolean {
    const host = hostHeader.toLowerCase();
    const [, v6, name = v6] = HOST.exec(host) ?? [];
    if (name === undefined) return false;
    if (v6 !== undefined && isIP(v6) !== 6) return false;
    const known = isLoopback(name) || this.#names.has(name) || (this.#anyAddress && isIP(name) !== 0);
    return known && (origin === '' || origin === `${this.#scheme}://${host}` || this.#origins.has(origin));
  }
}
