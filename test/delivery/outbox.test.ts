/**
 * Goal: chats do not wait for each other, however long a platform wants one of them to wait. Method: an outbox on a store of
 * its own, with a platform that takes everything, and previews that must rest for a minute before they become the answer.
 */
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Preview } from '../../src/delivery/dispatch.ts';
import { Outbox, type OutboxParts } from '../../src/delivery/outbox.ts';
import type { OutboxKey, OutboxRecord } from '../../src/storage/outbox.ts';
import { Store } from '../../src/storage/store.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { holds } from '../support/wait.ts';

const ACCOUNT = 'telegram:default';
const CAPABILITIES = {
  textLengthMax: 4_096,
  edits: true,
  editIntervalMs: 60_000,
  typingMs: 0,
  buttons: false,
  fileBytesMax: 0,
  detectsDuplicates: false,
};

/** Shown as message `p1`, and to rest for so long. */
function preview(waitMs: number): Preview {
  return {
    seal: async () => ['p1'],
    waitMs: () => waitMs,
    finish: async (text) => ({ shown: [{ message: 'p1', text }], rest: [] }),
  };
}

async function setUp(previewOf: (lane: string) => Preview | undefined) {
  const store = new Store(await tempFolder());
  const sent: string[] = [];
  const ended: string[] = [];
  const parts: OutboxParts = {
    account: ACCOUNT,
    store,
    adapter: () => ({
      capabilities: CAPABILITIES,
      send: async ({ chat }) => {
        sent.push(chat.id);
        return { message: '1' };
      },
    }),
    preview: ([, lane]) => previewOf(lane),
    ended: ([, lane], _, outcome) => ended.push(`${lane} ${outcome.status}`),
    sent: () => undefined,
    unauthorized: () => undefined,
    trouble: () => undefined,
  };
  const outbox = new Outbox(parts);
  outbox.open();
  onTestFinished(async () => {
    await outbox.stop();
    await store.close();
  });
  const put = async (lane: string): Promise<OutboxKey> => {
    const key: OutboxKey = [ACCOUNT, lane, `id-${lane}`];
    const record: OutboxRecord = { chat: { id: lane, type: 'dm' }, text: 'Hi.', createdAt: Date.now(), sent: [] };
    await store.journal.commit((batch) => store.outbox.put(batch, key, record));
    outbox.add(key);
    return key;
  };
  return { store, outbox, put, sent, ended };
}

describe('an answer whose preview must rest before it is made final', () => {
  it('keeps no other chat waiting, in whatever number', async () => {
    const { store, put, sent, ended } = await setUp((lane) => (lane === 'other' ? undefined : preview(60_000)));
    const resting = await Promise.all(Array.from({ length: 100 }, (_, number) => put(`resting${number}`)));
    // What shows the answers is written down, for a crash while they rest.
    await holds(() => resting.every((key) => store.outbox.get(key)?.previews?.[0] === 'p1'));
    await put('other');
    await holds(() => ended.includes('other sent'));
    expect([sent, ended]).toEqual([['other'], ['other sent']]);
  });

  it('is not taken for one that waits for another try: a gateway that stops waits for it', async () => {
    let restMs = 200;
    const { store, outbox, put, ended } = await setUp(() => ({ ...preview(0), waitMs: () => restMs }));
    const key = await put('kitchen');
    await holds(() => store.outbox.get(key)?.previews !== undefined);
    const idle = outbox.idle().then(() => [...ended]);
    restMs = 0;
    expect(await idle).toEqual(['kitchen sent']);
    expect(store.outbox.get(key)).toBeUndefined();
  });
});
