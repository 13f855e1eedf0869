/**
 * Goal: nothing is lost or taken twice by polling, and polling that gets nothing though there is something is noticed by that
 * and begun anew. Method: grammY against a local Bot API server that forgets, refuses and keeps silent.
 */
import { describe, expect, it, onTestFinished } from 'vitest';
import { Refusal } from '../support/telegram-refusal.ts';
import type { TelegramServer } from '../support/telegram-server.ts';
import { holds } from '../support/wait.ts';
import { gate } from './recorder.ts';
import { never } from './stage.ts';
import { ASHA, BEN, dmWith, QUICK } from './telegram-fixture.ts';
import { running } from './telegram-running.ts';

const DM = dmWith(ASHA);

/** Until the adapter waits for what comes: its first poll does not. */
async function waiting(server: TelegramServer): Promise<void> {
  await holds(() => server.calls.get('getUpdates')! > 1 && server.updates.polled);
}

describe('Telegram: polling', () => {
  it('begins anew when Telegram does not answer in time', async () => {
    const { account, server } = await running('polling', { pollMs: 1_000, marginMs: 100, lookMs: 60_000 });
    await account.reaches('ready');
    await waiting(server);
    server.updates.losePoll();
    server.post(DM, ASHA, { text: 'hello?' });
    await account.message(0);
    expect(account.states).toContainEqual({
      state: 'degraded',
      reason: expect.stringMatching(/did not answer within/),
    });
    await account.reaches('ready');
  });

  it('begins anew when Telegram has updates that do not come, though sending works', async () => {
    const { account, server, send } = await running();
    await account.reaches('ready');
    await waiting(server);
    server.updates.losePoll();
    server.post(DM, ASHA, { text: 'hello?' });
    const sending = setInterval(
      () => void send({ chat: { id: String(ASHA.id), type: 'dm' }, text: 'hi' }).catch(() => undefined),
      20,
    );
    onTestFinished(() => clearInterval(sending));
    await account.message(0);
    expect(account.states).toContainEqual({
      state: 'degraded',
      reason: expect.stringMatching(/has 1 updates and gives none/),
    });
    await account.reaches('ready');
  });

  it('hears again after the ids of updates began elsewhere', async () => {
    const { account, server } = await running();
    server.post(DM, ASHA, { text: 'before' });
    await account.message(0);
    await holds(() => server.updates.pendingCount === 0);
    server.updates.restartIds(500);
    server.post(DM, ASHA, { text: 'after a week' });
    expect((await account.message(1)).update).toBe('500');
    await account.reaches('ready');
    await holds(() => server.updates.pendingCount === 0);
    expect(account.messages).toHaveLength(2);
  });

  it('stays degraded as long as Telegram claims updates and gives none', async () => {
    const { account, server } = await running('polling', { pollMs: 1_000 });
    await account.reaches('ready');
    server.updates.give(false);
    server.post(DM, ASHA, { text: 'hello?' });
    const polls = server.calls.get('getUpdates')!;
    await holds(() => server.calls.get('getUpdates')! > polls + 3);
    expect(account.states.at(-1)?.state).toBe('degraded');
    server.updates.give(true);
    await account.message(0);
    await account.reaches('ready');
  });

  it('says that another program polls with the same token, and goes on when it ended', async () => {
    const { account, server } = await running();
    await account.reaches('ready');
    const other = setInterval(() => void server.updates.poll(undefined, 1, 50, never).catch(() => undefined), 10);
    await account.reaches('degraded');
    expect(account.states.at(-1)?.reason).toMatch(/another program uses the token of this bot: .*other getUpdates/);
    clearInterval(other);
    await account.reaches('ready');
    server.post(DM, ASHA, { text: 'hello?' });
    await account.message(0);
  });

  it('does not take away a webhook another program set, but says so', async () => {
    const { account, server } = await running();
    await account.reaches('ready');
    server.updates.setWebhook({ url: 'http://127.0.0.1:9/elsewhere', secret: 'x' });
    await account.reaches('degraded');
    expect(account.states.at(-1)?.reason).toMatch(/another program uses the token of this bot: .*webhook/i);
    server.updates.setWebhook(undefined);
    await account.reaches('ready');
  });

  it('takes away the webhook of an earlier start', async () => {
    const { account } = await running('polling', {}, (server) =>
      server.updates.setWebhook({ url: 'http://127.0.0.1:9/mine', secret: 'x' }),
    );
    await account.reaches('ready');
  });

  it('is logged out when the token is revoked, and asks no more', async () => {
    const { account, server } = await running();
    await account.reaches('ready');
    await waiting(server);
    Object.assign(server, { token: '123456789:AAnew-token_of-the-bot-000000000000000' });
    server.updates.restartPoll();
    await account.reaches('logged-out');
    const { strangers } = server;
    // Longer than between two polls, had there been another.
    await new Promise((resolve) => setTimeout(resolve, QUICK.backoffMaxMs));
    expect(server.strangers).toBe(strangers);
  });

  it('waits as long as Telegram says', async () => {
    const { account, server } = await running();
    await account.reaches('ready');
    await waiting(server);
    const before = server.calls.get('getUpdates')!;
    const since = performance.now();
    server.updates.restartPoll(new Refusal(429, 'Too Many Requests: retry after 1', { retry_after: 1 }));
    await account.reaches('degraded');
    await holds(() => server.calls.get('getUpdates')! > before);
    expect(performance.now() - since).toBeGreaterThan(900);
  });

  it('takes no update twice while one before it waits, and no more than 100 at a time', async () => {
    const { account, server } = await running();
    const kept = gate();
    account.keep = ({ text }) => (text === 'slow' ? kept.opened : Promise.resolve());
    server.post(DM, ASHA, { text: 'slow' });
    for (let number = 1; number <= 150; number += 1) server.post(dmWith(BEN), BEN, { text: `${number}` });
    await account.message(99);
    const polls = server.calls.get('getUpdates')!;
    await holds(() => server.calls.get('getUpdates')! > polls + 2);
    expect(account.messages).toHaveLength(100);
    expect(server.updates.pendingCount).toBe(151);
    await holds(() => account.states.at(-1)?.state === 'degraded');
    expect(account.states.at(-1)?.reason).toMatch(/waiting for long to be kept/);
    kept.open();
    await account.message(150);
    await account.reaches('ready');
    expect(new Set(account.messages.map(({ update }) => update)).size).toBe(151);
    expect(account.messages.slice(1).map(({ text }) => text)).toEqual(
      Array.from({ length: 150 }, (_, i) => `${i + 1}`),
    );
  });

  it('passes on the next message of a chat while one waits to be kept, so that quick ones can be joined', async () => {
    const { account, server } = await running();
    const kept = gate();
    account.keep = ({ text }) => (text === 'slow' ? kept.opened : Promise.resolve());
    server.post(DM, ASHA, { text: 'slow' });
    await account.message(0);
    server.post(DM, ASHA, { text: 'next' });
    expect((await account.message(1)).text).toBe('next');
    kept.open();
    await holds(() => server.updates.pendingCount === 0);
    expect(account.messages).toHaveLength(2);
  });

  it('asks again for what was not kept, and for nothing else', async () => {
    const { account, server } = await running();
    let full = true;
    account.keep = async ({ text }) => {
      if (full && text === 'one') throw new Error('the disk is full');
    };
    for (const text of ['one', 'two', 'three']) server.post(DM, ASHA, { text });
    await holds(() => account.messages.length >= 5);
    await account.reaches('degraded');
    full = false;
    await holds(() => server.updates.pendingCount === 0);
    expect(account.messages.map(({ text }) => text).filter((text) => text !== 'one')).toEqual(['two', 'three']);
    await account.reaches('ready');
  });

  it('tells Telegram at its end what arrived', async () => {
    const { account, server, adapter } = await running();
    const kept = gate();
    account.keep = () => kept.opened;
    server.post(DM, ASHA, { text: 'last' });
    await account.message(0);
    const stopped = adapter.stop();
    // By then polling has ended, and what is being received has not.
    await new Promise((resolve) => setTimeout(resolve, 5 * QUICK.againMs));
    kept.open();
    await stopped;
    expect(server.updates.pendingCount).toBe(0);
    await holds(() => server.connections === 0);
  });
});
