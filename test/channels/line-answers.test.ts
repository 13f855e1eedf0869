/**
 * Goal: answers come in order, whatever the platform does with them, and are seen while they are made. Method: as in
 * `line.test.ts`.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { gatewayProcess } from '../support/gateway.ts';
import { freePort, Line, lineConfig, writeLineChannel } from '../support/line-channel.ts';
import { channelState, counts, KITCHEN, lineGateway, sending } from '../support/line-gateway.ts';
import { scriptedModel } from '../support/model.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { until } from '../support/wait.ts';

describe('answers', () => {
  it('keep the order of their chat while one is tried again; another chat does not wait', async () => {
    const { client, line } = await lineGateway(
      sending(`
      globalThis.tries ??= 0;
      if (chat.id === 'kitchen' && globalThis.tries++ < 2)
        throw Object.assign(new Error('try later'), { kind: 'temporary' });`),
    );
    line.say('kitchen ada#1: what is 1+1');
    line.say('kitchen ada#2: what is 2+2');
    line.say('hall ada#3: what is 3+3');
    await line.heard(/^kitchen bot: .*2\+2/);
    expect(line.lines.filter((one) => one.includes('bot: '))).toEqual([
      'hall bot: "3+3 = 6"',
      'kitchen bot: "1+1 = 2"',
      'kitchen bot: "2+2 = 4"',
    ]);
    await counts(client, { sent: 3, failed: 0, unknown: 0, waiting: 0 });
  });

  it('that the platform refuses are reported: to the session, its transcript and the operator', async () => {
    const { client, line } = await lineGateway(
      sending(`if (text.includes('2')) throw Object.assign(new Error('no right to write'), { kind: 'rejected' });`),
    );
    line.say('kitchen ada#1: hello');
    await line.heard(/^kitchen bot: /);
    await client.ask('subscribe', { session: KITCHEN });
    line.say('kitchen ada#2: what is 1+1');
    const { data } = await client.event('message.delivery');
    expect(data).toMatchObject({ channel: 'line', account: 'default', status: 'failed', reason: 'no right to write' });
    const { entries } = await client.ask('session.history', { session: KITCHEN });
    expect(entries.at(-1)).toMatchObject({ delivery: { status: 'failed', reason: 'no right to write' } });
    expect(await client.ask('channel.list')).toMatchObject({
      channels: [{ sent: 1, failed: 1, waiting: 0 }],
      undelivered: [{ chat: 'kitchen', status: 'failed', message: data.message, session: KITCHEN }],
    });
  });

  it('whose fate the platform leaves open are not sent again', async () => {
    const { client, line } = await lineGateway(
      sending(`globalThis.seen = (globalThis.seen ?? 0) + 1; if (globalThis.seen === 1) throw new Error('cut off');`),
    );
    line.say('kitchen ada#1: what is 1+1');
    await until(10_000, async () => (await channelState(client))?.unknown === 1 || undefined, 'it to be unknown');
    line.say('kitchen ada#2: what is 2+2');
    await line.heard(/2\+2/);
    expect(line.lines.filter((one) => one.includes('bot: '))).toEqual(['kitchen bot: "2+2 = 4"']);
  });

  it('are words also when the run fails, and where the chat has moved they follow it', async () => {
    const { models } = await scriptedModel({ status: 400, message: 'bad' });
    const { line } = await lineGateway(
      sending(
        `if (chat.id === 'kitchen') throw Object.assign(new Error('moved'), { kind: 'gone', movedTo: 'new-kitchen' });
      sockets.set('new-kitchen', sockets.get('kitchen'));`,
      ),
      { models },
    );
    line.say('kitchen ada#1: hello');
    expect(await line.heard(/bot: /)).toMatch(/^new-kitchen bot: "My language model refused/);
  });
});

describe('an answer that is being made', () => {
  /** A platform whose messages can be changed: each has a line when it is sent and when it is edited. */
  const edits = (source: string) =>
    source
      .replace('edits: false', 'edits: true')
      .replace('typingMs: 0', 'typingMs: 5_000')
      .replace(
        'async send({ chat, text }) {',
        `async typing(chat) {
      sockets.get(chat.id)?.write('(' + chat.id + ' types)\\n');
    },

    async edit(chat, message, text) {
      sockets.get(chat.id)?.write(chat.id + ' edit: ' + JSON.stringify(text) + '\\n');
    },

    async send({ chat, text }) {`,
      );

  it('is shown in one message that grows, and becomes the answer', async () => {
    const { models } = await scriptedModel({ text: ['One ', 'two ', 'three ', 'four.'], eventDelayMs: 400 });
    const { client, line } = await lineGateway(edits, { models });
    line.say('kitchen ada#1: count');
    await line.heard(/^\(kitchen types\)$/);
    await line.heard(/^kitchen edit: "One two three four\."$/);
    await counts(client, { sent: 1, waiting: 0 });
    const sent = line.lines.filter((one) => one.startsWith('kitchen bot: '));
    expect(sent).toHaveLength(1);
    expect(JSON.parse(sent[0]!.slice(13))).toMatch(/^One/);
  });

  it('that a crash cuts short while it becomes the answer is edited once more after the start', async () => {
    const { models } = await scriptedModel({ text: ['One ', 'two ', 'three ', 'four.'], eventDelayMs: 400 });
    const [home, port] = [await tempFolder(), await freePort()];
    const hanging = (source: string) =>
      edits(source)
        .replace('return {\n    capabilities', `const files = await import('node:fs');\n  return {\n    capabilities`)
        .replace('export function', 'export async function')
        .replace('editIntervalMs: 0', 'editIntervalMs: 3_000') // so that the only edit is the last one
        .replace(
          'async edit(chat, message, text) {',
          `async edit(chat, message, text) {
      files.appendFileSync('${home}/edits', text + '\\n');
      if (text === 'One two three four.' && !files.existsSync('${home}/again')) await new Promise(() => {});`,
        );
    const config = { models, channels: { custom: { line: lineConfig(await writeLineChannel(home, hanging), port) } } };
    const first = await gatewayProcess({ home, config });
    const before = await Line.open(port);
    before.say('kitchen ada#1: count');
    const final = async () =>
      (await readFile(`${home}/edits`, 'utf8').catch(() => ''))
        .split('\n')
        .filter((text) => text === 'One two three four.');
    await until(10_000, async () => (await final()).length === 1 || undefined, 'the last edit');
    await first.kill();
    await writeFile(`${home}/again`, '');
    const second = await gatewayProcess({ home, config });
    const client = await second.connect();
    await counts(client, { sent: 1, unknown: 0, failed: 0, waiting: 0 });
    expect(await final()).toHaveLength(2);
    expect((await client.ask('session.history', { session: KITCHEN })).entries.at(-1)?.delivery).toBeUndefined();
  });

  it('is not shown where the account says so', async () => {
    const { models } = await scriptedModel({ text: ['One ', 'two.'], eventDelayMs: 400 });
    const { client, line } = await lineGateway(edits, { models, account: { streaming: 'off' } });
    line.say('kitchen ada#1: count');
    await line.heard(/bot: /);
    await counts(client, { sent: 1 });
    expect(line.lines).toContain('(kitchen types)');
    expect(line.lines.filter((one) => /bot|edit/.test(one))).toEqual(['kitchen bot: "One two."']);
  });
});
