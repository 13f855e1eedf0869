/**
 * Goal: what was said while Slack could not deliver it is taken up later, once, within bounds, and what Slack does not tell is
 * said. Method: an adapter that stops and another one in its place, on a local Slack that delivers four times in vain and has
 * a history with scopes, pages and rate limits.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { holds } from '../support/wait.ts';
import { Recorder } from './recorder.ts';
import { liveSlack, type Mode, type SlackFixture } from './slack-fixture.ts';

const texts = ({ messages }: Recorder): string[] => messages.map(({ text }) => text);
const PAST = /^conversations\.(history|replies)$/;

/** The gateway, down since something was said everywhere, so that all places are known. */
async function down(mode: Mode = 'socket'): Promise<{ fixture: SlackFixture; account: Recorder }> {
  const { fixture, account } = await liveSlack(mode);
  await fixture.dm('a DM');
  await fixture.group('a channel');
  await fixture.group('a thread', { thread: true });
  await account.message(2);
  await fixture.adapter.stop();
  fixture.later();
  return { fixture, account };
}

/** What Slack tries in vain until it gives it up. */
async function missed({ server }: SlackFixture, post: () => ReturnType<SlackFixture['server']['post']>) {
  const { parcels, message } = post();
  await holds(() => parcels.every(({ tries }) => tries > server.deliveries.retriesMax));
  expect(parcels.some(({ arrived }) => arrived)).toBe(false);
  return message;
}

/** The gateway after the restart. */
async function up(fixture: SlackFixture): Promise<Recorder> {
  const account = new Recorder();
  const adapter = fixture.make({}, account.log);
  onTestFinished(() => adapter.stop());
  await adapter.start(account);
  return account;
}

