/**
 * Goal: nobody pays for a channel that is off. Method: real gateways, which write down every module that one of their threads
 * loads.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { type ConfigInput, gatewayProcess } from '../support/gateway.ts';
import { freePort, lineConfig, writeLineChannel } from '../support/line-channel.ts';
import { APP_TOKEN, BOT_TOKEN, startSlackServer } from '../support/slack-server.ts';
import { TelegramServer } from '../support/telegram-server.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { until } from '../support/wait.ts';

const NOTE = new URL('../support/note-modules.mjs', import.meta.url);
const LIBRARIES =
  /\/node_modules\/(grammy|@discordjs\/\w+|discord-api-types|@slack\/[\w-]+|@whiskeysockets\/baileys)\//g;

type Channels = NonNullable<ConfigInput['channels']>;

const off = {
  discord: { default: { enabled: false, token: 'x' } },
  slack: { default: { enabled: false, botToken: 'x', appToken: 'x' } },
  whatsapp: { default: { enabled: false } },
};

/** The modules a gateway has loaded when every account it has is ready. */
async function loaded(channels: Channels): Promise<string> {
  const home = await tempFolder();
  const file = join(home, 'modules.txt');
  const env = { NODE_OPTIONS: `--import ${NOTE.href}`, DHAAVAK_TEST_MODULES: file };
  const gateway = await gatewayProcess({ home, config: { channels }, env });
  const client = await gateway.connect();
  const ready = async () => {
    const all = (await client.ask('channel.list')).channels;
    return all.every(({ state }) => state === 'ready') ? true : undefined;
  };
  await until(15_000, ready, 'every account to be ready');
  await client.ask('message.send', { text: 'hello' });
  await gateway.stop();
  return readFile(file, 'utf8');
}

const librariesOf = (modules: string) => new Set([...modules.matchAll(LIBRARIES)].map(([, name]) => name));

it('where no channel is on, nothing of the channels is loaded', async () => {
  const modules = await loaded({ ...off, telegram: { default: { enabled: false, token: 'x' } } });
  expect(modules).toContain('/src/main.ts');
  expect(modules).toContain('/actors/session/session.ts'); // of another thread
  expect(modules.split('\n').filter((url) => /\/src\/channels\//.test(url))).toEqual([]);
  expect(librariesOf(modules)).toEqual(new Set());
});

it('where some are on, only their libraries are loaded', async () => {
  const server = await TelegramServer.start();
  onTestFinished(() => server.close());
  const telegram = { default: { token: server.token, apiUrl: server.url } };
  const line = lineConfig(await writeLineChannel(await tempFolder()), await freePort());
  const modules = await loaded({ ...off, telegram, custom: { line } });
  expect(modules).toContain('/line-channel-');
  expect(librariesOf(modules)).toEqual(new Set(['grammy']));
});

it('Slack in Socket Mode loads of undici the WebSocket only', async () => {
  const server = await startSlackServer();
  onTestFinished(() => server.close());
  const slack = { default: { botToken: BOT_TOKEN, appToken: APP_TOKEN, apiUrl: server.url } };
  const modules = await loaded({ slack });
  expect(server.socket.greeted).toBe(1);
  expect(modules).toContain('/undici/lib/web/websocket/websocket.js');
  expect(modules).not.toMatch(/\/undici\/(index\.js|lib\/(mock|cache|interceptor)\/)/);
});
