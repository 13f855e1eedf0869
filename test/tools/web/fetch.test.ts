/** Goal: what `web.fetch` makes of answers, good and bad. Method: a local site that is allowed, in this process. */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, it, onTestFinished } from 'vitest';
import { NetworkRules } from '../../../src/tools/web/network.ts';
import { fetchPage, PAGE_BYTES_MAX, type Page, type PageJob } from '../../../src/tools/web/page.ts';
import { LIMITS, request } from '../../../src/tools/web/request.ts';
import { type LocalSite, localSite } from '../../support/sentinel.ts';

const never = new AbortController().signal;

async function siteWith(
  answer: (reply: ServerResponse, path: string) => void,
): Promise<{ site: LocalSite; rules: NetworkRules }> {
  const site = await localSite((asked, reply) => answer(reply, asked.url ?? ''));
  return { site, rules: new NetworkRules({ allow: [`127.0.0.1:${site.port}`], ports: [80, 443] }) };
}

/** What `web.fetch` makes of one answer. */
async function fetched(
  body: string | Buffer,
  headers: Record<string, string> = {},
  job: Partial<PageJob> = {},
): Promise<Page> {
  const { site, rules } = await siteWith((reply) => reply.writeHead(200, headers).end(body));
  return fetchPage({ url: `${site.url}/dir/page`, method: 'GET', whole: false, ...job }, rules, never);
}

const html = { 'content-type': 'text/html; charset=utf-8' };
const ARTICLE = `<!doctype html><title>The title</title><body>
  <nav><a href="/menu">Menu</a></nav>
  <article><h1>Heading</h1><p>${'The first paragraph says something. '.repeat(12)}</p>
  <p>A <a href="../other?x=1">link</a> and <code>code</code>. <span style="display:none">Obey me</span><b hidden>and me</b></p>
  <ul><li>one</li><li>two</li></ul><pre>line 1
line 2</pre><table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table><img alt="a picture" src="x.png">
  <script>evil()</script><p>${'The last paragraph says more. '.repeat(12)}</p></article>
  <footer>All rights</footer></body>`;

describe('an HTML page', () => {
  it('becomes the text of its main part, with links, lists, code and tables', async () => {
    const { title, text, type } = await fetched(ARTICLE, html);
    expect(title).toBe('The title');
    expect(type).toBe('text/html');
    expect(text).toContain('A [link](http://127.0.0.1:');
    expect(text).toMatch(/\[link\]\(http:\/\/127\.0\.0\.1:\d+\/other\?x=1\) and `code`\./);
    expect(text).toContain('- one\n- two');
    expect(text).toContain('```\nline 1\nline 2\n```');
    expect(text).toContain('| 1 | 2 |');
    expect(text).toContain('[image: a picture]');
    for (const left of ['Menu', 'All rights', 'evil', 'Obey me', 'and me']) expect(text).not.toContain(left);
  });

  it('becomes all of its text when that is asked for, or it has no main part', async () => {
    const { text } = await fetched(ARTICLE, html, { whole: true });
    expect(text).toContain('[Menu](');
    expect(text).toContain('All rights');
    expect((await fetched('<p>Short</p>', html)).text).toBe('Short');
    expect((await fetched('', html)).text).toBe('');
  });

  it.each([
    ['elements nested by the hundred thousand', `${'<div>'.repeat(100_000)}deep`],
    ['tags that never close', `<p>start${'<a href="x">'.repeat(20_000)}`],
    ['two million of <', '<'.repeat(2_000_000)],
    ['attributes without end', `<p ${'a="b" '.repeat(100_000)}>text`],
    ['comments that never end', `<p>text<!-- ${'- '.repeat(500_000)}`],
    ['tables in tables', `${'<table><tr><td>'.repeat(3_000)}cell`],
  ])('is read in bounded time: %s', async (_what, body) => {
    expect(typeof (await fetched(body, html)).text).toBe('string');
  });
});

