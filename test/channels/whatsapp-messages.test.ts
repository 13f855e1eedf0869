/**
 * Goal: what only WhatsApp has about messages. Method: the real baileys against `test/support/whatsapp-server`, whose people
 * have phones with keys of their own: what they write is encrypted for the account's device, what it writes they decrypt.
 */

import { deflateSync } from 'node:zlib';
import { proto } from '@whiskeysockets/baileys';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ChannelError } from '../../src/channels/adapter.ts';
import { holds } from '../support/wait.ts';
import { gate, Recorder } from './recorder.ts';
import { never } from './stage.ts';
import { ANNA, adapterFor, WhatsAppFixture } from './whatsapp-fixture.ts';

/** What is printed on the console, from before anything was loaded. */
const printed = vi.hoisted(() => {
  const lines: unknown[][] = [];
  for (const level of ['info', 'warn', 'error'] as const) console[level] = (...args) => void lines.push(args);
  return lines;
});

let fixture: WhatsAppFixture;
let account: Recorder;
let keys = 0;

beforeEach(async () => {
  account = new Recorder();
  fixture = await WhatsAppFixture.make(account.log);
  await fixture.adapter.start(account);
  await account.reaches('ready');
});

afterEach(async () => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  await fixture.adapter.stop();
  await fixture.close();
});

const dm = { id: ANNA, type: 'dm' } as const;

async function send(text: string, rest: { key?: string; chat?: { id: string; type: 'dm' | 'group' } } = {}) {
  keys += 1;
  return (await fixture.adapter.send({ chat: dm, text, key: `own${keys}`, ...rest }, never)).message;
}

function failure(promise: Promise<unknown>): Promise<ChannelError> {
  return account.failure(promise);
}

function texts(): string[] {
  return account.messages.map(({ text }) => text);
}

describe('who writes', () => {
  it('is the same person by number and by LID', async () => {
    fixture.anna.addressing = 'lid';
    await fixture.dm('by LID, with the number beside it');
    await account.message(0);
    fixture.anna.tellsBoth = false;
    await fixture.dm('by LID alone');
    fixture.anna.addressing = 'pn';
    await fixture.dm('by number alone');
    await account.message(2);
    expect(account.messages.map(({ chat, sender }) => [chat.id, sender.id])).toEqual(Array(3).fill([ANNA, ANNA]));
    expect(account.messages.map(({ sender }) => sender.username)).toEqual([
      fixture.anna.lidJid,
      fixture.anna.lidJid,
      undefined,
    ]);
    expect(await send('five')).toMatch(/^3EB0[0-9A-F]{18}$/);
    expect(fixture.shown()).toMatchObject([{ text: 'five', chat: dm }]);
  });

  it('is heard in order, also where the addresses differ', async () => {
    await fixture.dm('one');
    fixture.anna.addressing = 'lid';
    await fixture.dm('two');
    await account.message(1);
    expect(texts()).toEqual(['one', 'two']);
  });

  it('is known by the LID where WhatsApp does not tell the number, and can be answered there', async () => {
    fixture.anna.addressing = 'lid';
    fixture.anna.tellsBoth = false;
    await fixture.dm('who am I?');
    const { chat, sender } = await account.message(0);
    expect(sender).toMatchObject({ id: fixture.anna.lidJid, name: 'Anna', username: undefined });
    expect(chat).toEqual({ id: fixture.anna.lidJid, type: 'dm' });
    await send('somebody', { chat: { id: chat.id, type: 'dm' } });
    expect(fixture.shown()).toMatchObject([{ text: 'somebody' }]);
  });

  it('is the owner in the chat with oneself, and nobody where the owner writes to others', async () => {
    const { owner } = fixture.server;
    await owner.write(fixture.anna, { conversation: 'to Anna' });
    await owner.writeToGroup(fixture.friends, { conversation: 'to all' });
    await owner.note({ conversation: 'to myself' });
    const message = await account.message(0);
    expect(message).toMatchObject({
      text: 'to myself',
      addressed: true,
      chat: { id: owner.phone, type: 'dm' },
      sender: { id: owner.phone, name: 'Bot' },
    });
    await send('noted', { chat: { id: owner.phone, type: 'dm' } });
    await holds(() => owner.seen.length === 1);
    await fixture.dm('the last');
    await account.message(1);
    expect(texts()).toEqual(['to myself', 'the last']);
  });
});

