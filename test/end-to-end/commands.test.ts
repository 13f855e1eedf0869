/** Goal: chat commands are answered outside the lane and never reach a model; all other text does. */
import { describe, expect, it } from 'vitest';
import { type ConfigInput, localGateway } from '../support/gateway.ts';
import { askedText, STALLS, scriptedModel } from '../support/model.ts';
import { MAIN } from '../support/valid-requests.ts';
import type { WireClient } from '../support/wire-client.ts';

async function open(config: ConfigInput = {}): Promise<WireClient> {
  return (await localGateway(config)).connect();
}

/** Says something and returns the answer's text. */
async function say(client: WireClient, text: string): Promise<string> {
  const { message } = await client.ask('message.send', { session: MAIN, text });
  await client.runEnd(message);
  return client.events('message.outbound').find(({ data }) => data.message === message)?.data.text ?? '';
}

describe('a chat command', () => {
  it('is answered at once while a run is going on, with the events of a message, and is not in the transcript', async () => {
    const { server, models } = await scriptedModel(STALLS);
    const client = await open({ models });
    const { message: runs } = await client.ask('message.send', { text: 'first' });
    await server.request(0);
    const sent = { text: '/status', idempotencyKey: 'k1' };
    const { message, queued } = await client.ask('message.send', sent);
    await client.runEnd(message);
    const events = client.events().filter(({ data }) => 'message' in data && data.message === message);
    expect(events.map(({ type }) => type)).toEqual(['message.inbound', 'run.start', 'message.outbound', 'run.end']);
    expect(queued).toBe(0);
    expect(events[1]?.data).toMatchObject({ model: 'command' });
    expect(events[2]?.data.text).toContain('now: 1 running, 0 waiting');
    expect(await client.ask('message.send', sent)).toMatchObject({ message, duplicate: true });
    expect(await say(client, '/stop')).toBe('Stopped: 1 message.');
    expect((await client.runEnd(runs)).data.status).toBe('cancelled');
    expect(await say(client, '/stop')).toBe('There is nothing to stop.');
    expect(server.requests).toHaveLength(1);
    const { entries } = await client.ask('session.history', { session: MAIN });
    expect(entries.filter(({ role }) => role === 'user').map(({ text }) => text)).toEqual(['first']);
  });

  it('changes what session.update changes, and says what is wrong with what it is given', async () => {
    const client = await open();
    expect(await say(client, '/model')).toBe('The model is offline.');
    expect(await say(client, '/model nobody/knows')).toContain('there is no model "nobody/knows"');
    expect(await say(client, '/model offline')).toBe('The model is now offline.');
    expect(await say(client, '/think high')).toBe('Thinking is now high.');
    expect(await say(client, '/think hard')).toBe('/think [off | low | medium | high]');
    expect(await say(client, '/queue collect')).toBe('Messages during an answer are now: collect.');
    expect(await say(client, '/queue later')).toMatch(/^\/queue \[/);
    const { session } = await client.ask('session.get', { session: MAIN });
    expect(session).toMatchObject({ model: 'offline', thinkingLevel: 'high', followUp: 'collect' });
    expect(await say(client, '/queue default')).toBe('Messages during an answer are now: followup.');
    expect(await say(client, '/whoami')).toBe(`owner on api (${MAIN})`);
    expect(await say(client, '/usage')).toMatch(
      /^Tokens used in this session: 0\.\nModel: offline, window 1000000 tokens/,
    );
    expect(await say(client, '/help')).toContain('/model [model | default]: show or choose the model');
  });

  it('begins a new conversation', async () => {
    const { server, models } = await scriptedModel({ text: ['a'] }, { text: ['b'] });
    const client = await open({ models });
    await say(client, 'old');
    expect(await say(client, '/new')).toBe('A new conversation.');
    await say(client, 'fresh');
    expect(JSON.stringify((await server.request(1)).body.messages)).not.toContain('old');
  });

  it('that nobody knows goes to the agent, and so does one with two slashes, as if it had one', async () => {
    const { server, models } = await scriptedModel();
    const client = await open({ models });
    const texts = ['/constructor', '/frobnicate now', '//status', '// a comment', 'say /help', '/'];
    for (const text of texts) await say(client, text);
    expect(server.requests.map(({ body }) => askedText(body))).toEqual(
      texts.map((text) => (text === '//status' ? '/status' : text)),
    );
  });
});