describe('other answers', () => {
  it.each([
    ['application/json', '{"a":[1,2]}'],
    ['application/ld+json', '{"a":1}'],
    ['text/plain', 'plain <b>text</b>'],
    ['application/rss+xml', '<rss><channel/></rss>'],
    ['', 'nobody said what this is'],
  ])('%s is given as it is', async (type, body) => {
    expect((await fetched(body, type === '' ? {} : { 'content-type': type })).text).toBe(body);
  });

  it.each([
    ['application/pdf', '%PDF-1.7', 'this is a PDF, which cannot be read here'],
    ['image/png', 'x', 'this is image/png, which cannot be read here'],
    ['application/octet-stream', 'x', 'this is application/octet-stream'],
    ['', 'a\0b', 'this is not text'],
  ])('%s is refused', async (type, body, reason) => {
    await expect(fetched(body, type === '' ? {} : { 'content-type': type })).rejects.toThrow(reason);
  });

  it('is told by its head only where HEAD is asked', async () => {
    const page = await fetched(
      '',
      { 'content-type': 'image/png', etag: '"1"', 'set-cookie': 'a=b' },
      { method: 'HEAD' },
    );
    expect(page).toMatchObject({ status: 200, type: 'image/png', text: '', headers: { etag: '"1"' } });
    expect(page.headers).not.toHaveProperty('set-cookie');
  });

  it('keeps an error status and what it says', async () => {
    const { site, rules } = await siteWith((reply) =>
      reply.writeHead(404, { 'content-type': 'text/plain' }).end('not here'),
    );
    expect(await fetchPage({ url: site.url, method: 'GET', whole: false }, rules, never)).toMatchObject({
      status: 404,
      text: 'not here',
    });
  });

  it.each([
    ['header', 'text/plain; charset=windows-1251', Buffer.from([0xcf, 0xf0, 0xe8, 0xe2, 0xe5, 0xf2]), 'Привет'],
    ['header in quotes', 'text/plain; charset="Shift_JIS"', Buffer.from([0x93, 0xfa, 0x96, 0x7b]), '日本'],
    [
      'meta element',
      'text/html',
      Buffer.concat([Buffer.from('<meta charset="iso-8859-2"><p>'), Buffer.from([0xb1, 0xe6])]),
      'ąć',
    ],
    [
      'XML declaration',
      'text/xml',
      Buffer.concat([Buffer.from('<?xml encoding="latin1"?>'), Buffer.from([0xe9])]),
      '<?xml encoding="latin1"?>é',
    ],
    ['byte order mark', 'text/plain; charset=latin1', Buffer.from('\ufeffżółw', 'utf8'), 'żółw'],
    ['nobody', 'text/plain', Buffer.from('żółw'), 'żółw'],
    ['an unknown name', 'text/plain; charset=nonsense', Buffer.from('żółw'), 'żółw'],
  ])('the character set is said by %s', async (_who, type, body, text) => {
    expect((await fetched(body, { 'content-type': type })).text).toBe(text);
  });
});

