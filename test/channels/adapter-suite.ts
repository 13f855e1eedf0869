/**
 * Goal: one behaviour for every platform. Method: each adapter, with the platform's real client library, against a local
 * server that speaks the platform's protocol and refuses what the platform refuses; `makeFixture` gives both, anew for
 * every case. What a platform lacks is declared, and its cases are shown as skipped, with the reason.
 *
 *     describeAdapter('telegram', { 'own-messages': 'a bot is never sent its own' }, () => telegramFixture());
 */
import { afterEach, beforeEach, describe, expect, it, type TestContext } from 'vitest';
import type { Chat, OutboundAttachment, OutboundMessage, Sender } from '../../src/channels/adapter.ts';
import { holds } from '../support/wait.ts';
import { type AdapterFixture, BOT, expected, type Feature, type Lacks, type Shown } from './adapter-fixture.ts';
import { gate, Recorder } from './recorder.ts';

const never = new AbortController().signal;
/** Kernel and library buffers: what may have left the server though the adapter stopped reading. */
const BUFFERS_BYTES = 8 * 1024 * 1024;
const FILE_KINDS = [
  { kind: 'image', name: 'dot.png', mediaType: 'image/png' },
  { kind: 'audio', name: 'sound.mp3', mediaType: 'audio/mpeg' },
  { kind: 'video', name: 'clip.mp4', mediaType: 'video/mp4' },
  { kind: 'file', name: 'report.pdf', mediaType: 'application/pdf' },
] as const;

