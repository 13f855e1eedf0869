/** Cases of the conformance suite: what goes to the platform. */
import { describe, expect, it } from 'vitest';
import type { OutboundAttachment } from '../../src/channels/adapter.ts';
import { holds } from '../support/wait.ts';
import { bytes, FILE_KINDS, never, otherId, type Stage } from './stage.ts';

export function outboundCases(stage: Stage): void {
  describe('sending', () => {
    it.each(['dm', 'group'] as const)('shows the text in a %s and gives the id it has', async (where) => {
      await stage.start();
      const chat = await stage.opened(where);
      const first = await stage.send(chat, 'five');
      const second = await stage.send(chat, 'नमस्ते 👩‍👩‍👧 1 < 2 & 3 > 2');
      expect(first).not.toBe(second);
      expect(stage.shownAs(first)).toMatchObject({ chat, text: 'five', formatting: [], buttons: [] });
      expect(stage.shownAs(second)).toMatchObject({ chat, text: 'नमस्ते 👩‍👩‍👧 1 < 2 & 3 > 2' });
      expect(stage.shownAs(first).replyTo).toBeUndefined();
    });

    stage.itWith(['threads'], 'shows the text in the thread it belongs to', async () => {
      await stage.start();
      const chat = await stage.opened('group', { thread: true });
      expect(stage.shownAs(await stage.send(chat, 'five'))).toMatchObject({ chat, text: 'five' });
    });

    it('answers a message', async () => {
      await stage.start();
      const posted = await stage.fixture.dm('what is 2+3?');
      await stage.account.message(0);
      const message = await stage.send(posted.chat, 'five', { replyTo: posted.message });
      expect(stage.shownAs(message).replyTo).toBe(posted.message);
    });

    it('renders Markdown in the platform’s own way', async () => {
      await stage.start();
      const markdown = 'It is **five**, by `add(2, 3)`:\n\n```js\nif (1 < 2) say("&amp; <b>");\n```\n\n_so_ 2 * 3 * 4';
      const { text, formatting } = stage.shownAs(await stage.send(await stage.opened(), markdown));
      expect(text).toMatch(/^It is five, by add\(2, 3\):\n+(js\n)?if \(1 < 2\) say\("&amp; <b>"\);\n+so 2 \* 3 \* 4$/);
      expect(formatting).toContainEqual({ look: 'bold', text: 'five' });
      expect(formatting).toContainEqual({ look: 'code', text: 'add(2, 3)' });
      expect(formatting).toContainEqual({
        look: 'block',
        text: expect.stringMatching(/^(js\n)?if \(1 < 2\) say\("&amp; <b>"\);\n?$/),
      });
      expect(formatting).toContainEqual({ look: 'italic', text: 'so' });
    });

    stage.itWith(['formatting-fault'], 'sends the plain text when the formatting is refused', async () => {
      await stage.start();
      const chat = await stage.opened();
      stage.fixture.fail('formatting');
      const shown = stage.shownAs(await stage.send(chat, 'It is **five**'));
      expect(shown.formatting).toEqual([]);
      expect(shown.text).toMatch(/^It is (\*\*)?five(\*\*)?$/);
      expect(stage.fixture.shown()).toHaveLength(1);
    });

    it('takes a text as long as it says, and no longer one', async () => {
      await stage.start();
      const chat = await stage.opened();
      const { textLengthMax } = stage.fixture.adapter.capabilities;
      const text = 'a'.repeat(textLengthMax);
      expect(stage.shownAs(await stage.send(chat, text)).text).toBe(text);
      const { kind } = await stage.account.failure(stage.fixture.adapter.send(stage.outbound(chat, `${text}a`), never));
      expect(kind).toBe('rejected');
      expect(stage.fixture.shown()).toHaveLength(1);
    });

    it.each(FILE_KINDS)('sends a file: $kind', async ({ kind, name: fileName, mediaType }) => {
      await stage.start();
      const chat = await stage.opened();
      const data = bytes(100_000);
      const attachment: OutboundAttachment = { kind, name: fileName, mediaType, data, caption: 'look *here*' };
      const { file, text } = stage.shownAs(await stage.send(chat, '', { attachment }));
      expect(file).toMatchObject(stage.lacks['file-names'] === undefined ? { kind, name: fileName } : { kind });
      expect(Buffer.from(file!.data).equals(data)).toBe(true);
      expect(`${file!.caption}${text}`).toBe(stage.lacks.captions === undefined ? 'look here' : '');
    });

    it('refuses a file larger than it says, and asks nobody', async () => {
      await stage.start();
      const chat = await stage.opened();
      const data = new Uint8Array(stage.fixture.adapter.capabilities.fileBytesMax + 1);
      const attachment: OutboundAttachment = { ...FILE_KINDS[3], data };
      const { kind } = await stage.account.failure(
        stage.fixture.adapter.send(stage.outbound(chat, '', { attachment }), never),
      );
      expect(kind).toBe('too_large');
      expect(stage.fixture.attempts()).toBe(0);
    });

    stage.itWith(['typing'], 'shows that it is typing', async () => {
      await stage.start();
      const chat = await stage.opened();
      await stage.fixture.adapter.typing!(chat);
      await holds(() => stage.fixture.typing(chat) === 1);
      stage.fixture.drop();
      await stage.fixture.adapter.typing!(chat);
      await stage.fixture.restore();
    });
  });

  describe('changing what was sent', () => {
    stage.itWith(['edits'], 'shows the new text, also when it is the same', async () => {
      await stage.start();
      const chat = await stage.opened('group');
      const message = await stage.send(chat, 'thinking');
      for (const text of ['It is', 'It is **five**', 'It is **five**']) {
        await stage.fixture.adapter.edit!(chat, message, text, undefined, never);
      }
      expect(stage.shownAs(message)).toMatchObject({
        text: 'It is five',
        formatting: [{ look: 'bold', text: 'five' }],
      });
      expect(stage.fixture.shown()).toHaveLength(1);
    });

    stage.itWith(['edits', 'formatting-fault'], 'shows the plain text when the formatting is refused', async () => {
      await stage.start();
      const chat = await stage.opened();
      const message = await stage.send(chat, 'thinking');
      stage.fixture.fail('formatting');
      await stage.fixture.adapter.edit!(chat, message, 'It is **five**', undefined, never);
      expect(stage.shownAs(message).text).toMatch(/^It is (\*\*)?five(\*\*)?$/);
    });

    stage.itWith(['edits'], 'cannot change a message that is not there', async () => {
      await stage.start();
      const chat = await stage.opened();
      const message = otherId(await stage.send(chat, 'thinking'));
      const error = await stage.account.failure(stage.fixture.adapter.edit!(chat, message, 'five', undefined, never));
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

    stage.itWith(['buttons'], 'shows them under the text', async () => {
      await stage.start();
      const message = await stage.send(await stage.opened(), 'May I?', { buttons });
      expect(stage.shownAs(message)).toMatchObject({ text: 'May I?', buttons: plain });
    });

    stage.itWith(['buttons'], 'tells who pressed which, where', async () => {
      await stage.start();
      stage.account.answer = 'Allowed.';
      const chat = await stage.opened('group');
      const { sender } = stage.account.messages[0]!;
      const message = await stage.send(chat, 'May I?', { buttons });
      const answer = await stage.fixture.press(stage.shownAs(message), 'deny:1', sender);
      expect(stage.account.presses).toMatchObject([
        { update: expect.any(String), chat, sender, message, data: 'deny:1' },
      ]);
      if (stage.lacks['press-answer'] === undefined) expect(answer).toBe('Allowed.');
    });

    stage.itWith(['buttons', 'edits'], 'takes them away when the message is changed without any', async () => {
      await stage.start();
      const chat = await stage.opened();
      const message = await stage.send(chat, 'May I?', { buttons });
      await stage.fixture.adapter.edit!(chat, message, 'Still: may I?', buttons, never);
      expect(stage.shownAs(message).buttons).toEqual(plain);
      await stage.fixture.adapter.edit!(chat, message, 'Allowed', undefined, never);
      expect(stage.shownAs(message)).toMatchObject({ text: 'Allowed', buttons: [] });
    });
  });

  describe('when sending fails', () => {
    const kinds = ['rate_limited', 'temporary', 'rejected', 'gone', 'unauthorized', 'unknown'] as const;
    for (const kind of kinds) {
      stage.itWith([`fault:${kind}`], `says that it is ${kind}, after one try, and the next can succeed`, async () => {
        await stage.start();
        const chat = await stage.opened();
        stage.fixture.fail(kind, { retryAfterMs: 2_000 });
        const error = await stage.account.failure(stage.fixture.adapter.send(stage.outbound(chat, 'five'), never));
        expect(error).toMatchObject({ kind, retryAfterMs: kind === 'rate_limited' ? 2_000 : undefined });
        expect(error.message).toMatch(/\w{4}/);
        expect(stage.fixture.attempts()).toBe(1);
        if (kind === 'unauthorized') return;
        expect(stage.shownAs(await stage.send(chat, 'five')).text).toBe('five');
      });
    }

    it('has sent nothing when nobody can be reached', async () => {
      await stage.start();
      const chat = await stage.opened();
      stage.fixture.drop();
      await holds(() => stage.fixture.connections() === 0);
      const error = await stage.account.failure(stage.fixture.adapter.send(stage.outbound(chat, 'five'), never));
      expect(error.kind).toBe('temporary');
      await stage.fixture.restore();
    });

    it('sends nothing for whoever gave up before', async () => {
      await stage.start();
      const message = stage.outbound(await stage.opened(), 'five');
      const { kind } = await stage.account.failure(stage.fixture.adapter.send(message, AbortSignal.abort()));
      expect(kind).toBe('temporary');
      expect(stage.fixture.attempts()).toBe(0);
    });

    it('does not know what became of a message that was given up half-way', async () => {
      await stage.start();
      const chat = await stage.opened();
      stage.fixture.fail('silence');
      const controller = new AbortController();
      const sent = stage.account.failure(stage.fixture.adapter.send(stage.outbound(chat, 'five'), controller.signal));
      await holds(() => stage.fixture.attempts() === 1);
      controller.abort();
      expect((await sent).kind).toBe('unknown');
    });
  });
}
