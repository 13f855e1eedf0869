/**
 * Goal: the adapter for Discord is like every adapter, and does what only Discord has. Method: the library of discord.js
 * against a local Discord that refuses what the real one refuses. Broken connections: `discord-connection.test.ts`.
 */
import { describe, expect, it } from 'vitest';
import type { ChannelError, OutboundMessage, Sent } from '../../src/channels/adapter.ts';
import { Inbox } from '../../src/channels/discord/inbox.ts';
import { holds } from '../support/wait.ts';
import { describeAdapter } from './adapter-suite.ts';
import { type DiscordFixture, discordFixture, liveDiscord } from './discord-fixture.ts';
import { gate, Recorder } from './recorder.ts';

const never = new AbortController().signal;
let keys = 0;

function send(fixture: DiscordFixture, text: string, rest: Partial<OutboundMessage> = {}): Promise<Sent> {
  keys += 1;
  const chat = { id: fixture.general.id, type: 'group' } as const;
  return fixture.adapter.send({ chat, text, key: `k${keys}`, ...rest }, never);
}

describeAdapter(
  'discord',
  {
    threads: 'its threads are chats of their own',
    redelivery: 'its gateway knows no acknowledgement',
    'formatting-fault': 'it refuses no formatting',
  },
  discordFixture,
);

describe('what comes from Discord', () => {
  it('is in a thread as in a chat of its own, with the channel and the server around it', async (context) => {
    const { fixture, account } = await liveDiscord(context);
    const { server, general, ada } = fixture;
    const { chat } = await fixture.group('hi', { thread: true });
    const guild = general.guild_id;
    expect(chat.id).not.toBe(general.id);
    const surroundings = { guild, parent: general.id, title: 'a thread' };
    expect(await account.message(0)).toMatchObject({ chat, surroundings });
    // A thread that the session was not told of is asked for.
    const later = server.world.thread(general, 'a later thread');
    server.post(later, ada, 'hi');
    expect((await account.message(1)).surroundings).toEqual({ guild, parent: general.id, title: 'a later thread' });
    server.post(general, ada, 'hi');
    expect((await account.message(2)).surroundings).toEqual({ guild, parent: undefined, title: '#general' });
    expect(server.calls).toContain(`GET /channels/${later.id}`);
    const { message } = await fixture.adapter.send({ chat, text: 'five', key: 'thread' }, never);
    expect(server.world.find(chat.id, message)?.content).toBe('five');
  });

  it('is addressed by the role Discord made for the bot, and by no other role and not by @everyone', async (context) => {
    const { fixture, account } = await liveDiscord(context);
    const { server, general, ada } = fixture;
    const { botRole } = server.world.guilds.get(general.guild_id!)!;
    server.post(general, ada, `hi <@&${botRole}>`);
    server.post(general, ada, 'hi <@&123456789012345678>');
    server.post(general, ada, '@everyone hi', { more: { mention_everyone: true } });
    await account.message(2);
    expect(account.messages.map(({ addressed }) => addressed)).toEqual([true, false, false]);
    expect(account.messages[0]?.text).toBe('hi');
  });

  it('has names for people, channels and emoji, and the nickname of who says it', async (context) => {
    const { fixture, account } = await liveDiscord(context);
    const { server, general, ada } = fixture;
    const text = `<@123456789012345678> look at <#${general.id}> <a:party:123456789012345678> <@${server.world.bot.id}>`;
    server.post(general, ada, text, { nick: 'Countess' });
    const message = await account.message(0);
    expect(message.text).toBe('@User 678 look at #general :party:');
    expect(message.sender).toEqual({ id: ada.id, name: 'Countess', username: 'ada', bot: false });
  });

  it('is text also where it is embeds, a sticker, a poll or a forwarded message', async (context) => {
    const { fixture, account } = await liveDiscord(context);
    const { server, direct, ada } = fixture;
    const embed = {
      title: 'Release',
      url: 'https://example.org/1',
      description: 'It is out.',
      fields: [{ name: 'Version', value: '2' }],
      footer: { text: 'CI' },
    };
    server.post(direct, ada, 'look', { more: { embeds: [embed, { type: 'image' }] } });
    server.post(direct, ada, '', { more: { sticker_items: [{ id: '1', name: 'wave', format_type: 1 }] } });
    const poll = {
      question: { text: 'Tea?' },
      answers: [{ poll_media: { text: 'yes' } }, { poll_media: { text: 'no' } }],
    };
    server.post(direct, ada, '', { more: { poll } });
    const forwarded = {
      message_reference: { type: 1, message_id: '123456789012345678', channel_id: direct.id },
      message_snapshots: [{ message: { content: 'said elsewhere', embeds: [], attachments: [] } }],
    };
    server.post(direct, ada, '', { more: forwarded });
    await account.message(3);
    expect(account.messages.map(({ text }) => text)).toEqual([
      'look\n\nRelease (https://example.org/1)\nIt is out.\nVersion: 2\nCI',
      '[sticker: wave]',
      '[poll: Tea?]\n- yes\n- no',
      'said elsewhere',
    ]);
    expect(account.messages[3]?.repliesTo).toBeUndefined();
  });

  it('is nobody’s words when it tells of a join or a pin, and a bot’s when it comes by a webhook', async (context) => {
    const { fixture, account } = await liveDiscord(context);
    const { server, general, ada } = fixture;
    server.post(general, ada, '', { more: { type: 7 } });
    server.post(general, ada, '', { more: { type: 6 } });
    server.post(general, ada, 'beep', { more: { webhook_id: '123456789012345678' } });
    expect(await account.message(0)).toMatchObject({ text: 'beep', sender: { bot: true } });
  });

  it('is received once when Discord delivers it twice', async (context) => {
    const { fixture, account } = await liveDiscord(context);
    await fixture.dm('once');
    fixture.server.gateway.repeat('MESSAGE_CREATE');
    await fixture.dm('last');
    await account.message(1);
    expect(account.messages.map(({ text }) => text)).toEqual(['once', 'last']);
  });

  it('is offered again until it is kept, before what comes after it', async (context) => {
    const { fixture, account } = await liveDiscord(context);
    let tries = 0;
    account.keep = async ({ text }) => {
      if (text === 'first' && ++tries < 3) throw new Error('the disk is full');
    };
    await fixture.dm('first');
    await fixture.dm('second');
    await holds(() => account.messages.at(-1)?.text === 'second');
    expect(account.messages.map(({ text }) => text)).toEqual(['first', 'first', 'first', 'second']);
    expect(account.said.filter((line) => line.includes('could not be kept yet'))).toHaveLength(2);
  });

  it('is passed over when it cannot be read, and what comes after it is not', async (context) => {
    const { fixture, account } = await liveDiscord(context);
    const { server, direct, ada } = fixture;
    server.post(direct, ada, 'broken', { more: { mentions: null } });
    server.gateway.dispatch('INTERACTION_CREATE', { type: 3 }, 0);
    await fixture.dm('whole');
    expect((await account.message(0)).text).toBe('whole');
    expect(account.said.filter((line) => line.includes('could not be read'))).toHaveLength(2);
  });

  it('waits up to a limit, beyond which it is left, and that is said once', async () => {
    const account = new Recorder();
    const inbox = new Inbox(account);
    const held = gate();
    const added = Array.from({ length: 2_002 }, () => inbox.add('a channel', () => held.opened));
    expect(added.filter((taken) => !taken)).toHaveLength(2);
    expect(account.said.filter((line) => line.includes('the rest is left'))).toHaveLength(1);
    held.open();
    const done = Promise.withResolvers<void>();
    await holds(() => inbox.add('a channel', async () => done.resolve()));
    await done.promise;
  });
});

