/** What Discord brings to the suite of adapters: the adapter, and a local Discord with one server and two people in it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { expect, type TestContext } from 'vitest';
import type { Adapter, Chat, Sender } from '../../src/channels/adapter.ts';
import { createAdapter } from '../../src/channels/discord/adapter.ts';
import { channelsSchema } from '../../src/config/channels.ts';
import { refusal } from '../support/discord-bodies.ts';
import { limited } from '../support/discord-limits.ts';
import { DISCORD_TOKEN, type DiscordServer, type Fault, startDiscordServer } from '../support/discord-server.ts';
import type { Attachment, Channel, Message, User } from '../support/discord-world.ts';
import {
  type AdapterFixture,
  BOT,
  type Posted,
  type PostOptions,
  type SendFault,
  type Shown,
} from './adapter-fixture.ts';
import { Recorder } from './recorder.ts';

const WRONG_TOKEN = 'MTIzNDU2Nzg5MDEyMzQ1Njc4.GdWrong.canary-of-a-wrong-token-at-discord';

/** The fixture, and Discord itself for its own cases. */
export interface DiscordFixture extends AdapterFixture {
  readonly server: DiscordServer;
  /** The account's. */
  readonly folder: string;
  readonly ada: User;
  readonly general: Channel;
  readonly direct: Channel;
  /** Another adapter of the same account, with the same folder: the gateway after a restart. */
  again(): Adapter;
}

