/**
 * Goal: with `ackReaction` people see that their message was taken in, and nothing depends on it. Method: the gateway, and
 * Telegram's library against a local Bot API server, which refuses what is none of Telegram's emoji.
 */
import { describe, expect, it, onTestFinished, test } from 'vitest';
import { Acknowledgement } from '../../actors/channel/acknowledgement.ts';
import { type Adapter, ChannelError } from '../../src/channels/adapter.ts';
import { localGateway } from '../support/gateway.ts';
import { freePort, Line, lineConfig, writeLineChannel } from '../support/line-channel.ts';
import { TelegramServer } from '../support/telegram-server.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { holds } from '../support/wait.ts';
import { Recorder } from './recorder.ts';
import { ASHA, dmWith } from './telegram-fixture.ts';

async function bot(ackReaction?: string): Promise<TelegramServer> {
  const server = await TelegramServer.start();
  onTestFinished(() => server.close());
  const account = { token: server.token, apiUrl: server.url, dm: 'open' as const, streaming: 'off' as const };
  const reaction = ackReaction === undefined ? {} : { ackReaction };
  await localGateway({ channels: { telegram: { default: { ...account, ...reaction } } } });
  return server;
}

/** Asha writes; resolves with the bot's reactions to it, once it is answered. */
async function written(server: TelegramServer, text: string, answers = 1): Promise<() => string[] | undefined> {
  const { message } = server.post(dmWith(ASHA), ASHA, { text });
  await holds(() => server.sent.length === answers);
  return () => server.reactions.get(`${ASHA.id}/${message!.message_id}`);
}

describe('a message that was taken in', () => {
  it('gets the reaction of the account, which stays; a command gets none', async () => {
    const server = await bot('❤️');
    const reactions = await written(server, 'hello');
    await holds(() => reactions()?.[0] === '❤');
    await written(server, '/whoami', 2);
    const again = await written(server, 'hello again', 3);
    await holds(() => again()?.length === 1);
    expect(server.calls.get('setMessageReaction')).toBe(2);
    expect(reactions()).toEqual(['❤']);
  });

  it('gets none where none is set', async () => {
    const server = await bot();
    await written(server, 'hello');
    expect(server.calls.get('setMessageReaction')).toBeUndefined();
  });

  it('is answered for all that where the platform does not have the emoji', async () => {
    const server = await bot('🧿');
    await written(server, 'hello');
    await holds(() => server.calls.get('setMessageReaction') === 1);
    await written(server, 'again', 2);
    expect(server.reactions.size).toBe(0);
  });

  it('is answered for all that by a channel that has no reactions', async () => {
    const port = await freePort();
    const line = lineConfig(await writeLineChannel(await tempFolder()), port, { ackReaction: '👀' });
    await localGateway({ channels: { custom: { line } } });
    const person = await Line.open(port);
    person.say('kitchen ada#1: hello');
    await person.heard(/^kitchen bot: /);
  });
});

test('the first refusal is a warning, and those after it are none', async () => {
  const { said, log } = new Recorder();
  const refused = new ChannelError('rejected', 'REACTION_INVALID');
  const adapter = { react: () => Promise.reject(refused) } as unknown as Adapter;
  const { signal } = new AbortController();
  const acknowledgement = new Acknowledgement({ emoji: '🧿', adapter: () => ({ adapter, signal }), log });
  for (let message = 1; message <= 3; message++) await acknowledgement.give({ id: '1', type: 'dm' }, String(message));
  expect(said.map((line) => JSON.parse(line).level)).toEqual([40, 20, 20]);
});
