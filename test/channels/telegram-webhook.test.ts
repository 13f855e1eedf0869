/**
 * Goal: scorecard row 16 for Telegram: of forged webhooks none is accepted. And the webhook tells when Telegram does not reach
 * it. Method: a local Bot API server that posts to the adapter through HTTP, and forgers who do the same.
 */
import { describe, expect, it, onTestFinished } from 'vitest';
import { createAdapter } from '../../src/channels/telegram/adapter.ts';
import { channelsSchema } from '../../src/config/channels.ts';
import { postUpdate } from '../support/telegram-updates.ts';
import { gate, Recorder } from './recorder.ts';
import { never } from './stage.ts';
import { ASHA, dmWith, QUICK, SECRET, telegramFixture, webhookFront } from './telegram-fixture.ts';
import { running } from './telegram-running.ts';

const DM = dmWith(ASHA);

describe('Telegram: the webhook (scorecard row 16)', () => {
  it('lets in only what carries the secret, of 60 forged requests none', async () => {
    const { account, server } = await running('webhook');
    const { url } = server.updates.webhook!;
    const update = (id: number): string =>
      JSON.stringify({
        update_id: id,
        message: { message_id: id, date: 1, chat: DM, from: ASHA, text: `forged ${id}` },
      });
    const flipped = Array.from(SECRET, (letter, index) => {
      const other = String.fromCharCode(letter.charCodeAt(0) ^ 1);
      return SECRET.slice(0, index) + other + SECRET.slice(index + 1);
    });
    const forged = [
      ...flipped,
      '',
      ' ',
      SECRET.slice(1),
      SECRET.slice(0, -1),
      `${SECRET}x`,
      SECRET.toUpperCase(),
      'undefined',
      'stale-secret_0123456789',
    ];
    for (const [id, secret] of forged.entries()) {
      expect(await postUpdate({ url, secret }, update(id)), secret).toMatch(/401/);
    }
    for (const method of ['POST', 'GET', 'PUT']) {
      const { status } = await fetch(url, { method, ...(method === 'GET' ? {} : { body: update(900) }) });
      expect(status).toBe(401);
    }
    expect(account.messages).toEqual([]);
    expect(await postUpdate({ url, secret: SECRET }, update(1_000))).toBeUndefined();
    expect(account.messages.map(({ text }) => text)).toEqual(['forged 1000']);
  });

  it('takes the secret of an earlier start for a forgery', async () => {
    const { server } = await running('webhook');
    const account = new Recorder();
    const settings = { token: server.token, apiUrl: server.url, group: 'mention' } as const;
    const context = { account: 'main', folder: '/nowhere', log: account.log, signal: never };
    const front = await webhookFront(() => renewed);
    const webhook = { url: front.url, secret: 'another-secret_987654321' };
    const renewed = createAdapter({ ...settings, webhook }, context, QUICK);
    onTestFinished(async () => {
      await renewed.stop();
      front.server.close();
      front.server.closeAllConnections();
    });
    await renewed.start(account);
    const body = JSON.stringify({
      update_id: 1,
      message: { message_id: 1, date: 1, chat: DM, from: ASHA, text: 'old' },
    });
    expect(await postUpdate({ url: front.url, secret: SECRET }, body)).toMatch(/401/);
    expect(account.messages).toEqual([]);
  });

  it.each([
    ['none', undefined],
    ['an empty one', ''],
    ['one too short to be one', 'secret'],
  ])('is no good configuration with %s for a secret', (_, secret) => {
    const account = { token: 'x', webhook: { url: 'https://bot.example/telegram', secret } };
    expect(channelsSchema.safeParse({ telegram: { main: account } }).success).toBe(false);
  });

  it('agrees on the secret and on what is sent with Telegram', async () => {
    const { server } = await running('webhook');
    expect(server.updates.webhook).toMatchObject({ secret: SECRET });
  });

  it('answers what is verified and yet no update', async () => {
    const { account, adapter } = await running('webhook');
    const headers = new Map([['x-telegram-bot-api-secret-token', SECRET]]);
    const answer = async (method: string, body: string): Promise<number> =>
      (await adapter.webhook!({ method, headers, body: Buffer.from(body) })).status;
    expect(await answer('GET', '')).toBe(405);
    for (const body of ['', 'null', '[]', '{"update_id":"1"}', '{']) expect(await answer('POST', body)).toBe(400);
    await adapter.stop();
    expect(await answer('POST', '{"update_id":1}')).toBe(503);
    expect(account.messages).toEqual([]);
  });

  it('has no more than 100 updates under way', async () => {
    const { account, adapter } = await running('webhook');
    const kept = gate();
    account.keep = () => kept.opened;
    const headers = new Map([['x-telegram-bot-api-secret-token', SECRET]]);
    const posted = Array.from({ length: 101 }, (_, id) => {
      const message = { message_id: id, date: 1, chat: dmWith({ ...ASHA, id: 9_000 + id }), from: ASHA, text: 'hi' };
      const body = Buffer.from(JSON.stringify({ update_id: id, message }));
      return adapter.webhook!({ method: 'POST', headers, body });
    });
    expect((await posted[100])?.status).toBe(503);
    kept.open();
    expect((await Promise.all(posted)).filter(({ status }) => status === 200)).toHaveLength(100);
  });

  it('says why Telegram does not reach it, and when it does again', async () => {
    const { account, server } = await running('webhook');
    const target = server.updates.webhook!;
    server.updates.setWebhook({ ...target, secret: 'lost-on-the-way_0123' });
    server.post(DM, ASHA, { text: 'hello?' });
    await account.reaches('degraded');
    expect(account.states.at(-1)?.reason).toMatch(/cannot deliver 1 updates: Wrong response from the webhook: 401/);
    server.updates.setWebhook(target);
    await account.message(0);
    await account.reaches('ready');
  });

  it('says that another program took the webhook', async () => {
    const { account, server } = await running('webhook');
    server.updates.setWebhook({ url: 'http://127.0.0.1:9/elsewhere', secret: 'x' });
    await account.reaches('degraded');
    expect(account.states.at(-1)?.reason).toMatch(/another program took the webhook/);
  });

  it('is logged out when the token is revoked', async () => {
    const { account, server } = await running('webhook');
    Object.assign(server, { token: '123456789:AAnew-token_of-the-bot-000000000000000' });
    await account.reaches('logged-out');
  });

  it('does not start with an address Telegram refuses', async () => {
    const account = new Recorder();
    const { server, close } = await telegramFixture('webhook', account.log);
    onTestFinished(close);
    const webhook = { url: 'ftp://bot.example/', secret: SECRET };
    const adapter = createAdapter(
      { token: server.token, apiUrl: server.url, group: 'mention', webhook },
      { account: 'main', folder: '/nowhere', log: account.log, signal: never },
    );
    expect((await account.failure(adapter.start(account))).kind).toBe('rejected');
    await adapter.stop();
  });
});
