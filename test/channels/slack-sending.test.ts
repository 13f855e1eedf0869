/** Goal: what goes to Slack is whole, rings nobody, and what is refused says what to do. Method: as in `slack.test.ts`. */
import { describe, expect, it } from 'vitest';
import type { OutboundMessage, Sent } from '../../src/channels/adapter.ts';
import { Refusal } from '../support/slack-refusal.ts';
import { holds } from '../support/wait.ts';
import { liveSlack, type SlackFixture } from './slack-fixture.ts';
import { never } from './stage.ts';

let keys = 0;

function send(fixture: SlackFixture, text: string, rest: Partial<OutboundMessage> = {}): Promise<Sent> {
  keys += 1;
  const chat = { id: fixture.kitchen.id, type: 'group' } as const;
  return fixture.adapter.send({ chat, text, key: `k${keys}`, ...rest }, never);
}

const LONG = {
  'of 4,000 bytes': 'a'.repeat(4_000),
  'of three bytes a letter': 'नमस्ते '.repeat(571),
  'that grows when it is escaped': '<&>'.repeat(1_333),
  'of lines with a code block': `${'words and words\n'.repeat(100)}\n\`\`\`js\n${'let x = 1;\n'.repeat(200)}\`\`\`\n`,
  'of one word': '👩‍👩‍👧'.repeat(500),
};

