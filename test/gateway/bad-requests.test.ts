/**
 * Goal: a request that is wrong is refused as a whole, by the name of what is wrong with it. Method: of every request every
 * field left out, of the wrong type and unknown, and every head; sessions and transcripts must be as before.
 */
import { describe, expect, it } from 'vitest';
import { DEPTH_MAX, VALUES_MAX } from '../../src/protocol/limits.ts';
import { localGateway } from '../support/gateway.ts';
import { fillMainSession, mainSessionState } from '../support/main-session.ts';
import { MAIN, REQUEST_TYPES_AFTER_HELLO, REQUIRED_FIELDS, VALID_REQUESTS } from '../support/valid-requests.ts';
import { pack } from '../support/wire-client.ts';

const UNKNOWN = 'agent:main:dm:api:nobody';
/** Fields for which null means something. */
const NULLABLE = new Set(['model', 'title', 'followUp'].map((field) => `session.update ${field}`));

describe('a request', () => {
  it('with a field that is missing, unknown or of the wrong type is refused by the name of the field', async () => {
    const gateway = await localGateway();
    const client = await gateway.connect();
    await fillMainSession(client);
    const before = await mainSessionState(client);
    for (const type of REQUEST_TYPES_AFTER_HELLO) {
      const valid: Record<string, unknown> = VALID_REQUESTS[type];
      const refused = async (data: unknown, param: string) => {
        const error = await client.refusal(type, data);
        // What is wrong inside of a list is named with its place in it.
        const named = error.param?.replace(/\.\d+$/, '');
        expect([type, data, error.code, named]).toEqual([type, data, 'invalid_request', param]);
        expect(error.message).toContain(param);
      };
      for (const field of Object.keys(valid)) {
        for (const wrong of [null, true, -1, 1.5, ['x'], { x: 1 }, '', new Date(0), new Uint8Array([1])]) {
          if (wrong === null && NULLABLE.has(`${type} ${field}`)) continue;
          if (typeof wrong === 'boolean' && typeof valid[field] === 'boolean') continue;
          await refused({ ...valid, [field]: wrong }, `data.${field}`);
        }
        const { [field]: _, ...without } = valid;
        if (REQUIRED_FIELDS[type].includes(field)) await refused(without, `data.${field}`);
      }
      for (const extra of ['extra', 'constructor', 'toString', 'hasOwnProperty']) {
        await refused({ ...valid, [extra]: 1 }, `data.${extra}`);
      }
    }
    expect(await mainSessionState(client)).toEqual(before);
  });

  it('with a wrong head is refused by the name of the field, under its id where that could be read', async () => {
    const gateway = await localGateway();
    const client = await gateway.connect();
    const cases: [unknown, string | undefined, string | null][] = [
      [{ type: 'ping' }, 'id', null],
      [{ id: 5, type: 'ping' }, 'id', null],
      [{ id: null, type: 'ping' }, 'id', null],
      [{ id: '', type: 'ping' }, 'id', null],
      [{ id: 'x'.repeat(65), type: 'ping' }, 'id', null],
      [{ id: 'a b', type: 'ping' }, 'id', null],
      [{ id: 'é', type: 'ping' }, 'id', null],
      [{ id: 'a' }, 'type', 'a'],
      [{ id: 'a', type: 7 }, 'type', 'a'],
      [{ id: 'a', type: '' }, 'type', 'a'],
      [{ id: 'a', type: 'x'.repeat(65) }, 'type', 'a'],
      [{ id: 'a', type: 'ping', data: null }, 'data', 'a'],
      [{ id: 'a', type: 'ping', data: [] }, 'data', 'a'],
      [{ id: 'a', type: 'ping', data: 'x' }, 'data', 'a'],
      [{ id: 'a', type: 'ping', more: 1 }, 'more', 'a'],
      [{ id: 'a', type: 'ping', error: {} }, 'error', 'a'],
      [[], undefined, null],
      [null, undefined, null],
      ['ping', undefined, null],
    ];
    for (const [frame, param, id] of cases) {
      for (const message of [pack(frame), JSON.stringify(frame)]) {
        const at = client.frames.length;
        client.raw(message);
        const reply = await client.when(() => client.frames[at]);
        const code = param === undefined ? 'invalid_frame' : 'invalid_request';
        expect([frame, reply.id, reply.error?.code, reply.error?.param]).toEqual([frame, id, code, param]);
      }
    }
  });

  it('of a type nobody knows is refused, also where JavaScript has a property of that name', async () => {
    const gateway = await localGateway();
    for (const json of [false, true]) {
      const client = await gateway.connect({ json });
      for (const type of [
        'constructor',
        '__proto__',
        'toString',
        'hasOwnProperty',
        'Ping',
        'message',
        'welcome',
        'run.end',
      ]) {
        expect(await client.refusal(type)).toMatchObject({ code: 'unknown_type', param: 'type', retryable: false });
      }
      expect(await client.ask('ping')).toEqual({});
    }
  });

  it('with the key __proto__ anywhere is refused', async () => {
    const gateway = await localGateway();
    const client = await gateway.connect();
    for (const data of ['{"__proto__":1}', '{"text":"x","a":[{"b":{"__proto__":{"session":"x"}}}]}']) {
      const frame = `{"id":"p","type":"message.send","data":${data}}`;
      for (const message of [frame, pack(JSON.parse(frame))]) {
        const at = client.frames.length;
        client.raw(message);
        const { error } = await client.when(() => client.frames[at]);
        expect(error).toMatchObject({ code: 'invalid_frame' });
        expect(error?.message).toContain('__proto__');
      }
    }
    expect((await client.ask('session.history', { session: MAIN })).entries).toEqual([]);
  });

  it('that is too deep or holds too many values is refused, and one within the limits is read', async () => {
    const gateway = await localGateway();
    const client = await gateway.connect();
    const nested = (depth: number): unknown => (depth === 0 ? 1 : [nested(depth - 1)]);
    const cases: [unknown, string, RegExp][] = [
      [nested(DEPTH_MAX - 1), 'invalid_frame', /deeper/],
      [nested(1_000), 'invalid_frame', /deeper/],
      [nested(DEPTH_MAX - 2), 'invalid_request', /data\.x is not known/],
      [new Array(VALUES_MAX).fill(0), 'invalid_frame', /values/],
      [new Array(VALUES_MAX - 100).fill(0), 'invalid_request', /data\.x is not known/],
    ];
    for (const [x, code, says] of cases) {
      const error = await client.refusal('ping', { x });
      expect(error.code).toBe(code);
      expect(error.message).toMatch(says);
    }
  });

  it('for a session that is not there says which, and makes none', async () => {
    const gateway = await localGateway();
    const client = await gateway.connect();
    const refused = async (type: string, data: object) => {
      const error = await client.refusal(type, data);
      expect([type, error.code, error.param]).toEqual([type, 'not_found', 'data.session']);
      expect(error.message).toContain((data as { session: string }).session);
    };
    const keys = [
      UNKNOWN,
      'x',
      'agent:nobody:main',
      'agent:main:main:x',
      'agent:main',
      'agent:main:dm:api:%',
      '__proto__',
    ];
    for (const session of keys) {
      await refused('subscribe', { session });
      await refused('message.send', { session, text: 'x' });
      await refused('message.cancel', { session });
      await refused('session.get', { session });
      await refused('session.history', { session });
      // Nobody can be subscribed to it, which is what was asked for.
      expect(await client.ask('unsubscribe', { session })).toEqual({ session });
    }
    expect((await client.ask('status')).shards[0]?.sessions).toBe(0);
    expect(await client.refusal('session.create', { agent: 'nobody' })).toMatchObject({
      code: 'not_found',
      param: 'data.agent',
    });
    expect(await client.refusal('message.cancel', { session: MAIN, run: 'none' })).toMatchObject({
      code: 'not_found',
      param: 'data.run',
    });
  });

  it('may not name an agent that is only a property of every JavaScript object', async () => {
    const gateway = await localGateway();
    const client = await gateway.connect();
    for (const agent of ['constructor', 'toString', 'valueOf', '__proto__']) {
      const session = `agent:${agent}:main`;
      expect((await client.refusal('session.create', { agent })).param).toBe('data.agent');
      expect(await client.refusal('session.get', { session })).toMatchObject({ code: 'not_found' });
      expect(await client.refusal('message.send', { session, text: 'x' })).toMatchObject({ code: 'not_found' });
    }
  });

  it('to make a session whose key would run into another or not be ASCII is refused by the name of the field', async () => {
    const gateway = await localGateway();
    const client = await gateway.connect();
    for (const field of ['agent', 'channel']) {
      for (const value of ['a:b', 'a b', 'नमस्ते', 'Main', 'x'.repeat(65)]) {
        const error = await client.refusal('session.create', { [field]: value });
        expect([field, value, error.code, error.param]).toEqual([field, value, 'invalid_request', `data.${field}`]);
      }
    }
    expect(await client.refusal('session.create', { user: 'ü'.repeat(128) })).toMatchObject({
      code: 'invalid_request',
      param: 'data.user',
    });
    const { session } = await client.ask('session.create', { user: 'नमस्ते : %' });
    expect(session).toMatchObject({ user: 'नमस्ते : %', id: expect.stringMatching(/^agent:main:dm:api:[\x21-\x7e]+$/) });
    expect(session.id.split(':')).toHaveLength(5);
  });

  it('for a model that means nothing here is refused by the name of the field, and no session is made', async () => {
    const gateway = await localGateway();
    const client = await gateway.connect();
    for (const model of ['x', 'openai/', 'openai/no-key', 'constructor']) {
      const error = await client.refusal('session.create', { user: 'u', model });
      expect([model, error.code, error.param]).toEqual([model, 'invalid_request', 'data.model']);
    }
    expect(await client.refusal('session.get', { session: 'agent:main:dm:api:u' })).toMatchObject({
      code: 'not_found',
    });
  });
});
