/** A shard that takes long to start, has its hands full for a moment after that, and dies when it is told `die`. */
import { workerData } from 'node:worker_threads';
import * as comlink from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import { HEARTBEAT_MS, type MainServices, type ShardData } from '../../src/shards/control.ts';
import { Link, RECORD } from '../../src/shards/link.ts';

const START_MS = 2_000;
const BUSY_MS = 400;

const { link: linkEnd, control, heartbeat } = workerData as ShardData;

function hold(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

const link = new Link(linkEnd, (reader) => {
  while (reader.next()) {
    if (reader.payload.toString() === 'die') throw new Error('told to die');
    link.send(RECORD.reply, reader.number, '', reader.payload);
  }
});

hold(START_MS);
const beats = new Int32Array(heartbeat);
setInterval(() => Atomics.add(beats, 0, 1), HEARTBEAT_MS);
await comlink.wrap<MainServices>(nodeEndpoint(control)).ready();
hold(BUSY_MS);
