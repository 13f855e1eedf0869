/**
 * Goal: scorecard row 16 for Slack: of forged requests none is accepted. Method: signed requests, right and wrong, to the
 * adapter in HTTP mode, as the gateway hands them on.
 */
import { describe, expect, it, onTestFinished } from 'vitest';
import type { WebhookResponse } from '../../src/channels/adapter.ts';
import { channelsSchema } from '../../src/config/channels.ts';
import { signed } from '../support/slack-deliveries.ts';
import { SIGNING_SECRET } from '../support/slack-server.ts';
import { holds } from '../support/wait.ts';
import { gate, Recorder } from './recorder.ts';
import { liveSlack, type SlackFixture, slackFixture } from './slack-fixture.ts';

let count = 0;

function said(fixture: SlackFixture, text = 'forged'): string {
  count += 1;
  const ts = `1700000000.${String(count).padStart(6, '0')}`;
  const event = { type: 'message', channel_type: 'im', channel: fixture.direct.id, user: fixture.asha.id, ts, text };
  return JSON.stringify({ type: 'event_callback', event, event_id: `Ev${count}` });
}

function ask(
  { adapter }: SlackFixture,
  body: string,
  headers: Record<string, string>,
  method = 'POST',
): Promise<WebhookResponse> {
  const all = new Map(Object.entries({ 'content-type': 'application/json', ...headers }));
  return adapter.webhook!({ method, headers: all, body: Buffer.from(body) });
}