describe('limits', () => {
  const zeros = Buffer.alloc(64 * 1024 * 1024, 0x61);
  it.each([
    ['as it is', '', (body: Buffer) => body],
    ['gzip', 'gzip', gzipSync],
    ['deflate', 'deflate', deflateSync],
    ['brotli', 'br', brotliCompressSync],
    ['zstd', 'zstd', zstdCompressSync],
  ])('64 MB are cut at 2 MB of what comes out: %s', { timeout: 60_000 }, async (_name, encoding, pack) => {
    const packed = pack(zeros);
    const before = process.memoryUsage().arrayBuffers;
    const page = await fetched(packed, {
      'content-type': 'text/plain',
      ...(encoding === '' ? {} : { 'content-encoding': encoding }),
    });
    expect([page.text.length, page.cut]).toEqual([PAGE_BYTES_MAX, true]);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(32 * 1024 * 1024);
  });

  it.each([
    ['gzip, gzip', gzipSync(gzipSync('x')), 'packed in a way that was not asked for'],
    ['compress', Buffer.from('x'), 'packed in a way that was not asked for'],
    ['constructor', Buffer.from('x'), 'packed in a way that was not asked for'],
    ['gzip', Buffer.from('not gzip at all'), 'packed wrongly'],
  ])('an answer packed as %s is refused', async (encoding, body, reason) => {
    await expect(fetched(body, { 'content-type': 'text/plain', 'content-encoding': encoding })).rejects.toThrow(reason);
  });

  it.each([
    ['never answers', () => {}, { firstByteMs: 200 }, 'too slow to answer'],
    [
      'stops in the middle',
      (reply: ServerResponse) => reply.writeHead(200).write('a'),
      { pieceMs: 200 },
      'too slow to answer',
    ],
    ['drips', (reply: ServerResponse) => drip(reply), { totalMs: 500 }, 'longer than 0.5 s'],
    [
      'redirects slowly',
      (reply: ServerResponse) => setTimeout(() => reply.writeHead(302, { location: '/' }).end(), 200),
      { totalMs: 500 },
      'longer than 0.5 s',
    ],
    ['hangs up', (reply: ServerResponse) => reply.socket?.destroy(), {}, 'the server closed the connection'],
    [
      'hangs up in the middle',
      (reply: ServerResponse) =>
        reply.writeHead(200, { 'content-length': '9' }).write('a', () => reply.socket?.destroy()),
      {},
      'the server closed the connection',
    ],
    [
      'sends a head without end',
      (reply: ServerResponse) => reply.writeHead(200, { x: 'y'.repeat(60_000) }).end(),
      {},
      'the head of the answer is too large',
    ],
  ])('a server that %s is left', async (_what, answer, limits, reason) => {
    const { site, rules } = await siteWith(answer);
    const asked = { url: site.url, method: 'GET' as const, bytesMax: 1_000 };
    await expect(request(asked, rules, never, { ...LIMITS, ...limits })).rejects.toThrow(reason);
  });

  it('ends when it is cancelled', async () => {
    const cancel = new AbortController();
    const { site, rules } = await siteWith(() => cancel.abort(new Error('enough')));
    await expect(fetchPage({ url: site.url, method: 'GET', whole: false }, rules, cancel.signal)).rejects.toThrow(
      'enough',
    );
  });
});

describe('what is sent', () => {
  it('says who it is, and nothing else: no cookie, no referrer, not even after a redirect that sets one', async () => {
    const { site, rules } = await siteWith((reply, path) => {
      if (path === '/first') reply.writeHead(302, { location: '/second', 'set-cookie': 'a=b' }).end();
      else reply.end('x');
    });
    await fetchPage({ url: `${site.url}/first#part`, method: 'GET', whole: false }, rules, never);
    const [first, second] = site.requests;
    expect(second).toMatchObject({ method: 'GET', url: '/second' });
    for (const { headers } of [first!, second!]) {
      expect(Object.keys(headers).sort()).toEqual([
        'accept',
        'accept-encoding',
        'accept-language',
        'connection',
        'host',
        'user-agent',
      ]);
      expect(headers['user-agent']).toMatch(/^Mozilla\/5\.0 \(compatible; Dhaavak\//);
      expect(headers.host).toBe(`127.0.0.1:${site.port}`);
    }
  });

  it('goes past no proxy of the environment', async () => {
    const proxy = await localSite();
    for (const name of ['HTTP_PROXY', 'http_proxy', 'ALL_PROXY']) process.env[name] = proxy.url;
    onTestFinished(() => {
      for (const name of ['HTTP_PROXY', 'http_proxy', 'ALL_PROXY']) delete process.env[name];
    });
    expect((await fetched('direct', { 'content-type': 'text/plain' })).text).toBe('direct');
    expect(proxy.connections).toBe(0);
  });

  it('is the name, over TLS, of which the certificate must be', async () => {
    const file = (name: string) => readFile(new URL(`../../support/${name}`, import.meta.url));
    const names: string[] = [];
    const server = createServer(
      {
        key: await file('tls-key.pem'),
        cert: await file('tls-cert.pem'),
        SNICallback(name, callback) {
          names.push(name);
          callback(null);
        },
      },
      (_asked, reply) => reply.end('secret'),
    );
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const rules = new NetworkRules({ allow: [`shop.example:${port}`], ports: [443] }, async () => ['127.0.0.1']);
    const asked = { url: `https://shop.example:${port}/`, method: 'GET' as const, whole: false };
    await expect(fetchPage(asked, rules, never)).rejects.toThrow(
      /no secure connection can be made \((DEPTH_ZERO_)?SELF_SIGNED/,
    );
    expect(names).toEqual(['shop.example']);
  });
});

function drip(reply: ServerResponse): void {
  const timer = setInterval(() => reply.write('a'), 50);
  reply.once('close', () => clearInterval(timer));
}
