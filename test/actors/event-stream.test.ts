import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EventStream } from '../../actors/session/event-stream.ts';
import { RecentEvents, RecentEventsPool } from '../../actors/session/recent-events.ts';
import { decodeFrame, encodeFrame } from '../../src/protocol/frame.ts';
import { skim } from '../../src/protocol/skim.ts';

/** What a model passes to a tool; the skimmer, which looks at the frames here, refuses the key that clients must not send. */
const inputs = fc.jsonValue().filter((input) => !JSON.stringify(input).includes('"__proto__"'));

describe('an event', () => {
  it('is the frame that encoding it whole would make, whatever it says', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), inputs, fc.nat(20_000), (text, input, before) => {
        const frames: Buffer[] = [];
        const sink = {
          emit: (_: string, frame: Uint8Array) => frames.push(Buffer.from(frame)),
          recentEvents: new RecentEventsPool(),
        };
        const stream = new EventStream('agent:main:dm:api:x', '01ABCDEFGHJKMNPQRSTVWXYZ00', sink, { now: () => 0 });
        stream.seq = before;
        const call = { run: 'r', call: 'c', name: 'calc' };
        stream.publish('message.delta', { run: 'r', text });
        stream.publish('tool.start', { ...call, input });
        for (const [i, frame] of frames.entries()) {
          expect(skim(frame).type).toBe(i === 0 ? 'message.delta' : 'tool.start');
          const seq = before + i + 1;
          const position = { session: 'agent:main:dm:api:x', epoch: stream.epoch, seq };
          const data = i === 0 ? { run: 'r', text } : { ...call, input };
          const whole = decodeFrame(
            encodeFrame({
              id: `${stream.epoch}-${seq}`,
              type: skim(frame).type,
              timestamp: 0,
              data: { ...position, ...data },
            }),
          );
          expect(decodeFrame(frame)).toEqual({ ...whole, timestamp: expect.any(Number) });
        }
      }),
    );
  });
});

describe('the recent events', () => {
  it('are the newest ones, whole and in order, or none', () => {
    const frames = fc.array(fc.uint8Array({ minLength: 1, maxLength: 9_000 }), { maxLength: 60 });
    fc.assert(
      fc.property(frames, fc.nat(70), (all, count) => {
        const recent = new RecentEvents(new RecentEventsPool());
        for (const frame of all) recent.add(frame);
        const newest = recent.newest(count);
        if (newest === undefined) {
          const bytes = all.slice(-count).reduce((sum, { length }) => sum + length, 0);
          expect(count > all.length || bytes > 16 * 1024).toBe(true);
        } else {
          expect(newest.map((frame) => [...frame])).toEqual(
            count === 0 ? [] : all.slice(-count).map((frame) => [...frame]),
          );
        }
      }),
    );
  });

  it('end before one that is too large to keep', () => {
    const recent = new RecentEvents(new RecentEventsPool());
    recent.add(Buffer.from('before'));
    recent.add(Buffer.alloc(100_000));
    recent.add(Buffer.from('after'));
    expect(recent.newest(1)).toEqual([Buffer.from('after')]);
    expect(recent.newest(2)).toBeUndefined();
  });

  it('of all sessions have a bound: those of the session that published longest ago go first', () => {
    const pool = new RecentEventsPool(3 * 4_096);
    const [first, second, third] = [1, 2, 3].map(() => new RecentEvents(pool)) as [
      RecentEvents,
      RecentEvents,
      RecentEvents,
    ];
    const frame = Buffer.alloc(4_000);
    for (const recent of [first, second, first]) recent.add(frame);
    expect(first.newest(2)).toHaveLength(2);
    third.add(frame);
    expect(second.newest(1)).toBeUndefined();
    expect(first.newest(2)).toHaveLength(2);
    expect(third.newest(1)).toHaveLength(1);
    second.add(frame);
    expect(first.newest(1)).toBeUndefined();
    expect(second.newest(1)).toHaveLength(1);
  });
});
