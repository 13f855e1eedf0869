/** Goal: a conversation outlives its model's window. Method: a whole gateway and a model server that counts tokens and refuses. */
import { describe, expect, it, onTestFinished } from 'vitest';
import { type ConfigInput, localGateway } from '../support/gateway.ts';
import { OPENAI_KEY, OPENAI_MODEL, startOpenAiServer } from '../support/openai-server.ts';
import { OPENAI_REFUSALS } from '../support/overflow-refusals.ts';
import type { ModelServer, Reply } from '../support/sse.ts';
import { MAIN } from '../support/valid-requests.ts';
import { holds } from '../support/wait.ts';
import type { WireClient } from '../support/wire-client.ts';

const MODEL = `openai/${OPENAI_MODEL}`;
const words = (count: number) => 'word '.repeat(count).trim();

/** A model with a window of `tokens`, of which the gateway thinks that it is `believed`. */
async function start(
  tokens: number,
  believed: number,
  summary: Reply = { text: ['THE GIST'] },
): Promise<{ server: ModelServer; client: WireClient; summaries: () => number }> {
  const server = await startOpenAiServer({
    window: { tokens, refusal: OPENAI_REFUSALS.OpenAI! },
    answer: (body) => (isSummary(body) ? summary : { text: ['ok'] }),
  });
  onTestFinished(() => server.close());
  const config: ConfigInput = {
    models: {
      default: MODEL,
      contextTokens: { [MODEL]: believed },
      outputTokensMax: 400,
      openai: { apiKey: OPENAI_KEY, baseUrl: server.url },
    },
    agents: { main: { tools: [], prompt: 'Be brief.' } },
  };
  const client = await (await localGateway(config)).connect();
  return { server, client, summaries: () => server.requests.filter(({ body }) => isSummary(body)).length };
}

const textsOf = (body: Record<string, unknown>) =>
  (body.messages as { content: string }[]).map(({ content }) => content);
const isSummary = (body: Record<string, unknown>) =>
  textsOf(body).at(-1)?.startsWith('Summarize our conversation') === true;

async function say(client: WireClient, text: string): Promise<string> {
  const { message } = await client.ask('message.send', { session: MAIN, text });
  const { status, error } = (await client.runEnd(message)).data;
  expect(error).toBeUndefined();
  expect(status).toBe('ok');
  const said = client.events('message.outbound').filter(({ data }) => data.message === message);
  expect(said).toHaveLength(1);
  return said[0]?.data.text ?? '';
}

describe('a conversation near the end of its window', () => {
  it('becomes a summary and its newest turns, by itself; the transcript keeps everything, and /usage tells', async () => {
    const { server, client } = await start(4_000, 4_000);
    const before = await client.ask('session.context', { session: MAIN });
    expect(before).toMatchObject({
      model: MODEL,
      window: 4_000,
      windowSource: 'configured',
      room: 3_420,
      summaries: 0,
    });
    expect(before.tokens).toMatchObject({ workspace: 0, tools: 0, summary: 0, turns: 0 });
    let said = 0;
    for (; client.events('session.compacted').length === 0 && said < 12; said += 1) {
      await say(client, `number ${said}, ticket ABC-${100 + said}: ${words(400)}`);
      // The server counts more than the estimate does not know: what it reports corrects it.
      if (said > 5) await holds(() => client.events('session.compacted').length > 0);
    }
    expect(client.events('session.compacted')[0]?.data).toMatchObject({ status: 'ok', automatic: true });
    expect(client.events('run.trimmed')).toEqual([]);

    expect(await say(client, 'and now?')).toBe('ok');
    const last = textsOf(server.requests.at(-1)!.body);
    expect(last[1]).toMatch(
      /^\[What we have said so far, summarized\]\nTHE GIST\n\n\[Kept word for word\]\nIds: ABC-100, /,
    );
    expect(last.at(-1)).toBe('and now?');
    expect(last.some((text) => text.startsWith('number 0'))).toBe(false);
    expect(last.some((text) => text.startsWith(`number ${said - 1}`))).toBe(true);
    const { entries } = await client.ask('session.history', { session: MAIN });
    expect(entries.filter(({ role }) => role === 'user')).toHaveLength(said + 1);

    const after = await client.ask('session.context', { session: MAIN });
    expect(after.summaries).toBe(1);
    expect(after.tokens.summary).toBeGreaterThan(0);
    expect(after.total).toBeLessThan(after.room / 2);
    const usage = await say(client, '/usage');
    expect(usage).toContain(`Model: ${MODEL}, window 4000 tokens (as configured), of which 3420 may be sent.`);
    expect(usage).toContain(`- summary: ${after.tokens.summary} tokens, `);
    expect(usage).toContain('Summaries so far: 1.');
  });

  it('goes on with the turns that fit when no summary can be made, and does not ask for one again and again', async () => {
    const { client, summaries } = await start(4_000, 4_000, { status: 400, message: 'no summaries today' });
    for (let said = 0; said < 7; said += 1) await say(client, `number ${said}: ${words(400)}`);
    const { data } = await client.event('session.compacted');
    expect(data).toMatchObject({ status: 'failed', automatic: true, error: { code: 'model_rejected' } });
    for (let said = 7; said < 12; said += 1) await say(client, `number ${said}: ${words(400)}`);
    expect(summaries()).toBe(1);
    expect((await client.ask('session.context', { session: MAIN })).turnsLeft).toBeGreaterThan(0);
  });
});

describe('a request that the model refuses for its length', () => {
  it('is made again with less within the run; subscribers are told, and a summary follows', async () => {
    const { server, client } = await start(3_000, 100_000);
    for (let said = 0; said < 9; said += 1) await say(client, `number ${said}: ${words(400)}`);
    const [trimmed] = client.events('run.trimmed');
    expect(trimmed?.data).toMatchObject({ model: MODEL, error: { code: 'context_overflow' }, results: 0, rounds: 0 });
    expect(trimmed?.data.turns).toBeGreaterThan(0);
    expect((await client.event('session.compacted')).data).toMatchObject({ status: 'ok', automatic: true });
    const refusals = client.events('run.trimmed').length;
    for (let said = 9; said < 12; said += 1) await say(client, `number ${said}: ${words(400)}`);
    expect(client.events('run.trimmed')).toHaveLength(refusals);
    const known = await client.ask('session.context', { session: MAIN });
    expect(known).toMatchObject({ windowSource: 'refused', window: 3_000 });
    const asked = server.requests.map(({ body }) => textsOf(body).at(-1) as string);
    expect(asked.filter((text) => text.startsWith('number 11'))).toHaveLength(1);
  });
});
