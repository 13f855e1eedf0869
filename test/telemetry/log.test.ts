/**
 * Goal: no secret reaches the log in any shape it may come in, and lines carry the ids that belong together.
 * Method: a canary in place of the secret, looked for in every written line.
 */
import { expect, test } from 'vitest';
import { createLogger } from '../../src/telemetry/log.ts';

const CANARY = 'c4n4ry-0123456789';

function recorded(level = 'trace') {
  const lines: string[] = [];
  const log = createLogger({ level, name: 'test', to: { write: (line) => lines.push(line) } });
  return { log, lines, last: () => JSON.parse(lines.at(-1) ?? 'null') };
}

function nested(depth: number): object {
  return depth === 0 ? { token: CANARY } : { inner: nested(depth - 1), list: [nested(depth - 1)] };
}

const circle: Record<string, unknown> = { token: CANARY };
circle.self = circle;

test.each<[string, object]>([
  ['a field', { token: CANARY }],
  ['other spellings', { api_key: CANARY, 'X-Api-Key': CANARY, APIKEY: CANARY, gatewayToken: CANARY, PASSWORD: CANARY }],
  ['a list under a secret key', { authorization: [`Bearer ${CANARY}`, CANARY] }],
  ['an object under a secret key', { credentials: { user: 'u', value: CANARY } }],
  ['deep down', nested(5)],
  ['deeper than is written', nested(11)],
  ['a circle', circle],
  ['a configuration', { config: { gateway: { token: CANARY }, models: { openai: { apiKey: CANARY } } } }],
  ['request headers', { headers: { Authorization: `Bearer ${CANARY}`, 'x-api-key': CANARY, cookie: `a=${CANARY}` } }],
  ['a Headers object', { headers: new Headers({ authorization: `Bearer ${CANARY}` }) }],
  ['a Map', { headers: new Map([['token', CANARY]]) }],
  ['a text with a header', { text: `Authorization: Bearer ${CANARY}` }],
  ['a URL', { url: `ws://127.0.0.1/ws?token=${CANARY}&x=1`, link: new URL(`http://user:${CANARY}@host/`) }],
  ['JSON in a text', { body: JSON.stringify({ auth: { token: CANARY } }) }],
  ['JSON in JSON in a text', { body: JSON.stringify({ body: JSON.stringify({ apiKey: CANARY }) }) }],
  ['assignments', { env: `OPENAI_API_KEY=${CANARY} DHAAVAK_TOKEN='${CANARY}'` }],
  ['a vendor key', { text: `Incorrect API key provided: sk-ant-${CANARY}` }],
  ['an error', { error: new Error(`refused: token=${CANARY}`) }],
  [
    'the cause and fields of an error',
    {
      error: Object.assign(new Error('e', { cause: new Error(`secret: ${CANARY}`) }), {
        request: { headers: { authorization: CANARY } },
      }),
    },
  ],
  ['bytes', { frame: Buffer.from(`token=${CANARY}`) }],
])('no secret is written for %s', (_shape, fields) => {
  const { log, lines } = recorded();
  log.info(fields, 'message');
  log.child(fields).info('message');
  log.info({ fields }, 'message');
  expect(lines).toHaveLength(3);
  expect(lines.join()).not.toContain(CANARY);
  expect(lines.join()).not.toContain(Buffer.from(CANARY).toJSON().data.join(','));
});

test('no secret is written for messages and their arguments', () => {
  const { log, lines } = recorded();
  log.info(`token=${CANARY}`);
  log.info('tried with %s', `Bearer ${CANARY}`);
  log.info('tried with %j', { token: CANARY });
  log.error(new Error(`password: ${CANARY}`));
  log.error(new Error('wrapped', { cause: { apiKey: CANARY } }), 'failed');
  expect(lines).toHaveLength(5);
  expect(lines.join()).not.toContain(CANARY);
});

test('what is no secret stays', () => {
  const { log, last } = recorded();
  log.info({ tokensUsed: 12, maxTokens: 5, token: 3, text: 'tokens used: 12', at: new Date(0) }, 'counted');
  expect(last()).toMatchObject({ tokensUsed: 12, maxTokens: 5, token: 3, text: 'tokens used: 12', msg: 'counted' });
  expect(last().at).toBe('1970-01-01T00:00:00.000Z');
});

test('a line stays valid JSON whatever is taken out of it', () => {
  const { log, last } = recorded();
  for (const fields of [
    { token: true, maxToken: 123456 },
    { list: { token: [12345] } },
    { a: 'ws://h:80', b: 'x@y' },
  ]) {
    log.info(fields, `{"token":true,"url":"ws://u:${CANARY}@h"}`);
    expect(last()).toMatchObject({ name: 'test', msg: expect.stringContaining('[redacted]') });
  }
});

test('a child carries its correlation ids, and its own child theirs too', () => {
  const { log, last } = recorded();
  const ids = { session: 'agent:main:main', run: '01R', message: '01M', request: 'r1' };
  log.child({ session: ids.session, request: ids.request }).child({ run: ids.run, message: ids.message }).warn('x');
  expect(last()).toMatchObject({ ...ids, name: 'test', level: 'warn', msg: 'x' });
});

test('an error is written with its name, message, stack and cause', () => {
  const { log, last } = recorded();
  log.error({ error: new RangeError('too far', { cause: new Error('why') }) }, 'failed');
  expect(last().error).toMatchObject({ name: 'RangeError', message: 'too far', cause: { message: 'why' } });
  expect(last().error.stack).toContain('log.test');
});

test('nothing is written below the level, and nothing at all when silent', () => {
  for (const [level, count] of [
    ['warn', 1],
    ['silent', 0],
  ] as const) {
    const { log, lines } = recorded(level);
    log.info('a');
    log.warn('b');
    expect(lines).toHaveLength(count);
  }
});
