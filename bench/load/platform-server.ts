/**
 * The tests' server of a platform alone in a process. Arguments: the platform, and the folder its account keeps; for WhatsApp
 * an account is linked there first, and the key its server proves itself with is written beside. Prints its port.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import type { Adapter } from '../../src/channels/adapter.ts';
import { type Platform, settingsOf } from './platform-account.ts';
import { settled } from './started-adapter.ts';

const [platform, folder] = process.argv.slice(2) as [Platform, string];

const SERVERS: Record<Platform, () => Promise<{ url: string }>> = {
  async telegram() {
    const { TelegramServer } = await import('../../test/support/telegram-server.ts');
    return TelegramServer.start();
  },
  async discord() {
    const { startDiscordServer } = await import('../../test/support/discord-server.ts');
    return startDiscordServer();
  },
  async slack() {
    const { startSlackServer } = await import('../../test/support/slack-server.ts');
    return startSlackServer();
  },
  async whatsapp() {
    const { WhatsAppServer } = await import('../../test/support/whatsapp-server/server.ts');
    const server = await WhatsAppServer.start();
    await link(server);
    return server;
  },
};

/** As an owner does it: the account shows a code, the phone reads it. */
async function link(server: { url: string; scan(code: string): void }): Promise<void> {
  const { createAdapter } = await import('../../src/channels/whatsapp/adapter.ts');
  const { WA_CERT_DETAILS } = await import('@whiskeysockets/baileys');
  writeFileSync(join(folder, 'root'), WA_CERT_DETAILS.PUBLIC_KEY);
  const settings = settingsOf('whatsapp', Number(new URL(server.url).port)) as Parameters<typeof createAdapter>[0];
  const context = { account: 'default', folder, log: pino({ level: 'error' }), signal: new AbortController().signal };
  const adapter: Adapter = createAdapter(settings, context);
  await settled(adapter, context.log, (code) => server.scan(code));
  await adapter.stop();
}

const { url } = await SERVERS[platform]();
console.log(new URL(url).port);
