/**
 * The browser's only way out: a forward proxy of ours that applies the rules of `web/network.ts` to every connection. A page
 * makes requests that no hook of a browser sees all of (redirects, sockets, service workers, preconnects, the browser's own), but all
 * of them are connections, and Chromium makes none itself: it is told to use this proxy for everything, loopback included, and
 * to look no name up. docs/decisions has the argument.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { BlockedError, type NetworkRules, type Target } from '../web/network.ts';

/** Connections of one browser at once; a page that opens more waits for an error. */
const CONNECTIONS_MAX = 256;
/** A connection on which nothing moves for so long is cut, in milliseconds. */
const IDLE_MS = 120_000;
/** Refusals kept to be told. */
const REFUSALS_MAX = 20;

/** What Chromium asks its maker for itself; no page needs it, and nobody here has asked for it. */
const CHROMIUM_OWN =
  /^(update|content-autofill|optimizationguide-pa|safebrowsing|clientservices|clients\d*|android\.clients|edgedl\.me\.gvt1)\.(google|googleapis)\.com$|^edgedl\.me\.gvt1\.com$/;

export class BrowserProxy {
  readonly #rules: NetworkRules;
  readonly #server: Server;
  readonly #stopped = new AbortController();
  readonly #sockets = new Set<Duplex>();
  #refusals: string[] = [];

  private constructor(rules: NetworkRules) {
    this.#rules = rules;
    this.#server = createServer({ requestTimeout: 0 }, (asked, answer) => void this.#forward(asked, answer));
    this.#server.maxConnections = CONNECTIONS_MAX;
    this.#server.on('connect', (asked, socket, head) => void this.#tunnel(asked.url ?? '', socket, head));
    // ws: goes through a tunnel; an upgrade that is asked of the proxy itself comes from no browser.
    this.#server.on('upgrade', (_asked, socket) => socket.destroy());
    this.#server.on('connection', (socket) => this.#keep(socket));
    this.#server.on('clientError', (_error, socket) => socket.destroy());
  }

  /** Listens on a free port of 127.0.0.1. */
  static async start(rules: NetworkRules): Promise<BrowserProxy> {
    const proxy = new BrowserProxy(rules);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** What was refused since it was last asked, in words, without repeats. */
  takeRefusals(): string[] {
    const refusals = this.#refusals;
    this.#refusals = [];
    return refusals;
  }

  stop(): void {
    this.#stopped.abort(new Error('the browser is closed'));
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  /** `CONNECT host:port`: https, wss and ws. */
  async #tunnel(authority: string, socket: Duplex, head: Buffer): Promise<void> {
    try {
      const remote = await this.#dial(this.#rules.targetOf(authority));
      if (socket.destroyed) return void remote.destroy();
      socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      if (head.length > 0) remote.write(head);
      socket.pipe(remote).pipe(socket);
      socket.once('close', () => remote.destroy());
      remote.once('close', () => socket.destroy());
    } catch (error) {
      const { status, reason, text } = this.#refuse(error);
      socket.end(
        `HTTP/1.1 ${status} ${reason}\r\nContent-Length: ${Buffer.byteLength(text)}\r\nConnection: close\r\n\r\n${text}`,
      );
    }
  }

  /** `GET http://host/path`: plain http. Each request has a connection of its own, so that each is checked. */
  async #forward(asked: IncomingMessage, answer: ServerResponse): Promise<void> {
    try {
      const url = this.#rules.parse(asked.url ?? '');
      // Over TLS it would have to be a tunnel: a proxy that sees inside is not wanted.
      if (url.protocol !== 'http:') throw new BlockedError('only http: is forwarded');
      const remote = await this.#dial(this.#rules.target(url));
      const { 'proxy-connection': _, 'proxy-authorization': __, ...headers } = asked.headers;
      const onwards = request({
        createConnection: () => remote,
        method: asked.method,
        path: `${url.pathname}${url.search}`,
        headers: { ...headers, host: url.host, connection: 'close' },
        setHost: false,
      });
      onwards.once('response', (reply) => {
        answer.writeHead(reply.statusCode ?? 502, reply.headers);
        reply.on('error', () => answer.destroy()).pipe(answer);
      });
      onwards.once('error', () => (answer.headersSent ? answer.destroy() : answer.writeHead(502).end()));
      answer.once('close', () => remote.destroy());
      asked.pipe(onwards);
    } catch (error) {
      const { status, text } = this.#refuse(error);
      answer.writeHead(status, { 'content-type': 'text/plain', connection: 'close' }).end(text);
    }
  }

  async #dial(target: Target): Promise<Socket> {
    if (CHROMIUM_OWN.test(target.host)) throw new Error('the browser does not call its maker');
    const { signal } = this.#stopped;
    const socket = await this.#rules.dial(await this.#rules.locate(target, signal), signal);
    socket.setNoDelay(true).setTimeout(IDLE_MS, () => socket.destroy());
    this.#keep(socket);
    return socket;
  }

  /** What to answer. What the rules refuse is noted, so that the model can be told why something is not there. */
  #refuse(error: unknown): { status: number; reason: string; text: string } {
    const text = error instanceof Error ? error.message : String(error);
    if (!(error instanceof BlockedError)) return { status: 502, reason: 'Bad Gateway', text };
    if (this.#refusals.length < REFUSALS_MAX && !this.#refusals.includes(text)) this.#refusals.push(text);
    return { status: 403, reason: 'Forbidden', text };
  }

  #keep(socket: Duplex): void {
    this.#sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => this.#sockets.delete(socket));
  }
}
