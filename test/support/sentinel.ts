import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

export interface LocalSite {
  readonly port: number;
  /** `http://127.0.0.1:port` */
  readonly url: string;
  /** Connections that were made, whether they said anything or not. */
  readonly connections: number;
  /** Path of every request, in order. */
  readonly requests: readonly { method: string; url: string; headers: IncomingMessage['headers'] }[];
}

/** A web server on a free port of a loopback address that counts who comes, until the test ends. */
export async function localSite(
  answer: RequestListener = (_asked, reply) => reply.end('the inside'),
  host = '127.0.0.1',
): Promise<LocalSite> {
  const { site, close } = await openSite(answer, host);
  onTestFinished(close);
  return site;
}

/** The same for many tests: whoever opens it closes it. */
export async function openSite(
  answer: RequestListener,
  host = '127.0.0.1',
): Promise<{ site: LocalSite; close: () => Promise<void> }> {
  const requests: { method: string; url: string; headers: IncomingMessage['headers'] }[] = [];
  let connections = 0;
  const server: Server = createServer((asked, reply) => {
    requests.push({ method: asked.method ?? '', url: asked.url ?? '', headers: asked.headers });
    answer(asked, reply);
  });
  server.on('connection', () => {
    connections += 1;
  });
  server.listen(0, host);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const site: LocalSite = {
    port,
    url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
    requests,
    get connections() {
      return connections;
    },
  };
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return { site, close };
}
