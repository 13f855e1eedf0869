/**
 * Goal: the adapter for Slack is like every adapter, and does what only Slack has. Method: Slack's own library against a
 * local Slack that refuses what the real one refuses. What goes to Slack: `slack-sending.test.ts`; signatures:
 * `slack-webhook.test.ts`; broken connections: `slack-connection.test.ts`.
 */
import { describe, expect, it } from 'vitest';
import { holds } from '../support/wait.ts';
import { describeAdapter } from './adapter-suite.ts';
import { gate } from './recorder.ts';
import { liveSlack, slackFixture } from './slack-fixture.ts';
import { never } from './stage.ts';

const LACKS = {
  'formatting-fault': 'it refuses no formatting',
  typing: 'it shows none for bots',
  reactions: 'its adapter gives none',
};

describeAdapter('slack, Socket Mode', LACKS, (log) => slackFixture('socket', log));
describeAdapter('slack, HTTP', LACKS, (log) => slackFixture('http', log));

describe('what comes from Slack', () => {
  it('is one message though a mention comes in two events, and begins a thread', async () => {
    const { fixture, account } = await liveSlack();
    const { server, kitchen, asha } = fixture;
    const { message, parcels } = server.post(kitchen, asha, `<@${server.world.bot.id}> hi`);
    await holds(() => parcels.length === 2 && parcels.every(({ arrived }) => arrived));
    expect(account.messages).toMatchObject([
      {
        update: `${kitchen.id}:${message.ts}`,
        chat: { id: kitchen.id, type: 'group', thread: message.ts },
      },
    ]);
    const { message: ts } = await fixture.adapter.send(
      { chat: account.messages[0]!.chat, text: 'ho', key: 'k' },
      never,
    );
    expect(server.world.find(kitchen.id, ts)?.thread_ts).toBe(message.ts);
    // What follows in the thread is the same conversation, whoever it is for.
    server.post(kitchen, asha, 'and?', { thread_ts: message.ts });
    expect(await account.message(1)).toMatchObject({ chat: { thread: message.ts }, addressed: false });
  });

  it('is heard too where the app is told of mentions only', async () => {
    const { fixture, account } = await liveSlack();
    const { server, kitchen, asha } = fixture;
    const event = { type: 'app_mention', channel: kitchen.id, user: asha.id, ts: '1700000000.000100', text: 'hi' };
    server.deliveries.send('events_api', { event, team_id: 'T0OTHER' });
    expect(await account.message(0)).toMatchObject({
      addressed: true,
      timestamp: 1_700_000_000_000,
      surroundings: { team: 'T0OTHER', title: '#kitchen' },
    });
  });

  it('is in a group DM as in a group, with what it is called', async () => {
    const { fixture, account } = await liveSlack();
    const { server, asha } = fixture;
    const group = server.world.channel('mpdm-asha--ben--dhaavak-1', 'mpim');
    server.post(group, asha, 'hi all');
    expect(await account.message(0)).toMatchObject({
      chat: { id: group.id, type: 'group' },
      surroundings: { team: server.world.team.id, title: 'mpdm-asha--ben--dhaavak-1' },
      addressed: false,
    });
  });

  it('has words for mentions, channels and links', async () => {
    const { fixture, account } = await liveSlack();
    const { server, direct, asha } = fixture;
    const ben = [...server.world.users.values()].find(({ name }) => name === 'ben')!;
    const links = '<https://a.example/?b=1&amp;c=2|a page> <https://b.example> <mailto:a@b.example|a@b.example>';
    const text = `<@${ben.id}> <@U0NOBODY> <#C0123|garden> <!here> <!subteam^S1|@team> ${links} 1 &lt; 2`;
    server.post(direct, asha, text);
    expect((await account.message(0)).text).toBe(
      '@Ben @U0NOBODY #garden @here @team a page (https://a.example/?b=1&c=2) https://b.example a@b.example 1 < 2',
    );
  });

  it('is a bot’s when a webhook or an app wrote it, also with nothing but an attachment', async () => {
    const { fixture, account } = await liveSlack();
    const { server, kitchen, asha } = fixture;
    const more = {
      user: undefined,
      subtype: 'bot_message',
      bot_id: 'B0CI',
      username: 'CI',
      attachments: [
        { title: 'Build 7', text: 'It <https://ci.example|failed>.' },
        { title: 'a preview', from_url: 'https://a.example' },
      ],
    };
    server.post(kitchen, asha, '', { more });
    expect(await account.message(0)).toMatchObject({
      sender: { id: 'B0CI', name: 'CI', bot: true },
      text: 'Build 7\nIt failed (https://ci.example).',
    });
  });

  it('is nobody’s words when it tells of joins, edits and deletions', async () => {
    const { fixture, account } = await liveSlack();
    const { server, kitchen, asha } = fixture;
    for (const subtype of ['channel_join', 'channel_topic', 'message_changed', 'message_deleted', 'message_replied']) {
      const [parcel] = server.post(kitchen, asha, 'not said', { more: { subtype } }).parcels;
      await holds(() => parcel!.arrived);
    }
    server.post(kitchen, asha, 'waves', { more: { subtype: 'me_message' } });
    expect((await account.message(0)).text).toBe('waves');
  });

  it('comes also where names may not be asked for, which is said once', async () => {
    const { fixture, account } = await liveSlack('socket', ({ server }) => {
      server.methods.scopes.delete('users:read');
      server.methods.scopes.delete('channels:read');
    });
    await fixture.dm('hi');
    await fixture.dm('ho', { elsewhere: true });
    await account.message(1);
    expect(account.messages[0]?.sender).toEqual({ id: fixture.asha.id, name: fixture.asha.id, bot: false });
    const said = account.said.filter((line) => line.includes('ids are used'));
    expect(said).toHaveLength(1);
    expect(said[0]).toMatch(/add the scope (users|channels):read/);
  });

  it('waits for what was said before it, though a name in that takes its time', async () => {
    const { fixture, account } = await liveSlack();
    const { server, direct, asha } = fixture;
    const ben = [...server.world.users.values()].find(({ name }) => name === 'ben')!;
    await fixture.dm('hi');
    await account.message(0);
    const named = gate();
    server.holding.set('users.info', named.opened);
    server.post(direct, asha, `ask <@${ben.id}>`);
    await fixture.dm('please');
    // Another chat waits for nobody, and what was posted before it has come by then.
    server.post(fixture.kitchen, asha, 'elsewhere');
    expect((await account.message(1)).text).toBe('elsewhere');
    named.open();
    await account.message(3);
    expect(account.messages.slice(2).map(({ text }) => text)).toEqual(['ask @Ben', 'please']);
  });

  it('asks for a name once', async () => {
    const { fixture, account } = await liveSlack();
    for (const text of ['one', 'two', 'three']) await fixture.dm(text);
    await account.message(2);
    expect(fixture.server.calls.filter((method) => method === 'users.info')).toHaveLength(1);
  });

  it('is passed over when it cannot be read, and what comes after it is not', async () => {
    const { fixture, account } = await liveSlack();
    const { server, direct, asha } = fixture;
    const broken = server.post(direct, asha, 'broken', { more: { files: 7 } }).parcels[0]!;
    for (const event of [undefined, null, {}, { type: 'reaction_added' }]) {
      server.deliveries.send('events_api', { event });
    }
    server.deliveries.send('interactive', { type: 'block_actions', actions: 7 });
    server.socket.say('null');
    server.socket.say('{');
    await fixture.dm('whole');
    await account.message(0);
    await holds(() => broken.arrived);
    expect(account.messages.map(({ text }) => text)).toEqual(['whole']);
    expect(account.said.filter((line) => line.includes('could not be read')).length).toBeGreaterThanOrEqual(2);
  });
});

