/**
 * Goal: what people say at Discord reaches the account whatever becomes of the connection, and what cannot be mended is
 * said in words that tell what to do. Method: the adapter on a local Discord that breaks the connection in each way the
 * real one does. Cases run side by side: the library waits 5 s before it begins a second session.
 */
import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { holds } from '../support/wait.ts';
import { discordFixture, liveDiscord } from './discord-fixture.ts';
import { gate, Recorder } from './recorder.ts';

const texts = (account: Recorder): string[] => account.messages.map(({ text }) => text);

describe.concurrent('a connection to Discord that breaks', () => {
  it('is resumed when Discord asks for a new one, and nothing is lost or doubled', async (context) => {
    const { fixture, account } = await liveDiscord(context);
    await fixture.dm('before');
    await account.message(0);
    fixture.server.gateway.reconnect();
    await account.reaches('degraded');
    await fixture.dm('meanwhile');
    await account.reaches('ready');
    await fixture.dm('after');
    await account.message(2);
    expect(texts(account)).toEqual(['before', 'meanwhile', 'after']);
    expect(fixture.server.gateway.logins).toEqual(['identify', 'resume']);
    expect(account.states.at(-2)?.reason).toContain('4200');
  });

  it('is resumed after a network that was down for more than one try', async (context) => {
    const { fixture, account } = await liveDiscord(context);
    fixture.drop();
    await account.reaches('degraded');
    await fixture.dm('meanwhile');
    // The library forgets its session with the first try that does not get through.
    await holds(() => account.said.filter((line) => line.includes('connection to Discord closed')).length > 2);
    await fixture.restore();
    await account.reaches('ready');
    await account.message(0);
    expect(texts(account)).toEqual(['meanwhile']);
    expect(fixture.server.gateway.logins).toEqual(['identify', 'resume']);
  });

  it('is resumed when heartbeats are not acknowledged any more', async (context) => {
    const { fixture, account } = await liveDiscord(context, ({ gateway }) => {
      gateway.heartbeatMs = 150;
    });
    const { gateway } = fixture.server;
    gateway.acknowledges = false;
    await account.reaches('degraded');
    gateway.acknowledges = true;
    await fixture.dm('meanwhile');
    await account.message(0);
    expect(gateway.logins).toEqual(['identify', 'resume']);
    expect(gateway.closes).toEqual([4_200]);
  });

  it('gives way to a new session, and what was said between is found in the history', async (context) => {
    const { fixture, account } = await liveDiscord(context);
    const { gateway, world } = fixture.server;
    await fixture.group('before');
    await account.message(0);
    fixture.drop();
    await account.reaches('degraded');
    gateway.forget();
    await fixture.dm('nobody knows this DM yet');
    await fixture.group('one');
    await fixture.group('in the thread', { thread: true });
    await fixture.group('two', { repliesTo: account.messages[0]!.message });
    fixture.server.post(fixture.general, world.bot, 'what the bot said itself');
    await fixture.restore();
    await holds(() => gateway.ready);
    await fixture.group('after');
    await account.message(4);
    expect(texts(account).toSorted()).toEqual(['after', 'before', 'in the thread', 'one', 'two']);
    expect(texts(account).filter((text) => text !== 'in the thread')).toEqual(['before', 'one', 'two', 'after']);
    const two = account.messages.find(({ text }) => text === 'two');
    expect(two).toMatchObject({
      chat: { type: 'group' },
      repliesTo: { text: 'before' },
      surroundings: { title: '#general' },
    });
    expect(gateway.logins).toEqual(['identify', 'resume', 'identify']);
  });

  it('gives way to a new session, and DMs are found too where somebody wrote before', async (context) => {
    const { fixture, account } = await liveDiscord(context);
    const { gateway } = fixture.server;
    await fixture.dm('before');
    await account.message(0);
    gateway.invalidate(false);
    await account.reaches('degraded');
    await fixture.dm('meanwhile');
    await account.message(1);
    expect(texts(account)).toEqual(['before', 'meanwhile']);
    await account.reaches('ready');
    expect(gateway.logins).toEqual(['identify', 'identify']);
  });

  it('goes on after a session that Discord lets be resumed at once', async (context) => {
    const { fixture, account } = await liveDiscord(context);
    fixture.server.gateway.invalidate(true);
    await fixture.dm('after');
    await account.message(0);
    expect(texts(account)).toEqual(['after']);
  });
});

