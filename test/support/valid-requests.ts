import type { RequestData, RequestType } from '../../src/protocol/messages.ts';

/** A session that is always there. */
export const MAIN = 'agent:main:main';

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
  'presence.list': { watch: false },
  'token.list': {},
  'token.create': { name: 'somebody', scopes: ['read'] },
  'token.revoke': { name: 'nobody' },
  'token.rotate': { name: 'nobody' },
  'runs.resume': {},
  backup: { folder: '/proc/no-such-folder' },
  'store.check': {},
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
  'presence.list': [],
  'token.list': [],
  'token.create': ['name', 'scopes'],
  'token.revoke': ['name'],
  'token.rotate': ['name'],
  'runs.resume': [],
  backup: ['folder'],
  'store.check': [],
};

export const REQUEST_TYPES_AFTER_HELLO = Object.keys(VALID_REQUESTS) as (keyof typeof VALID_REQUESTS)[];
