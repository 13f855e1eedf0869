/**
 * Goal: a tool call that waits for an operator is told in the chat it came from, and decided there by operators and by nobody
 * else. Method: the gateway with calc to be approved; Telegram, with its library, against a local Bot API server, where there
 * are buttons; the line channel of docs/extending.md, where there are none.
 */
import type { User } from 'grammy/types';
import { describe, expect, it, onTestFinished } from 'vitest';
import { callText } from '../../actors/channel/question.ts';
import { type ConfigInput, localGateway } from '../support/gateway.ts';
import { freePort, Line, lineConfig, writeLineChannel } from '../support/line-channel.ts';
import { scriptedModel } from '../support/model.ts';
import { Refusal } from '../support/telegram-refusal.ts';
import { TelegramServer } from '../support/telegram-server.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { holds } from '../support/wait.ts';
import type { WireClient } from '../support/wire-client.ts';
import { ASHA, BEN, dmWith, GROUP } from './telegram-fixture.ts';

const CALL = 'calc {"expression":"6*7"}';
const DM = `agent:main:dm:telegram:${ASHA.id}`;
const agents = { main: { approve: ['calc'] } };

type Sent = TelegramServer['sent'][number];

/** A gateway with a bot whose operator is Asha. */
async function bot({
  approvalTimeoutMs = 60_000,
  models,
}: {
  approvalTimeoutMs?: number;
  models?: ConfigInput['models'];
} = {}): Promise<{ server: TelegramServer; client: WireClient }> {
  const server = await TelegramServer.start();
  onTestFinished(() => server.close());
  const account = {
    token: server.token,
    apiUrl: server.url,
    dm: 'open' as const,
    group: 'all' as const,
    admins: [String(ASHA.id)],
    streaming: 'off' as const,
  };
  const gateway = await localGateway({
    agents,
    ...(models === undefined ? {} : { models }),
    tools: { approvalTimeoutMs },
    channels: { telegram: { default: account } },
  });
  return { server, client: await gateway.connect() };
}

/** Somebody asks for 6*7, in the DM with Asha; the bot's question. */
async function asked(server: TelegramServer): Promise<Sent> {
  server.post(dmWith(ASHA), ASHA, { text: 'what is 6*7' });
  return sentWith(server, CALL);
}

async function sentWith({ sent }: TelegramServer, text: string): Promise<Sent> {
  await holds(() => sent.some((message) => message.text.includes(text)));
  return sent.find((message) => message.text.includes(text))!;
}

function press(server: TelegramServer, who: User, message: Sent, label: string): Promise<string> {
  const button = message.buttons.flat().find(({ text }) => text === label)!;
  return server.press(who, message, button.callback_data);
}

const becomes = (message: Sent, text: string) => holds(() => message.text === text && message.buttons.length === 0);

