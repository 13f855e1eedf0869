/**
 * Row 32: a machine that stands still. Bar: sockets recover, no shard is taken for stuck, nothing acknowledged is lost.
 * Method: a real process under load gets SIGSTOP for 4 s (30 s with FAULTS=long) and SIGCONT.
 */
import { expect, it } from 'vitest';
import { gatewayProcess } from '../support/gateway.ts';
import { MAIN } from '../support/valid-requests.ts';

const FROZEN_MS = process.env.FAULTS === 'long' ? 30_000 : 4_000;

it('row 32: a gateway that was frozen goes on where it was: the same connections, no shard replaced, every message answered', async () => {
  const gateway = await gatewayProcess();
  const client = await gateway.connect();
  await client.ask('subscribe', { session: MAIN });
  const before = await Promise.all(
    Array.from({ length: 20 }, (_, i) => client.ask('message.send', { text: `text ${i}` })),
  );
  process.kill(gateway.pid, 'SIGSTOP');
  const meanwhile = Array.from({ length: 20 }, (_, i) => client.send('message.send', { text: `later ${i}` }));
  await new Promise((resolve) => setTimeout(resolve, FROZEN_MS)); // what is tested is the time that passes
  process.kill(gateway.pid, 'SIGCONT');
  const later = await Promise.all(meanwhile.map((id) => client.reply(id)));
  const messages = [...before.map(({ message }) => message), ...later.map(({ data }) => data?.message as string)];
  for (const message of messages) expect((await client.runEnd(message)).data.status).toBe('ok');
  const { shards } = await client.ask('status');
  expect(shards.map(({ restarts }) => restarts)).toEqual(shards.map(() => 0));
}, 90_000);
