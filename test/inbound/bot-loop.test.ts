/** Goal: two bots that answer each other are stopped. Method: a clock that stands still until it is moved. */
import { expect, it } from 'vitest';
import { BOT_MESSAGES_MAX, BotLoopGuard, CHATS_MAX, PAUSE_MS, WINDOW_MS } from '../../src/inbound/bot-loop.ts';
import { ManualClock } from '../support/manual-clock.ts';

function setUp() {
  const clock = new ManualClock();
  const guard = new BotLoopGuard(clock);
  const counts = (times: number, chat = 'c1') => Array.from({ length: times }, () => guard.count(chat));
  return { clock, counts };
}

it('after 20 messages within 60 s bots are not answered in that chat for 60 s, told once', async () => {
  const { clock, counts } = setUp();
  expect(new Set(counts(BOT_MESSAGES_MAX))).toEqual(new Set(['run']));
  expect(counts(3)).toEqual(['pauses', 'paused', 'paused']);
  expect(counts(1, 'another chat')).toEqual(['run']);
  await clock.advance(PAUSE_MS - 1);
  expect(counts(1)).toEqual(['paused']);
  await clock.advance(1);
  expect(new Set(counts(BOT_MESSAGES_MAX))).toEqual(new Set(['run']));
  expect(counts(1)).toEqual(['pauses']);
});

it('a slower talk goes on for ever: what is older than 60 s does not count', async () => {
  const { clock, counts } = setUp();
  for (let i = 0; i < 200; i += 1) {
    expect(counts(1)).toEqual(['run']);
    await clock.advance(WINDOW_MS / BOT_MESSAGES_MAX);
  }
});

it('remembers the chats in which something happened last', () => {
  const { counts } = setUp();
  counts(BOT_MESSAGES_MAX, 'silent');
  for (let i = 1; i < CHATS_MAX; i += 1) counts(1, `chat ${i}`);
  expect(counts(1, 'silent')).toEqual(['pauses']);
  for (let i = 0; i < CHATS_MAX; i += 1) counts(1, `more ${i}`);
  expect(counts(1, 'silent')).toEqual(['run']);
});
