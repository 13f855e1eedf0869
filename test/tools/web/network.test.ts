/** Goal: what an operator opens is open, and nothing more; what is public is not refused. */
import { describe, expect, it } from 'vitest';
import { parseAllowedHost } from '../../../src/config/allowed-host.ts';
import { configSchema } from '../../../src/config/schema.ts';
import { privateBecause } from '../../../src/tools/web/address.ts';
import { BlockedError, NetworkRules } from '../../../src/tools/web/network.ts';

const never = new AbortController().signal;

/** Whether `url` may be reached, found at `address`. */
async function reaches(url: string, allow: string[], address = '10.1.2.3'): Promise<boolean> {
  const rules = new NetworkRules({ allow, ports: [80, 443] }, async () => [address]);
  try {
    await rules.locate(rules.target(rules.parse(url)), never);
    return true;
  } catch (error) {
    expect(error).toBeInstanceOf(BlockedError);
    return false;
  }
}

describe('an address', () => {
  it.each(['1.1.1.1', '93.184.215.14', '8.8.8.8', '2606:4700:4700::1111', '2a00:1450:4001:80b::200e'])(
    '%s is public',
    (address) => {
      expect(privateBecause(address)).toBeUndefined();
    },
  );

  it('of this machine is private, whatever its range', async () => {
    const { networkInterfaces } = await import('node:os');
    for (const { address } of Object.values(networkInterfaces()).flatMap((all) => all ?? [])) {
      expect(privateBecause(address)).toBeDefined();
    }
  });
});

describe('what the operator opens', () => {
  it.each([
    ['a name', 'http://wiki.corp/', ['wiki.corp'], true],
    ['a name with a dot at its end', 'http://wiki.corp./', ['wiki.corp'], true],
    ['another name at the same address', 'http://other.corp/', ['wiki.corp'], false],
    ['a name below it', 'http://x.wiki.corp/', ['wiki.corp'], false],
    ['a name, on a usual port only', 'http://wiki.corp:3000/', ['wiki.corp'], false],
    ['a name with a port', 'http://wiki.corp:3000/', ['wiki.corp:3000'], true],
    ['a name with a port, on another', 'http://wiki.corp/', ['wiki.corp:3000'], false],
    ['localhost', 'http://localhost/', ['localhost'], true],
    ['a network, by address', 'http://10.9.9.9/', ['10.0.0.0/8'], true],
    ['a network, by a name', 'http://any.example/', ['10.0.0.0/8'], true],
    ['a network, outside of it', 'http://11.9.9.9.example/', ['192.168.0.0/16'], false],
    ['an address', 'http://10.1.2.3/', ['10.1.2.3'], true],
    ['the address beside it', 'http://10.1.2.4/', ['10.1.2.3'], false],
    ['an address with a port', 'http://10.1.2.3:3000/', ['10.1.2.3:3000'], true],
    ['a port that is open for another address', 'http://10.1.2.4:3000/', ['10.1.2.3:3000'], false],
    ['a network with a port', 'https://10.1.2.4:8006/', ['10.1.2.0/24:8006'], true],
    ['an IPv6 network', 'http://[fd00::5]/', ['fd00::/8'], true],
    ['an IPv6 address with a port', 'http://[fd00::5]:3000/', ['[fd00::5]:3000'], true],
    ['an IPv4 network, in IPv6 form', 'http://[::ffff:10.1.2.3]/', ['10.0.0.0/8'], false],
    ['every network, and the metadata of the cloud', 'http://169.254.169.254/', ['0.0.0.0/0'], false],
    ['the metadata of the cloud, by its address', 'http://169.254.169.254/', ['169.254.169.254'], true],
  ])('%s: %s with %j is %s', async (_what, url, allow, open) => {
    expect(await reaches(url, allow)).toBe(open);
  });

  it('a name that leads to the metadata of the cloud is refused even where it is opened', async () => {
    expect(await reaches('http://wiki.corp/', ['wiki.corp'], '169.254.169.254')).toBe(false);
  });

  it('a public name needs no entry, on a usual port, and has one for another', async () => {
    expect(await reaches('https://example.org/', [], '93.184.215.14')).toBe(true);
    expect(await reaches('https://example.org:9000/', [], '93.184.215.14')).toBe(false);
    expect(await reaches('https://example.org:9000/', ['example.org:9000'], '93.184.215.14')).toBe(true);
    expect(await reaches('https://example.com:9000/', ['example.org:9000'], '93.184.215.14')).toBe(false);
  });
});

describe('a URL is refused by itself, before any name is looked up', () => {
  it.each([
    ['ftp://93.184.215.14/', 'only http: and https: are'],
    ['ws://example.org/', 'only http: and https: are'],
    ['http://user:password@example.org/', 'a user name or password in it is not allowed'],
    ['http://user@93.184.215.14/', 'a user name or password in it is not allowed'],
    ['http://example.org:25/', 'port 25 is not allowed: only 80, 443 are'],
    ['http://localhost/', 'localhost is this machine or its cloud'],
    ['http://x.localhost./', 'x.localhost is this machine or its cloud'],
    ['http://metadata.google.internal/', 'is this machine or its cloud'],
    ['http://metadata/', 'is this machine or its cloud'],
    [`http://example.org/${'x'.repeat(9_000)}`, 'a URL has at most 8192 characters'],
  ])('%s: %s', (url, reason) => {
    const rules = new NetworkRules({ allow: [], ports: [80, 443] }, () => expect.unreachable());
    expect(() => rules.parse(url)).toThrow(reason);
  });
});

describe('an entry of tools.web.allow', () => {
  it.each([
    ['wiki.example.org', { name: 'wiki.example.org' }],
    ['wiki.example.org:3000', { name: 'wiki.example.org', port: 3000 }],
    ['10.0.0.0/8', { address: '10.0.0.0', prefix: 8 }],
    ['10.0.0.0/8:3000', { address: '10.0.0.0', prefix: 8, port: 3000 }],
    ['10.1.2.3:80', { address: '10.1.2.3', prefix: 32, port: 80 }],
    ['fd00::/8', { address: 'fd00::', prefix: 8 }],
    ['::1', { address: '::1', prefix: 128 }],
    ['[::1]:80', { address: '::1', prefix: 128, port: 80 }],
  ])('%s is understood', (text, entry) => {
    expect(parseAllowedHost(text)).toEqual(entry);
  });

  it.each([
    '',
    '*',
    '*.example.org',
    'http://example.org',
    'example.org/path',
    'Example.org',
    '10.0.0.0/33',
    '127.1',
    '0x7f000001',
    '2130706433',
    'a b',
    'example.org:0',
    'example.org:70000',
    'example.org/8',
    'user@example.org',
    '[::1',
    'example.org.',
  ])('%j is refused by the configuration', (text) => {
    const { error } = configSchema.safeParse({ tools: { web: { allow: [text] } } });
    expect(error?.issues[0]?.message).toContain('must be a host name or network');
  });
});
