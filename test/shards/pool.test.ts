/** Goal: a shard that hangs or dies costs its own requests only. Method: a real pool of workers that do so when told. */
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { configSchema } from '../../src/config/schema.ts';
import { DhaavakError } from '../../src/protocol/errors.ts';
import { ShardPool } from '../../src/shards/pool.ts';
import type { Receiver } from '../../src/shards/receiver.ts';
import { ToolHosts } from '../../src/tools/hosts.ts';
import { holds } from '../support/wait.ts';

/** A connection that keeps what it is told. */
class Listener implements Receiver {
  readonly heard: string[] = [];
  readonly failures: DhaavakError[] = [];
  answers = 0;
  #queued: Uint8Array[] = [];

  queue(frame: Uint8Array): boolean {
    return this.#queued.push(frame) === 1;
  }

  flush(): void {
    this.heard.push(...this.#queued.splice(0).map((frame) => Buffer.from(frame).toString()));
  }

  subscribe(): void {}

  answered(): void {
    this.answers++;
  }

  fail(_id: string, error: Error): void {
    if (error instanceof DhaavakError) this.failures.push(error);
  }
}

let pool: ShardPool;
const listener = () => new Listener();
const ask = (shard: number, text: string, receiver: Receiver) =>
  pool.request(shard, '', Buffer.from(text), 'r1', receiver);

function poolOf(worker: string, { count = 2, stuckAfterMs = 600 } = {}): ShardPool {
  return new ShardPool({
    config: configSchema.parse({ shards: { stuckAfterMs } }),
    count,
    subscribers: { of: () => undefined },
    countTokens: async () => [],
    tellPairing: () => {},
    tools: new ToolHosts(configSchema.parse({})),
    log: pino({ level: 'silent' }),
    entry: new URL(`../support/${worker}.ts`, import.meta.url),
  });
}

beforeEach(async () => {
  pool = poolOf('spinning-worker');
  await pool.start();
});
afterEach(() => pool.stop(0));

describe('a shard that never gives its thread back', () => {
  it('is replaced; what it was asked is answered with unavailable, and the other shard answers all the while', async () => {
    const [stuck, other] = [listener(), listener()];
    ask(0, 'spin', stuck);
    ask(0, 'behind it', stuck);
    ask(1, 'one', other);
    await holds(() => stuck.failures.length === 2);
    expect(stuck.failures.map(({ code, retryable }) => [code, retryable])).toEqual(
      Array(2).fill(['unavailable', true]),
    );
    expect(stuck.answers).toBe(2);
    ask(1, 'two', other);
    await holds(() => other.heard.length === 2);
    await holds(() => pool.trouble === undefined);
    ask(0, 'again', stuck);
    await holds(() => stuck.heard.length === 1);
    expect(stuck.heard).toEqual(['again']);
    expect(other.heard).toEqual(['one', 'two']);
  });
});

describe('a shard that dies again and again', () => {
  it('is given up after five restarts within a minute, and the pool says so', async () => {
    const receiver = listener();
    for (let death = 1; death <= 6; death++) {
      ask(0, 'die', receiver);
      await holds(() => receiver.failures.length === death);
      await holds(() => pool.trouble === (death === 6 ? 'shard 0 is failed' : undefined));
    }
    expect(() => ask(0, 'anyone?', receiver)).toThrow(expect.objectContaining({ code: 'unavailable' }));
    ask(1, 'still here', receiver);
    await holds(() => receiver.heard.length === 1);
  });
});

describe('a shard that takes long to start', () => {
  it('is not taken for one that hangs as soon as it is ready', async () => {
    await pool.stop(0);
    pool = poolOf('slow-worker', { count: 1, stuckAfterMs: 1_500 });
    await pool.start();
    const receiver = listener();
    ask(0, 'die', receiver);
    await holds(() => receiver.failures.length === 1);
    await holds(() => pool.trouble === undefined);
    ask(0, 'hello', receiver);
    await holds(() => receiver.heard.length + receiver.failures.length === 2);
    expect(receiver.heard).toEqual(['hello']);
  });
});
