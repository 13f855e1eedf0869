/** Which addresses are on the public internet: everything else is somebody's own network, this machine above all. */
import { networkInterfaces } from 'node:os';
import ipaddr from 'ipaddr.js';

/** Public by their number, and still a service for the machines of one cloud: Azure's wire server, which gives secrets. */
const INTERNAL_ADDRESSES: ReadonlySet<string> = new Set(['168.63.129.16']);
/** The only IPv6 that is routed: whatever is outside is special, and so is what IANA will think of next. */
const GLOBAL_UNICAST = ipaddr.IPv6.parseCIDR('2000::/3');

const REASONS: Readonly<Record<string, string>> = {
  unspecified: 'stands for this machine',
  loopback: 'is this machine',
  private: 'is in a private network',
  uniqueLocal: 'is in a private network',
  deprecatedSiteLocal: 'is in a private network',
  linkLocal: 'is on the local link, where cloud metadata is served',
  carrierGradeNat: "is in a provider's network",
  multicast: 'is a multicast address',
  broadcast: 'is a broadcast address',
  ipv4Mapped: 'is an IPv4 address in IPv6 form',
  rfc6145: 'is an IPv4 address in IPv6 form',
  rfc6052: 'is an IPv4 address in IPv6 form',
  '6to4': 'is an IPv4 address in IPv6 form',
  teredo: 'is an IPv4 address in IPv6 form',
};
const RESERVED = 'is in a reserved range';

/** Why nothing public is at `address`, such as "is in a private network"; undefined: it is on the public internet. */
export function privateBecause(address: string): string | undefined {
  if (!ipaddr.isValid(address)) return 'is not an address';
  const parsed = ipaddr.parse(address);
  if (parsed instanceof ipaddr.IPv6) {
    if (parsed.zoneId) return 'names a network interface of this machine';
    const range = parsed.range();
    if (range !== 'unicast') return REASONS[range] ?? RESERVED;
    if (!parsed.match(GLOBAL_UNICAST)) return RESERVED;
    if (isIsatap(parsed)) return REASONS.ipv4Mapped;
  } else {
    const range = parsed.range();
    if (range !== 'unicast') return REASONS[range] ?? RESERVED;
  }
  const text = parsed.toString();
  if (INTERNAL_ADDRESSES.has(text)) return 'serves the machines of one cloud';
  return ownAddresses().has(text) ? 'is this machine' : undefined;
}

/** One form for each address. Throws for what is none. */
export function canonicalAddress(address: string): string {
  return ipaddr.parse(address).toString();
}

/** Cloud metadata: opened by nothing but an entry that names exactly this address. */
export function isMetadata(address: string): boolean {
  const text = canonicalAddress(address);
  return INTERNAL_ADDRESSES.has(text) || METADATA.has(text);
}

/** AWS and most others; AWS over IPv6; Alibaba; Oracle's older one. */
const METADATA: ReadonlySet<string> = new Set(
  ['169.254.169.254', 'fd00:ec2::254', '100.100.100.200', '192.0.0.192', '169.254.170.2'].map(canonicalAddress),
);

/** `…:0:5efe:a.b.c.d`, of RFC 5214: an IPv4 address in the last half of an address under any prefix. */
function isIsatap({ parts }: ipaddr.IPv6): boolean {
  return ((parts[4] ?? 0) & ~0x0200) === 0 && parts[5] === 0x5efe;
}

/** A service of this machine that listens on all addresses is behind its public one too. */
function ownAddresses(): ReadonlySet<string> {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return new Set(all.map(({ address }) => canonicalAddress(address)));
}
