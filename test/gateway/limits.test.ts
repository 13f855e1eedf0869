/** Goal: every limit of the protocol holds, to the byte. Method: one request at the limit and one past it. */
import { describe, expect, it } from 'vitest';
import { CLOSE_CODES } from '../../src/protocol/errors.ts';
import {
  FRAME_BYTES_MAX,
  FRAME_BYTES_MAX_UNAUTHENTICATED,
  IN_FLIGHT_MAX,
  SUBSCRIPTIONS_MAX,
  TEXT_LENGTH_MAX,
} from '../../src/protocol/limits.ts';
import { localGateway } from '../support/gateway.ts';
import { openRaw } from '../support/raw-socket.ts';
import { MAIN } from '../support/valid-requests.ts';
import { until } from '../support/wait.ts';
import { pack } from '../support/wire-client.ts';

/** WebSocket close code of a connection that was cut without a closing handshake. */
const CUT = 1006;

/** A request whose frame has exactly `bytes` bytes. */
function requestOf(bytes: number, type: string, field: string): Uint8Array<ArrayBuffer> {
  let frame = pack({});
  // A few rounds, since the header of the string grows with it.
  for (let length = bytes; frame.length !== bytes; length += bytes - frame.length) {
    frame = pack({ id: 'big', type, data: { [field]: 'x'.repeat(length) } });
  }
  return frame;
}

describe('a frame', () => {
  it('before hello has at most 64 KiB: a larger one is not read and closes the connection', async () => {
    const gateway = await localGateway();
    const within = await gateway.connectSilent();
    within.raw(requestOf(FRAME_BYTES_MAX_UNAUTHENTICATED, 'ping', 'x'));
    expect((await within.reply('big')).error?.code).toBe('hello_required');
    for (const message of [
      requestOf(FRAME_BYTES_MAX_UNAUTHENTICATED + 1, 'ping', 'x'),
      'x'.repeat(FRAME_BYTES_MAX_UNAUTHENTICATED + 1),
    ]) {
      const past = await gateway.connectSilent();
      past.raw(message);
      expect((await past.closed).code).toBe(CLOSE_CODES.tooLarge);
      expect(past.frames).toEqual([]);
    }
    const huge = await gateway.connectSilent();
    huge.raw(new Uint8Array(FRAME_BYTES_MAX + 1));
    expect((await huge.closed).code).toBe(CUT);
    await gateway.connect();
  });

  it('after hello has at most 1 MiB: a larger one cuts the connection, and no other', async () => {
    const gateway = await localGateway();
    const other = await gateway.connect();
    const client = await gateway.connect();
    client.raw(requestOf(FRAME_BYTES_MAX, 'ping', 'x'));
    expect((await client.reply('big')).error).toMatchObject({ code: 'invalid_request', param: 'data.x' });
    client.raw(requestOf(FRAME_BYTES_MAX + 1, 'ping', 'x'));
    expect((await client.closed).code).toBe(CUT);
    expect(await other.ask('ping')).toEqual({});
  });

  it('of JSON has at most 64 KiB after hello too: a larger one is refused and the connection lives on', async () => {
    const gateway = await localGateway();
    const client = await gateway.connect({ json: true });
    const json = (length: number) => `{"id":"j","type":"ping","data":{}}${' '.repeat(length - 34)}`;
    client.raw(json(FRAME_BYTES_MAX_UNAUTHENTICATED + 1));
    expect((await client.when(() => client.frames.find(({ error }) => error)))?.error?.code).toBe('too_large');
    client.raw(json(FRAME_BYTES_MAX_UNAUTHENTICATED));
    expect((await client.reply('j')).type).toBe('pong');
  });
});

describe('a text', () => {
  it('has at most 262,144 Unicode code points', async () => {
    const gateway = await localGateway({ sessions: { compactAt: 1 } }); // no summary stands between the entries
    const client = await gateway.connect();
    for (const letter of ['x', 'é', 'न']) {
      const text = letter.repeat(TEXT_LENGTH_MAX + 1);
      expect(await client.refusal('message.send', { text })).toMatchObject({
        code: 'invalid_request',
        param: 'data.text',
      });
    }
    expect((await client.ask('session.history', { session: MAIN })).entries).toEqual([]);
    for (const text of ['é'.repeat(TEXT_LENGTH_MAX), 'न'.repeat(TEXT_LENGTH_MAX), '😀'.repeat(200_000)]) {
      const { message } = await client.ask('message.send', { text });
      expect((await client.runEnd(message)).data.status).toBe('ok');
      const newest = async (before?: number) =>
        (await client.ask('session.history', { session: MAIN, limit: 1, ...(before ? { before } : {}) })).entries[0];
      const answer = await newest();
      expect((await newest(answer?.seq))?.text === text).toBe(true);
    }
  });

  it('that is long does not keep a page of history, which holds many, from being read', async () => {
    const gateway = await localGateway();
    const client = await gateway.connect();
    const texts = Array.from({ length: 24 }, (_, i) => `${i} ${'x'.repeat(TEXT_LENGTH_MAX - 10)}`);
    for (const text of texts) await client.runEnd((await client.ask('message.send', { text })).message);
    const read: string[] = [];
    for (let before: number | undefined; ; ) {
      const page = await client.ask('session.history', { session: MAIN, limit: 200, ...(before ? { before } : {}) });
      read.unshift(...page.entries.filter(({ role }) => role === 'user').map(({ text }) => text));
      if (!page.more) break;
      before = page.entries[0]?.seq;
    }
    expect(read.map((text) => text.length)).toEqual(texts.map((text) => text.length));
  });
});

