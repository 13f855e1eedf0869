/** A TCP proxy before a gateway that loses connections, as a bad network does. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

export interface CuttingProxy {
  /** The gateway's address through the proxy. */
  readonly url: string;
  /** Connections that were made to it. */
  readonly connections: number;
  /** Connections that it cut. */
  readonly cuts: number;
  /** Cuts every connection that is open. */
  cut(): void;
  /** From now on each connection is cut after so many bytes from the gateway; Infinity: never. */
  cutAfter(bytes: () => number): void;
  /** From now on connections lead to another gateway. */
  leadTo(url: string): void;
  /** Passes nothing on to the client and yet takes all it sends, until it is cut: a reply that never comes. */
  muffle(): void;
}

/** Listens on a free port until the test ends. `target` is the gateway's WebSocket address. */
export async function cuttingProxy(target: string): Promise<CuttingProxy> {
  let to = new URL(target);
  const open = new Set<Socket>();
  const counts = { connections: 0, cuts: 0 };
  let budget = (): number => Number.POSITIVE_INFINITY;
  let muffled = false;
  const server = createServer((client) => {
    const gateway = connect(Number(to.port), to.hostname);
    counts.connections += 1;
    open.add(client);
    let left = budget();
    const end = (): void => {
      open.delete(client);
      client.resetAndDestroy();
      gateway.resetAndDestroy();
    };
    client.on('error', end).on('close', end);
    gateway.on('error', end).on('close', end);
    client.on('data', (bytes) => gateway.write(bytes));
    gateway.on('data', (bytes) => {
      if (muffled) return;
      client.write(bytes.subarray(0, left));
      left -= bytes.length;
      if (left > 0) return;
      counts.cuts += 1;
      client.destroySoon(); // what fits arrives, and ends in the middle of a frame more often than not
      gateway.resetAndDestroy();
    });
  }).listen(0, '127.0.0.1');
  onTestFinished(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  await once(server, 'listening');
  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/ws`,
    get connections() {
      return counts.connections;
    },
    get cuts() {
      return counts.cuts;
    },
    cut() {
      muffled = false;
      for (const socket of open) {
        counts.cuts += 1;
        socket.resetAndDestroy();
      }
    },
    cutAfter(bytes) {
      budget = bytes;
    },
    leadTo(url) {
      to = new URL(url);
    },
    muffle() {
      muffled = true;
    },
  };
}
