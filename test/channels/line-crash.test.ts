/**
 * Goal: what a crash leaves open is told and never doubled unseen. Method: as in `line.test.ts`, with gateways that are killed.
 */
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { gatewayProcess } from '../support/gateway.ts';
import { freePort, Line, lineConfig, writeLineChannel } from '../support/line-channel.ts';
import { channelState, counts, KITCHEN, sending } from '../support/line-gateway.ts';
import { STALLS, scriptedModel } from '../support/model.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { until } from '../support/wait.ts';

describe('kill -9', () => {
  it('between a message and its answer: the answer is made and sent after the start, once', async () => {
    const { models, server } = await scriptedModel(STALLS, { text: ['Here I am.'] });
    const port = await freePort();
    const home = await tempFolder();
    const config = { models, channels: { custom: { line: lineConfig(await writeLineChannel(home), port) } } };
    const first = await gatewayProcess({ home, config });
    const before = await Line.open(port);
    before.say('kitchen ada#1: where are you?');
    await before.heard(/^ok 1$/);
    await server.request(0);
    await first.kill();
    await gatewayProcess({ home, config });
    const line = await Line.open(port);
    line.say('kitchen ada#1: where are you?'); // the same again; and the line is known now
    await line.heard(/^ok 1$/);
    expect(await line.heard(/^kitchen bot: /)).toBe('kitchen bot: "Here I am."');
  });

  /** A platform that takes a message, says so to nobody, and writes down each try. */
  const hangs = (detectsDuplicates: boolean) => (source: string) =>
    sending(`
      const { appendFileSync, readFileSync } = await import('node:fs');
      const log = new URL('./sent.txt', import.meta.url);
      appendFileSync(log, key + '\\n');
      if (readFileSync(log, 'utf8').split('\\n').length === 2) await new Promise(() => {});`)(source).replace(
      'detectsDuplicates: false',
      `detectsDuplicates: ${detectsDuplicates}`,
    );

  it('while an answer is being sent: nobody knows whether it arrived, and that is said instead of sent again', async () => {
    const port = await freePort();
    const home = await tempFolder();
    const config = { channels: { custom: { line: lineConfig(await writeLineChannel(home, hangs(false)), port) } } };
    const first = await gatewayProcess({ home, config });
    const before = await Line.open(port);
    before.say('kitchen ada#1: hello');
    await before.heard(/^ok 1$/);
    const tries = async () => (await readFile(`${home}/sent.txt`, 'utf8').catch(() => '')).split('\n').filter(Boolean);
    await until(10_000, async () => (await tries()).length === 1 || undefined, 'a try to send');
    await first.kill();

    const second = await gatewayProcess({ home, config });
    const client = await second.connect();
    const unknown = await until(
      10_000,
      async () => ((await channelState(client))?.unknown === 1 ? client.ask('channel.list') : undefined),
      'the answer to be unknown',
    );
    expect(unknown.undelivered).toMatchObject([
      { channel: 'line', chat: 'kitchen', status: 'unknown', session: KITCHEN },
    ]);
    const marked = async () => {
      const { entries } = await client.ask('session.history', { session: KITCHEN });
      return entries.find(({ delivery }) => delivery !== undefined);
    };
    expect(await until(5_000, marked, 'the transcript to say so')).toMatchObject({
      role: 'assistant',
      delivery: { status: 'unknown', reason: expect.stringContaining('interrupted') },
    });
    // The chat goes on.
    const line = await Line.open(port);
    line.say('kitchen ada#2: still there?');
    await line.heard(/^kitchen bot: /);
    expect(new Set(await tries()).size).toBe(2);
  });

  it('the same on a platform that shows a repeated message once: it is sent again, with the same key', async () => {
    const port = await freePort();
    const home = await tempFolder();
    const config = { channels: { custom: { line: lineConfig(await writeLineChannel(home, hangs(true)), port) } } };
    const first = await gatewayProcess({ home, config });
    const before = await Line.open(port);
    before.say('kitchen ada#1: hello');
    const tries = async () => (await readFile(`${home}/sent.txt`, 'utf8').catch(() => '')).split('\n').filter(Boolean);
    await until(10_000, async () => (await tries()).length === 1 || undefined, 'a try to send');
    await first.kill();
    const second = await gatewayProcess({ home, config });
    const line = await Line.open(port);
    line.say('kitchen ada#1: hello');
    await line.heard(/^kitchen bot: /);
    const [key, ...again] = await tries();
    expect(new Set(again)).toEqual(new Set([key]));
    const client = await second.connect();
    await counts(client, { sent: 1, unknown: 0, failed: 0, waiting: 0 });
  });
});