export function describeAdapter(name: string, lacks: Lacks, makeFixture: () => Promise<AdapterFixture>): void {
  describe(`every adapter: ${name}`, () => {
    let fixture: AdapterFixture;
    let account: Recorder;
    let keys = 0;

    beforeEach(async () => {
      fixture = await makeFixture();
      account = new Recorder();
    });
    afterEach(async () => {
      await fixture.adapter.stop();
      await fixture.close();
      for (const secret of fixture.secrets) expect(account.said.join('\n')).not.toContain(secret);
    });

    /** A case about something not every platform has. */
    function itWith(features: readonly Feature[], title: string, run: (context: TestContext) => Promise<void>): void {
      const reasons = features.flatMap((feature) => lacks[feature] ?? []);
      if (reasons.length === 0) it(title, run);
      else it.skip(`${title} (${name}: ${reasons.join('; ')})`, run);
    }

    async function start(): Promise<void> {
      await fixture.adapter.start(account);
      await account.reaches('ready');
    }

    function outbound(chat: Chat, text: string, rest: Partial<OutboundMessage> = {}): OutboundMessage {
      keys += 1;
      return { chat, text, key: `key${keys}`, ...rest };
    }

    async function send(chat: Chat, text: string, rest: Partial<OutboundMessage> = {}): Promise<string> {
      const { message } = await fixture.adapter.send(outbound(chat, text, rest), never);
      return message;
    }

    /** A chat to send to: somebody wrote in it. */
    async function opened(where: 'dm' | 'group' = 'dm', rest: { thread?: boolean } = {}): Promise<Chat> {
      const before = account.messages.length;
      const { chat } = where === 'dm' ? await fixture.dm('hi') : await fixture.group(`${BOT} hi`, rest);
      await account.message(before);
      return chat;
    }

    function shownAs(message: string): Shown {
      const found = fixture.shown().find((shown) => shown.message === message);
      if (found === undefined) throw new Error(`no message ${message} is shown`);
      return found;
    }

    describe('connecting', () => {
      it('becomes ready, and sees what comes', async () => {
        await start();
        expect(account.states.map(({ state }) => state)).not.toContain('degraded');
        const before = account.alives;
        await fixture.dm('hi');
        await account.message(0);
        expect(account.alives).toBeGreaterThan(before);
      });

      itWith(['credentials'], 'says once that the credentials are wrong, and does not try them again', async () => {
        const wrong = fixture.wrongAdapter(account.log);
        const thrown = await wrong.start(account).then(
          () => undefined,
          (error: unknown) => account.failure(Promise.reject(error)),
        );
        if (thrown === undefined) await account.reaches('logged-out');
        else expect(thrown.kind).toBe('unauthorized');
        const told = account.states.filter(({ state }) => state === 'logged-out').length;
        expect(told + (thrown === undefined ? 0 : 1)).toBe(1);
        // A library that tries again by itself does so at once: the time in which the right one gets ready shows it.
        const refusals = fixture.refusals();
        expect(refusals).toBeGreaterThan(0);
        await start();
        expect(fixture.refusals()).toBe(refusals);
        await wrong.stop();
      });

      it('comes back after the connection dropped, and nothing sent meanwhile is lost or doubled', async () => {
        await start();
        await fixture.dm('before');
        await account.message(0);
        fixture.drop();
        await holds(() => ['degraded', 'connecting'].includes(account.states.at(-1)!.state));
        expect(account.states.at(-1)!.reason).toMatch(/\w/);
        const posted = await fixture.dm('meanwhile');
        await fixture.restore();
        await account.reaches('ready');
        await fixture.dm('after');
        await holds(() => account.messages.at(-1)?.text === 'after');
        expect(account.messages.map(({ text }) => text)).toEqual(['before', 'meanwhile', 'after']);
        expect(account.messages[1]).toMatchObject(expected(posted, 'meanwhile', true));
      });

      it('leaves no connection and no timer when it is stopped, and receives nothing more', async () => {
        const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
        const before = timers();
        await start();
        const chat = await opened();
        await send(chat, 'hi');
        await fixture.adapter.stop();
        await holds(() => fixture.connections() === 0);
        await holds(() => timers() <= before);
        const received = account.messages.length;
        await fixture.dm('too late').catch(() => undefined);
        expect(account.messages).toHaveLength(received);
      });

      it('can be stopped twice, and before it was started', async () => {
        await fixture.adapter.stop();
        await fixture.adapter.stop();
      });

      it('says truly what it can do', () => {
        const { textLengthMax, edits, editIntervalMs, typingMs, buttons, fileBytesMax } = fixture.adapter.capabilities;
        expect(textLengthMax).toBeGreaterThan(0);
        expect(fileBytesMax).toBeGreaterThan(0);
        expect({ edits, buttons, typing: typingMs > 0 }).toEqual({
          edits: lacks.edits === undefined,
          buttons: lacks.buttons === undefined,
          typing: lacks.typing === undefined,
        });
        expect(editIntervalMs > 0).toBe(edits);
        expect(fixture.adapter.edit !== undefined).toBe(edits);
        expect(fixture.adapter.typing !== undefined).toBe(typingMs > 0);
      });
    });

    describe('what comes', () => {
      it('makes a DM a message with every field', async () => {
        await start();
        const posted = await fixture.dm('what is 2+3?');
        const message = await account.message(0);
        expect(message).toMatchObject(expected(posted, 'what is 2+3?', true));
        expect(message).toMatchObject({ chat: { type: 'dm' }, sender: { bot: false }, attachments: [] });
        expect(message.chat.thread).toBeUndefined();
        expect(message.repliesTo).toBeUndefined();
        expect(message.sender.name).toMatch(/\w/);
      });

      it('knows in a group whether it is addressed, and takes the mention out of the text', async () => {
        await start();
        const plain = await fixture.group('good morning everybody');
        const mention = await fixture.group(`${BOT} what is 2+3?`);
        const inside = await fixture.group(`tell me, ${BOT} what is 2+3?`);
        await account.message(2);
        expect(account.messages[0]).toMatchObject(expected(plain, 'good morning everybody', false));
        expect(account.messages[0]).toMatchObject({ chat: { type: 'group' } });
        expect(account.messages[1]).toMatchObject(expected(mention, 'what is 2+3?', true));
        expect(account.messages[2]).toMatchObject(expected(inside, 'tell me, what is 2+3?', true));
      });

      it('is addressed by a reply to its own message, not by one to somebody else', async () => {
        await start();
        const chat = await opened('group');
        const ours = await send(chat, 'five');
        const toUs = await fixture.group('and twice that?', { repliesTo: ours });
        const toThem = await fixture.group('no, six', { repliesTo: toUs.message });
        await account.message(2);
        expect(account.messages[1]).toMatchObject(expected(toUs, 'and twice that?', true));
        expect(account.messages[1]!.repliesTo).toMatchObject({ message: ours });
        expect(account.messages[2]).toMatchObject(expected(toThem, 'no, six', false));
        expect(account.messages[2]!.repliesTo).toMatchObject({ message: toUs.message });
      });

      itWith(['threads'], 'keeps the threads of a group apart', async () => {
        await start();
        const outside = await fixture.group(`${BOT} here`);
        const inside = await fixture.group(`${BOT} there`, { thread: true });
        await account.message(1);
        expect(account.messages[0]).toMatchObject(expected(outside, 'here', true));
        expect(account.messages[1]).toMatchObject(expected(inside, 'there', true));
        const threads = account.messages.map(({ chat }) => chat.thread);
        expect(threads[1]).toEqual(expect.any(String));
        expect(threads[0]).not.toBe(threads[1]);
        expect(account.messages[0]!.chat.id).toBe(account.messages[1]!.chat.id);
      });

      it.each(['dm', 'group'] as const)('makes a command of the platform "/name args" in a %s', async (where) => {
        await start();
        const posted = await fixture.command(where, 'model', 'fast please');
        const message = await account.message(0);
        expect(message).toMatchObject(expected(posted, '/model fast please', true));
        await fixture.command(where, 'status', '');
        expect((await account.message(1)).text).toBe('/status');
      });

      it('takes any text: emoji before a mention, scripts, one as long as can be, nothing but a mention', async () => {
        await start();
        const long = `${'long '.repeat(fixture.adapter.capabilities.textLengthMax / 5 - 1)}end`;
        const scripts = 'नमस्ते 👩‍👩‍👧 مرحبا <b>&amp;</b> *not* _bold_ \\ `';
        await fixture.dm(scripts);
        await fixture.dm(long);
        await fixture.dm('two\nlines\n\nand more');
        await fixture.group(`😀👍🏽 ${BOT} hi 😀`);
        await fixture.group(BOT);
        await account.message(4);
        expect(account.messages.map(({ text }) => text)).toEqual([
          scripts,
          long,
          'two\nlines\n\nand more',
          '😀👍🏽 hi 😀',
          '',
        ]);
        expect(account.messages[4]!.addressed).toBe(true);
      });

      itWith(['own-messages'], 'does not hear itself', async () => {
        await start();
        await fixture.echo('I said so');
        await fixture.dm('you did');
        await account.message(0);
        expect(account.messages.map(({ text }) => text)).toEqual(['you did']);
      });

      itWith(['other-bots'], 'knows other bots as bots', async () => {
        await start();
        const person = await fixture.group(`${BOT} hi`);
        const sender: Sender = { ...person.sender, id: otherId(person.sender.id), name: 'Robot', bot: true };
        const posted = await fixture.group(`${BOT} beep`, { sender });
        expect(await account.message(1)).toMatchObject({ ...expected(posted, 'beep', true), sender: { bot: true } });
      });

      it('keeps the order of a chat', async () => {
        await start();
        const texts = Array.from({ length: 30 }, (_, index) => `number ${index}`);
        account.keep = () => new Promise((resolve) => setImmediate(resolve));
        for (const text of texts) await fixture.dm(text);
        await account.message(texts.length - 1);
        expect(account.messages.map(({ text }) => text)).toEqual(texts);
      });

      itWith(['independence'], 'receives from other chats while one message waits to be kept', async () => {
        await start();
        const kept = gate();
        account.keep = ({ text }) => (text === 'slow' ? kept.opened : Promise.resolve());
        await fixture.dm('slow');
        await account.message(0);
        await fixture.dm('quick', { elsewhere: true });
        expect((await account.message(1)).text).toBe('quick');
        kept.open();
      });
    });

    describe('telling the platform that it arrived', () => {
      itWith(['redelivery'], 'does so only when it was kept', async () => {
        await start();
        const kept = gate();
        account.keep = ({ text }) => (text === 'keep me' ? kept.opened : Promise.resolve());
        const posted = await fixture.dm('keep me');
        await account.message(0);
        // Whoever accepts too early has done so by the time that something else was received.
        if (lacks.independence === undefined) {
          await fixture.dm('another', { elsewhere: true });
          await account.message(1);
        }
        expect(fixture.accepted(posted)).toBe(false);
        kept.open();
        await holds(() => fixture.accepted(posted));
        expect(account.messages.filter(({ text }) => text === 'keep me')).toHaveLength(1);
      });

      itWith(['redelivery'], 'has it delivered again when it could not be kept', async () => {
        await start();
        let tries = 0;
        account.keep = async () => {
          tries += 1;
          if (tries < 3) throw new Error('the disk is full');
        };
        const posted = await fixture.dm('keep me');
        await account.message(1);
        expect(fixture.accepted(posted)).toBe(false);
        const again = await account.message(2);
        expect(new Set(account.messages.map(({ update }) => update))).toEqual(new Set([posted.update]));
        expect(again).toMatchObject(expected(posted, 'keep me', true));
        await holds(() => fixture.accepted(posted));
        expect(account.messages).toHaveLength(3);
      });

      itWith(['redelivery'], 'passes on the same update under the same name when it is delivered again', async () => {
        await start();
        const posted = await fixture.dm('once');
        await account.message(0);
        await holds(() => fixture.accepted(posted));
        await fixture.redeliver(posted);
        await fixture.dm('last');
        await holds(() => account.messages.at(-1)?.text === 'last');
        // An adapter may know that it had it. If it does not, whoever receives it must be able to tell.
        const once = account.messages.filter(({ text }) => text === 'once');
        expect(new Set(once.map(({ update }) => update))).toEqual(new Set([posted.update]));
      });
    });

    describe('files that come', () => {
      it.each(FILE_KINDS)('reads a file: $kind', async ({ kind, name: fileName, mediaType }) => {
        await start();
        const data = bytes(100_000);
        await fixture.dm('look', { attachments: [{ kind, name: fileName, mediaType, data }] });
        const message = await account.message(0);
        expect(message).toMatchObject({ text: 'look', attachments: [{ kind }] });
        const [file] = message.attachments;
        expect(Buffer.from(await file!.load(data.length, never)).equals(data)).toBe(true);
        expect(file!.mediaType ?? mediaType).toBe(mediaType);
        if (lacks['declared-bytes'] === undefined) expect(file!.bytes).toBe(data.length);
      });

      it('takes a file without a word, and fetches nothing that nobody asked for', async () => {
        await start();
        const [shape] = FILE_KINDS;
        await fixture.dm('', { attachments: [{ ...shape, data: bytes(1_000) }] });
        expect(await account.message(0)).toMatchObject({ text: '', attachments: [{ kind: 'image' }] });
        expect(fixture.fileBytesRead()).toBe(0);
      });

      it('refuses a file over the limit without reading it', async () => {
        await start();
        await fixture.dm('', { attachments: [{ ...FILE_KINDS[3], data: bytes(50_000) }] });
        const [file] = (await account.message(0)).attachments;
        expect((await account.failure(file!.load(49_999, never))).kind).toBe('too_large');
        if (lacks['declared-bytes'] === undefined) expect(fixture.fileBytesRead()).toBe(0);
        expect(await file!.load(50_000, never)).toHaveLength(50_000);
      });

      it('stops reading at the limit when the platform said less than there is', async () => {
        await start();
        const attachments = [{ ...FILE_KINDS[3], data: new Uint8Array(3 * BUFFERS_BYTES), declaredBytes: 1_000 }];
        await fixture.dm('', { attachments });
        const [file] = (await account.message(0)).attachments;
        expect((await account.failure(file!.load(100_000, never))).kind).toBe('too_large');
        expect(fixture.fileBytesRead()).toBeLessThan(100_000 + BUFFERS_BYTES);
      });

      it('does not read for whoever gave up', async () => {
        await start();
        await fixture.dm('', { attachments: [{ ...FILE_KINDS[3], data: bytes(50_000) }] });
        const [file] = (await account.message(0)).attachments;
        await account.failure(file!.load(50_000, AbortSignal.abort()));
        expect(fixture.fileBytesRead()).toBe(0);
      });
    });

    describe('sending', () => {
      it.each(['dm', 'group'] as const)('shows the text in a %s and gives the id it has', async (where) => {
        await start();
        const chat = await opened(where);
        const first = await send(chat, 'five');
        const second = await send(chat, 'नमस्ते 👩‍👩‍👧 1 < 2 & 3 > 2');
        expect(first).not.toBe(second);
        expect(shownAs(first)).toMatchObject({ chat, text: 'five', formatting: [], buttons: [] });
        expect(shownAs(second)).toMatchObject({ chat, text: 'नमस्ते 👩‍👩‍👧 1 < 2 & 3 > 2' });
        expect(shownAs(first).replyTo).toBeUndefined();
      });

      itWith(['threads'], 'shows the text in the thread it belongs to', async () => {
        await start();
        const chat = await opened('group', { thread: true });
        expect(shownAs(await send(chat, 'five'))).toMatchObject({ chat, text: 'five' });
      });

      it('answers a message', async () => {
        await start();
        const posted = await fixture.dm('what is 2+3?');
        await account.message(0);
        const message = await send(posted.chat, 'five', { replyTo: posted.message });
        expect(shownAs(message).replyTo).toBe(posted.message);
      });

      it('renders Markdown in the platform’s own way', async () => {
        await start();
        const markdown =
          'It is **five**, by `add(2, 3)`:\n\n```js\nif (1 < 2) say("&amp; <b>");\n```\n\n_so_ 2 * 3 * 4';
        const { text, formatting } = shownAs(await send(await opened(), markdown));
        expect(text).toMatch(
          /^It is five, by add\(2, 3\):\n+(js\n)?if \(1 < 2\) say\("&amp; <b>"\);\n+so 2 \* 3 \* 4$/,
        );
        expect(formatting).toContainEqual({ look: 'bold', text: 'five' });
        expect(formatting).toContainEqual({ look: 'code', text: 'add(2, 3)' });
        expect(formatting).toContainEqual({
          look: 'block',
          text: expect.stringMatching(/^(js\n)?if \(1 < 2\) say\("&amp; <b>"\);\n?$/),
        });
        expect(formatting).toContainEqual({ look: 'italic', text: 'so' });
      });

      itWith(['formatting-fault'], 'sends the plain text when the formatting is refused', async () => {
        await start();
        const chat = await opened();
        fixture.fail('formatting');
        const shown = shownAs(await send(chat, 'It is **five**'));
        expect(shown.formatting).toEqual([]);
        expect(shown.text).toMatch(/^It is (\*\*)?five(\*\*)?$/);
        expect(fixture.shown()).toHaveLength(1);
      });

      it('takes a text as long as it says, and no longer one', async () => {
        await start();
        const chat = await opened();
        const { textLengthMax } = fixture.adapter.capabilities;
        const text = 'a'.repeat(textLengthMax);
        expect(shownAs(await send(chat, text)).text).toBe(text);
        const { kind } = await account.failure(fixture.adapter.send(outbound(chat, `${text}a`), never));
        expect(kind).toBe('rejected');
        expect(fixture.shown()).toHaveLength(1);
      });

      it.each(FILE_KINDS)('sends a file: $kind', async ({ kind, name: fileName, mediaType }) => {
        await start();
        const chat = await opened();
        const data = bytes(100_000);
        const attachment: OutboundAttachment = { kind, name: fileName, mediaType, data, caption: 'look *here*' };
        const { file, text } = shownAs(await send(chat, '', { attachment }));
        expect(file).toMatchObject({ kind, name: fileName });
        expect(Buffer.from(file!.data).equals(data)).toBe(true);
        expect(`${file!.caption}${text}`).toBe(lacks.captions === undefined ? 'look here' : '');
      });

      it('refuses a file larger than it says, and asks nobody', async () => {
        await start();
        const chat = await opened();
        const data = new Uint8Array(fixture.adapter.capabilities.fileBytesMax + 1);
        const attachment: OutboundAttachment = { ...FILE_KINDS[3], data };
        const { kind } = await account.failure(fixture.adapter.send(outbound(chat, '', { attachment }), never));
        expect(kind).toBe('too_large');
        expect(fixture.attempts()).toBe(0);
      });

      itWith(['typing'], 'shows that it is typing', async () => {
        await start();
        const chat = await opened();
        await fixture.adapter.typing!(chat);
        await holds(() => fixture.typing(chat) === 1);
        fixture.drop();
        await fixture.adapter.typing!(chat);
        await fixture.restore();
      });
    });

    describe('changing what was sent', () => {
      itWith(['edits'], 'shows the new text, also when it is the same', async () => {
        await start();
        const chat = await opened('group');
        const message = await send(chat, 'thinking');
        for (const text of ['It is', 'It is **five**', 'It is **five**']) {
          await fixture.adapter.edit!(chat, message, text, undefined, never);
        }
        expect(shownAs(message)).toMatchObject({ text: 'It is five', formatting: [{ look: 'bold', text: 'five' }] });
        expect(fixture.shown()).toHaveLength(1);
      });

      itWith(['edits', 'formatting-fault'], 'shows the plain text when the formatting is refused', async () => {
        await start();
        const chat = await opened();
        const message = await send(chat, 'thinking');
        fixture.fail('formatting');
        await fixture.adapter.edit!(chat, message, 'It is **five**', undefined, never);
        expect(shownAs(message).text).toMatch(/^It is (\*\*)?five(\*\*)?$/);
      });

      itWith(['edits'], 'cannot change a message that is not there', async () => {
        await start();
        const chat = await opened();
        const message = otherId(await send(chat, 'thinking'));
        const error = await account.failure(fixture.adapter.edit!(chat, message, 'five', undefined, never));
        expect(['rejected', 'gone']).toContain(error.kind);
      });
    });

    describe('buttons', () => {
      const buttons = [
        [
          { label: 'Allow', data: `allow:${'x'.repeat(58)}`, style: 'primary' },
          { label: 'Deny', data: 'deny:1', style: 'danger' },
        ],
        [{ label: 'Why?', data: 'why:1' }],
      ] as const;
      const plain = buttons.map((row) => row.map(({ label, data }) => ({ label, data })));

      itWith(['buttons'], 'shows them under the text', async () => {
        await start();
        const message = await send(await opened(), 'May I?', { buttons });
        expect(shownAs(message)).toMatchObject({ text: 'May I?', buttons: plain });
      });

      itWith(['buttons'], 'tells who pressed which, where', async () => {
        await start();
        account.answer = 'Allowed.';
        const chat = await opened('group');
        const { sender } = account.messages[0]!;
        const message = await send(chat, 'May I?', { buttons });
        const answer = await fixture.press(shownAs(message), 'deny:1', sender);
        expect(account.presses).toMatchObject([{ update: expect.any(String), chat, sender, message, data: 'deny:1' }]);
        if (lacks['press-answer'] === undefined) expect(answer).toBe('Allowed.');
      });

      itWith(['buttons', 'edits'], 'takes them away when the message is changed without any', async () => {
        await start();
        const chat = await opened();
        const message = await send(chat, 'May I?', { buttons });
        await fixture.adapter.edit!(chat, message, 'Still: may I?', buttons, never);
        expect(shownAs(message).buttons).toEqual(plain);
        await fixture.adapter.edit!(chat, message, 'Allowed', undefined, never);
        expect(shownAs(message)).toMatchObject({ text: 'Allowed', buttons: [] });
      });
    });

    describe('when sending fails', () => {
      const kinds = ['rate_limited', 'temporary', 'rejected', 'gone', 'unauthorized', 'unknown'] as const;
      for (const kind of kinds) {
        itWith([`fault:${kind}`], `says that it is ${kind}, after one try, and the next can succeed`, async () => {
          await start();
          const chat = await opened();
          fixture.fail(kind, { retryAfterMs: 2_000 });
          const error = await account.failure(fixture.adapter.send(outbound(chat, 'five'), never));
          expect(error).toMatchObject({ kind, retryAfterMs: kind === 'rate_limited' ? 2_000 : undefined });
          expect(error.message).toMatch(/\w{4}/);
          expect(fixture.attempts()).toBe(1);
          if (kind === 'unauthorized') return;
          expect(shownAs(await send(chat, 'five')).text).toBe('five');
        });
      }

      it('has sent nothing when nobody can be reached', async () => {
        await start();
        const chat = await opened();
        fixture.drop();
        await holds(() => fixture.connections() === 0);
        const error = await account.failure(fixture.adapter.send(outbound(chat, 'five'), never));
        expect(error.kind).toBe('temporary');
        await fixture.restore();
      });

      it('sends nothing for whoever gave up before', async () => {
        await start();
        const message = outbound(await opened(), 'five');
        const { kind } = await account.failure(fixture.adapter.send(message, AbortSignal.abort()));
        expect(kind).toBe('temporary');
        expect(fixture.attempts()).toBe(0);
      });

      it('does not know what became of a message that was given up half-way', async () => {
        await start();
        const chat = await opened();
        fixture.fail('silence');
        const controller = new AbortController();
        const sent = account.failure(fixture.adapter.send(outbound(chat, 'five'), controller.signal));
        await holds(() => fixture.attempts() === 1);
        controller.abort();
        expect((await sent).kind).toBe('unknown');
      });
    });
  });
}

/** Not random: a failure must be repeatable. */
function bytes(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (index * 7 + (index >> 8)) % 251);
}

/** An id of the same kind that is nobody's: its last digit or letter is another. */
function otherId(id: string): string {
  return id.replace(/[0-9A-Za-z](?=[^0-9A-Za-z]*$)/, (last) => (last === '7' ? '8' : '7'));
}