describe('slash commands of Slack', () => {
  const taken = { response_type: 'ephemeral', text: expect.stringMatching(/follows/) };

  it('are answered for whoever gave them alone, as soon as they are kept', async () => {
    const { fixture, account } = await liveSlack();
    const kept = gate();
    account.keep = () => kept.opened;
    const { parcel } = fixture.server.command(fixture.kitchen, fixture.asha, 'model fast');
    expect((await account.message(0)).text).toBe('/model fast');
    expect(parcel.arrived).toBe(false);
    kept.open();
    await holds(() => parcel.arrived);
    expect(parcel.answer).toEqual(taken);
    // The answer is a message: the command has none it could be a reply to.
    const { chat, message: replyTo } = account.messages[0]!;
    await fixture.adapter.send({ chat, text: 'fast it is', replyTo, key: 'k' }, never);
    expect(fixture.shown()).toMatchObject([{ text: 'fast it is', chat }]);
  });

  it('are answered in HTTP mode in the same way', async () => {
    const { fixture } = await liveSlack('http');
    const { parcel } = fixture.server.command(fixture.direct, fixture.asha, 'status');
    await holds(() => parcel.arrived);
    expect(parcel.answer).toEqual(taken);
  });

  it('get a word within 3 s, and the answer later, when they are kept later', async () => {
    const { fixture, account } = await liveSlack();
    const kept = gate();
    account.keep = () => kept.opened;
    const { parcel, response } = fixture.server.command(fixture.direct, fixture.asha, 'status');
    await holds(() => parcel.arrived);
    expect(parcel.answer).toEqual({});
    kept.open();
    expect(await response).toMatchObject(taken);
  });

  it('that could not be kept are to be given again: Slack delivers them once', async () => {
    const { fixture, account } = await liveSlack();
    account.keep = () => Promise.reject(new Error('the disk is full'));
    const { parcel } = fixture.server.command(fixture.direct, fixture.asha, 'status');
    await holds(() => parcel.arrived);
    expect(parcel.answer).toMatchObject({ text: expect.stringMatching(/try again/) });
  });

  it.each(['channel', 'group', 'im'] as const)(
    'are of no use where the bot cannot answer: a %s without it',
    async (kind) => {
      const { fixture, account } = await liveSlack();
      const { server, asha } = fixture;
      const place = server.world.channel('elsewhere', kind);
      place.member = false;
      const first = server.command(place, asha, 'status').parcel;
      await holds(() => first.arrived);
      expect(first.answer).toMatchObject({ text: expect.stringMatching(/invite me/) });
      expect(account.messages).toEqual([]);
      place.member = true;
      server.command(place, asha, 'status');
      expect((await account.message(0)).text).toBe('/status');
    },
  );

  it('are /help without a word, and have one slash', async () => {
    const { fixture, account } = await liveSlack();
    fixture.server.command(fixture.direct, fixture.asha, '');
    await account.message(0);
    fixture.server.command(fixture.direct, fixture.asha, ' /status ');
    await account.message(1);
    expect(account.messages.map(({ text }) => text)).toEqual(['/help', '/status']);
  });
});