describe('slash commands of Discord', () => {
  it('are registered once: a second start finds them there', async (context) => {
    const { fixture, account } = await liveDiscord(context);
    const { server } = fixture;
    await holds(() => server.commands.length > 0);
    expect(server.commands).toContainEqual(expect.objectContaining({ name: 'approve', contexts: [0, 1] }));
    const again = fixture.again();
    context.onTestFinished(() => again.stop());
    await again.start(account);
    const count = (method: string): number => server.calls.filter((call) => call.startsWith(`${method} /app`)).length;
    await holds(() => count('GET') === 2);
    await fixture.dm('hi');
    await account.message(0);
    expect(count('PUT')).toBe(1);
  });

  it('are answered for whoever gave them alone, as soon as they are kept', async (context) => {
    const { fixture, account } = await liveDiscord(context);
    const kept = gate();
    account.keep = () => kept.opened;
    const interaction = fixture.server.interactions.command(fixture.general, fixture.ada, 'model', 'fast');
    await account.message(0);
    expect(interaction.answered).toBe(false);
    kept.open();
    expect(await interaction.text).toMatch(/follows/);
    expect(interaction).toMatchObject({ answered: true, deferred: false, ephemeral: true });
    // The answer is a message: the command has none it could be a reply to.
    const { message } = await send(fixture, 'fast it is', { replyTo: interaction.id });
    expect(fixture.shown()).toMatchObject([{ message, text: 'fast it is' }]);
  });

  it('get an answer within 3 s, also when they are kept later', async (context) => {
    const { fixture, account } = await liveDiscord(context);
    const kept = gate();
    account.keep = () => kept.opened;
    const interaction = fixture.server.interactions.command(fixture.direct, fixture.ada, 'status', '');
    await holds(() => interaction.answered);
    expect(interaction).toMatchObject({ deferred: true, ephemeral: true });
    expect(Date.now() - interaction.begun).toBeLessThan(3_000);
    kept.open();
    expect(await interaction.text).toMatch(/follows/);
  });
});