describe('Slack: requests (scorecard row 16)', () => {
  it('lets in only what is signed: of over 100 forged requests none', async () => {
    const { fixture, account } = await liveSlack('http');
    const body = said(fixture);
    const right = signed(SIGNING_SECRET, body);
    const signature = right['x-slack-signature']!;
    const now = Number(right['x-slack-request-timestamp']);
    const flipped = Array.from(signature, (letter, index) => {
      const other = letter === '0' ? '1' : '0';
      return { ...right, 'x-slack-signature': signature.slice(0, index) + other + signature.slice(index + 1) };
    });
    const times = ['', 'now', '1e10', '-1', ` ${now}`, `${now}.0`, `${now}0000000000`, String(now + 1)];
    const forged: Record<string, string>[] = [
      ...flipped,
      {},
      { 'x-slack-signature': signature },
      { 'x-slack-request-timestamp': String(now) },
      ...['', 'v0=', 'v1=', signature.slice(3), signature.slice(0, -1), `${signature}0`, signature.toUpperCase()].map(
        (wrong) => ({ ...right, 'x-slack-signature': wrong }),
      ),
      ...times.map((time) => ({ ...right, 'x-slack-request-timestamp': time })),
      ...['another-secret', '', ' ', `${SIGNING_SECRET} `, 'undefined'].map((secret) => signed(secret || '\0', body)),
      signed(SIGNING_SECRET, `${body} `),
      ...[-86_400, -400, -301 - 5, 301 + 5, 400, 86_400].map((skew) => signed(SIGNING_SECRET, body, now + skew)),
    ];
    for (const headers of forged) {
      for (const method of ['POST', 'GET']) {
        expect((await ask(fixture, body, headers, method)).status, JSON.stringify(headers)).toBe(401);
      }
    }
    expect(forged.length).toBeGreaterThan(90);
    expect((await ask(fixture, body.replace('forged', 'edited'), right)).status).toBe(401);
    expect(account.messages).toEqual([]);
    expect((await ask(fixture, body, right)).status).toBe(200);
    expect(account.messages).toHaveLength(1);
  });

  it('takes what was signed up to five minutes ago, and a message once however often', async () => {
    const { fixture, account } = await liveSlack('http');
    const body = said(fixture);
    const now = Math.floor(Date.now() / 1_000);
    for (const skew of [-290, 0, 290]) {
      expect((await ask(fixture, body, signed(SIGNING_SECRET, body, now + skew))).status).toBe(200);
    }
    expect(account.messages).toHaveLength(1);
  });

  it('lets a forged challenge and a forged command in no more than a message', async () => {
    const { fixture, account } = await liveSlack('http');
    const { server, asha, direct } = fixture;
    const challenge = JSON.stringify({ type: 'url_verification', challenge: 'abc' });
    expect(await ask(fixture, challenge, {})).toEqual({ status: 401 });
    expect(await ask(fixture, challenge, signed(SIGNING_SECRET, challenge))).toMatchObject({
      status: 200,
      body: 'abc',
    });
    const form = new URLSearchParams(server.command(direct, asha, 'status').body).toString();
    await account.message(0);
    const type = { 'content-type': 'application/x-www-form-urlencoded' };
    expect((await ask(fixture, form, { ...type, ...signed('another', form) })).status).toBe(401);
    expect(account.messages).toHaveLength(1);
  });

  it.each([
    ['none', undefined],
    ['an empty one', ''],
  ])('is no good configuration with %s for a secret', (_, signingSecret) => {
    const account = { botToken: 'xoxb-1', ...(signingSecret === undefined ? {} : { signingSecret }) };
    expect(channelsSchema.safeParse({ slack: { main: account } }).success).toBe(false);
  });

  it('takes nothing without a secret, were it ever started so, and nothing in Socket Mode', async () => {
    const account = new Recorder();
    const fixture = await slackFixture('http', account.log);
    const { createAdapter } = await import('../../src/channels/slack/adapter.ts');
    const context = { account: 'main', folder: fixture.folder, log: account.log, signal: new AbortController().signal };
    const adapter = createAdapter(
      { botToken: fixture.server.botToken, apiUrl: fixture.server.url, signingSecret: '' },
      context,
    );
    onTestFinished(async () => {
      await adapter.stop();
      await fixture.close();
    });
    await adapter.start(account);
    const body = said(fixture);
    for (const headers of [signed('\0', body), { ...signed('x', body), 'x-slack-signature': '' }]) {
      expect((await ask({ ...fixture, adapter }, body, headers)).status).toBe(401);
    }
    const { fixture: socket } = await liveSlack('socket');
    expect((await ask(socket, body, signed(SIGNING_SECRET, body))).status).toBe(404);
    expect(account.messages).toEqual([]);
  });

  it('answers what is signed and yet nothing', async () => {
    const { fixture, account } = await liveSlack('http');
    const status = async (body: string, method = 'POST', type = 'application/json'): Promise<number> =>
      (await ask(fixture, body, { 'content-type': type, ...signed(SIGNING_SECRET, body) }, method)).status;
    expect(await status('{}', 'GET')).toBe(405);
    for (const body of ['', 'null', '[]', '7', '{', '{"type":"url_verification"}'])
      expect(await status(body)).toBe(400);
    const form = 'application/x-www-form-urlencoded';
    for (const body of ['', 'a=b', 'payload={', 'payload=null', 'command=/x']) {
      expect(await status(body, 'POST', form)).toBe(400);
    }
    // Events of other kinds, and interactions that are nobody's.
    expect(await status('{"type":"app_rate_limited"}')).toBe(200);
    expect(await status('payload={"type":"view_submission"}', 'POST', form)).toBe(200);
    await fixture.adapter.stop();
    expect(await status(said(fixture))).toBe(503);
    expect(account.messages).toEqual([]);
  });

  it('has no more than 1,000 messages under way: the rest is to come again, which is said once', async () => {
    const { fixture, account } = await liveSlack('http');
    const kept = gate();
    account.keep = () => kept.opened;
    const answers = Array.from({ length: 1_003 }, () => {
      const body = said(fixture);
      return ask(fixture, body, signed(SIGNING_SECRET, body));
    });
    expect((await Promise.all(answers.slice(1_000))).map(({ status }) => status)).toEqual([503, 503, 503]);
    kept.open();
    expect((await Promise.all(answers)).filter(({ status }) => status === 200)).toHaveLength(1_000);
    expect(account.said.filter((line) => line.includes('too much from Slack'))).toHaveLength(1);
  });

  it('tells that Slack cannot be asked, and that the token is not good any more', async () => {
    const { fixture, account } = await liveSlack('http');
    fixture.drop();
    await account.reaches('degraded');
    expect(account.states.at(-1)?.reason).toMatch(/cannot be reached/);
    await fixture.restore();
    await account.reaches('ready');
    fixture.server.botToken = 'xoxb-another';
    await account.reaches('logged-out');
    const refusals = fixture.refusals();
    const calls = fixture.server.calls.length;
    await holds(() => fixture.connections() === 0 || fixture.server.calls.length === calls);
    expect(fixture.refusals()).toBe(refusals);
  });
});