describe('buttons of Slack', () => {
  it('answer whoever presses them alone, in the thread they are in, and not when there is nothing to say', async () => {
    const { fixture, account } = await liveSlack();
    const { server, kitchen, asha } = fixture;
    const chat = { id: kitchen.id, type: 'group', thread: server.world.messages[0]!.ts } as const;
    const buttons = [[{ label: 'Yes', data: 'yes' }]];
    const { message } = await fixture.adapter.send({ chat, text: 'May I?', buttons, key: 'k' }, never);
    const shown = server.world.find(kitchen.id, message)!;
    const answer = await server.press(asha, shown, 'yes');
    expect(answer).toEqual({
      response_type: 'ephemeral',
      replace_original: false,
      text: 'done',
      thread_ts: chat.thread,
    });
    account.answer = '';
    const silent = server.press(asha, shown, 'yes');
    await holds(() => account.presses.length === 2);
    account.answer = 'x'.repeat(300);
    expect((await Promise.race([silent, server.press(asha, shown, 'yes')])).text).toHaveLength(200);
    expect(new Set(account.presses.map(({ update }) => update)).size).toBe(3);
  });

  it('do not wait for messages of their channel', async () => {
    const { fixture, account } = await liveSlack();
    const { server, direct, asha } = fixture;
    const chat = { id: direct.id, type: 'dm' } as const;
    const buttons = [[{ label: 'Yes', data: 'yes' }]];
    const { message } = await fixture.adapter.send({ chat, text: 'May I?', buttons, key: 'k' }, never);
    const kept = gate();
    account.keep = () => kept.opened;
    await fixture.dm('slow');
    await account.message(0);
    expect((await server.press(asha, server.world.find(direct.id, message)!, 'yes')).text).toBe('done');
    kept.open();
  });
});

describe('files of Slack', () => {
  const data = new Uint8Array(1_000);

  it('that an event tells little of are asked about', async () => {
    const { fixture, account } = await liveSlack();
    const { server, direct, asha } = fixture;
    const file = server.world.file('plan.pdf', 'application/pdf', data, server.root);
    const bare = { id: file.id, mode: 'file_access', file_access: 'check_file_info' };
    server.post(direct, asha, '', { more: { subtype: 'file_share', files: [bare] } });
    const [attachment] = (await account.message(0)).attachments;
    expect(await attachment!.load(1_000, never)).toHaveLength(1_000);
    expect((await account.failure(attachment!.load(999, never))).kind).toBe('too_large');
  });

  it('are not there when they are deleted, hidden or kept elsewhere', async () => {
    const { fixture, account } = await liveSlack();
    const { server, direct, asha } = fixture;
    const files = ['tombstone', 'hidden_by_limit', 'external'].map((mode) => ({ id: 'F0', mode }));
    server.post(direct, asha, 'look', { more: { subtype: 'file_share', files } });
    expect(await account.message(0)).toMatchObject({ text: 'look', attachments: [] });
  });

  it('at any other host than Slack’s are not fetched: the token would be shown there', async () => {
    const { fixture, account } = await liveSlack();
    const { server, direct, asha } = fixture;
    const addresses = [
      server.root.replace('127.0.0.1', 'localhost'),
      'https://files.slack.com.evil.example/a',
      'https://files.slack.com/a',
      'file:///etc/passwd',
      'no address',
    ];
    const files = addresses.map((url_private) => ({ id: 'F0', size: 1, mimetype: 'text/plain', url_private }));
    server.post(direct, asha, '', { more: { subtype: 'file_share', files } });
    for (const file of (await account.message(0)).attachments) {
      expect(await account.failure(file.load(10, never))).toMatchObject({
        kind: 'rejected',
        message: expect.stringMatching(/not at Slack/),
      });
    }
  });

  it('are refused with the scope that is missing', async () => {
    const { fixture, account } = await liveSlack('socket', ({ server }) => server.methods.scopes.delete('files:read'));
    const file = { kind: 'file', name: 'plan.pdf', mediaType: 'application/pdf', data } as const;
    await fixture.dm('', { attachments: [file] });
    const [attachment] = (await account.message(0)).attachments;
    expect(await account.failure(attachment!.load(1_000, never))).toMatchObject({
      kind: 'rejected',
      message: expect.stringMatching(/files:read/),
    });
  });
});