describe('buttons of Discord', () => {
  it('answer whoever presses them alone, also when there is nothing to say', async (context) => {
    const { fixture, account } = await liveDiscord(context);
    const { server, general, ada } = fixture;
    const { message } = await send(fixture, 'May I?', { buttons: [[{ label: 'Yes', data: 'yes' }]] });
    const shown = server.world.find(general.id, message)!;
    account.answer = '';
    const press = server.interactions.press(general, ada, shown, 'yes');
    expect(await press.text).toBe('✓');
    expect(press.ephemeral).toBe(true);
  });
});

describe('what goes to Discord', () => {
  it('is shown once for a key, though it is sent twice', async (context) => {
    const { fixture } = await liveDiscord(context);
    const first = await send(fixture, 'five', { key: 'same' });
    expect(await send(fixture, 'five', { key: 'same' })).toEqual(first);
    expect(fixture.shown()).toHaveLength(1);
  });

  it('rings nobody, whatever the model writes', async (context) => {
    const { fixture } = await liveDiscord(context);
    await send(fixture, '@everyone <@&123456789012345678>');
    expect(fixture.server.created[0]?.allowed_mentions).toEqual({ parse: [], replied_user: true });
  });

  it('has more than five buttons in more than one row, and short labels', async (context) => {
    const { fixture } = await liveDiscord(context);
    const row = Array.from({ length: 7 }, (_, index) => ({
      label: `Model ${index} ${'x'.repeat(90)}`,
      data: `m:${index}`,
    }));
    await send(fixture, 'Which?', { buttons: [row] });
    const [message] = fixture.shown();
    expect(message?.buttons.map((buttons) => buttons.length)).toEqual([5, 2]);
  });

  const refusals = [
    ['none', 'gone', /cannot see this channel/],
    ['blocked', 'gone', /blocked/],
    ['read', 'rejected', /Send Messages/],
  ] as const;
  it.for(refusals)(
    'is refused where the bot has access "%s": %s, with what to do',
    async ([access, kind, advice], context) => {
      const { fixture, account } = await liveDiscord(context);
      fixture.general.access = access;
      expect(await account.failure(send(fixture, 'five'))).toMatchObject({
        kind,
        message: expect.stringMatching(advice),
      });
    },
  );

  it('is refused with the field that Discord names', async (context) => {
    const { fixture, account } = await liveDiscord(context);
    const error = await account.failure(send(fixture, 'a'.repeat(2_001)));
    expect(error).toMatchObject({ kind: 'rejected', message: expect.stringMatching(/50035.*content/s) });
  });
});

describe('rate limits of Discord', () => {
  const limited = (error: ChannelError): number => {
    expect(error.kind).toBe('rate_limited');
    return error.retryAfterMs ?? 0;
  };

  it('are kept to without a refusal, when the wait is short', async (context) => {
    const { fixture } = await liveDiscord(context);
    fixture.server.limits.messages = { limit: 2, windowMs: 500 };
    await Promise.all(['one', 'two', 'three', 'four'].map((text) => send(fixture, text)));
    expect(fixture.shown().map(({ text }) => text)).toEqual(['one', 'two', 'three', 'four']);
    expect(fixture.attempts()).toBe(4);
  });

  it('are an error with the time to wait, when it is long, and no request is made', async (context) => {
    const { fixture, account } = await liveDiscord(context);
    fixture.server.limits.messages = { limit: 2, windowMs: 30_000 };
    await send(fixture, 'one');
    await send(fixture, 'two');
    const retryAfterMs = limited(await account.failure(send(fixture, 'three')));
    expect(retryAfterMs).toBeGreaterThan(20_000);
    expect(retryAfterMs).toBeLessThanOrEqual(30_000);
    expect(fixture.attempts()).toBe(2);
    // Another channel has a limit of its own.
    const chat = { id: fixture.direct.id, type: 'dm' } as const;
    await send(fixture, 'elsewhere', { chat });
  });

  it('hold for every chat when the whole bot is limited', async (context) => {
    const { fixture, account } = await liveDiscord(context);
    fixture.server.limits.globalUntil = Date.now() + 30_000;
    expect(limited(await account.failure(send(fixture, 'one')))).toBeGreaterThan(20_000);
    const calls = fixture.server.calls.length;
    const chat = { id: fixture.direct.id, type: 'dm' } as const;
    expect(limited(await account.failure(send(fixture, 'two', { chat })))).toBeGreaterThan(20_000);
    expect(fixture.server.calls).toHaveLength(calls);
  });
});
