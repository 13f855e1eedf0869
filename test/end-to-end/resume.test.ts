/**
 * Goal: a client that is killed again and again while answers are streamed ends with what one that stayed has. Method: the
 * client library over a proxy that cuts its connections; 100 clients one after the other, each of which takes up where the
 * one before was, against one that is connected all the time.
 */
import { expect, it } from 'vitest';
import type { EventData, EventType } from '../../src/protocol/messages.ts';
import { localGateway } from '../support/gateway.ts';
import { MAIN } from '../support/valid-requests.ts';
import type { WireClient } from '../support/wire-client.ts';

const LIVES = 100;

type Seen = Pick<EventData<EventType>, 'epoch' | 'seq'> & { type: string; data: unknown };

it('a client killed and started 100 times during streams ends with the transcript and the events of one that stayed', async () => {
  const gateway = await localGateway();
  const stayed = await gateway.connect();
  const { epoch } = await stayed.ask('subscribe', { session: MAIN });
  const sender = await gateway.connect();
  const seen: Seen[] = [];
  const take = (client: WireClient) => {
    for (const { type, data } of client.events()) seen.push({ type, epoch: data.epoch, seq: data.seq, data });
  };
  const sent: string[] = [];
  let last = 0;
  for (let life = 0; life < LIVES; life++) {
    if (life % 2 === 0) sent.push((await sender.ask('message.send', { text: `what is ${life}*7` })).message);
    const client = await gateway.connect();
    const reply = await client.ask('subscribe', { session: MAIN, after: last, epoch });
    expect(reply.recovered).toBe(true);
    // Some hear the beginning of an answer, some nothing at all, before they are gone.
    if (life % 4 === 0) await client.event('message.delta');
    await client.close();
    take(client);
    last = seen.at(-1)?.seq ?? 0;
  }
  await stayed.runEnd(sent.at(-1)!);
  const end = stayed.events().at(-1)!.data.seq;
  const final = await gateway.connect();
  await final.ask('subscribe', { session: MAIN, after: last, epoch });
  take(final);
  expect(seen.map(({ seq }) => seq)).toEqual(Array.from({ length: end }, (_, i) => i + 1));
  expect(seen.map(({ type, data }) => [type, data])).toEqual(stayed.events().map(({ type, data }) => [type, data]));
  const { entries } = await final.ask('session.history', { session: MAIN, limit: 200 });
  expect(entries.filter(({ role }) => role === 'user').map(({ message }) => message)).toEqual(sent);
}, 60_000);
