/**
 * A shard whose actors answer a frame with itself: everything a message passes (front end, link, mailbox, actor, link,
 * front end) and no work. ECHO=head leaves the payload as bytes, as the front end does; ECHO=full decodes and encodes it.
 */
import { workerData } from 'node:worker_threads';
import * as comlink from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import { decodeFrame, encodeFrame } from '../../src/protocol/frame.ts';
import { sessionOf, skim } from '../../src/protocol/skim.ts';
import { ActorSystem } from '../../src/runtime/system.ts';
import { HEARTBEAT_MS, type MainServices, type ShardData } from '../../src/shards/control.ts';
import { Link, RECORD } from '../../src/shards/link.ts';

const { link: linkEnd, control, heartbeat } = workerData as ShardData;
const full = process.env.ECHO === 'full';

interface Ping {
  number: number;
  bytes: Buffer;
}

const echo = new ActorSystem().register<Ping, void>({
  kind: 'echo',
  create: () => ({
    receive({ number, bytes }) {
      link.send(RECORD.reply, number, '', full ? encodeFrame(decodeFrame(bytes)) : bytes);
    },
  }),
});

const link = new Link(linkEnd, (reader) => {
  while (reader.next()) {
    const bytes = Buffer.from(reader.payload);
    const session = sessionOf(bytes, skim(bytes)) ?? '';
    void echo(session).tell({ number: reader.number, bytes });
  }
});

const beats = new Int32Array(heartbeat);
setInterval(() => Atomics.add(beats, 0, 1), HEARTBEAT_MS);
await comlink.wrap<MainServices>(nodeEndpoint(control)).ready();