describe('a gateway that was down', () => {
  it('asks for what was said meanwhile, in channels, threads and DMs', async (context) => {
    const { fixture, account } = await liveDiscord(context);
    await fixture.dm('before');
    await account.message(0);
    await fixture.adapter.stop();
    await fixture.dm('to an empty house');
    await fixture.group('knock knock');
    await fixture.group('anybody?', { thread: true });
    const again = fixture.again();
    context.onTestFinished(() => again.stop());
    await again.start(account);
    await holds(() => new Set(texts(account)).size === 4);
    // What was kept shortly before may come again, under the same name.
    const updates = account.messages.map(({ update, text }) => `${update} ${text}`);
    expect(new Set(updates).size).toBe(4);
  });

  it('asks for what it could not keep in time before it went down', async (context) => {
    const { fixture, account } = await liveDiscord(context);
    account.keep = () => Promise.reject(new Error('the disk is full'));
    await fixture.group('keep me');
    await account.message(0);
    await fixture.adapter.stop();
    const after = new Recorder();
    const again = fixture.again();
    context.onTestFinished(() => again.stop());
    await again.start(after);
    expect(await after.message(0)).toMatchObject({ text: 'keep me', update: account.messages[0]!.update });
  });

  it('reads so many messages of a channel, none of one it may not read, and says so', async (context) => {
    const { fixture, account } = await liveDiscord(context);
    await fixture.dm('before');
    await account.message(0);
    await fixture.adapter.stop();
    const { server, general, ada } = fixture;
    for (let number = 0; number < 510; number += 1) server.world.write(general, ada, `number ${number}`);
    const { chat } = await fixture.group('hidden', { elsewhere: true });
    server.world.channels.get(chat.id)!.access = 'none';
    const again = fixture.again();
    context.onTestFinished(() => again.stop());
    await again.start(account);
    await holds(() => texts(account).includes('number 499'));
    await holds(() => account.said.some((line) => line.includes('more messages were missed')));
    await holds(() => account.said.some((line) => line.includes('cannot be read')));
    const numbers = texts(account).filter((text) => text.startsWith('number'));
    expect(numbers).toEqual(Array.from({ length: 500 }, (_, number) => `number ${number}`));
  });

  it('starts with a damaged note of where it was, and says so', async (context) => {
    const { fixture, account } = await liveDiscord(context);
    await fixture.adapter.stop();
    const path = join(fixture.folder, 'position.json');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    await writeFile(path, '{"bot":');
    const again = fixture.again();
    context.onTestFinished(() => again.stop());
    await again.start(account);
    await fixture.dm('hi');
    await account.message(0);
    expect(account.said.some((line) => line.includes('none is asked for again'))).toBe(true);
  });

  it('asks for nothing of the time before it was first there', async (context) => {
    const account = new Recorder();
    const fixture = await discordFixture(account.log);
    context.onTestFinished(async () => {
      await fixture.adapter.stop();
      await fixture.close();
    });
    const { server, general, ada } = fixture;
    const old = server.world.write(general, ada, 'long ago');
    old.id = general.last_message_id = String(BigInt(old.id) - (60_000n << 22n));
    await fixture.adapter.start(account);
    await fixture.group('now');
    await account.message(0);
    expect(texts(account)).toEqual(['now']);
    expect(server.calls.filter((call) => call.includes('/messages'))).toEqual([]);
  });
});

describe('what cannot be mended', () => {
  it('is a missing intent: the error names the switch, and it is not tried again', async (context) => {
    const account = new Recorder();
    const fixture = await discordFixture(account.log);
    context.onTestFinished(() => fixture.close());
    fixture.server.gateway.allowedIntents = 0;
    const error = await account.failure(fixture.adapter.start(account));
    expect(error).toMatchObject({ kind: 'rejected', message: expect.stringContaining('Message Content Intent') });
    expect(account.states.map(({ state }) => state)).toEqual(['connecting']);
    await holds(() => fixture.connections() === 0);
    expect(fixture.server.gateway.closes).toEqual([4_014]);
  });

  it('is a token that was reset meanwhile: the account is logged out, with the reason', async (context) => {
    const { fixture, account } = await liveDiscord(context);
    fixture.server.gateway.closeAll(4_004);
    await account.reaches('logged-out');
    expect(account.states.at(-1)?.reason).toContain('Reset Token');
    await fixture.adapter.stop();
    await holds(() => fixture.connections() === 0);
    expect(fixture.server.gateway.logins).toEqual(['identify']);
  });

  it('is a token that the API refuses: the account is logged out once, and no request follows', async (context) => {
    const { fixture, account } = await liveDiscord(context);
    const { chat } = await fixture.dm('hi');
    const send = (key: string) => fixture.adapter.send({ chat, text: 'five', key }, new AbortController().signal);
    fixture.fail('unauthorized');
    expect((await account.failure(send('a'))).kind).toBe('unauthorized');
    expect((await account.failure(send('b'))).kind).toBe('unauthorized');
    expect(fixture.attempts()).toBe(1);
    expect(account.states.filter(({ state }) => state === 'logged-out')).toHaveLength(1);
  });

  it('leaves nothing behind when it is stopped while it connects', async (context) => {
    const account = new Recorder();
    const fixture = await discordFixture(account.log);
    context.onTestFinished(() => fixture.close());
    const { gateway } = fixture.server;
    const door = gate();
    gateway.door = door.opened;
    const starting = fixture.adapter.start(account);
    await holds(() => gateway.knocks === 1);
    const stopping = fixture.adapter.stop();
    door.open();
    await Promise.all([starting, stopping]);
    await holds(() => fixture.connections() === 0);
    expect(account.states.map(({ state }) => state)).toEqual(['connecting']);
    expect(gateway.knocks).toBe(1);
  });

  it('stays away when it is stopped while it waits for its next try', async (context) => {
    const { fixture, account } = await liveDiscord(context);
    // Another one, which goes on, shows when the time for that try is over.
    const [other, theirs] = [fixture.again(), new Recorder()];
    context.onTestFinished(() => other.stop());
    await other.start(theirs);
    await theirs.reaches('ready');
    fixture.drop();
    await Promise.all([account.reaches('degraded'), theirs.reaches('degraded')]);
    await fixture.adapter.stop();
    await fixture.restore();
    await theirs.reaches('ready');
    await fixture.dm('hi');
    await theirs.message(0);
    expect(fixture.server.gateway.logins).toEqual(['identify', 'identify', 'resume']);
    expect(fixture.server.gateway.knocks).toBe(3);
    expect(account.messages).toEqual([]);
  });
});
