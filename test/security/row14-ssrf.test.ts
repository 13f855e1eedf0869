/**
 * Row 14. Goal: whatever URL a model is talked into, nothing of ours is reached: neither by web.fetch nor by the browser.
 * Method: sentinels on loopback that count connections, over both protocols; every hostile URL goes to web.fetch and to the
 * browser's proxy, with the sentinel's port opened, so that it is the address that must be refused. Names are resolved by an injected
 * resolver, because a test must not ask the internet.
 */
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BrowserProxy } from '../../src/tools/browser/proxy.ts';
import { BlockedError, NetworkRules, type Resolve } from '../../src/tools/web/network.ts';
import { fetchPage } from '../../src/tools/web/page.ts';
import { REDIRECTS_MAX } from '../../src/tools/web/request.ts';
import { type LocalSite, openSite } from '../support/sentinel.ts';
import { HOSTILE_ANSWERS, HOSTILE_URLS } from './hostile-urls.ts';

const never = new AbortController().signal;
const USUAL_PORTS = [80, 443, 8080, 8443];

let v4: LocalSite;
let v6: LocalSite;
let closeAll: () => Promise<unknown>;

beforeAll(async () => {
  const [first, second] = [
    await openSite((_asked, reply) => reply.end('inside')),
    await openSite((_asked, reply) => reply.end('inside'), '::1'),
  ];
  [v4, v6] = [first.site, second.site];
  closeAll = () => Promise.all([first.close(), second.close()]);
});
afterAll(() => closeAll());

/** Every name is where the sentinel is: one that is not refused by itself leads straight to it. */
const toSentinel: Resolve = async () => ['127.0.0.1'];

function rulesFor(port: number, resolve: Resolve = toSentinel, allow: string[] = []): NetworkRules {
  return new NetworkRules({ allow, ports: [...USUAL_PORTS, port] }, resolve);
}

function fetchUrl(url: string, rules: NetworkRules): Promise<unknown> {
  return fetchPage({ url, method: 'GET', whole: false }, rules, never);
}

const cases = HOSTILE_URLS.flatMap(([why, url]) => [
  { why, url, version: 4 },
  ...(url.includes('PORT') ? [{ why, url, version: 6 }] : []),
]);

function aimed({ url, version }: { url: string; version: number }): { url: string; port: number } {
  const { port } = version === 4 ? v4 : v6;
  return { url: url.replaceAll('PORT', String(port)), port };
}

