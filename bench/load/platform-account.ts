/** Accounts of the tests' servers. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { z } from 'zod';
import { channelsSchema } from '../../src/config/channels.ts';
import { DISCORD_TOKEN } from '../../test/support/discord-server.ts';
import { APP_TOKEN, BOT_TOKEN } from '../../test/support/slack-server.ts';
import { TELEGRAM_TOKEN } from '../../test/support/telegram-server.ts';

type ChannelsInput = NonNullable<z.input<typeof channelsSchema>>;

export const PLATFORMS = ['telegram', 'slack', 'discord', 'whatsapp'] as const;
export type Platform = (typeof PLATFORMS)[number];

/** `channels` of a configuration with one account, as the platform's server at `port` knows it. */
function accountOf(platform: Platform, port: number): ChannelsInput {
  const root = `http://127.0.0.1:${port}`;
  switch (platform) {
    case 'telegram':
      return { telegram: { default: { token: TELEGRAM_TOKEN, apiUrl: root, dm: 'open' } } };
    case 'slack':
      return { slack: { default: { botToken: BOT_TOKEN, appToken: APP_TOKEN, apiUrl: `${root}/api/` } } };
    case 'discord':
      return { discord: { default: { token: DISCORD_TOKEN, apiUrl: `${root}/api` } } };
    case 'whatsapp':
      return { whatsapp: { default: { serverUrl: `ws://127.0.0.1:${port}/ws/chat` } } };
  }
}

/** What the adapter of that account is given. */
export function settingsOf(platform: Platform, port: number): unknown {
  return channelsSchema.parse(accountOf(platform, port))[platform].default;
}

/** The same for a gateway, whose accounts keep theirs in `folder`. */
export function channelsOf(platform: Platform, port: number, folder: string): ChannelsInput {
  if (platform !== 'whatsapp') return accountOf(platform, port);
  const root = readFileSync(join(folder, 'root'), 'base64');
  const settings = { account: settingsOf(platform, port), root, folder };
  return { custom: { linked: { module: fileOf('whatsapp-channel.ts'), settings } } };
}

/** An account of a channel that does nothing. */
export function idleChannel(): ChannelsInput {
  return { custom: { idle: { module: fileOf('idle-channel.ts') } } };
}

function fileOf(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}