describe('what is nobody’s word to the bot', () => {
  it('is left out: statuses, channels, reactions, edits, deletions, votes, history', async () => {
    const { anna } = fixture;
    const { owner } = fixture.server;
    const { message } = await fixture.dm('the first');
    const key = { remoteJid: owner.jid, fromMe: true, id: message };
    const { MESSAGE_EDIT, REVOKE, HISTORY_SYNC_NOTIFICATION } = proto.Message.ProtocolMessage.Type;
    await anna.writeRaw(owner, { conversation: 'a status' }, { from: 'status@broadcast', participant: anna.jid });
    await anna.writeRaw(owner, { conversation: 'a channel' }, { from: '120363000000000099@newsletter' });
    await anna.write(owner, { reactionMessage: { key, text: '👍' } });
    const editedMessage = { conversation: 'an edit' };
    await anna.write(owner, { protocolMessage: { key, type: MESSAGE_EDIT, editedMessage } });
    await anna.write(owner, { protocolMessage: { key, type: REVOKE } });
    await anna.write(owner, { pollUpdateMessage: { pollCreationMessageKey: key } });
    const old: proto.IHistorySyncMsg = {
      message: { key: { remoteJid: anna.jid, id: 'OLD' }, message: { conversation: 'last year' }, messageTimestamp: 1 },
    };
    const { INITIAL_BOOTSTRAP } = proto.HistorySync.HistorySyncType;
    const history = proto.HistorySync.encode({
      syncType: INITIAL_BOOTSTRAP,
      conversations: [{ id: anna.jid, messages: [old] }],
    }).finish();
    const notification = { syncType: INITIAL_BOOTSTRAP, initialHistBootstrapInlinePayload: deflateSync(history) };
    await owner.note({
      protocolMessage: { type: HISTORY_SYNC_NOTIFICATION, historySyncNotification: notification },
    });
    await fixture.dm('the last');
    await account.message(1);
    expect(texts()).toEqual(['the first', 'the last']);
  });

  it('but places, contacts, polls and disappearing messages are', async () => {
    const { owner } = fixture.server;
    const vcard = 'BEGIN:VCARD\nFN:Ben\nTEL;type=CELL;waid=4915552222222:+49 1555 2222222\nEND:VCARD';
    for (const message of [
      { locationMessage: { degreesLatitude: 52.5, degreesLongitude: 13.4, name: 'Berlin' } },
      { contactMessage: { displayName: 'Ben', vcard } },
      { pollCreationMessageV3: { name: 'Lunch?', options: [{ optionName: 'yes' }, { optionName: 'no' }] } },
      { ephemeralMessage: { message: { extendedTextMessage: { text: 'gone tomorrow' } } } },
    ]) {
      await fixture.anna.write(owner, message);
    }
    await account.message(3);
    expect(texts()).toEqual([
      'Location: 52.5, 13.4\nBerlin',
      'Contact: Ben +49 1555 2222222',
      'Poll: Lunch?\n- yes\n- no',
      'gone tomorrow',
    ]);
  });
});

