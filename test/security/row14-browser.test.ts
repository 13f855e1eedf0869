/**
 * Row 14, the browser. Goal: no page reaches this machine, however it tries. Method: the machine's Chromium opens a page of a site
 * that is allowed; the page uses everything a page has to reach sentinels on loopback, over TCP and UDP, whose ports are open to the
 * rules, so that it is the address that must be refused. The same page with one sentinel opened by name reaches that one, which
 * shows that its ways are ways.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import type { RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { BrowserDesk } from '../../src/tools/browser/desk.ts';
import { NetworkRules } from '../../src/tools/web/network.ts';
import { chromiumNote, missingChromium } from '../support/chromium.ts';
import { type LocalSite, localSite } from '../support/sentinel.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { HOSTILE_WORKER, hostilePage, WAYS_TOLD } from './hostile-page.ts';

async function udpSentinel(): Promise<{ port: number; datagrams(): number }> {
  let datagrams = 0;
  const socket = createSocket('udp4', () => {
    datagrams += 1;
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  onTestFinished(() => void socket.close());
  return { port: (socket.address() as AddressInfo).port, datagrams: () => datagrams };
}

function hostileSite(page: () => string, inside: () => string): RequestListener {
  return (asked, reply) => {
    const url = new URL(asked.url ?? '', 'http://x');
    const to = url.searchParams.get('to') ?? '';
    if (url.pathname === '/redirect') reply.writeHead(302, { location: to }).end();
    else if (url.pathname === '/refresh')
      reply.setHeader('content-type', 'text/html').end(`<meta http-equiv="refresh" content="0;url=${to}">`);
    else if (url.pathname === '/worker.js')
      reply.setHeader('content-type', 'text/javascript').end(HOSTILE_WORKER.replace('INSIDE', inside()));
    else if (url.pathname === '/') reply.setHeader('content-type', 'text/html').end(page());
    else reply.end();
  };
}

async function visit(
  allowSentinel: boolean,
): Promise<{ site: LocalSite; v4: LocalSite; v6: LocalSite; datagrams: number; shown: string }> {
  const [v4, v6, udp] = [await localSite(), await localSite(undefined, '::1'), await udpSentinel()];
  const target = `127.0.0.1:${v4.port}`;
  const site: LocalSite = await localSite(
    hostileSite(
      () => hostilePage(target, udp.port),
      () => v4.url,
    ),
  );
  const allow = [`127.0.0.1:${site.port}`, ...(allowSentinel ? [target] : [])];
  const rules = new NetworkRules({ allow, ports: [80, 443, v4.port, v6.port, udp.port] }, async () => ['127.0.0.1']);
  const desk = new BrowserDesk(
    await tempFolder(),
    { sessionsMax: 1, pagesMax: 10, profilesMax: 1, screenshotsMax: 1, memoryMbMax: 4_096, idleMs: 60_000 },
    rules,
    () => {},
  );
  onTestFinished(() => desk.close());
  const act = async (action: Parameters<BrowserDesk['handle']>[0]['action']) =>
    desk.handle({ session: 's', workspace: '/nowhere', action });
  const opened = await act({ do: 'open', url: `${site.url}/`, newPage: false });
  // Windows it opens become the current page.
  const shown = await act({ do: 'read', offset: 0, page: 1 });
  const waited = await act({ do: 'wait', text: 'All was tried', seconds: 30 });
  return { site, v4, v6, datagrams: udp.datagrams(), shown: opened + shown + waited };
}

describe.skipIf(missingChromium !== undefined)(`row 14: a hostile page${chromiumNote}`, { timeout: 90_000 }, () => {
  it('reaches nothing on this machine, over no protocol', async () => {
    const { site, v4, v6, datagrams, shown } = await visit(false);
    const tried = new Set(site.requests.flatMap(({ url }) => (url.startsWith('/tried?') ? [url.slice(7)] : [])));
    expect(tried.size).toBe(WAYS_TOLD);
    expect(site.requests.map(({ url }) => url)).toContain('/worker.js');
    expect([v4.connections, v6.connections, datagrams]).toEqual([0, 0, 0]);
    expect(shown).toContain('Not loaded: 127.0.0.1 is this machine');
    expect(shown).not.toContain('root:');
  });

  it('reaches what is opened to it, by most of its ways', async () => {
    const { v4, datagrams } = await visit(true);
    const paths = new Set(v4.requests.map(({ url }) => url));
    for (const way of [
      '/img',
      '/fetch',
      '/socket',
      '/events',
      '/beacon',
      '/frame',
      '/redirected',
      '/script.js',
      '/worker.js',
      '/worker-fetch',
      '/service-worker',
      '/window',
      '/form',
      '/refreshed',
      '/data-image',
      '/background',
    ]) {
      expect(paths).toContain(way);
    }
    // What is opened is opened to the proxy; there is no other way, so none over UDP.
    expect(datagrams).toBe(0);
  });
});
