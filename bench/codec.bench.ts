/** Reading and writing one frame of about 140 bytes, beside JSON from and to bytes. */
import { Bench } from 'tinybench';
import { EventEncoder } from '../actors/session/event-encoder.ts';
import { decodeFrame, encodeFrame } from '../src/protocol/frame.ts';
import { skim } from '../src/protocol/skim.ts';
import type { BenchReport } from './report.ts';

export async function run(): Promise<BenchReport> {
  const frame = {
    id: 'abc123',
    type: 'message.send',
    timestamp: Date.now(),
    data: { session: 'agent:main:dm:api:00000001', text: 'forty-eight characters of text, as people send it' },
  };
  const bytes = Buffer.from(encodeFrame(frame));
  const bench = new Bench({ time: 500 });
  bench.add('JSON, encode and decode', () => JSON.parse(Buffer.from(JSON.stringify(frame)).toString()));
  bench.add('msgpack, encode and decode', () => decodeFrame(encodeFrame(frame)));
  bench.add('msgpack, encode', () => encodeFrame(frame));
  bench.add('msgpack, decode', () => decodeFrame(bytes));
  bench.add('skim: the head, and a check of the rest', () => skim(bytes));
  const encoder = new EventEncoder(frame.data.session, '01M846X625H3CT24RTFM6N5BKN');
  const delta = { run: '01M846X625H3CT24RTFM6N5BKP', text: 'a few words ' };
  const position = { session: frame.data.session, seq: 17, epoch: '01M846X625H3CT24RTFM6N5BKN' };
  bench.add('an event, encoded whole', () => {
    const id = `${position.epoch}-${position.seq}`;
    return encodeFrame({ id, type: 'message.delta', timestamp: Date.now(), data: { ...position, ...delta } });
  });
  bench.add('an event, put together', () => encoder.encode('message.delta', delta, 17, Date.now()));
  await bench.run();
  const nanoseconds = bench.tasks.map(({ name, result }) => {
    if (result.state !== 'completed') throw new Error(`${name}: ${result.state}`);
    return { label: name, value: result.latency.mean * 1e6, unit: 'ns' };
  });
  const baseline = nanoseconds[0]?.value ?? Number.NaN;
  return { name: 'codec', rows: nanoseconds.map((row) => ({ ...row, ratio: row.value / baseline })) };
}
