/** Goal: a key in the environment is all it takes to talk to a vendor's model. Method: the vendors' real SDKs, local servers. */
import { describe, expect, it, onTestFinished } from 'vitest';
import { ANTHROPIC_KEY, ANTHROPIC_MODEL, startAnthropicServer } from '../support/anthropic-server.ts';
import { type GatewayProcess, gatewayProcess } from '../support/gateway.ts';
import { OPENAI_KEY, OPENAI_REASONING_MODEL, startOpenAiServer } from '../support/openai-server.ts';
import type { ModelServer } from '../support/sse.ts';
import { MAIN } from '../support/valid-requests.ts';

const vendors = [
  {
    name: 'OpenAI',
    start: startOpenAiServer,
    model: `openai/${OPENAI_REASONING_MODEL}`,
    env: (url: string) => ({ OPENAI_API_KEY: OPENAI_KEY, OPENAI_BASE_URL: url }),
  },
  {
    name: 'Anthropic',
    start: startAnthropicServer,
    model: `anthropic/${ANTHROPIC_MODEL}`,
    env: (url: string) => ({ ANTHROPIC_API_KEY: ANTHROPIC_KEY, ANTHROPIC_BASE_URL: url }),
  },
];

describe.each(vendors)('$name', ({ start, env, model }) => {
  async function open(): Promise<{ server: ModelServer; gateway: GatewayProcess }> {
    const server = await start();
    onTestFinished(() => server.close());
    return { server, gateway: await gatewayProcess({ env: env(server.url) }) };
  }

  it('answers through the whole gateway: tool call, result, streamed answer, the tokens it counted', async () => {
    const { server, gateway } = await open();
    server.script(
      { text: ['Let me see.'], toolCalls: [{ name: 'calc', input: { expression: '6*7' } }] },
      { text: ['It ', 'is ', '42.'] },
      { text: ['You are welcome.'] },
    );
    const client = await gateway.connect();
    const first = await client.ask('message.send', { text: 'How much is six times seven?' });
    const end = await client.runEnd(first.message);
    expect(end.data).toMatchObject({ status: 'ok', usage: { inputTokens: 22, outputTokens: 14 } });
    expect(end.data.usage.estimated).toBeUndefined();
    expect(client.events('run.start')[0]?.data.model).toBe(model);
    expect(client.events('tool.end')[0]?.data).toMatchObject({ name: 'calc', output: '42', failed: false });
    expect(client.events('message.delta').map(({ data }) => data.text)).toEqual(['Let me see.', 'It ', 'is ', '42.']);
    expect(client.events('message.outbound')[0]?.data.text).toBe('It is 42.');
    // The vendor's server refuses a transcript that its vendor would refuse.
    const second = await client.ask('message.send', { text: 'Thank you.' });
    expect((await client.runEnd(second.message)).data.status).toBe('ok');
    expect(server.requests).toHaveLength(3);
    expect((await client.ask('session.get', { session: MAIN })).session.tokensUsed).toBe(22 + 14 + 11 + 7);
  });

  it('that reports no usage has its tokens counted by the gateway, which says that they are an estimate', async () => {
    const { server, gateway } = await open();
    server.script({ text: ['one two three'], usage: false });
    const client = await gateway.connect();
    const { message } = await client.ask('message.send', { text: 'count to three' });
    const { usage } = (await client.runEnd(message)).data;
    expect(usage).toMatchObject({ outputTokens: 3, estimated: true });
    expect(usage.inputTokens).toBeGreaterThan(3); // the prompt counts too
  });

  it('that refuses the key ends the run with model_rejected, and the key stands in no frame and in no log line', async () => {
    const { server, gateway } = await open();
    server.script({ status: 401, message: 'invalid key' });
    const client = await gateway.connect();
    const { message } = await client.ask('message.send', { text: 'hello' });
    const end = await client.runEnd(message);
    expect(end.data).toMatchObject({ status: 'failed', error: { code: 'model_rejected' } });
    const { stdout, stderr } = await gateway.stop();
    for (const secret of [OPENAI_KEY, ANTHROPIC_KEY, gateway.token]) {
      for (const shown of [JSON.stringify(client.frames), stdout, stderr]) expect(shown).not.toContain(secret);
    }
  });
});
