/**
 * Goal: the client does what its types promise, also when things go wrong.
 * Method: against the real gateway as a process of its own; a stand-in for the OpenAI API where a model must be slow. A
 * gateway that does not answer is one that was sent SIGSTOP.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { type Client, connect, DEFAULT_CLIENT, type RunEvent } from '../../src/client/client.ts';
import { FRAME_BYTES_MAX, IN_FLIGHT_MAX } from '../../src/protocol/limits.ts';
import type { RequestData } from '../../src/protocol/messages.ts';
import { VERSION } from '../../src/version.ts';
import { type GatewayProcess, startGatewayProcess } from '../cli/processes.ts';
import { OPENAI_KEY, OPENAI_MODEL, startOpenAiServer } from '../support/openai-server.ts';
import type { ModelServer } from '../support/sse.ts';
import { collect } from './collect.ts';

let gateway: GatewayProcess;
let models: ModelServer;

beforeAll(async () => {
  models = await startOpenAiServer();
  gateway = await startGatewayProcess({
    yaml: 'models: { default: offline }',
    env: { OPENAI_API_KEY: OPENAI_KEY, OPENAI_BASE_URL: models.url },
  });
});

beforeEach(() => models.reset());

afterAll(async () => {
  await gateway.stop();
  await models.close();
});

async function connected(to: GatewayProcess = gateway): Promise<Client> {
  const client = await connect({ url: to.url, token: to.token, reconnect: false });
  onTestFinished(() => client.close());
  return client;
}

async function newSession(client: Client, data: RequestData<'session.create'> = {}): Promise<string> {
  const { session } = await client.request('session.create', data);
  return session.id;
}

/** A session whose model answers half and then waits. */
function slowSession(client: Client): Promise<string> {
  models.script({ text: ['one ', 'two ', 'three ', 'four'], fault: 'stall' });
  return newSession(client, { model: `openai/${OPENAI_MODEL}` });
}

const typesOf = (events: readonly RunEvent[]): string[] => [...new Set(events.map(({ type }) => type))];

/** While `work` goes on the gateway does not answer. */
async function silenced(work: () => Promise<void>): Promise<void> {
  gateway.process.kill('SIGSTOP');
  try {
    await work();
  } finally {
    gateway.process.kill('SIGCONT');
  }
}