describe('delivery to us', () => {
  it('is read, and said to be, when it was kept and not before', async () => {
    const kept = gate();
    account.keep = () => kept.opened;
    const { message } = await fixture.dm('hi');
    await account.message(0);
    const receipts = (): unknown[] =>
      fixture.server.stanzas
        .filter(({ tag, attrs }) => tag === 'receipt' && attrs.id === message)
        .map(({ attrs }) => attrs.type);
    expect(receipts()).toEqual([]);
    kept.open();
    await holds(() => receipts().includes('read'));
    expect(receipts()).toEqual(['inactive', 'read']);
  });

  it('happens once for what came while the account was off, in its order', async () => {
    await fixture.dm('before');
    await account.message(0);
    await fixture.adapter.stop();
    await fixture.dm('first');
    await fixture.group('second');
    await fixture.dm('third');
    for (const expected of [
      ['before', 'first', 'second', 'third'],
      ['before', 'first', 'second', 'third', 'last'],
    ]) {
      await fixture.adapter.start(account);
      await account.reaches('ready');
      if (expected.length > 4) await fixture.dm('last');
      await account.message(expected.length - 1);
      await holds(() => account.messages.every(({ message }) => !fixture.server.waits(fixture.device, message)));
      await fixture.adapter.stop();
      expect(texts()).toEqual(expected);
    }
  });

  it('happens again when the account ended while a message was being kept, under the same name', async () => {
    account.keep = () => gate().opened;
    const posted = await fixture.dm('keep me');
    await account.message(0);
    await fixture.adapter.stop();
    account.keep = async () => undefined;
    await fixture.adapter.start(account);
    await holds(() => fixture.accepted(posted));
    await fixture.dm('after');
    await account.message(2);
    expect(texts()).toEqual(['keep me', 'keep me', 'after']);
    expect(account.messages[1]!.update).toBe(posted.update);
  });

  it('happens once when the connection ended before WhatsApp could be told that the message was kept', async () => {
    account.keep = async ({ text }) => {
      if (text !== 'keep me') return;
      fixture.drop();
      await holds(() => account.states.at(-1)!.state === 'degraded');
    };
    const posted = await fixture.dm('keep me');
    await account.message(0);
    expect(fixture.accepted(posted)).toBe(false);
    await holds(() => fixture.connections() === 0);
    await fixture.restore();
    await holds(() => fixture.accepted(posted));
    await fixture.dm('after');
    await account.message(1);
    expect(texts()).toEqual(['keep me', 'after']);
  });

  it('is asked for again when a message cannot be decrypted', async () => {
    await fixture.dm('before');
    await account.message(0);
    fixture.anna.damaged = 1;
    const posted = await fixture.dm('damaged on the way');
    await account.message(1);
    expect(account.messages[1]).toMatchObject({ text: 'damaged on the way', update: posted.update });
    await fixture.dm('after');
    expect((await account.message(2)).text).toBe('after');
  });

  it('leaves the keys of an answer alone that is sent while the message is still being kept', async () => {
    account.keep = async ({ text }) => void (await send(`you said ${text}`));
    for (const text of ['one', 'two', 'three']) await fixture.dm(text);
    await account.message(2);
    await holds(() => fixture.shown().length === 3);
    account.keep = async () => undefined;
    await fixture.dm('four');
    await account.message(3);
    await send('five');
    expect(fixture.shown().map(({ text }) => text)).toEqual(['you said one', 'you said two', 'you said three', 'five']);
    // Nobody had to ask again for what was encrypted with a key twice.
    expect(fixture.attempts()).toBe(4);
  });

  it('prints nothing on the console, where libsignal would print private keys', async () => {
    // A new session takes the place of an open one.
    await fixture.dm('hi');
    await account.message(0);
    await send('hello');
    fixture.anna.damaged = 2;
    await fixture.dm('again');
    await account.message(1);
    expect(printed.filter(([first]) => /session/i.test(String(first)))).toEqual([]);
  });
});

describe('delivery of ours', () => {
  it('shows a message once that is sent again with its key', async () => {
    await fixture.dm('hi');
    await account.message(0);
    const first = await send('five', { key: 'samekey' });
    expect(await send('five', { key: 'samekey' })).toBe(first);
    expect(await send('six', { key: 'otherkey' })).not.toBe(first);
    expect(fixture.server.attempts.map(({ id }) => id).filter((id) => id === first)).toHaveLength(2);
    expect(fixture.anna.seen.map(({ id }) => id)).toEqual([first, expect.not.stringMatching(first)]);
  });

  it('is read by somebody who installed the app anew, and asks for it when the phone is on again', async () => {
    await fixture.dm('hi');
    await account.message(0);
    await send('five');
    fixture.anna.reinstall();
    fixture.anna.asksAtOnce = false;
    const message = await send('six');
    // Baileys itself knows its messages for five minutes.
    const now = performance.now.bind(performance);
    const later = vi.spyOn(performance, 'now').mockImplementation(() => now() + 6 * 60_000);
    await fixture.anna.askNow();
    await holds(() => fixture.anna.seen.some(({ id }) => id === message));
    later.mockRestore();
    await fixture.dm('and now?');
    expect((await account.message(1)).text).toBe('and now?');
    await send('seven');
    expect(fixture.shown().map(({ text }) => text)).toEqual(['five', 'six', 'seven']);
  });

  it.each([
    ['429', 'rate_limited'],
    ['463', 'rejected'],
    ['404', 'gone'],
  ] as const)('is refused with %s: %s', async (error, kind) => {
    await fixture.dm('hi');
    await account.message(0);
    fixture.server.faults.push({ error });
    expect((await failure(send('five'))).kind).toBe(kind);
  });

  it('knows numbers that are not on WhatsApp, groups that are not there, and groups it left', async () => {
    const { server } = fixture;
    expect(await failure(send('hi', { chat: { id: '4915559999999', type: 'dm' } }))).toMatchObject({
      kind: 'gone',
      message: 'this number is not on WhatsApp',
    });
    expect((await failure(send('hi', { chat: { id: '120363000000000077@g.us', type: 'group' } }))).kind).toBe('gone');
    fixture.friends.members = [fixture.anna];
    expect((await failure(send('hi', { chat: { id: fixture.friends.jid, type: 'group' } }))).kind).toBe('rejected');
    expect((await failure(send('hi', { chat: { id: 'anna', type: 'dm' } }))).kind).toBe('rejected');
    expect(server.attempts).toEqual([]);
    await send('hi', { chat: { id: `+${ANNA}`, type: 'dm' } });
    expect(fixture.shown()).toMatchObject([{ text: 'hi' }]);
  });

  it('asks for the members of a group once for several messages', async () => {
    const chat = { id: fixture.friends.jid, type: 'group' } as const;
    for (const text of ['one', 'two', 'three']) await send(text, { chat });
    expect(fixture.server.queries.filter(({ attrs }) => attrs.xmlns === 'w:g2')).toHaveLength(1);
    await fixture.group('hi');
    expect((await account.message(0)).surroundings.title).toBe('Friends');
  });

  it('changes a message after a restart, and none that is older than the apps allow', async () => {
    await fixture.dm('hi');
    await account.message(0);
    const message = await send('thinking');
    await fixture.adapter.stop();
    const later = adapterFor(fixture.server, fixture.folder, account.log);
    await later.start(account);
    await later.edit!(dm, message, 'It is *five*', undefined, never);
    expect(fixture.shown()).toMatchObject([{ text: 'It is five' }]);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 16 * 60_000 });
    expect((await failure(later.edit!(dm, message, 'six', undefined, never))).kind).toBe('rejected');
    vi.useRealTimers();
    await later.stop();
  });

  it('is online while it types, and a while after', async () => {
    const presences = (): unknown[] =>
      fixture.server.stanzas.filter(({ tag }) => tag === 'presence').map(({ attrs }) => attrs);
    await fixture.server.owner.note({ conversation: 'with this the device learns its name' });
    await holds(() => presences().length > 0);
    const before = presences().length;
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    await fixture.adapter.typing!(dm);
    await fixture.adapter.typing!(dm);
    vi.advanceTimersByTime(60_000);
    vi.useRealTimers();
    await holds(() => presences().length === before + 2);
    expect(presences().slice(before)).toEqual([
      { name: 'Bot', type: 'available' },
      { name: 'Bot', type: 'unavailable' },
    ]);
    expect(fixture.typing(dm)).toBe(2);
  });
});

