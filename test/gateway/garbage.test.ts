/**
 * Goal: no bytes crash, hang or half-do anything. Method: garbage from a generator, before and after hello, and good
 * requests with one byte changed; each must bring one typed error, and leave sessions and transcripts as they were.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ERROR_CODES } from '../../src/protocol/error-codes.ts';
import { CLOSE_CODES } from '../../src/protocol/errors.ts';
import { localGateway } from '../support/gateway.ts';
import { fillMainSession, mainSessionState } from '../support/main-session.ts';
import { REQUEST_TYPES_AFTER_HELLO, VALID_REQUESTS } from '../support/valid-requests.ts';
import { pack, type WireClient } from '../support/wire-client.ts';

/** Replies so far: everything but events. */
function replies(client: WireClient) {
  const events = new Set<unknown>(client.events());
  return client.frames.filter((frame) => !events.has(frame));
}

const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => new Uint8Array(array));
/** A frame in order with one byte changed, or cut, or with bytes behind it. */
const damaged = fc
  .tuple(fc.constantFrom(...REQUEST_TYPES_AFTER_HELLO), fc.nat(), fc.nat(255), fc.constantFrom('flip', 'cut', 'append'))
  .map(([type, place, byte, how]) => {
    const frame = pack({ id: 'f1', type, timestamp: 1, data: VALID_REQUESTS[type] });
    const at = place % frame.length;
    if (how === 'cut') return frame.slice(0, at);
    if (how === 'append') return new Uint8Array([...frame, byte]);
    frame[at] = byte;
    return frame;
  });
const text = fc.oneof(fc.string(), fc.json(), fc.constantFrom('', '{', 'null', '[]', '7', '"x"', '{"id":"a"}'));

describe('garbage', () => {
  it('before hello is told so and closed with a documented code', async () => {
    const gateway = await localGateway();
    await fc.assert(
      fc.asyncProperty(fc.oneof(bytes, damaged, text), async (message) => {
        const client = await gateway.connectSilent();
        client.raw(message);
        const { code } = await client.closed;
        expect([CLOSE_CODES.invalidFrame, CLOSE_CODES.unauthorized]).toContain(code);
        expect(client.frames).toHaveLength(1);
        expect(['invalid_frame', 'invalid_request', 'hello_required']).toContain(client.frames[0]?.error?.code);
      }),
      { numRuns: 150 },
    );
    expect(await (await gateway.connect()).ask('ping')).toEqual({});
  });

  it('after hello gets one typed error a frame, the connection lives on and nothing has changed', async () => {
    const gateway = await localGateway();
    const client = await gateway.connect();
    await fillMainSession(client);
    const before = await mainSessionState(client);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(bytes, text), { maxLength: 50 }), async (messages) => {
        const from = client.frames.length;
        for (const message of messages) client.raw(message);
        await client.ask('ping');
        const errors = client.frames.slice(from, -1);
        expect(errors).toHaveLength(messages.length);
        for (const { error } of errors)
          expect(['invalid_frame', 'invalid_request', 'unknown_type']).toContain(error?.code);
      }),
      { numRuns: 60 },
    );
    expect(await mainSessionState(client)).toEqual(before);
  });

  it('in the place of a byte of a good request is answered or refused, never a fault of the gateway', async () => {
    const gateway = await localGateway({ shards: { count: 2 } });
    const client = await gateway.connect();
    let sent = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(damaged, { maxLength: 50 }), async (messages) => {
        const from = replies(client).length;
        for (const message of messages) client.raw(message);
        sent += messages.length;
        await client.when(() => (replies(client).length >= from + messages.length ? true : undefined));
        for (const { error } of replies(client).slice(from)) {
          expect(error === undefined || (error.code in ERROR_CODES && error.code !== 'internal')).toBe(true);
        }
      }),
      { numRuns: 60 },
    );
    expect(sent).toBeGreaterThan(200);
    expect((await client.ask('status')).shards.map(({ restarts }) => restarts)).toEqual([0, 0]);
  });
});
