/**
 * Row 33: soak. Bar: no growth of memory or descriptors past the warm-up. Method: sessions by the thousand (100,000 with
 * FAULTS=long) come, talk and are never heard of again, in a real process that keeps few of them in memory; what it holds is
 * looked at after the first half and at the end.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { gatewayProcess } from '../support/gateway.ts';

const SESSIONS = process.env.FAULTS === 'long' ? 100_000 : 4_000;
const CONNECTIONS = 8;
/** What the second half may add, in MB: the noise of a collected heap, and pages of the store that the kernel has mapped in. */
const NOISE_MB = 48;

interface Held {
  /** Anonymous memory: the store's mapped pages are the kernel's to take back. */
  memoryMb: number;
  descriptors: number;
}

function heldBy(pid: number): Held {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return {
    memoryMb: Number(/RssAnon:\s+(\d+) kB/.exec(status)?.[1]) / 1_024,
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
  };
}

it(
  'row 33: a gateway through which thousands of sessions pass holds no more at the end than half-way',
  async () => {
    const config = { sessions: { activeMax: 500 }, shards: { count: 1 } };
    const gateway = await gatewayProcess({ config });
    const clients = await Promise.all(Array.from({ length: CONNECTIONS }, () => gateway.connect()));
    let user = 0;
    const churn = async (until: number): Promise<void> => {
      const talk = async (worker: number): Promise<void> => {
        const client = clients[worker % CONNECTIONS]!;
        while (user < until) {
          user += 1;
          const { session } = await client.ask('session.create', { user: `u${user}` });
          const { message } = await client.ask('message.send', { session: session.id, text: 'hello' });
          await client.runEnd(message);
          await client.ask('unsubscribe', { session: session.id });
          client.frames.length = 0;
        }
      };
      // One at a time on a connection: its frames are forgotten after each.
      await Promise.all(clients.map((_, worker) => talk(worker)));
    };
    await churn(SESSIONS / 4);
    await churn(SESSIONS / 2);
    const half = heldBy(gateway.pid);
    await churn(SESSIONS);
    const end = heldBy(gateway.pid);
    console.log(
      `row 33: ${SESSIONS} sessions; half-way ${half.memoryMb.toFixed()} MB, at the end ${end.memoryMb.toFixed()} MB`,
    );
    expect(end.descriptors).toBeLessThanOrEqual(half.descriptors + 2);
    expect(end.memoryMb - half.memoryMb).toBeLessThan(NOISE_MB);
    const { shards } = await clients[0]!.ask('status');
    expect(shards[0]?.sessions).toBeLessThanOrEqual(500);
  },
  process.env.FAULTS === 'long' ? 600_000 : 90_000,
);
