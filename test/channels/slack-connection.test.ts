/**
 * Goal: what people say at Slack reaches the account whatever becomes of the connection, and what cannot be mended is said in
 * words that tell what to do. Method: the adapter in Socket Mode on a local Slack that ends connections as the real one does.
 */
import { describe, expect, it, onTestFinished } from 'vitest';
import { Refusal } from '../support/slack-refusal.ts';
import { BOT_TOKEN } from '../support/slack-server.ts';
import { holds } from '../support/wait.ts';
import { gate, Recorder } from './recorder.ts';
import { liveSlack, type SlackFixture, slackFixture } from './slack-fixture.ts';

const texts = (account: Recorder): string[] => account.messages.map(({ text }) => text);

/** Not started. */
async function unconnected(): Promise<{ fixture: SlackFixture; account: Recorder }> {
  const account = new Recorder();
  const fixture = await slackFixture('socket', account.log);
  onTestFinished(async () => {
    await fixture.adapter.stop();
    await fixture.close();
    for (const secret of fixture.secrets) expect(account.said.join('\n')).not.toContain(secret);
  });
  return { fixture, account };
}

describe('a connection that Slack ends', () => {
  it.each(['warning', 'refresh_requested'])('for a new one (%s) is nothing to be told of', async (reason) => {
    const { fixture, account } = await liveSlack();
    await fixture.dm('before');
    await account.message(0);
    fixture.server.socket.end(reason);
    await holds(() => fixture.server.socket.greeted === 2);
    await fixture.dm('after');
    await account.message(1);
    expect(texts(account)).toEqual(['before', 'after']);
    expect(account.states.map(({ state }) => state)).toEqual(['connecting', 'ready']);
  });

  it('is told of when the new one cannot be had', async () => {
    const { fixture, account } = await liveSlack();
    fixture.server.refusing.set('apps.connections.open', new Refusal('internal_error'));
    fixture.server.socket.end('refresh_requested');
    await account.reaches('degraded');
    expect(account.states.at(-1)?.reason).toMatch(/internal_error.*tried again/);
    fixture.server.refusing.clear();
    await account.reaches('ready');
  });

  it('because too many are connected is tried again, and told', async () => {
    const { fixture, account } = await liveSlack();
    fixture.server.socket.end('too_many_websockets');
    await account.reaches('degraded');
    expect(account.states.at(-1)?.reason).toMatch(/ten programs/);
    await account.reaches('ready');
  });

  it('because Socket Mode was switched off is the end, said once with where to switch it on', async () => {
    const { fixture, account } = await liveSlack();
    fixture.server.socket.end('link_disabled');
    await account.reaches('logged-out');
    expect(account.states.at(-1)?.reason).toMatch(/link_disabled.*Enable Socket Mode/);
    const calls = fixture.server.calls.length;
    await fixture.adapter.stop();
    expect(fixture.server.calls).toHaveLength(calls);
    expect(fixture.server.socket.greeted).toBe(1);
  });

  it('while a message is being kept has it delivered again, and it is one message', async () => {
    const { fixture, account } = await liveSlack();
    const kept = gate();
    account.keep = () => kept.opened;
    const posted = await fixture.dm('keep me');
    await account.message(0);
    fixture.server.socket.end('refresh_requested');
    await holds(() => fixture.server.socket.greeted === 2);
    expect(fixture.accepted(posted)).toBe(false);
    kept.open();
    await holds(() => fixture.accepted(posted));
    expect(texts(account)).toEqual(['keep me']);
  });

  it('is the end when the appToken is refused afterwards', async () => {
    const { fixture, account } = await liveSlack();
    fixture.server.appToken = 'xapp-another';
    fixture.server.socket.end('refresh_requested');
    await account.reaches('logged-out');
    expect(account.states.at(-1)?.reason).toMatch(/appToken.*App-Level Tokens/);
    expect(fixture.refusals()).toBe(1);
  });
});

describe('starting at Slack', () => {
  it('refuses an appToken that is none, with where to find one, and asks once', async () => {
    const { fixture, account } = await unconnected();
    const adapter = fixture.make({ appToken: BOT_TOKEN });
    const error = await account.failure(adapter.start(account));
    expect(error).toMatchObject({ kind: 'unauthorized', message: expect.stringMatching(/xapp-.*connections:write/) });
    expect(fixture.refusals()).toBe(1);
    await adapter.stop();
    await holds(() => fixture.connections() === 0);
  });

  it('can be tried again when Slack has no connection now', async () => {
    const { fixture, account } = await unconnected();
    const { refusing } = fixture.server;
    refusing.set('apps.connections.open', new Refusal('service_unavailable', {}, 503));
    expect((await account.failure(fixture.adapter.start(account))).kind).toBe('temporary');
    refusing.clear();
    await fixture.adapter.start(account);
    await account.reaches('ready');
  });

  it('can be given up while Slack does not say hello', async () => {
    const { fixture, account } = await unconnected();
    fixture.server.socket.greets = false;
    const started = account.failure(fixture.adapter.start(account));
    await holds(() => fixture.server.calls.includes('apps.connections.open'));
    await holds(() => fixture.connections() > 1);
    await fixture.adapter.stop();
    expect((await started).kind).toBe('temporary');
    await holds(() => fixture.connections() === 0);
    expect(account.states.map(({ state }) => state)).toEqual(['connecting']);
  });

  it('can be undone though Slack does not close, too', async () => {
    const { fixture } = await liveSlack();
    fixture.server.socket.freeze();
    const begun = performance.now();
    await fixture.adapter.stop();
    // The library gives Slack 30 s.
    expect(performance.now() - begun).toBeLessThan(10_000);
    fixture.server.drop();
  });

  it('refuses a token that is not a bot’s', async () => {
    const { fixture, account } = await unconnected();
    Object.assign(fixture.server.world, { botId: undefined });
    const error = await account.failure(fixture.adapter.start(account));
    expect(error).toMatchObject({ kind: 'rejected', message: expect.stringMatching(/Bot User OAuth Token/) });
  });
});
