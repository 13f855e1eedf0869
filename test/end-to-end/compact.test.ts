/** Goal: what was said becomes a summary that models look back on, and the transcript keeps everything. */
import { describe, expect, it } from 'vitest';
import { gatewayProcess, localGateway } from '../support/gateway.ts';
import { STALLS, scriptedModel } from '../support/model.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { MAIN } from '../support/valid-requests.ts';
import type { WireClient } from '../support/wire-client.ts';

async function say(client: WireClient, text: string): Promise<string> {
  const { message } = await client.ask('message.send', { session: MAIN, text });
  await client.runEnd(message);
  return client.events('message.outbound').find(({ data }) => data.message === message)?.data.text ?? '';
}

const texts = (body: Record<string, unknown>) =>
  (body.messages as { role: string; content: string }[])
    .filter(({ role }) => role !== 'system')
    .map(({ content }) => content);

describe('/compact', () => {
  it('replaces what models look back on by a summary, over a restart too; the transcript keeps everything', async () => {
    const { server, models } = await scriptedModel({ text: ['one'] }, { text: ['two'] }, { text: ['THE GIST'] });
    const home = await tempFolder();
    const gateway = await gatewayProcess({ home, config: { models } });
    const client = await gateway.connect();
    await say(client, 'first');
    await say(client, 'second');
    expect(await say(client, '/compact the names')).toBe('Summarizing 2 turns; the transcript keeps all of it.');
    expect((await client.event('session.compacted')).data).toMatchObject({ status: 'ok', turns: 2 });
    const asked = texts((await server.request(2)).body);
    expect(asked.slice(0, 4)).toEqual(['first', 'one', 'second', 'two']);
    expect(asked[4]).toContain('the names');
    await say(client, 'third');
    const summary = '[What we have said so far, summarized]\nTHE GIST';
    expect(texts((await server.request(3)).body)).toEqual([summary, 'third']);
    await gateway.kill();

    const again = await (await gatewayProcess({ home, config: { models } })).connect();
    await say(again, 'fourth');
    const last = texts((await server.request(4)).body);
    expect([last[0], last[1], last.at(-1)]).toEqual([summary, 'third', 'fourth']);
    const { entries } = await again.ask('session.history', { session: MAIN });
    expect(entries.filter(({ role }) => role === 'user').map(({ text }) => text)).toEqual([
      'first',
      'second',
      'third',
      'fourth',
    ]);
    expect(entries.find(({ role }) => role === 'summary')).toMatchObject({ text: 'THE GIST', covers: 3 });
  });

  it('goes on beside the lane: what is said meanwhile is answered, and looked back on as it was', async () => {
    const { server, models } = await scriptedModel(
      { text: ['one'] },
      { text: ['G', 'I', 'S', 'T'], eventDelayMs: 100 },
      { text: ['two'] },
      { text: ['three'] },
    );
    const client = await (await localGateway({ models })).connect();
    await say(client, 'first');
    await say(client, '/compact');
    await server.request(1);
    expect(await say(client, '/compact')).toBe('A summary is being made already.');
    await say(client, 'second');
    await client.event('session.compacted');
    await say(client, 'third');
    expect(texts((await server.request(3)).body)).toEqual([
      '[What we have said so far, summarized]\nGIST',
      'second',
      'two',
      'third',
    ]);
  });

  it('says so when the model fails, and when there is nothing; everything stays as it was', async () => {
    const { server, models } = await scriptedModel({ text: ['one'] }, { status: 400 }, { text: ['two'] });
    const client = await (await localGateway({ models })).connect();
    expect(await say(client, '/compact')).toBe('There is nothing to summarize.');
    await say(client, 'first');
    await say(client, '/compact');
    const { data } = await client.event('session.compacted');
    expect(data).toMatchObject({ status: 'failed', error: { code: 'model_rejected' } });
    await say(client, 'second');
    expect(texts((await server.request(2)).body)).toEqual(['first', 'one', 'second']);
  });

  it('is overtaken by a reset: nothing of the summary is looked back on', async () => {
    const { server, models } = await scriptedModel({ text: ['one'] }, STALLS, { text: ['two'] });
    const client = await (await localGateway({ models: { ...models, stallMs: 700 } })).connect();
    await say(client, 'first');
    await say(client, '/compact');
    await server.request(1);
    await say(client, '/reset');
    await say(client, 'second');
    expect(texts((await server.request(2)).body)).toEqual(['second']);
    expect((await client.event('session.compacted')).data.status).toBe('failed');
  });

  it('is overtaken by a deletion: nothing of it is written', async () => {
    const { server, models } = await scriptedModel(
      { text: ['one'] },
      { text: ['G', 'I', 'S', 'T'], eventDelayMs: 150 },
    );
    const client = await (await localGateway({ models })).connect();
    const { session } = await client.ask('session.create', { user: 'ada' });
    const { message } = await client.ask('message.send', { session: session.id, text: 'first' });
    await client.runEnd(message);
    await client.ask('message.send', { session: session.id, text: '/compact' });
    await server.request(1);
    await client.ask('session.delete', { session: session.id });
    await client.ask('session.create', { user: 'ada' });
    const { data } = await client.event('session.compacted');
    expect(data).toMatchObject({ status: 'failed', error: { code: 'cancelled' } });
    expect((await client.ask('session.history', { session: session.id })).entries).toEqual([]);
    expect((await client.ask('session.context', { session: session.id })).summaries).toBe(0);
  });

  it('is answered by the offline model with the beginning of what was said', async () => {
    const client = await (await localGateway()).connect();
    await say(client, 'remember the milk');
    await say(client, '/compact');
    await client.event('session.compacted');
    const { entries } = await client.ask('session.history', { session: MAIN });
    expect(entries.at(-1)).toMatchObject({ role: 'summary', text: 'The user said:\n- remember the milk' });
  });
});
