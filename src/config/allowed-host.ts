import { isIP } from 'node:net';

/** One entry of `tools.web.allow`: a host name, or an address with the length of its network's prefix. */
export interface AllowedHost {
  /** Lower case, as `URL` writes it. Undefined: `address` is there. */
  name?: string;
  address?: string;
  /** In bits; 32 or 128: exactly this address. */
  prefix?: number;
  /** Undefined: any of `tools.web.ports`. */
  port?: number;
}

const ENTRY =
  /^(?:\[(?<bracketed>[0-9a-f:.]+)\]|(?<name>[a-z0-9._-]+)|(?<v6>[0-9a-f:]*:[0-9a-f:.]*))(?:\/(?<prefix>\d{1,3}))?$/;

/**
 * `wiki.example.org`, `wiki.example.org:3000`, `10.0.0.0/8`, `10.1.2.3:8080`, `fd00::/8`, `[fd00::1]:8080`. Undefined: it is
 * none of these.
 */
export function parseAllowedHost(text: string): AllowedHost | undefined {
  const withPort = /^(?<host>\[.+\](?:\/\d+)?|[^:]+):(?<port>\d{1,5})$/.exec(text)?.groups;
  const port = withPort === undefined ? undefined : Number(withPort.port);
  if (port !== undefined && (port < 1 || port > 65_535)) return undefined;
  const parts = ENTRY.exec(withPort?.host ?? text)?.groups;
  if (parts === undefined) return undefined;
  const host = parts.bracketed ?? parts.v6 ?? parts.name ?? '';
  const family = isIP(host);
  const rest = port === undefined ? {} : { port };
  if (family === 0) return isName(host) && parts.prefix === undefined ? { name: host, ...rest } : undefined;
  const bits = family === 4 ? 32 : 128;
  const prefix = parts.prefix === undefined ? bits : Number(parts.prefix);
  return prefix <= bits ? { address: host, prefix, ...rest } : undefined;
}

/** What `URL` takes for a name: not the short, hexadecimal or octal form of an address (`127.1`, `0x7f000001`). */
function isName(host: string): boolean {
  return URL.parse(`http://${host}/`)?.hostname === host && !host.endsWith('.');
}
