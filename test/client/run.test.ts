/**
 * Goal: a run's stream holds exactly its own events, in whatever order they and the acknowledgement come.
 * Method: events offered by hand, without a connection.
 */
import { describe, expect, test } from 'vitest';
import { type RunEvent, RunStream } from '../../src/client/run.ts';
import { DhaavakError } from '../../src/protocol/errors.ts';
import { collect } from './collect.ts';

const SESSION = 'agent:main:main';
const position = { session: SESSION, seq: 1, epoch: 'e' };
const usage = { inputTokens: 1, outputTokens: 1 };

const start = (run: string, message: string): RunEvent => ({
  type: 'run.start',
  data: { ...position, run, message, model: 'offline' },
});
const delta = (run: string, text: string): RunEvent => ({ type: 'message.delta', data: { ...position, run, text } });
const end = (run: string, message: string): RunEvent => ({
  type: 'run.end',
  data: { ...position, run, message, status: 'ok', usage },
});
const ack = { session: SESSION, message: 'm1', queued: 0 };

function stream() {
  const cancelled: string[] = [];
  let finished = 0;
  const run = new RunStream({ cancel: (_, id) => cancelled.push(id), finished: () => (finished += 1) });
  return { run, cancelled, finished: () => finished };
}

const summary = ({ type, data }: RunEvent): string => (type === 'message.delta' ? data.text : type);

const summaries = async (run: RunStream): Promise<string[]> => (await collect(run)).map(summary);

describe('a run', () => {
  test('holds its own events and not those of another run or session', async () => {
    const { run, finished } = stream();
    run.accept(ack);
    const elsewhere = delta('r1', 'elsewhere');
    elsewhere.data.session = 'agent:main:dm:x:y';
    for (const event of [start('r0', 'm0'), start('r1', 'm1'), elsewhere, delta('r0', 'other'), delta('r1', 'own')]) {
      run.offer(event);
    }
    run.offer(end('r0', 'm0'));
    run.offer(end('r1', 'm1'));
    expect(finished()).toBe(1);
    expect(await summaries(run)).toEqual(['run.start', 'own', 'run.end']);
  });

  test('keeps what comes before its acknowledgement', async () => {
    const { run } = stream();
    for (const event of [start('r0', 'm0'), start('r1', 'm1'), delta('r1', 'early'), delta('r0', 'x')])
      run.offer(event);
    run.accept(ack);
    run.offer(end('r1', 'm1'));
    expect(await summaries(run)).toEqual(['run.start', 'early', 'run.end']);
  });

  test('ends when its message is cancelled in the queue and no run ever starts', async () => {
    const { run } = stream();
    run.accept(ack);
    run.offer(end('r9', 'm1'));
    expect(await summaries(run)).toEqual(['run.end']);
  });

  test('wakes a reader that waits', async () => {
    const { run } = stream();
    const events = summaries(run);
    run.accept(ack);
    run.offer(start('r1', 'm1'));
    await Promise.resolve();
    run.offer(end('r1', 'm1'));
    expect(await events).toEqual(['run.start', 'run.end']);
  });

  test('joins deltas for a slow reader and loses none of their text', async () => {
    const { run } = stream();
    run.accept(ack);
    run.offer(start('r1', 'm1'));
    const texts = Array.from({ length: 5_000 }, (_, index) => `${index} `);
    for (const text of texts) run.offer(delta('r1', text));
    run.offer(end('r1', 'm1'));
    const events = await summaries(run);
    expect(events.length).toBeLessThan(1_100);
    expect(events.slice(1, -1).join('')).toBe(texts.join(''));
    expect(events.at(-1)).toBe('run.end');
  });

  test('gives what it has before it throws', async () => {
    const { run } = stream();
    run.accept(ack);
    run.offer(start('r1', 'm1'));
    run.fail(new DhaavakError('unavailable', 'gone'));
    const seen: string[] = [];
    const reading = (async () => {
      for await (const event of run) seen.push(event.type);
    })();
    await expect(reading).rejects.toMatchObject({ code: 'unavailable' });
    expect(seen).toEqual(['run.start']);
  });

  test('is let go of when its reader leaves early', async () => {
    const { run, finished } = stream();
    run.accept(ack);
    run.offer(start('r1', 'm1'));
    for await (const _ of run) break;
    expect(finished()).toBe(1);
  });

  test('is cancelled once, by its id, as soon as it has one', () => {
    const { run, cancelled } = stream();
    run.cancel();
    run.accept(ack);
    expect(cancelled).toEqual([]);
    run.offer(start('r1', 'm1'));
    run.cancel();
    expect(cancelled).toEqual(['r1']);
  });
});