describe('a gateway that was away longer than Slack delivers again', () => {
  it.each(['socket', 'http'] as const)('asks for what was said in DMs, channels and threads (%s)', async (mode) => {
    const { fixture } = await down(mode);
    const { server, asha, direct, kitchen, thread } = fixture;
    await missed(fixture, () => server.post(direct, asha, 'to an empty house'));
    await missed(fixture, () => server.post(kitchen, asha, `<@${server.world.bot.id}> knock knock`));
    await missed(fixture, () => server.post(kitchen, asha, 'anybody?', { thread_ts: thread.ts }));
    server.world.write(kitchen, { user: server.world.bot.id, bot_id: server.world.botId, text: 'its own words' });
    const account = await up(fixture);
    await holds(() => account.messages.length >= 3);
    expect(account.messages).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          text: 'to an empty house',
          chat: { id: direct.id, type: 'dm' },
          sender: expect.objectContaining({ name: 'Asha' }),
        }),
        expect.objectContaining({ text: 'knock knock', addressed: true }),
        expect.objectContaining({
          text: 'anybody?',
          chat: { id: kitchen.id, type: 'group', thread: thread.ts },
          addressed: false,
        }),
      ]),
    );
    expect(texts(account)).not.toContain('its own words');
  });

  it('finds channels in which nothing was said before, and threads that began meanwhile', async () => {
    const { fixture } = await down();
    const { server, asha } = fixture;
    const hall = server.world.channel('hall');
    const root = await missed(fixture, () => server.post(hall, asha, 'hello?'));
    await missed(fixture, () => server.post(hall, asha, 'hello again', { thread_ts: root.ts }));
    const account = await up(fixture);
    await holds(() => account.messages.length === 2);
    expect(account.messages).toMatchObject([
      { text: 'hello?', chat: { id: hall.id } },
      { text: 'hello again', chat: { id: hall.id, thread: root.ts } },
    ]);
  });

  it('has a message once that comes in the history and is delivered too, in the order of its channel', async () => {
    const { fixture } = await down();
    const { server, asha, direct } = fixture;
    const first = await missed(fixture, () => server.post(direct, asha, 'one'));
    const gate = Promise.withResolvers<void>();
    server.holding.set('conversations.history', gate.promise);
    const account = await up(fixture);
    const [again] = server.tell(direct, first);
    const [after] = server.post(direct, asha, 'two').parcels;
    gate.resolve();
    await holds(() => again!.arrived && after!.arrived);
    expect(texts(account)).toEqual(['one', 'two']);
  });

  it('lets what is said now wait two seconds at most', async () => {
    const { fixture } = await down();
    const { server, asha, direct } = fixture;
    await missed(fixture, () => server.post(direct, asha, 'one'));
    const gate = Promise.withResolvers<void>();
    server.holding.set('conversations.history', gate.promise);
    const account = await up(fixture);
    server.post(direct, asha, 'two');
    await holds(() => texts(account).includes('two'));
    expect(texts(account)).toEqual(['two']);
    gate.resolve();
    await holds(() => texts(account).includes('one'));
  });

  it('turns pages, reads 500 messages of a channel, and says that there were more', async () => {
    const { fixture } = await down();
    const { server, asha, kitchen } = fixture;
    server.methods.past.pageMax = 150;
    for (let number = 0; number < 510; number += 1) {
      server.world.write(kitchen, { user: asha.id, text: `number ${number}` });
    }
    const account = await up(fixture);
    await holds(() => texts(account).includes('number 509'));
    expect(texts(account)).toEqual(Array.from({ length: 500 }, (_, index) => `number ${index + 10}`));
    await holds(() => account.said.some((line) => line.includes('more messages were missed')));
  });

  it('waits as long as Slack says where it asks too often', async () => {
    const { fixture } = await down();
    const { server, asha, direct, kitchen } = fixture;
    server.methods.past.rate = { calls: 1, perMs: 1_000 };
    await missed(fixture, () => server.post(direct, asha, 'one'));
    await missed(fixture, () => server.post(kitchen, asha, 'two'));
    const account = await up(fixture);
    await holds(() => account.messages.length === 2);
    expect(server.methods.past.impatient).toBe(0);
  });

  it('reads what its scopes allow, and says once which one is missing', async () => {
    const { fixture } = await down();
    const { server, asha, direct, kitchen } = fixture;
    server.methods.scopes.delete('channels:history');
    server.methods.scopes.delete('groups:read');
    server.world.channel('hall');
    await missed(fixture, () => server.post(direct, asha, 'one'));
    await missed(fixture, () => server.post(kitchen, asha, 'hidden'));
    const account = await up(fixture);
    await holds(() => account.said.filter((line) => line.includes('not all that was missed')).length === 2);
    await holds(() => account.messages.length > 0);
    expect(texts(account)).toEqual(['one']);
    const said = account.said.filter((line) => line.includes('not all that was missed')).join('\n');
    expect(said).toMatch(/add the scope groups:read[\s\S]*add the scope channels:history/);
  });

  it('asks for nothing of the time before it was first there, and for nothing older than 12 hours', async () => {
    const first = await liveSlack('socket', ({ server, kitchen, asha }) => {
      server.world.write(kitchen, { user: asha.id, text: 'long ago' });
    });
    const { fixture } = first;
    await fixture.dm('now');
    await first.account.message(0);
    expect(fixture.server.calls.filter((call) => PAST.test(call))).toEqual([]);
    await fixture.adapter.stop();
    const path = join(fixture.folder, 'position.json');
    const note = JSON.parse(await readFile(path, 'utf8')) as { upTo: string };
    const hours = (count: number): string => String((Date.now() - count * 3_600_000) * 1_000);
    await writeFile(path, JSON.stringify({ ...note, upTo: hours(20) }), { mode: 0o600 });
    const { world } = fixture.server;
    const at = (count: number): string => hours(count).replace(/(\d{6})$/, '.$1');
    world.messages.unshift({ ...world.write(fixture.kitchen, { user: fixture.asha.id, text: 'old' }), ts: at(13) });
    world.messages.unshift({ ...world.write(fixture.kitchen, { user: fixture.asha.id, text: 'younger' }), ts: at(11) });
    world.messages.splice(-2);
    const account = await up(fixture);
    await holds(() => texts(account).includes('younger'));
    expect(texts(account)).not.toContain('old');
  });

  it('starts with a damaged note of where it was, and says so', async () => {
    const { fixture } = await down();
    await writeFile(join(fixture.folder, 'position.json'), '{"bot":', { mode: 0o600 });
    const account = await up(fixture);
    await fixture.dm('hi');
    await account.message(0);
    expect(account.said.some((line) => line.includes('none is asked for again'))).toBe(true);
  });
});

describe('a gateway that is there', () => {
  it('asks later for what could not be kept until Slack gave it up', async () => {
    const { fixture, account } = await liveSlack('socket', ({ intervals }) => {
      intervals.againMs = 200;
    });
    const { server, asha, direct } = fixture;
    fixture.later();
    account.keep = () => Promise.reject(new Error('the disk is full'));
    await missed(fixture, () => server.post(direct, asha, 'keep me'));
    const kept: string[] = [];
    account.keep = async ({ text }) => void kept.push(text);
    await holds(() => kept.length > 0);
    expect(kept).toEqual(['keep me']);
  });

  it('asks for what was said while the connection was broken', async () => {
    const { fixture, account } = await liveSlack();
    const { server, asha, direct } = fixture;
    await fixture.dm('before');
    await account.message(0);
    server.drop();
    await account.reaches('degraded');
    fixture.later();
    // Slack has given it up by the time the gateway is back.
    server.world.write(direct, { user: asha.id, text: 'meanwhile' });
    await server.listen();
    await holds(() => texts(account).includes('meanwhile'));
    expect(texts(account)).toEqual(['before', 'meanwhile']);
  });
});