describe('files', () => {
  const data = Buffer.alloc(5_000, 'x');

  async function received(change: (reference: proto.Message.IImageMessage) => void, damaged = false) {
    const reference = await fixture.server.media.upload(data, 'image', damaged);
    const imageMessage = { ...reference, mimetype: 'image/jpeg' };
    change(imageMessage);
    const before = account.messages.length;
    await fixture.anna.write(fixture.server.owner, { imageMessage });
    const [file] = (await account.message(before)).attachments;
    return file!;
  }

  it('are refused when a byte of them changed on the way', async () => {
    const file = await received(() => undefined, true);
    expect(await failure(file.load(10_000, never))).toMatchObject({ kind: 'rejected', message: 'the file is damaged' });
  });

  it('are gone when WhatsApp does not keep them any more', async () => {
    const file = await received((reference) => {
      reference.directPath = '/v/t62/none.enc';
    });
    expect((await failure(file.load(10_000, never))).kind).toBe('gone');
  });

  it('are fetched from WhatsApp’s hosts only, whatever the sender writes into the message', async () => {
    const elsewhere = await received((reference) => {
      reference.url = 'https://127.0.0.1:1/secret';
    });
    expect(await elsewhere.load(10_000, never)).toHaveLength(data.length);
    const read = fixture.fileBytesRead();
    for (const directPath of ['@127.0.0.1:1/x', '.evil.example/x', 'https://127.0.0.1:1/', '']) {
      const file = await received((reference) => {
        reference.directPath = directPath;
      });
      expect((await failure(file.load(10_000, never))).kind).toBe('rejected');
    }
    expect(fixture.fileBytesRead()).toBe(read);
  });

  it('go as what the apps can show, and as documents where they cannot', async () => {
    await fixture.dm('hi');
    await account.message(0);
    const file = async (kind: 'image' | 'audio' | 'video', mediaType: string, caption = ''): Promise<void> => {
      const attachment = { kind, name: 'a', mediaType, data, caption };
      await fixture.adapter.send({ chat: dm, text: '', key: mediaType.replaceAll(/\W/g, ''), attachment }, never);
    };
    await file('image', 'image/svg+xml');
    await file('audio', 'audio/ogg; codecs=opus');
    await file('audio', 'audio/mpeg', 'a song');
    await file('video', 'video/x-matroska');
    expect(fixture.anna.seen.map(({ message }) => Object.keys(message).find((key) => key.endsWith('Message')))).toEqual(
      ['documentMessage', 'audioMessage', 'documentMessage', 'documentMessage'],
    );
    expect(fixture.anna.seen[1]!.message.audioMessage!.ptt).toBe(true);
  });
});