describe('row 14: server-side request forgery', () => {
  it('has at least 60 URLs to try', () => {
    expect(HOSTILE_URLS.length).toBeGreaterThanOrEqual(60);
    expect(new Set(HOSTILE_URLS.map(([, url]) => url)).size).toBe(HOSTILE_URLS.length);
  });

  it('the sentinels can be reached, by who may', async () => {
    for (const site of [v4, v6]) {
      const before = site.connections;
      const rules = new NetworkRules({ allow: [site.url.replace('http://', '')], ports: [80] });
      expect(await fetchPage({ url: site.url, method: 'GET', whole: false }, rules, never)).toMatchObject({
        text: 'inside',
      });
      expect(site.connections).toBe(before + 1);
    }
  });

  it.each(cases)('web.fetch refuses $why (IPv$version): $url', async (one) => {
    const { url, port } = aimed(one);
    const before = v4.connections + v6.connections;
    await expect(fetchUrl(url, rulesFor(port))).rejects.toBeInstanceOf(BlockedError);
    expect(v4.connections + v6.connections).toBe(before);
  });

  it.each(cases)("the browser's proxy refuses $why (IPv$version): $url", async (one) => {
    const { url, port } = aimed(one);
    const before = v4.connections + v6.connections;
    const proxy = await BrowserProxy.start(rulesFor(port));
    try {
      expect(await proxied(proxy, `GET ${url.replaceAll(/\s/g, '')} HTTP/1.1`)).toMatch(/^(403|400|closed)$/);
      const authority = /^[a-z]+:[\\/]*([^\\/?#]*)/i.exec(url)?.[1] ?? '';
      // A public host on a usual port is nobody's secret, and no packet of a test may leave.
      const others = authority.startsWith('1.1.1.1') ? [] : [authority.replace(/:\d+$/, ':80'), `${authority}:443`];
      for (const host of [authority, ...others]) {
        expect(await proxied(proxy, `CONNECT ${host.replaceAll(/\s/g, '')} HTTP/1.1`)).toMatch(/^(403|400|closed)$/);
      }
    } finally {
      proxy.stop();
    }
    expect(v4.connections + v6.connections).toBe(before);
  });

  it.each(HOSTILE_ANSWERS)('a name that is found at %s is refused', async (_why, addresses) => {
    const before = v4.connections + v6.connections;
    for (const { port } of [v4, v6]) {
      await expect(
        fetchUrl(
          `http://harmless.example:${port}/`,
          rulesFor(port, async () => addresses),
        ),
      ).rejects.toThrow();
      const proxy = await BrowserProxy.start(rulesFor(port, async () => addresses));
      expect(await proxied(proxy, `CONNECT harmless.example:${port} HTTP/1.1`)).toMatch(/^(403|502)$/);
      expect(await proxied(proxy, `GET http://harmless.example:${port}/ HTTP/1.1`)).toMatch(/^(403|502)$/);
      proxy.stop();
    }
    expect(v4.connections + v6.connections).toBe(before);
  });

  it('a name that is public when it is checked, and here when it is connected to, is not reached: it is looked up once', async () => {
    const before = v4.connections;
    let asked = 0;
    // TEST addresses are refused, and no packet may leave: an allowed address where nobody listens stands for the public one.
    const flipping: Resolve = async () => {
      asked += 1;
      return asked === 1 ? ['127.0.0.77'] : ['127.0.0.1'];
    };
    const rules = rulesFor(v4.port, flipping, [`127.0.0.77:${v4.port}`]);
    await expect(fetchUrl(`http://flip.example:${v4.port}/`, rules)).rejects.toThrow(/does not answer/);
    expect([asked, v4.connections - before]).toEqual([1, 0]);
    await expect(fetchUrl(`http://flip.example:${v4.port}/`, rules)).rejects.toThrow('is this machine');
    expect([asked, v4.connections - before]).toEqual([2, 0]);

    asked = 0;
    const proxy = await BrowserProxy.start(rules);
    expect(await proxied(proxy, `CONNECT flip.example:${v4.port} HTTP/1.1`)).toBe('502');
    expect(await proxied(proxy, `CONNECT flip.example:${v4.port} HTTP/1.1`)).toBe('403');
    proxy.stop();
    expect([asked, v4.connections - before]).toEqual([2, 0]);
  });

  it('a redirect is checked as the first URL was, wherever it leads', async () => {
    const before = v4.connections + v6.connections;
    let target = '';
    const { site, close } = await openSite((_asked, reply) => reply.writeHead(302, { location: target }).end());
    try {
      // Only this very address and port is open, as the public internet would be.
      for (const one of cases) {
        const aim = aimed(one);
        const rules = rulesFor(aim.port, toSentinel, [`127.0.0.1:${site.port}`]);
        target = aim.url.replaceAll(/[^\x20-\x7e]/g, (letter) => encodeURIComponent(letter));
        // What `Location` makes of it is relative to where it stood; only what leads to another host is of interest.
        if (URL.parse(target, site.url)?.host === `127.0.0.1:${site.port}`) continue;
        await expect(fetchUrl(`${site.url}/`, rules), `redirect to ${target}`).rejects.toBeInstanceOf(BlockedError);
      }
      expect(site.requests.length).toBeGreaterThan(60);
    } finally {
      await close();
    }
    expect(v4.connections + v6.connections).toBe(before);
  });

  it(`follows ${REDIRECTS_MAX} redirects and no more`, async () => {
    const { site, close } = await openSite((asked, reply) => {
      const left = Number(asked.url?.slice(1));
      if (left === 0) reply.setHeader('content-type', 'text/plain').end('arrived');
      else reply.writeHead(307, { location: `/${left - 1}` }).end();
    });
    try {
      const rules = rulesFor(site.port, toSentinel, [`127.0.0.1:${site.port}`]);
      expect(await fetchUrl(`${site.url}/${REDIRECTS_MAX}`, rules)).toMatchObject({ text: 'arrived' });
      const before = site.requests.length;
      await expect(fetchUrl(`${site.url}/${REDIRECTS_MAX + 1}`, rules)).rejects.toThrow('redirects more than 3 times');
      await expect(fetchUrl(`${site.url}/1000`, rules)).rejects.toThrow('redirects more than 3 times');
      expect(site.requests.length - before).toBe(2 * (REDIRECTS_MAX + 1));
    } finally {
      await close();
    }
  });
});

/** The status the proxy answers a request line with; `closed`: it closed the connection. */
function proxied(proxy: BrowserProxy, line: string): Promise<string> {
  const { hostname, port } = new URL(proxy.url);
  return new Promise((resolve) => {
    let answer = '';
    const socket = connect(Number(port), hostname, () => socket.write(`${line}\r\nHost: x\r\n\r\n`));
    socket.on('data', (piece) => {
      answer += piece.toString('latin1');
      const status = /^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1];
      if (status === undefined) return;
      resolve(status);
      socket.destroy();
    });
    socket.on('error', () => resolve('closed'));
    socket.on('close', () => resolve('closed'));
  });
}
