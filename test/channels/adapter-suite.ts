/**
 * Goal: one behaviour for every platform. Method: each adapter, with the platform's real client library, against a local
 * server that speaks the platform's protocol and refuses what the platform refuses; `makeFixture` gives both, anew for
 * every case. What a platform lacks is declared, and its cases are shown as skipped, with the reason.
 *
 *     describeAdapter('telegram', { 'own-messages': 'a bot is never sent its own' }, (log) => telegramFixture(log));
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { holds } from '../support/wait.ts';
import { expected, type Lacks } from './adapter-fixture.ts';
import { inboundCases } from './cases-inbound.ts';
import { outboundCases } from './cases-outbound.ts';
import { type MakeFixture, Stage } from './stage.ts';

export function describeAdapter(name: string, lacks: Lacks, makeFixture: MakeFixture): void {
  describe(`every adapter: ${name}`, () => {
    const stage = new Stage(name, lacks);
    beforeEach(() => stage.set(makeFixture));
    afterEach(() => stage.clear());

    connectionCases(stage);
    inboundCases(stage);
    outboundCases(stage);
  });
}

function connectionCases(stage: Stage): void {
  describe('connecting', () => {
    it('becomes ready, and sees what comes', async () => {
      await stage.start();
      expect(stage.account.states.map(({ state }) => state)).not.toContain('degraded');
      const before = stage.account.alives;
      await stage.fixture.dm('hi');
      await stage.account.message(0);
      expect(stage.account.alives).toBeGreaterThan(before);
    });

    stage.itWith(['credentials'], 'says once that the credentials are wrong, and does not try them again', async () => {
      const wrong = stage.fixture.wrongAdapter();
      const thrown = await wrong.start(stage.account).then(
        () => undefined,
        (error: unknown) => stage.account.failure(Promise.reject(error)),
      );
      if (thrown === undefined) await stage.account.reaches('logged-out');
      else expect(thrown.kind).toBe('unauthorized');
      const told = stage.account.states.filter(({ state }) => state === 'logged-out').length;
      expect(told + (thrown === undefined ? 0 : 1)).toBe(1);
      // A library that tries again by itself does so at once: the time in which the right one gets ready shows it.
      const refusals = stage.fixture.refusals();
      expect(refusals).toBeGreaterThan(0);
      await stage.start();
      expect(stage.fixture.refusals()).toBe(refusals);
      await wrong.stop();
    });

    it('comes back after the connection dropped, and nothing sent meanwhile is lost or doubled', async () => {
      await stage.start();
      await stage.fixture.dm('before');
      await stage.account.message(0);
      stage.fixture.drop();
      await holds(() => ['degraded', 'connecting'].includes(stage.account.states.at(-1)!.state));
      expect(stage.account.states.at(-1)!.reason).toMatch(/\w/);
      const posted = await stage.fixture.dm('meanwhile');
      await stage.fixture.restore();
      await stage.account.reaches('ready');
      await stage.fixture.dm('after');
      await holds(() => stage.account.messages.at(-1)?.text === 'after');
      expect(stage.account.messages.map(({ text }) => text)).toEqual(['before', 'meanwhile', 'after']);
      expect(stage.account.messages[1]).toMatchObject(expected(posted, 'meanwhile', true));
    });

    it('leaves no connection and no timer when it is stopped, and receives nothing more', async () => {
      const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
      const before = timers();
      await stage.start();
      const chat = await stage.opened();
      await stage.send(chat, 'hi');
      await stage.fixture.adapter.stop();
      await holds(() => stage.fixture.connections() === 0);
      await holds(() => timers() <= before);
      const received = stage.account.messages.length;
      await stage.fixture.dm('too late').catch(() => undefined);
      expect(stage.account.messages).toHaveLength(received);
    });

    it('can be stopped twice, and before it was started', async () => {
      await stage.fixture.adapter.stop();
      await stage.fixture.adapter.stop();
    });

    it('says truly what it can do', () => {
      const { textLengthMax, edits, editIntervalMs, typingMs, buttons, fileBytesMax } =
        stage.fixture.adapter.capabilities;
      expect(textLengthMax).toBeGreaterThan(0);
      expect(fileBytesMax).toBeGreaterThan(0);
      expect({ edits, buttons, typing: typingMs > 0 }).toEqual({
        edits: stage.lacks.edits === undefined,
        buttons: stage.lacks.buttons === undefined,
        typing: stage.lacks.typing === undefined,
      });
      expect(editIntervalMs > 0).toBe(edits);
      expect(stage.fixture.adapter.edit !== undefined).toBe(edits);
      expect(stage.fixture.adapter.typing !== undefined).toBe(typingMs > 0);
    });
  });
}
