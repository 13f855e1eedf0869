/** Goal: quick messages of one sender become one, and nothing is lost or told too early. Method: a manual clock. */
import { expect, it } from 'vitest';
import { Debounce, JOINED_LENGTH_MAX, JOINED_MAX, type JoinedMessage } from '../../src/inbound/debounce.ts';
import { inbound, person } from '../support/inbound.ts';
import { ManualClock } from '../support/manual-clock.ts';

function setUp(debounceMs = 100) {
  const clock = new ManualClock();
  const delivered: JoinedMessage[] = [];
  const kept: PromiseWithResolvers<void>[] = [];
  const debounce = new Debounce({
    clock,
    debounceMs,
    deliver(joined) {
      delivered.push(joined);
      const outcome = Promise.withResolvers<void>();
      kept.push(outcome);
      return outcome.promise;
    },
  });
  const texts = () => delivered.map(({ message }) => message.text);
  return { clock, debounce, delivered, kept, texts };
}

it('joins what comes in time: texts, attachments, the first reply, the last id, every update', async () => {
  const { clock, debounce, delivered, kept } = setUp();
  const attachment = { kind: 'image', load: () => Promise.reject(new Error('not wanted')) } as const;
  const first = inbound({ text: 'one', repliesTo: { message: 'm0' }, attachments: [attachment] });
  const second = inbound({ text: '', attachments: [attachment], addressed: false });
  const third = inbound({ text: 'three' });
  const told: string[] = [];
  const all = [first, second, third].map(async (message) => {
    await debounce.add(message);
    told.push(message.update);
  });
  await clock.advance(99);
  expect(delivered).toEqual([]);
  await clock.advance(1);
  expect(delivered).toEqual([
    {
      message: {
        ...first,
        text: 'one\nthree',
        attachments: [attachment, attachment],
        message: third.message,
        timestamp: third.timestamp,
      },
      updates: [first.update, second.update, third.update],
    },
  ]);
  expect(told).toEqual([]); // not before it is on the disk
  kept[0]?.resolve();
  await Promise.all(all);
  expect(told).toHaveLength(3);
});

it('waits anew with each message, but the first does not wait for ever', async () => {
  const { clock, debounce, texts } = setUp();
  for (let i = 0; i < 6; i += 1) {
    void debounce.add(inbound({ text: `${i}` }));
    await clock.advance(90);
  }
  expect(texts()).toEqual(['0\n1\n2\n3\n4\n5']); // 500 ms after the first
});

it('tells all who were joined when it could not be kept', async () => {
  const { clock, debounce, kept } = setUp();
  const all = [debounce.add(inbound()), debounce.add(inbound())];
  const outcomes = Promise.allSettled(all);
  await clock.advance(100);
  kept[0]?.reject(new Error('no disk'));
  expect((await outcomes).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
});

it('does not join other senders, chats and threads, nor commands, before which goes what waits', async () => {
  const { clock, debounce, texts } = setUp();
  const chat = { id: 'g1', type: 'group' } as const;
  const messages = [
    inbound({ chat, text: 'a' }),
    inbound({ chat, text: 'b', sender: person('2') }),
    inbound({ chat: { ...chat, thread: 't' }, text: 'c' }),
    inbound({ chat, text: '/stop' }),
    inbound({ chat, text: 'd' }),
  ];
  for (const message of messages) void debounce.add(message);
  expect(texts()).toEqual(['a', '/stop']);
  await clock.advance(100);
  expect(texts()).toEqual(['a', '/stop', 'b', 'c', 'd']);
  expect(clock.waiting).toBe(0);
});

it('begins another message where one would be too long, or of too many', async () => {
  const { clock, debounce, texts } = setUp();
  for (let i = 0; i < JOINED_MAX + 1; i += 1) void debounce.add(inbound({ text: 'x' }));
  expect(texts()).toEqual([Array.from({ length: JOINED_MAX }, () => 'x').join('\n')]);
  void debounce.add(inbound({ text: 'y'.repeat(JOINED_LENGTH_MAX) }));
  expect(texts()).toHaveLength(2);
  await clock.advance(100);
  expect(texts()).toHaveLength(3);
});

it('knows of whom a message waits; a flush delivers all and waits for them; 0 joins nothing', async () => {
  const { debounce, kept, texts } = setUp();
  const message = inbound();
  void debounce.add(message);
  expect([debounce.waitsFor(message), debounce.waitsFor(inbound({ sender: person('2') }))]).toEqual([true, false]);
  let flushed = false;
  const flush = debounce.flush().then(() => {
    flushed = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  expect([texts().length, flushed, debounce.waitsFor(message)]).toEqual([1, false, false]);
  kept[0]?.resolve();
  await flush;
  const off = setUp(0);
  void off.debounce.add(inbound());
  void off.debounce.add(inbound());
  expect(off.delivered).toHaveLength(2);
});
