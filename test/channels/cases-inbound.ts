/** Cases of the conformance suite: what comes from the platform. */
import { describe, expect, it } from 'vitest';
import type { Sender } from '../../src/channels/adapter.ts';
import { holds } from '../support/wait.ts';
import { BOT, expected } from './adapter-fixture.ts';
import { gate } from './recorder.ts';
import { bytes, FILE_KINDS, never, otherId, type Stage } from './stage.ts';

/** Kernel and library buffers: what may have left the server though the adapter stopped reading. */
const BUFFERS_BYTES = 8 * 1024 * 1024;

export function inboundCases(stage: Stage): void {
  describe('what comes', () => {
    it('makes a DM a message with every field', async () => {
      await stage.start();
      const posted = await stage.fixture.dm('what is 2+3?');
      const message = await stage.account.message(0);
      expect(message).toMatchObject(expected(posted, 'what is 2+3?', true));
      expect(message).toMatchObject({ chat: { type: 'dm' }, sender: { bot: false }, attachments: [] });
      expect(message.chat.thread).toBeUndefined();
      expect(message.repliesTo).toBeUndefined();
      expect(message.sender.name).toMatch(/\w/);
    });

    it('knows in a group whether it is addressed, and takes the mention out of the text', async () => {
      await stage.start();
      const plain = await stage.fixture.group('good morning everybody');
      const mention = await stage.fixture.group(`${BOT} what is 2+3?`);
      const inside = await stage.fixture.group(`tell me, ${BOT} what is 2+3?`);
      await stage.account.message(2);
      expect(stage.account.messages[0]).toMatchObject(expected(plain, 'good morning everybody', false));
      expect(stage.account.messages[0]).toMatchObject({ chat: { type: 'group' } });
      expect(stage.account.messages[1]).toMatchObject(expected(mention, 'what is 2+3?', true));
      expect(stage.account.messages[2]).toMatchObject(expected(inside, 'tell me, what is 2+3?', true));
    });

    it('is addressed by a reply to its own message, not by one to somebody else', async () => {
      await stage.start();
      const chat = await stage.opened('group');
      const ours = await stage.send(chat, 'five');
      const toUs = await stage.fixture.group('and twice that?', { repliesTo: ours });
      const toThem = await stage.fixture.group('no, six', { repliesTo: toUs.message });
      await stage.account.message(2);
      expect(stage.account.messages[1]).toMatchObject(expected(toUs, 'and twice that?', true));
      expect(stage.account.messages[1]!.repliesTo).toMatchObject({ message: ours });
      expect(stage.account.messages[2]).toMatchObject(expected(toThem, 'no, six', false));
      expect(stage.account.messages[2]!.repliesTo).toMatchObject({ message: toUs.message });
    });

    stage.itWith(['threads'], 'keeps the threads of a group apart', async () => {
      await stage.start();
      const outside = await stage.fixture.group(`${BOT} here`);
      const inside = await stage.fixture.group(`${BOT} there`, { thread: true });
      await stage.account.message(1);
      expect(stage.account.messages[0]).toMatchObject(expected(outside, 'here', true));
      expect(stage.account.messages[1]).toMatchObject(expected(inside, 'there', true));
      const threads = stage.account.messages.map(({ chat }) => chat.thread);
      expect(threads[1]).toEqual(expect.any(String));
      expect(threads[0]).not.toBe(threads[1]);
      expect(stage.account.messages[0]!.chat.id).toBe(stage.account.messages[1]!.chat.id);
    });

    it.each(['dm', 'group'] as const)('makes a command of the platform "/name args" in a %s', async (where) => {
      await stage.start();
      const posted = await stage.fixture.command(where, 'model', 'fast please');
      const message = await stage.account.message(0);
      expect(message).toMatchObject(expected(posted, '/model fast please', true));
      await stage.fixture.command(where, 'status', '');
      expect((await stage.account.message(1)).text).toBe('/status');
    });

    it('takes any text: emoji before a mention, scripts, one as long as can be, nothing but a mention', async () => {
      await stage.start();
      const long = `${'long '.repeat(stage.fixture.adapter.capabilities.textLengthMax / 5 - 1)}end`;
      const scripts = 'नमस्ते 👩‍👩‍👧 مرحبا <b>&amp;</b> *not* _bold_ \\ `';
      await stage.fixture.dm(scripts);
      await stage.fixture.dm(long);
      await stage.fixture.dm('two\nlines\n\nand more');
      await stage.fixture.group(`😀👍🏽 ${BOT} hi 😀`);
      await stage.fixture.group(BOT);
      await stage.account.message(4);
      const texts = stage.account.messages.map(({ text }) => text);
      for (const text of [scripts, long, 'two\nlines\n\nand more', '😀👍🏽 hi 😀', '']) {
        expect(texts.includes(text), text.slice(0, 100)).toBe(true);
      }
      expect(stage.account.messages.find(({ text }) => text === '')!.addressed).toBe(true);
    });

    stage.itWith(['own-messages'], 'does not hear itself', async () => {
      await stage.start();
      await stage.fixture.echo('I said so');
      await stage.fixture.dm('you did');
      await stage.account.message(0);
      expect(stage.account.messages.map(({ text }) => text)).toEqual(['you did']);
    });

    stage.itWith(['other-bots'], 'knows other bots as bots', async () => {
      await stage.start();
      const person = await stage.fixture.group(`${BOT} hi`);
      const sender: Sender = { ...person.sender, id: otherId(person.sender.id), name: 'Robot', bot: true };
      const posted = await stage.fixture.group(`${BOT} beep`, { sender });
      expect(await stage.account.message(1)).toMatchObject({
        ...expected(posted, 'beep', true),
        sender: { bot: true },
      });
    });

    it('keeps the order of a chat', async () => {
      await stage.start();
      const texts = Array.from({ length: 30 }, (_, index) => `number ${index}`);
      stage.account.keep = () => new Promise((resolve) => setImmediate(resolve));
      for (const text of texts) await stage.fixture.dm(text);
      await stage.account.message(texts.length - 1);
      expect(stage.account.messages.map(({ text }) => text)).toEqual(texts);
    });

    stage.itWith(['independence'], 'receives from other chats while one message waits to be kept', async () => {
      await stage.start();
      const kept = gate();
      stage.account.keep = ({ text }) => (text === 'slow' ? kept.opened : Promise.resolve());
      await stage.fixture.dm('slow');
      await stage.account.message(0);
      await stage.fixture.dm('quick', { elsewhere: true });
      expect((await stage.account.message(1)).text).toBe('quick');
      kept.open();
    });
  });

  describe('telling the platform that it arrived', () => {
    stage.itWith(['redelivery'], 'does so only when it was kept', async () => {
      await stage.start();
      const kept = gate();
      stage.account.keep = ({ text }) => (text === 'keep me' ? kept.opened : Promise.resolve());
      const posted = await stage.fixture.dm('keep me');
      await stage.account.message(0);
      // Whoever accepts too early has done so by the time that something else was received.
      if (stage.lacks.independence === undefined) {
        await stage.fixture.dm('another', { elsewhere: true });
        await stage.account.message(1);
      }
      expect(stage.fixture.accepted(posted)).toBe(false);
      kept.open();
      await holds(() => stage.fixture.accepted(posted));
      expect(stage.account.messages.filter(({ text }) => text === 'keep me')).toHaveLength(1);
    });

    stage.itWith(['redelivery'], 'has it delivered again when it could not be kept', async () => {
      await stage.start();
      let tries = 0;
      stage.account.keep = async () => {
        tries += 1;
        if (tries < 3) throw new Error('the disk is full');
      };
      const posted = await stage.fixture.dm('keep me');
      await stage.account.message(1);
      expect(stage.fixture.accepted(posted)).toBe(false);
      const again = await stage.account.message(2);
      expect(new Set(stage.account.messages.map(({ update }) => update))).toEqual(new Set([posted.update]));
      expect(again).toMatchObject(expected(posted, 'keep me', true));
      await holds(() => stage.fixture.accepted(posted));
      expect(stage.account.messages).toHaveLength(3);
    });

    stage.itWith(
      ['redelivery'],
      'passes on the same update under the same name when it is delivered again',
      async () => {
        await stage.start();
        const posted = await stage.fixture.dm('once');
        await stage.account.message(0);
        await holds(() => stage.fixture.accepted(posted));
        await stage.fixture.redeliver(posted);
        await stage.fixture.dm('last');
        await holds(() => stage.account.messages.at(-1)?.text === 'last');
        // An adapter may know that it had it. If it does not, whoever receives it must be able to tell.
        const once = stage.account.messages.filter(({ text }) => text === 'once');
        expect(new Set(once.map(({ update }) => update))).toEqual(new Set([posted.update]));
      },
    );
  });

  describe('files that come', () => {
    it.each(FILE_KINDS)('reads a file: $kind', async ({ kind, name: fileName, mediaType }) => {
      await stage.start();
      const data = bytes(100_000);
      await stage.fixture.dm('look', { attachments: [{ kind, name: fileName, mediaType, data }] });
      const message = await stage.account.message(0);
      expect(message).toMatchObject({ text: 'look', attachments: [{ kind }] });
      const [file] = message.attachments;
      expect(Buffer.from(await file!.load(data.length, never)).equals(data)).toBe(true);
      expect(file!.mediaType ?? mediaType).toBe(mediaType);
      if (stage.lacks['declared-bytes'] === undefined) expect(file!.bytes).toBe(data.length);
    });

    it('takes a file without a word, and fetches nothing that nobody asked for', async () => {
      await stage.start();
      const [shape] = FILE_KINDS;
      await stage.fixture.dm('', { attachments: [{ ...shape, data: bytes(1_000) }] });
      expect(await stage.account.message(0)).toMatchObject({ text: '', attachments: [{ kind: 'image' }] });
      expect(stage.fixture.fileBytesRead()).toBe(0);
    });

    it('refuses a file over the limit without reading it', async () => {
      await stage.start();
      await stage.fixture.dm('', { attachments: [{ ...FILE_KINDS[3], data: bytes(50_000) }] });
      const [file] = (await stage.account.message(0)).attachments;
      expect((await stage.account.failure(file!.load(49_999, never))).kind).toBe('too_large');
      if (stage.lacks['declared-bytes'] === undefined) expect(stage.fixture.fileBytesRead()).toBe(0);
      expect(await file!.load(50_000, never)).toHaveLength(50_000);
    });

    it('stops reading at the limit when the platform said less than there is', async () => {
      await stage.start();
      const attachments = [{ ...FILE_KINDS[3], data: new Uint8Array(3 * BUFFERS_BYTES), declaredBytes: 1_000 }];
      await stage.fixture.dm('', { attachments });
      const [file] = (await stage.account.message(0)).attachments;
      expect((await stage.account.failure(file!.load(100_000, never))).kind).toBe('too_large');
      expect(stage.fixture.fileBytesRead()).toBeLessThan(100_000 + BUFFERS_BYTES);
    });

    it('does not read for whoever gave up', async () => {
      await stage.start();
      await stage.fixture.dm('', { attachments: [{ ...FILE_KINDS[3], data: bytes(50_000) }] });
      const [file] = (await stage.account.message(0)).attachments;
      await stage.account.failure(file!.load(50_000, AbortSignal.abort()));
      expect(stage.fixture.fileBytesRead()).toBe(0);
    });
  });
}
