/** A shard that answers a frame with itself, but for one that says `spin`: with that it never gives the thread back. */
import { workerData } from 'node:worker_threads';
import * as comlink from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import { HEARTBEAT_MS, type MainServices, type ShardData } from '../../src/shards/control.ts';
import { Link, RECORD } from '../../src/shards/link.ts';

const { link: linkEnd, control, heartbeat } = workerData as ShardData;

const link = new Link(linkEnd, (reader) => {
  while (reader.next()) {
    if (reader.payload.toString() === 'die') throw new Error('told to die');
    while (reader.payload.toString() === 'spin') {}
    link.send(RECORD.reply, reader.number, '', reader.payload);
  }
});

const beats = new Int32Array(heartbeat);
setInterval(() => Atomics.add(beats, 0, 1), HEARTBEAT_MS);
await comlink.wrap<MainServices>(nodeEndpoint(control)).ready();
