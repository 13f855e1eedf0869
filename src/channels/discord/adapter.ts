/**
 * Discord, through the gateway and the REST client of discord.js.
 *
 *   gateway ─ connect.ts ─> bot.ts ─> inbox.ts: a line per channel ─> normalize.ts ─> events.receive
 *                             ├─ READY, GUILD_CREATE ─> catch-up.ts: what was missed, from position.ts on
 *                             └─ INTERACTION_CREATE ──> commands.ts: slash commands and buttons, answered within 3 s
 *   send · edit · typing ─> send.ts ─> render.ts ─> api.ts ─> REST
 */
import { Routes } from 'discord-api-types/v10';
import type { Account } from '../../config/channels.ts';
import { type Adapter, type AdapterContext, type Capabilities, ChannelError } from '../adapter.ts';
import type { Api } from './api.ts';
import { Bot } from './bot.ts';
import { TEXT_LENGTH_MAX } from './render.ts';
import { editMessage, FILE_BYTES_MAX, sendMessage } from './send.ts';

const CAPABILITIES: Capabilities = {
  textLengthMax: TEXT_LENGTH_MAX,
  edits: true,
  // Discord takes about five messages, and five edits, in five seconds of a channel.
  editIntervalMs: 1_200,
  typingMs: 10_000,
  buttons: true,
  fileBytesMax: FILE_BYTES_MAX,
  // Discord knows a nonce for a few minutes only: too short for what is found unsent after an outage.
  detectsDuplicates: false,
};

/** An account on Discord. Nothing is connected before `start`. */
export function createAdapter(settings: Account<'discord'>, context: AdapterContext): Adapter {
  let bot: Bot | undefined;
  const api = (): Api => {
    if (bot) return bot.api;
    throw new ChannelError('temporary', 'not connected to Discord');
  };
  return {
    capabilities: CAPABILITIES,
    async start(events) {
      const starting = new Bot(settings, context, events);
      bot = starting;
      try {
        await starting.open();
      } catch (error) {
        await starting.close();
        throw error;
      }
    },
    async stop() {
      await bot?.close();
      bot = undefined;
    },
    async send(message, signal) {
      return sendMessage(api(), message, signal);
    },
    async edit(chat, message, text, buttons, signal) {
      await editMessage(api(), chat.id, message, text, buttons, signal);
    },
    async typing({ id }) {
      await bot?.api.request('POST', Routes.channelTyping(id)).catch(() => undefined);
    },
  };
}