describe('connecting', () => {
  test('fails as unavailable when nobody answers', async () => {
    const nobody = connect({ url: 'ws://127.0.0.1:1/ws', token: gateway.token });
    await expect(nobody).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('127.0.0.1:1'),
    });
  });

  test('fails as unauthorized with a wrong token', async () => {
    await expect(connect({ url: gateway.url, token: 'wrong' })).rejects.toMatchObject({ code: 'unauthorized' });
  });

  test('fails as invalid_request when the URL is none', async () => {
    await expect(connect({ url: 'nonsense', token: 'x' })).rejects.toMatchObject({
      code: 'invalid_request',
      param: 'url',
    });
  });

  test('is given up when the signal aborts, before and during', async () => {
    const reason = new Error('changed my mind');
    const { url, token } = gateway;
    await expect(connect({ url, token, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    await silenced(async () => {
      const abort = new AbortController();
      const attempt = connect({ url, token, signal: abort.signal });
      abort.abort(reason);
      await expect(attempt).rejects.toBe(reason);
    });
  });

  test('says the version of this package', () => {
    expect(DEFAULT_CLIENT.version).toBe(VERSION);
  });
});

describe('requests', () => {
  test('are answered with the data of their reply', async () => {
    const client = await connected();
    expect(await client.request('ping', {})).toEqual({});
    expect((await client.request('status', {})).version).toBe(VERSION);
    const session = await newSession(client, { user: 'ann' });
    expect((await client.request('session.get', { session })).session).toMatchObject({ id: session, user: 'ann' });
  });

  test('that fail are rejected with the code and field the gateway names', async () => {
    const client = await connected();
    const unknown = client.request('session.get', { session: 'agent:main:dm:api:nobody' });
    await expect(unknown).rejects.toMatchObject({ name: 'DhaavakError', code: 'not_found', param: 'data.session' });
    const wrong = client.request('session.history', { session: 'agent:main:main', limit: 0 });
    await expect(wrong).rejects.toMatchObject({ code: 'invalid_request', param: 'data.limit' });
  });

  test('many at once get each their own answer', async () => {
    const client = await connected();
    const keys = await Promise.all(
      Array.from({ length: 100 }, (_, index) => newSession(client, { user: `u${index}` })),
    );
    expect(keys.map((key) => key.split(':').at(-1))).toEqual(Array.from({ length: 100 }, (_, index) => `u${index}`));
  });

  test('without an answer in time are rejected, and the late answer does no harm', async () => {
    const client = await connected();
    await silenced(async () => {
      const late = client.request('ping', {}, { timeoutMs: 20 });
      await expect(late).rejects.toMatchObject({
        code: 'unavailable',
        message: expect.stringContaining('within 20 ms'),
      });
    });
    expect(await client.request('ping', {})).toEqual({});
  });

  test('over the limits of the gateway are refused before they are sent', async () => {
    const client = await connected();
    const large = client.request('message.send', { text: 'x'.repeat(FRAME_BYTES_MAX) });
    await expect(large).rejects.toMatchObject({ code: 'too_large' });
    await silenced(async () => {
      const waiting = Array.from({ length: IN_FLIGHT_MAX }, () => client.request('ping', {}));
      await expect(client.request('ping', {})).rejects.toMatchObject({ code: 'too_many_requests' });
      gateway.process.kill('SIGCONT');
      await Promise.all(waiting);
    });
  });
});

describe('a run', () => {
  test('brings its events in order, and ends', async () => {
    const client = await connected();
    const session = await newSession(client);
    const events = await collect(client.run({ session, text: 'hello' }));
    expect(typesOf(events)).toEqual(['message.inbound', 'run.start', 'message.delta', 'message.outbound', 'run.end']);
    const numbers = events.map(({ data }) => data.seq);
    expect(numbers).toEqual(numbers.map((_, index) => (numbers[0] ?? 0) + index));
    const text = events.map((event) => (event.type === 'message.delta' ? event.data.text : '')).join('');
    expect(events.find(({ type }) => type === 'message.outbound')?.data).toMatchObject({ session, text });
    expect(events.at(-1)?.data).toMatchObject({ status: 'ok' });
  });

  test('shows its tool calls', async () => {
    const client = await connected();
    const session = await newSession(client);
    const events = await collect(client.run({ session, text: 'calc 6*7' }));
    const data = (type: RunEvent['type']) => events.find((event) => event.type === type)?.data;
    expect(data('tool.start')).toMatchObject({ name: 'calc', input: { expression: '6*7' } });
    expect(data('tool.end')).toMatchObject({ name: 'calc', output: '42', failed: false });
  });

  test('goes to the main session when none is named', async () => {
    const client = await connected();
    const events = await collect(client.run({ text: 'hello' }));
    expect(events[0]?.data.session).toBe('agent:main:main');
  });

  test('keeps apart from runs beside it, in its own session and in others', async () => {
    const client = await connected();
    const sessions = [await newSession(client), await newSession(client)];
    const texts = sessions.flatMap((session) => ['1+1', '2+2', '3+3'].map((sum) => ({ session, text: `calc ${sum}` })));
    const runs = await Promise.all(texts.map((message) => collect(client.run(message))));
    const answers = runs.map((events) => events.find(({ type }) => type === 'message.outbound')?.data);
    const expected = texts.map(({ session, text }, index) => ({
      session,
      text: `${text.slice(5)} = ${[2, 4, 6][index % 3]}`,
    }));
    expect(answers).toMatchObject(expected);
  });

  test('is cancelled in the middle of its answer', async () => {
    const client = await connected();
    const run = client.run({ session: await slowSession(client), text: 'go on' });
    const events: RunEvent[] = [];
    for await (const event of run) {
      events.push(event);
      if (event.type === 'message.delta') run.cancel();
    }
    expect(typesOf(events)).toEqual(['message.inbound', 'run.start', 'message.delta', 'run.end']);
    expect(events.at(-1)?.data).toMatchObject({ status: 'cancelled' });
    await (await models.request(0)).abandoned;
  });

  test('is cancelled also when it had not begun', async () => {
    const client = await connected();
    const run = client.run({ session: await slowSession(client), text: 'go on' });
    run.cancel();
    expect((await collect(run)).at(-1)).toMatchObject({ type: 'run.end', data: { status: 'cancelled' } });
  });

  test('that the model refuses ends with the reason', async () => {
    const client = await connected();
    models.script({ status: 400, message: 'no such thing' });
    const session = await newSession(client, { model: `openai/${OPENAI_MODEL}` });
    const events = await collect(client.run({ session, text: 'hello' }));
    expect(events.at(-1)?.data).toMatchObject({ status: 'failed', error: { code: 'model_rejected' } });
  });

  test('throws when its message is not accepted', async () => {
    const client = await connected();
    const run = client.run({ session: 'agent:main:dm:api:nobody', text: 'hello' });
    await expect(collect(run)).rejects.toMatchObject({ code: 'not_found' });
  });
});

describe('listeners', () => {
  test('hear every run of the sessions this connection is subscribed to, until they are ended', async () => {
    const [sender, observer] = [await connected(), await connected()];
    const session = await newSession(sender);
    await observer.request('subscribe', { session });
    const heard: string[] = [];
    const off = observer.on('message.outbound', ({ text }) => heard.push(text));
    const ended = new Promise<void>((resolve) => observer.on('run.end', () => resolve()));
    await collect(sender.run({ session, text: 'calc 1+2' }));
    await ended;
    off();
    await collect(sender.run({ session, text: 'calc 3+4' }));
    await observer.request('ping', {});
    expect(heard).toEqual(['1+2 = 3']);
  });
});

describe('the end of a connection', () => {
  test('by the client rejects what is pending, and what comes after', async () => {
    const client = await connected();
    const session = await slowSession(client);
    const run = collect(client.run({ session, text: 'go on' }));
    await models.request(0);
    const pending = client.request('status', {});
    const closing = client.close();
    await expect(pending).rejects.toMatchObject({ code: 'unavailable' });
    await expect(run).rejects.toMatchObject({ code: 'unavailable' });
    await closing;
    expect(await client.closed).toMatchObject({ code: 1000 });
    await expect(client.request('ping', {})).rejects.toMatchObject({ code: 'unavailable' });
    await expect(collect(client.run({ text: 'x' }))).rejects.toMatchObject({ code: 'unavailable' });
    // The run goes on without us; the gateway would wait for it when it stops.
    await (await connected()).request('message.cancel', { session });
  });

  test('by the gateway is told with its code', async () => {
    const other = await startGatewayProcess();
    const client = await connected(other);
    await other.stop();
    expect((await client.closed).code).toBe(1001);
  });

  test('by the death of the gateway is noticed', async () => {
    const other = await startGatewayProcess();
    const client = await connected(other);
    other.process.kill('SIGSTOP');
    const pending = expect(client.request('ping', {})).rejects.toMatchObject({ code: 'unavailable' });
    const killed = expect(other.finished).rejects.toThrow('SIGKILL');
    other.process.kill('SIGKILL');
    await Promise.all([pending, killed]);
    expect((await client.closed).code).toBe(1006);
  });
});
