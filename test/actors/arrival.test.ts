/**
 * Goal: messages are accepted in the order in which they arrive, in a session that is not there yet as in any other, whoever
 * sends them. Method: frames as the channels' thread and clients send them, handed over in one go; then the transcript is read.
 */
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import type { Reply } from '../../actors/session/requests.ts';
import { decodeFrame, encodeFrame, type Frame } from '../../src/protocol/frame.ts';
import { Store } from '../../src/storage/store.ts';
import { scripted, stop, text } from '../agent/scripted-run.ts';
import { modelsOf, type SessionSystem, sessionSystem } from '../support/session-system.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { holds } from '../support/wait.ts';

const KEY = 'agent:main:dm:telegram:7';
let store: Store;
let sessions: SessionSystem;
let replies: Frame[];
let requests = 0;

const reply: Reply = {
  send: (frame) => void replies.push(decodeFrame(frame)),
  sendAndSubscribe: (_, frame) => void replies.push(decodeFrame(frame)),
  replay() {},
};

beforeEach(async () => {
  store = new Store(await tempFolder());
  const answers = Array.from({ length: 10 }, () => [text('Well.'), stop]);
  const opened = sessionSystem({ store, models: modelsOf(scripted(...answers)) });
  sessions = opened;
  replies = [];
  onTestFinished(async () => {
    await opened.system.drain(0);
    await store.close();
  });
});

function frame(type: string, data: object): Uint8Array {
  requests += 1;
  return encodeFrame({ id: `${requests}`, type, timestamp: 0, data });
}

/** The channels' thread passes on what somebody said in a chat. */
function fromChannel(said: string): void {
  const sender = { id: '7', name: 'Ada' };
  const origin = { channel: 'telegram', account: 'default', chat: { id: '7', type: 'dm' }, message: said, sender };
  const data = {
    said,
    before: '',
    images: [],
    origin,
    keys: [`telegram:default:${said}`],
    mayChange: true,
    mayApprove: true,
  };
  sessions.channelRequests.handle(KEY, frame('channel.message', data), reply);
}

function fromClient(type: string, data: object): void {
  sessions.requests.handle(KEY, frame(type, data), reply, true);
}

const said = () =>
  store
    .entriesBefore(KEY, Infinity, 100)
    .filter(({ role }) => role === 'user')
    .map((entry) => entry.text);
const answered = (count: number) => holds(() => replies.length === count);

describe('the first messages of a chat', () => {
  it('are taken in the order in which they come', async () => {
    for (const word of ['one', 'two', 'three']) fromChannel(word);
    await answered(3);
    expect(replies.map(({ error }) => error)).toEqual([undefined, undefined, undefined]);
    expect(said()).toEqual(['one', 'two', 'three']);
    expect(store.sessions.get(KEY)).toMatchObject({ channel: 'telegram', user: '7', type: 'dm' });
  });

  it('come before what a client says after them', async () => {
    fromChannel('one');
    fromClient('message.send', { session: KEY, text: 'two' });
    fromChannel('three');
    await answered(3);
    expect(said()).toEqual(['one', 'two', 'three']);
  });

  it('make the session also where a client has asked for it in vain', async () => {
    fromClient('subscribe', { session: KEY });
    await sessions.session(KEY).control({ type: 'wake' }); // in memory, as after a request that came too late
    fromChannel('one');
    await answered(2);
    expect(replies.map(({ type }) => type)).toEqual(['error', 'ack']);
    expect(said()).toEqual(['one']);
  });

  it('are kept when a command comes before them', async () => {
    fromChannel('/new');
    fromChannel('one');
    await answered(2);
    await holds(() => sessions.eventsOf('message.outbound').some(({ text: answer }) => answer === 'Well.'));
    expect(said()).toEqual(['one']);
    expect(store.sessions.get(KEY)).toBeDefined();
  });

  it('of a session that is being deleted are those of the next one, in order', async () => {
    fromChannel('old');
    await holds(() => sessions.eventsOf('run.end').length === 1);
    fromClient('session.delete', { session: KEY });
    for (const word of ['one', 'two']) fromChannel(word);
    await answered(4);
    expect(said()).toEqual(['one', 'two']);
    expect(store.deletions.doesExist(KEY)).toBe(false);
  });

  it('wait for a deletion that was cut short', async () => {
    await store.journal.commit((batch) => {
      batch.put(store.deletions, KEY, true);
      store.keys.put(batch, KEY, 'telegram:default:one', { message: 'm', seq: 1 }, Date.now());
      batch.put(store.entries, [KEY, 1], { seq: 1, role: 'user', text: 'old', timestamp: 0, message: 'm' });
    });
    for (const word of ['one', 'two']) fromChannel(word);
    await answered(2);
    expect(said()).toEqual(['one', 'two']);
  });

  it('are one turn where the same one comes twice while it waits', async () => {
    await store.journal.commit((batch) => batch.put(store.deletions, KEY, true));
    for (const word of ['one', 'one', 'two']) fromChannel(word);
    await answered(3);
    expect(said()).toEqual(['one', 'two']);
  });
});

it('a session is there for what a client sends right after it has asked for it', async () => {
  fromClient('session.create', { channel: 'telegram', user: '7', type: 'dm' });
  fromClient('message.send', { session: KEY, text: 'one' });
  await answered(2);
  expect(said()).toEqual(['one']);
});
