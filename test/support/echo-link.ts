/** A worker that sends every record of its link back. */
import { workerData } from 'node:worker_threads';
import { Link, type LinkEnd } from '../../src/shards/link.ts';

const link = new Link(workerData as LinkEnd, (reader) => {
  while (reader.next()) link.send(reader.kind, reader.number, reader.key, reader.payload);
});