describe('a connection', () => {
  it('has at most 256 requests in flight: one more is refused with when to try again', async () => {
    const gateway = await localGateway();
    const raw = await openRaw(gateway.url, gateway.token);
    const past = 10;
    const requests = Array.from({ length: IN_FLIGHT_MAX + past }, (_, i) => ({
      id: `g${i}`,
      type: 'session.get',
      data: { session: MAIN },
    }));
    raw.write(requests);
    await raw.when((frames) => frames.length === 1 + requests.length);
    const refused = raw.frames.filter(({ error }) => error !== undefined);
    expect(refused.map(({ id }) => id)).toEqual(requests.slice(IN_FLIGHT_MAX).map(({ id }) => id));
    expect(refused[0]?.error).toMatchObject({ code: 'too_many_requests', retryable: true, retryAfterMs: 100 });
    // Answered ones make room.
    raw.write(requests.slice(0, IN_FLIGHT_MAX).map((request) => ({ ...request, id: `${request.id}-again` })));
    await raw.when((frames) => frames.length === 1 + requests.length + IN_FLIGHT_MAX);
    expect(raw.frames.filter(({ error }) => error !== undefined)).toHaveLength(past);
  });

  it('hears at most 1,024 sessions: one more is refused, and may still be read', async () => {
    const gateway = await localGateway();
    const client = await gateway.connect();
    const keys: string[] = [];
    for (let i = 0; i <= SUBSCRIPTIONS_MAX; i += 205) {
      const users = Array.from({ length: Math.min(205, SUBSCRIPTIONS_MAX + 1 - i) }, (_, j) => `u${i + j}`);
      const made = await Promise.all(users.map((user) => client.ask('session.create', { user })));
      keys.push(...made.map(({ session }) => session.id));
      await Promise.all(
        made
          .filter((_, j) => i + j < SUBSCRIPTIONS_MAX)
          .map(({ session }) => client.ask('subscribe', { session: session.id })),
      );
    }
    const [first, last] = [keys[0] as string, keys.at(-1) as string];
    const full = { code: 'too_many_requests', param: 'data.session' };
    expect(await client.refusal('subscribe', { session: last })).toMatchObject(full);
    expect(await client.refusal('message.send', { session: last, text: 'x' })).toMatchObject(full);
    expect((await client.ask('session.history', { session: last })).entries).toEqual([]);
    await client.ask('session.get', { session: last });
    await client.ask('session.create', { user: 'one more' });
    await client.ask('subscribe', { session: first });
    await client.ask('unsubscribe', { session: first });
    await client.ask('message.send', { session: last, text: 'x' });
  });

  it('that does not read is cut when over 1 MiB waits for it, while others miss nothing', async () => {
    const gateway = await localGateway();
    const sender = await gateway.connect();
    const stalled = await openRaw(gateway.url, gateway.token);
    stalled.write([{ id: 's', type: 'subscribe', data: { session: MAIN } }]);
    await stalled.when((frames) => frames.length === 2);
    stalled.pause();
    const connections = async () => (await sender.ask('status')).connections;
    expect(await connections()).toBe(2);
    const slowClosed = async () => (await sender.ask('status')).counters.slowClosed;
    let sent = 0;
    // What the kernel's buffers take is not known beforehand; it is some megabytes.
    for (; sent < 200 && (await slowClosed()) === 0; sent += 1) {
      await sender.runEnd((await sender.ask('message.send', { text: 'x'.repeat(TEXT_LENGTH_MAX) })).message);
    }
    expect(sent).toBeGreaterThan(4);
    const cut = async () => ((await connections()) === 1 ? true : undefined);
    await until(10_000, cut, 'the connection to be cut');
    expect(await slowClosed()).toBe(1);
    stalled.resume();
    await stalled.closed;
    const seqs = sender.events().map(({ data }) => data.seq);
    expect(seqs).toEqual(seqs.map((_, i) => i + 1));
  });
});
