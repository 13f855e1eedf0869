/** The chat commands as slash commands of the application, and the answers Discord wants to interactions. */
import { setTimeout as delay } from 'node:timers/promises';
import {
  type APIApplicationCommand,
  type APIInteraction,
  ApplicationCommandOptionType,
  ApplicationCommandType,
  ApplicationIntegrationType,
  InteractionContextType,
  InteractionResponseType,
  MessageFlags,
  Routes,
} from 'discord-api-types/v10';
import type { Api } from './api.ts';

/** Discord gives an application 3 s to say something to an interaction, and 15 minutes for more. */
const ANSWER_MS = 2_000;

/** Name and description of each. What it may take is its own affair: one text, as on the other channels. */
const COMMANDS: Readonly<Record<string, string>> = {
  new: 'Begin a new conversation',
  reset: 'Begin a new conversation',
  stop: 'End the answer being made and all that waits',
  status: 'What this conversation is and does',
  model: 'Show or choose the model',
  think: 'Show or choose how much the model thinks',
  compact: 'Shorten what the model is sent of this conversation',
  usage: 'Tokens used so far',
  queue: 'Show or choose what becomes of messages during an answer',
  remember: 'Remember something for later conversations',
  forget: 'Forget something that was remembered',
  help: 'What can be said to the bot itself',
  whoami: 'Who you are here',
  approve: 'Allow or deny what waits for approval',
};

const OPTION = {
  type: ApplicationCommandOptionType.String as const,
  name: 'argument',
  description: 'What follows the command',
  required: false,
};

/** Where they are offered: in servers the bot was added to, and in its DMs. */
const OFFER = {
  integration_types: [ApplicationIntegrationType.GuildInstall],
  contexts: [InteractionContextType.Guild, InteractionContextType.BotDM],
};

/** Makes the commands of the application these and no others; asks for nothing when they are. Throws a ChannelError. */
export async function registerCommands(api: Api, application: string): Promise<void> {
  const route = Routes.applicationCommands(application);
  const there = await api.request<APIApplicationCommand[]>('GET', route);
  const wanted = Object.entries(COMMANDS).map(([name, description]) => ({ name, description }));
  const shape = (commands: readonly { name: string; description: string; options?: unknown[] }[]): string =>
    JSON.stringify(commands.map(({ name, description }) => `${name} ${description}`).sort());
  if (shape(there) === shape(wanted) && there.every(({ options }) => options?.length === 1)) return;
  const body = wanted.map((command) => ({
    ...command,
    type: ApplicationCommandType.ChatInput,
    options: [OPTION],
    ...OFFER,
  }));
  await api.request('PUT', route, { body });
}

/**
 * Shows whoever caused the interaction `text`, to nobody else, as soon as it is known. Discord shows that the bot thinks
 * when that takes longer than it would wait. Throws a ChannelError.
 */
export async function answerInteraction(
  api: Api,
  { id, token, application_id }: Pick<APIInteraction, 'id' | 'token' | 'application_id'>,
  text: Promise<string>,
): Promise<void> {
  const waited = new AbortController();
  const late = delay(ANSWER_MS, undefined, { signal: waited.signal }).catch(() => undefined);
  const content = await Promise.race([text, late]);
  waited.abort();
  const flags = MessageFlags.Ephemeral;
  const body =
    content === undefined
      ? { type: InteractionResponseType.DeferredChannelMessageWithSource, data: { flags } }
      : {
          type: InteractionResponseType.ChannelMessageWithSource,
          data: { flags, content, allowed_mentions: { parse: [] } },
        };
  await api.request('POST', Routes.interactionCallback(id, token), { body, auth: false });
  if (content !== undefined) return;
  const route = Routes.webhookMessage(application_id, token, '@original');
  await api.request('PATCH', route, { body: { content: await text, allowed_mentions: { parse: [] } }, auth: false });
}