export async function discordFixture(log: Logger): Promise<DiscordFixture> {
  const server = await startDiscordServer();
  const folder = await mkdtemp(join(tmpdir(), 'dhaavak-test-'));
  const { world } = server;
  const guild = world.guild('Analytical Society');
  const [ada, bob] = [world.user('Ada'), world.user('Bob')];
  const general = world.channel(guild, 'general');
  const other = world.channel(guild, 'other');
  const thread = world.thread(general, 'a thread');
  const direct = world.dm(ada);
  const directToBob = world.dm(bob);

  const make = (token: string): Adapter => {
    const account = channelsSchema.parse({ discord: { main: { token, apiUrl: server.url } } }).discord.main!;
    return createAdapter(account, { account: 'main', folder, log, signal: new AbortController().signal });
  };
  const post = (channel: Channel, user: User, text: string, options: PostOptions): Posted => {
    const attachments = options.attachments?.map(({ name, mediaType, data, declaredBytes }) =>
      server.file(name, mediaType, data, declaredBytes),
    );
    const author = options.sender ? asUser(options.sender) : user;
    const { repliesTo } = options;
    const content = text.replaceAll(BOT, `<@${world.bot.id}>`);
    return posted(
      channel,
      author,
      server.post(channel, author, content, { attachments: attachments ?? [], repliesTo }),
    );
  };

  return {
    server,
    folder,
    ada,
    general,
    direct,
    adapter: make(DISCORD_TOKEN),
    again: () => make(DISCORD_TOKEN),
    wrongAdapter: () => make(WRONG_TOKEN),
    refusals: () => server.refusals + server.gateway.refusals,
    secrets: [DISCORD_TOKEN, WRONG_TOKEN, 'interaction-token'],
    dm: async (text, options = {}) =>
      options.elsewhere ? post(directToBob, bob, text, options) : post(direct, ada, text, options),
    group: async (text, options = {}) =>
      post(options.thread ? thread : options.elsewhere ? other : general, ada, text, options),
    command: async (where, name, args) => {
      const channel = where === 'dm' ? direct : general;
      const { id } = server.interactions.command(channel, ada, name, args);
      return posted(channel, ada, { id });
    },
    echo: async (text) => void server.post(direct, world.bot, text),
    redeliver: async () => server.gateway.repeat('MESSAGE_CREATE'),
    accepted: () => true,
    fileBytesRead: () => server.fileBytesRead,
    shown: () => ownMessages(server).map((message) => shown(server, message)),
    attempts: () => server.attempts,
    typing: ({ id }) => server.typing(id),
    fail: (fault, { retryAfterMs = 1_000 } = {}) => void server.faults.push(faultOf(fault, retryAfterMs)),
    press: async ({ chat, message }, data, sender) => {
      const channel = world.channels.get(chat.id)!;
      const interaction = server.interactions.press(channel, asUser(sender), world.find(chat.id, message)!, data);
      return interaction.text;
    },
    drop: () => server.drop(),
    restore: () => server.listen(),
    connections: () => server.connections,
    close: async () => {
      await server.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The adapter, started, with its account; all is ended with the test. */
export async function liveDiscord(
  { onTestFinished }: Pick<TestContext, 'onTestFinished'>,
  prepare: (server: DiscordServer) => void = () => undefined,
): Promise<{ fixture: DiscordFixture; account: Recorder }> {
  const account = new Recorder();
  const fixture = await discordFixture(account.log);
  onTestFinished(async () => {
    await fixture.adapter.stop();
    await fixture.close();
    for (const secret of fixture.secrets) expect(account.said.join('\n')).not.toContain(secret);
  });
  prepare(fixture.server);
  await fixture.adapter.start(account);
  await account.reaches('ready');
  return { fixture, account };
}

function asUser({ id, name, username, bot }: Sender): User {
  return { id, username: username ?? name.toLowerCase(), global_name: name, ...(bot ? { bot } : {}) };
}

function posted(channel: Channel, { id, global_name, username, bot = false }: User, message: { id: string }): Posted {
  return {
    update: message.id,
    chat: chatOf(channel),
    sender: { id, name: global_name ?? username, username, bot },
    message: message.id,
    timestamp: Number(BigInt(message.id) >> 22n) + 1_420_070_400_000,
  };
}

function chatOf({ id, guild_id }: Channel): Chat {
  return { id, type: guild_id === undefined ? 'dm' : 'group' };
}

/** In the order they were sent, over all channels. */
function ownMessages({ world }: DiscordServer): Message[] {
  const own = [...world.messages.values()].flat().filter(({ author }) => author.id === world.bot.id);
  return own.sort((a, b) => (BigInt(a.id) < BigInt(b.id) ? -1 : 1));
}

function shown({ world }: DiscordServer, message: Message): Shown {
  const [file] = message.attachments;
  return {
    message: message.id,
    chat: chatOf(world.channels.get(message.channel_id)!),
    ...displayed(message.content),
    buttons: message.components.map((row) =>
      row.components.map(({ label, custom_id }) => ({ label, data: custom_id })),
    ),
    ...(file
      ? { file: { kind: kindOf(file), name: file.filename, data: world.files.get(file.id)!, caption: '' } }
      : {}),
    ...(message.message_reference ? { replyTo: message.message_reference.message_id } : {}),
  };
}

function kindOf({ content_type }: Attachment): NonNullable<Shown['file']>['kind'] {
  const [type] = content_type.split('/');
  return type === 'image' || type === 'audio' || type === 'video' ? type : 'file';
}

/** How Discord's clients show a text, as far as bold, italics, code, blocks, links and escapes go. */
function displayed(content: string): Pick<Shown, 'text' | 'formatting'> {
  const formatting: Shown['formatting'][number][] = [];
  const show = (markdown: string): string =>
    markdown.replace(
      /```(?:\w+\n|\n)?([\s\S]*?)```|`([^`]+)`|\*\*([\s\S]+?)\*\*|(?<![\w*])[*_](?=\S)([\s\S]*?\S)[*_](?![\w*])|\[([^\]]+)\]\(https?:[^)]+\)|\\([^\w\s])/g,
      (_, block, code, bold, italic, link, escaped) => {
        if (escaped !== undefined) return escaped;
        const [look, inner] = (
          [
            ['block', block],
            ['code', code],
            ['bold', bold],
            ['italic', italic],
            ['link', link],
          ] as const
        ).find(([, found]) => found !== undefined)!;
        const text = look === 'block' || look === 'code' ? inner : show(inner);
        formatting.push({ look, text });
        return text;
      },
    );
  return { text: show(content), formatting };
}

function faultOf(fault: SendFault, retryAfterMs: number): Fault {
  switch (fault) {
    case 'rate_limited':
      return limited(retryAfterMs, false, true);
    case 'temporary':
      return refusal(503, 0, 'Service Unavailable');
    case 'rejected':
      return refusal(403, 50_013, 'Missing Permissions');
    case 'gone':
      return refusal(404, 10_003, 'Unknown Channel');
    case 'unauthorized':
      return refusal(401, 0, '401: Unauthorized');
    case 'unknown':
      return 'cut';
    case 'silence':
      return 'silence';
    case 'formatting':
      throw new Error('Discord refuses no formatting');
  }
}