describe('where there are buttons, a tool call that waits for an operator', () => {
  it('is shown with two, and made when an operator presses Approve', async () => {
    const { server, client } = await bot();
    const question = await asked(server);
    expect(question.text).toBe(`${CALL} waits for approval.`);
    expect(question.entities).toContainEqual(expect.objectContaining({ type: 'code', length: CALL.length }));
    expect(question.buttons.flat().map(({ text }) => text)).toEqual(['Approve', 'Refuse']);
    await client.ask('subscribe', { session: DM });
    expect(await press(server, ASHA, question, 'Approve')).toBe('Approved.');
    await becomes(question, `${CALL} was approved by Asha Rao.`);
    await sentWith(server, '42');
    const { data } = await client.event('approval.resolved');
    expect(data).toMatchObject({ allowed: true, by: 'Asha Rao' });
  });

  it('is not made when an operator presses Refuse, and a second press finds nothing', async () => {
    const { server } = await bot();
    const question = await asked(server);
    const buttons = { ...question, buttons: question.buttons };
    expect(await press(server, ASHA, buttons, 'Refuse')).toBe('Refused.');
    await becomes(question, `${CALL} was refused by Asha Rao.`);
    expect(await press(server, ASHA, buttons, 'Approve')).toMatch(/no use any more/);
    expect(server.sent.some(({ text }) => text.includes('42'))).toBe(false);
  });

  it('is not decided by anybody else, nor by a button of another chat', async () => {
    const calls = [{ id: 'c1', name: 'calc', input: { expression: '6*7' } }];
    const { models } = await scriptedModel({ toolCalls: calls, end: 'toolCalls' }, { text: ['It is 42.'] });
    const { server, client } = await bot({ models });
    server.post(GROUP, BEN, { text: 'what is 6*7' });
    const question = await sentWith(server, CALL);
    expect(question.chat).toBe(GROUP.id);
    expect(await press(server, BEN, question, 'Approve')).toBe('Only an operator may decide.');
    server.know(dmWith(ASHA));
    expect(await press(server, ASHA, { ...question, chat: ASHA.id }, 'Approve')).toMatch(/no use any more/);
    const session = `agent:main:group:telegram:${GROUP.id}`;
    const { snapshot } = await client.ask('subscribe', { session });
    expect(snapshot?.approvals).toMatchObject([{ name: 'calc' }]);
    expect(question.buttons).toHaveLength(1);
    expect(await press(server, ASHA, question, 'Approve')).toBe('Approved.');
    await sentWith(server, '42');
  });

  it('is told to be refused when nobody decides in time', async () => {
    const { server } = await bot({ approvalTimeoutMs: 300 });
    const question = await asked(server);
    await becomes(question, `${CALL} was refused: nobody approved it in time.`);
  });

  it('is told to be decided when that was elsewhere, also after the account was started again, and to be over when its run is', async () => {
    const { server, client } = await bot();
    const first = await asked(server);
    const [waiting] = (await client.ask('subscribe', { session: DM })).snapshot!.approvals!;
    await client.ask('channel.restart', { channel: 'telegram' });
    await client.ask('approval.resolve', { session: DM, approval: waiting!.approval, allow: true });
    await becomes(first, `${CALL} was approved by admin.`);
    await sentWith(server, '42');
    server.sent.length = 0;
    const second = await asked(server);
    await client.ask('message.cancel', { session: DM });
    await becomes(second, `${CALL} was refused: the run ended first.`);
  });

  it('is shown later when the platform takes nothing now', async () => {
    const { server } = await bot();
    server.faults.push(new Refusal(500, 'Internal Server Error'));
    const question = await asked(server);
    expect(server.faults).toEqual([]);
    expect(server.sent).toHaveLength(1);
    await press(server, ASHA, question, 'Approve');
    await sentWith(server, '42');
  });
});

describe('where there are no buttons, a tool call that waits for an operator', () => {
  it('is shown with the words to say', async () => {
    const port = await freePort();
    const module = await writeLineChannel(await tempFolder());
    const line = lineConfig(module, port, { admins: ['ada'] });
    await localGateway({ agents, channels: { custom: { line } } });
    const person = await Line.open(port);
    person.say('kitchen ada#1: what is 6*7');
    const question = await person.heard(/waits for approval/);
    const [, words] = /An operator may say `(\/approve \S+)` or `\1 no`\./.exec(JSON.parse(question.slice(13))) ?? [];
    person.say(`kitchen grace#2: ${words}`);
    await person.heard(/Only an operator may use \/approve/);
    person.say(`kitchen ada#3: ${words}`);
    await person.heard(/Approved: calc/);
    await person.heard(/6\*7 = 42/);
  });
});

describe('the call in a question', () => {
  it('holds nothing that cannot be seen or ends its code, and is cut where it is long', () => {
    expect(callText({ name: 'run', input: { line: 'a`b\u202e\u{e0041}c' } })).toBe(
      '`run {"line":"a\\u0060b\\u202e\\udb40\\udc41c"}`',
    );
    expect(callText({ name: 'run', input: 'x'.repeat(700) })).toMatch(/^`run "x{595}…` \(and 106 more characters\)$/);
  });
});