describe('a text for Slack', () => {
  it.each(Object.entries(LONG))('is shown whole, sent and edited, %s', async (_, text) => {
    const { fixture } = await liveSlack();
    const { message } = await send(fixture, text);
    await send(fixture, 'thinking').then(({ message: id }) =>
      fixture.adapter.edit!({ id: fixture.kitchen.id, type: 'group' }, id, text, undefined, never),
    );
    const [sent, edited] = fixture.shown();
    expect(sent?.message).toBe(message);
    const bare = (words: string): string => words.replace(/```(js)?|\s/g, '');
    expect(bare(sent!.text)).toBe(bare(text));
    expect(edited?.text).toBe(sent?.text);
    const { posted, updated } = fixture.server.methods;
    for (const { text: notification = '' } of [...posted, ...updated]) {
      expect(Buffer.byteLength(notification)).toBeLessThanOrEqual(4_000);
    }
  });

  it('has its buttons below, however long it is, and no more than five beside each other', async () => {
    const { fixture } = await liveSlack();
    const row = Array.from({ length: 7 }, (_, index) => ({
      label: `Model ${index} ${'x'.repeat(90)}`,
      data: `m:${index}`,
    }));
    await send(fixture, 'word '.repeat(800), { buttons: [row] });
    const [message] = fixture.shown();
    expect(message?.text.length).toBeGreaterThan(3_990);
    expect(message?.buttons.map((buttons) => buttons.length)).toEqual([5, 2]);
  });

  it('rings nobody, whatever the model writes, and has Slack fetch no page', async () => {
    const { fixture } = await liveSlack();
    const text = '<!channel> <!here> <@U0123> [all](!channel) <#C0123> @everyone https://a.example/?secret';
    await send(fixture, text);
    await send(fixture, text, { buttons: [[{ label: 'Yes', data: 'yes' }]] });
    for (const shown of fixture.shown()) expect(shown.text).not.toContain('[rings');
    for (const request of fixture.server.methods.posted) {
      expect(request).toMatchObject({ unfurl_links: 'false', unfurl_media: 'false' });
      expect(request.text).toMatch(/^&lt;!channel&gt; &lt;!here&gt; &lt;@U0123&gt;/);
    }
  });

  it('for a person goes to the DM with them, which is opened once', async () => {
    const { fixture } = await liveSlack();
    const { asha, direct, server } = fixture;
    const chat = { id: asha.id, type: 'dm' } as const;
    const { message } = await send(fixture, 'hi', { chat });
    await fixture.adapter.edit!(chat, message, 'hi!', undefined, never);
    expect(fixture.shown()).toMatchObject([{ chat: { id: direct.id }, text: 'hi!' }]);
    expect(server.calls.filter((method) => method === 'conversations.open')).toHaveLength(1);
  });

  it('is in the thread of the chat, whatever it answers there', async () => {
    const { fixture } = await liveSlack();
    const { server, kitchen } = fixture;
    const chat = { id: kitchen.id, type: 'group', thread: server.world.messages[0]!.ts } as const;
    const { message } = await send(fixture, 'five', { chat, replyTo: '1700000000.000100' });
    expect(server.world.find(kitchen.id, message)?.thread_ts).toBe(chat.thread);
  });
});

describe('a file for Slack', () => {
  const attachment = {
    kind: 'file',
    name: 'report.pdf',
    mediaType: 'application/pdf',
    data: new Uint8Array([1, 2, 3]),
  } as const;

  it('has its text and its buttons with it, in its thread', async () => {
    const { fixture } = await liveSlack();
    const { server, kitchen } = fixture;
    const chat = { id: kitchen.id, type: 'group', thread: server.world.messages[0]!.ts } as const;
    const buttons = [[{ label: 'Yes', data: 'yes' }]];
    await send(fixture, 'Send **this**?', { chat, attachment, buttons });
    expect(fixture.shown()).toMatchObject([
      { chat, file: { name: 'report.pdf', caption: 'Send this?' }, buttons: [[{ data: 'yes' }]] },
    ]);
  });

  it('is sent also where Slack does not say in time which message it became', async () => {
    const { fixture } = await liveSlack('socket', ({ server }) => {
      server.methods.scopes.delete('files:read');
    });
    const { message } = await send(fixture, '', { attachment });
    expect(message).toMatch(/^F/);
    expect(fixture.shown()).toHaveLength(1);
  });
});

describe('what Slack refuses', () => {
  const REFUSALS = [
    ['not_in_channel', 'rejected', /\/invite it/],
    ['channel_not_found', 'gone', /invite the bot/],
    ['is_archived', 'gone', /archived/],
    ['messages_tab_disabled', 'rejected', /App Home > Messages Tab/],
    ['internal_error', 'unknown', /internal_error/],
    ['invalid_arguments', 'rejected', /invalid_arguments/],
  ] as const;
  it.each(REFUSALS)('with %s is %s, with what to do', async (code, kind, advice) => {
    const { fixture, account } = await liveSlack();
    fixture.server.faults.push(new Refusal(code));
    expect(await account.failure(send(fixture, 'five'))).toMatchObject({
      kind,
      message: expect.stringMatching(advice),
    });
  });

  it('for a scope that is missing names the scope', async () => {
    const { fixture, account } = await liveSlack('socket', ({ server }) => {
      server.methods.scopes.delete('chat:write');
    });
    expect(await account.failure(send(fixture, 'five'))).toMatchObject({
      kind: 'rejected',
      message: expect.stringMatching(/add the scope chat:write at .*OAuth & Permissions/),
    });
  });

  it.each([
    ['says how long to wait', new Refusal('ratelimited', {}, 429, { 'retry-after': '7' }), 7_000],
    ['does not say how long', new Refusal('ratelimited', {}, 429), 1_000],
    ['says so in its body alone', new Refusal('ratelimited'), 1_000],
  ] as const)('as too much is not tried again here: it %s', async (_, refusal, retryAfterMs) => {
    const { fixture, account } = await liveSlack();
    fixture.server.faults.push(refusal);
    expect(await account.failure(send(fixture, 'five'))).toMatchObject({ kind: 'rate_limited', retryAfterMs });
    expect(fixture.attempts()).toBe(1);
    await send(fixture, 'five');
  });

  it.each([
    [413, 'too_large'],
    [500, 'unknown'],
    [502, 'unknown'],
    [503, 'temporary'],
    [404, 'rejected'],
  ] as const)('with HTTP %d is %s', async (status, kind) => {
    const { fixture, account } = await liveSlack();
    fixture.server.faults.push(new Refusal('x', {}, status));
    expect((await account.failure(send(fixture, 'five'))).kind).toBe(kind);
  });

  it('a token for ends the account, said once though it is found out twice', async () => {
    const { fixture, account } = await liveSlack();
    fixture.server.faults.push(new Refusal('token_revoked'), new Refusal('account_inactive'));
    await Promise.all([account.failure(send(fixture, 'one')), account.failure(send(fixture, 'two'))]);
    await account.reaches('logged-out');
    expect(account.states.filter(({ state }) => state === 'logged-out')).toHaveLength(1);
    expect(account.states.at(-1)?.reason).toMatch(/install.*again.*OAuth & Permissions/);
    await holds(() => !fixture.server.socket.ready);
  });
});
