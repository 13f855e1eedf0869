/**
 * Goal: Telegram all the way: from an update of the Bot API to the message that is shown, through the gateway. Method: a
 * gateway of its own process, the adapter as it is configured, and the local Bot API server. What only the adapter does is in
 * the other files.
 */
import { describe, expect, it, onTestFinished } from 'vitest';
import { type GatewayProcess, gatewayProcess } from '../support/gateway.ts';
import { freePort } from '../support/line-channel.ts';
import { STALLS, scriptedModel } from '../support/model.ts';
import { TelegramServer } from '../support/telegram-server.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { until } from '../support/wait.ts';
import { BOT } from './adapter-fixture.ts';
import { ASHA, BEN, dmWith, GROUP, mentioning, SECRET } from './telegram-fixture.ts';

const DM = `agent:main:dm:telegram:${ASHA.id}`;

async function telegram() {
  const server = await TelegramServer.start();
  onTestFinished(() => server.close());
  const account = { token: server.token, apiUrl: server.url, dm: 'open' as const };
  return { server, account };
}

async function status(gateway: GatewayProcess) {
  const client = await gateway.connect();
  const { channels } = await client.ask('channel.list');
  await client.close();
  return channels[0]!;
}

function answered(server: TelegramServer, pattern: RegExp) {
  return until(15_000, async () => server.sent.find(({ text }) => pattern.test(text)), `${pattern} to be shown`);
}

describe('a gateway with a Telegram account', () => {
  it('answers direct messages and, when it is mentioned, groups; and stays silent else', async () => {
    const { server, account } = await telegram();
    const gateway = await gatewayProcess({ config: { channels: { telegram: { default: account } } } });
    server.post(dmWith(ASHA), ASHA, { text: 'what is 6*7' });
    const answer = await answered(server, /6\*7 = 42/);
    expect(answer.chat).toBe(ASHA.id);
    server.post(GROUP, BEN, { text: 'the soup is ready' });
    server.post(GROUP, ASHA, mentioning(`${BOT} what is 2+2`, server.bot.username));
    await until(15_000, async () => server.sent.find(({ chat }) => chat === GROUP.id), 'an answer in the group');
    const client = await gateway.connect();
    const { entries } = await client.ask('session.history', { session: `agent:main:group:telegram:${GROUP.id}` });
    expect(entries.filter(({ role }) => role === 'user')).toMatchObject([
      { text: expect.stringMatching(/Ben: the soup is ready[\s\S]*Asha Rao: what is 2\+2$/) },
    ]);
    expect(await status(gateway)).toMatchObject({ channel: 'telegram', state: 'ready' });
  });

  it('answers an update once, also when it is killed and gets it again', async () => {
    const { server, account } = await telegram();
    const { models, server: model } = await scriptedModel(STALLS, { text: ['Here I am.'] });
    const home = await tempFolder();
    const config = { models, channels: { telegram: { default: account } } };
    const first = await gatewayProcess({ home, config });
    server.post(dmWith(ASHA), ASHA, { text: 'where are you?' });
    await model.request(0);
    await first.kill();
    const second = await gatewayProcess({ home, config });
    await answered(server, /^Here I am\.$/);
    const client = await second.connect();
    const { entries } = await client.ask('session.history', { session: DM });
    expect(entries.map(({ role }) => role)).toEqual(['user', 'assistant']);
    expect(server.sent.filter(({ text }) => text === 'Here I am.')).toHaveLength(1);
  });

  it('says once that its token is refused', async () => {
    const { account } = await telegram();
    const wrong = { ...account, token: '123456789:AAwrong-token_of-the-bot-0000000000' };
    const gateway = await gatewayProcess({ config: { channels: { telegram: { default: wrong } } } });
    const out = await until(
      10_000,
      async () => {
        const now = await status(gateway);
        return now.state === 'logged-out' ? now : undefined;
      },
      'it to be logged out',
    );
    expect(out.reason).not.toContain(wrong.token);
    const { stderr } = await gateway.stop();
    expect(stderr.match(/logged-out/g)).toHaveLength(1);
    expect(stderr).not.toContain(wrong.token);
  });

  it('takes updates by webhook, from those who know the secret only', async () => {
    const { server, account } = await telegram();
    const port = await freePort();
    const url = `http://127.0.0.1:${port}/webhooks/telegram/default`;
    const webhook = { url, secret: SECRET };
    const gateway = await gatewayProcess({
      port,
      config: { channels: { telegram: { default: { ...account, webhook } } } },
    });
    await until(10_000, async () => ((await status(gateway)).state === 'ready' ? true : undefined), 'it to be ready');
    const update = (id: number, text: string) =>
      JSON.stringify({
        update_id: id,
        message: { message_id: id, date: 1, chat: dmWith(ASHA), from: ASHA, text },
      });
    const post = (body: string, secret?: string) =>
      fetch(url, {
        method: 'POST',
        body,
        headers: {
          'content-type': 'application/json',
          ...(secret ? { 'x-telegram-bot-api-secret-token': secret } : {}),
        },
      });
    for (const secret of [undefined, 'x', `${SECRET}x`]) {
      expect((await post(update(7, 'what is 1+1'), secret)).status).toBeGreaterThanOrEqual(400);
    }
    server.chats.set(ASHA.id, { chat: dmWith(ASHA), topics: new Set() });
    for (let i = 0; i < 5; i++) expect((await post(update(8, 'what is 3+3'), SECRET)).status).toBe(200);
    await answered(server, /3\+3 = 6/);
    const client = await gateway.connect();
    const { entries } = await client.ask('session.history', { session: DM });
    expect(entries.filter(({ role }) => role === 'user').map(({ text }) => text)).toEqual(['what is 3+3']);
  });
});
