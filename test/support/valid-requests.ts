import type { RequestData, RequestType } from '../../src/protocol/messages.ts';

/** A session that is always there. */
export const MAIN = 'agent:main:main';

/** A cursor of `allow.list`, at the beginning. */
const EVERY_GRANT = Buffer.from('["","","group",""]').toString('base64url');

/** For each request but `hello` one that is in order and uses every field it has. */
export const VALID_REQUESTS: { [T in Exclude<RequestType, 'hello'>]: Required<RequestData<T>> } = {
  ping: {},
  status: {},
  subscribe: { session: MAIN, after: 0, epoch: 'e1' },
  unsubscribe: { session: MAIN },
  'message.send': {
    session: MAIN,
    text: 'hello',
    idempotencyKey: 'k1',
    mode: 'followup',
    attachments: [{ type: 'image', mediaType: 'image/png', data: 'iVBORw0KGgo=' }],
  },
  'message.cancel': { session: MAIN, run: 'r1' },
  'session.create': {
    agent: 'main',
    type: 'dm',
    channel: 'api',
    user: 'somebody',
    model: 'offline',
    thinkingLevel: 'off',
  },
  'session.get': { session: MAIN },
  'session.list': { agent: 'main', type: 'main', channel: 'api', limit: 10, cursor: MAIN },
  'session.update': { session: MAIN, model: 'offline', thinkingLevel: 'low', title: 'T', followUp: 'steer' },
  'session.reset': { session: MAIN },
  'session.delete': { session: 'agent:main:dm:api:deleted' },
  'session.history': { session: MAIN, before: 9, limit: 2 },
  'approval.resolve': { session: MAIN, approval: 'a1', allow: false },
  'dead-letter.list': { session: MAIN, limit: 10, cursor: 'm1' },
  'dead-letter.resubmit': { session: MAIN, message: 'm1' },
  'dead-letter.discard': { session: MAIN, message: 'm1' },
  'presence.list': { watch: false },
  'channel.list': { watch: false },
  'channel.restart': { channel: 'nowhere', account: 'default' },
  'channel.send': { to: 'nowhere:1', text: 'hello', idempotencyKey: 'k2' },
  'token.list': {},
  'token.create': { name: 'somebody', scopes: ['read'] },
  'token.revoke': { name: 'nobody' },
  'token.rotate': { name: 'nobody' },
  'pairing.list': { channel: 'telegram', watch: false },
  'pairing.approve': { channel: 'telegram', code: 'ABCDEFGH' },
  'pairing.reject': { channel: 'telegram', code: 'ABCDEFGH' },
  'pairing.revoke': { channel: 'telegram', account: 'default', user: '4711' },
  'allow.list': { channel: 'telegram', account: 'default', kind: 'user', limit: 10, cursor: EVERY_GRANT },
  'allow.add': { channel: 'telegram', account: 'default', kind: 'user', peer: '4711' },
  'allow.remove': { channel: 'telegram', account: 'default', kind: 'user', peer: '4711' },
};

/** Fields a request can't do without. (`data.session` of `message.send` is the main session where it is missing.) */
export const REQUIRED_FIELDS: { [T in RequestType]: string[] } = {
  hello: ['protocol', 'client', 'auth'],
  ping: [],
  status: [],
  subscribe: ['session'],
  unsubscribe: ['session'],
  'message.send': ['text'],
  'message.cancel': ['session'],
  'session.create': [],
  'session.get': ['session'],
  'session.list': [],
  'session.update': ['session'],
  'session.reset': ['session'],
  'session.delete': ['session'],
  'session.history': ['session'],
  'approval.resolve': ['session', 'approval', 'allow'],
  'dead-letter.list': [],
  'dead-letter.resubmit': ['session', 'message'],
  'dead-letter.discard': ['session', 'message'],
  'presence.list': [],
  'channel.list': [],
  'channel.restart': ['channel'],
  'channel.send': ['to', 'text'],
  'token.list': [],
  'token.create': ['name', 'scopes'],
  'token.revoke': ['name'],
  'token.rotate': ['name'],
  'pairing.list': [],
  'pairing.approve': ['channel', 'code'],
  'pairing.reject': ['channel', 'code'],
  'pairing.revoke': ['channel', 'user'],
  'allow.list': [],
  'allow.add': ['channel', 'kind', 'peer'],
  'allow.remove': ['channel', 'kind', 'peer'],
};

export const REQUEST_TYPES_AFTER_HELLO = Object.keys(VALID_REQUESTS) as (keyof typeof VALID_REQUESTS)[];
