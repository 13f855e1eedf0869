/**
 * Goal: admins see who asks to be let in on channels and change who is, at once and over every shard. Method: a gateway with
 * two shards and accounts that are configured but off; people ask as the channel worker has them ask, in the same store.
 */
import { describe, expect, it, onTestFinished } from 'vitest';
import { Clients } from '../../src/gateway/clients.ts';
import type { Connection } from '../../src/gateway/connection.ts';
import { newCounters } from '../../src/gateway/counters.ts';
import { AccountGrants } from '../../src/inbound/grants.ts';
import { Pairing } from '../../src/inbound/pairing.ts';
import { decodeFrame } from '../../src/protocol/frame.ts';
import type { PairingInfo } from '../../src/protocol/messages.ts';
import { Store } from '../../src/storage/store.ts';
import { type ConfigInput, localGateway } from '../support/gateway.ts';
import { person } from '../support/inbound.ts';
import { holds } from '../support/wait.ts';
import { connectWire } from '../support/wire-client.ts';

const OFF = { enabled: false, token: 'not-a-token' };
const CHANNELS: ConfigInput['channels'] = {
  telegram: { default: OFF },
  discord: { work: OFF },
  slack: {
    one: { enabled: false, botToken: 'x', appToken: 'x' },
    two: { enabled: false, botToken: 'x', appToken: 'x' },
  },
};

async function setUp() {
  const gateway = await localGateway({ shards: { count: 2 }, channels: CHANNELS });
  const store = new Store(gateway.home);
  onTestFinished(() => store.close());
  const pairing = new Pairing({ table: store.pairing, now: Date.now });
  const ask = async (id: string, account = 'default') => {
    const answer = await pairing.request('telegram', account, person(id));
    if (answer.type !== 'told') throw new Error(answer.type);
    return answer.request.code;
  };
  return { gateway, store, ask, admin: await gateway.connect() };
}

describe('pairing', () => {
  it('lists who waits, lets in, refuses and takes back; whoever watches is told', async () => {
    const { gateway, store, ask, admin } = await setUp();
    const watcher = await gateway.connect();
    const codes = [await ask('1'), await ask('2')];
    const { pending } = await watcher.ask('pairing.list', { watch: true });
    expect(pending).toEqual([
      {
        channel: 'telegram',
        account: 'default',
        user: '1',
        name: 'Person 1',
        username: 'user_1',
        code: codes[0],
        requestedAt: expect.any(Number),
        expiresAt: pending[0]!.requestedAt + 3_600_000,
      },
      expect.objectContaining({ user: '2', code: codes[1] }),
    ]);
    const one = { channel: 'telegram', account: 'default', user: '1', name: 'Person 1', username: 'user_1' };
    expect(await admin.ask('pairing.approve', { channel: 'telegram', code: codes[0] })).toEqual(one);
    const live = new AccountGrants(store.pairing, 'telegram', 'default');
    expect(live.isPaired('1')).toBe(true);
    expect(await admin.ask('pairing.reject', { channel: 'telegram', code: codes[1] })).toMatchObject({ user: '2' });
    expect(await admin.ask('pairing.list', { channel: 'telegram' })).toEqual({ pending: [] });
    expect(await admin.ask('pairing.revoke', { channel: 'telegram', user: '1' })).toEqual(one);
    await holds(() => !live.isPaired('1'));
    const events = () => watcher.frames.filter(({ type }) => type === 'pairing.resolved').map(({ data }) => data);
    await watcher.when(() => (events().length === 3 ? true : undefined));
    // Shards tell on their own: the order between them is not promised.
    expect(events()).toContainEqual({ outcome: 'approved', ...one });
    expect(events()).toContainEqual(expect.objectContaining({ outcome: 'rejected', user: '2' }));
    expect(events()).toContainEqual({ outcome: 'revoked', ...one });
    expect(admin.frames.some(({ type }) => type.startsWith('pairing.'))).toBe(false);
    await watcher.ask('pairing.list', { watch: false });
    await admin.ask('pairing.approve', { channel: 'telegram', code: await ask('3') });
    await watcher.ask('ping');
    expect(events()).toHaveLength(3);
  });

  it('says what is not there', async () => {
    const { admin } = await setUp();
    const code = { channel: 'telegram', code: 'ABCDEFGH' };
    for (const type of ['pairing.approve', 'pairing.reject']) {
      expect(await admin.refusal(type, code)).toMatchObject({ code: 'not_found', param: 'data.code' });
    }
    const revoke = { channel: 'telegram', user: '1' };
    expect(await admin.refusal('pairing.revoke', revoke)).toMatchObject({ code: 'not_found', param: 'data.user' });
  });
});

describe('allow', () => {
  it('adds and removes entries that count at once, and lists them page by page', async () => {
    const { store, ask, admin } = await setUp();
    const live = new AccountGrants(store.pairing, 'telegram', 'default');
    const user = { channel: 'telegram', kind: 'user', peer: '@Ada' };
    const { grant } = await admin.ask('allow.add', user);
    expect(grant).toEqual({ ...user, account: 'default', grantedAt: expect.any(Number) });
    await holds(() => live.users.has({ id: '1', username: 'ada' }));
    expect(await admin.ask('allow.add', user)).toEqual({ grant });
    await admin.ask('allow.add', { channel: 'telegram', kind: 'group', peer: '-100' });
    await holds(() => live.groups.has('-100'));
    await admin.ask('pairing.approve', { channel: 'telegram', code: await ask('1') });
    const pages = [await admin.ask('allow.list', { limit: 2 })];
    pages.push(await admin.ask('allow.list', { limit: 2, cursor: pages[0]!.cursor }));
    expect(pages.map(({ grants }) => grants.map(({ kind, peer }) => `${kind} ${peer}`))).toEqual([
      ['group -100', 'paired 1'],
      ['user @Ada'],
    ]);
    expect(pages[1]).not.toHaveProperty('cursor');
    expect((await admin.ask('allow.list', { channel: 'telegram', account: 'default', kind: 'paired' })).grants).toEqual(
      [expect.objectContaining({ peer: '1', name: 'Person 1', username: 'user_1' })],
    );
    expect(await admin.ask('allow.list', { channel: 'discord' })).toEqual({ grants: [] });
    expect(await admin.ask('allow.remove', user)).toEqual({ grant });
    await holds(() => !live.users.has({ id: '1', username: 'ada' }));
    expect(await admin.refusal('allow.remove', user)).toMatchObject({ code: 'not_found', param: 'data.peer' });
  });

  it('means the only account where none is named, and refuses one that is not configured', async () => {
    const { admin } = await setUp();
    const add = (channel: string, account?: string) => ({ channel, account, kind: 'user', peer: '1' });
    expect((await admin.ask('allow.add', { channel: 'discord', kind: 'user', peer: '1' })).grant.account).toBe('work');
    expect((await admin.ask('allow.add', add('slack', 'two'))).grant.account).toBe('two');
    expect(await admin.refusal('allow.add', { channel: 'slack', kind: 'user', peer: '1' })).toMatchObject({
      code: 'not_found',
      message: 'slack has no account default; it has one, two',
      param: 'data.account',
    });
    for (const channel of ['whatsapp', 'custom', 'constructor']) {
      const error = await admin.refusal('allow.add', { channel, kind: 'user', peer: '1' });
      expect(error).toMatchObject({ code: 'not_found', param: 'data.channel' });
    }
  });

  it('takes no cursor but its own', async () => {
    const { admin } = await setUp();
    for (const key of ['no json', '["a"]', '{}', '[1,2,3,4]']) {
      const cursor = Buffer.from(key).toString('base64url');
      const error = await admin.refusal('allow.list', { cursor });
      expect(error).toMatchObject({ code: 'invalid_request', param: 'data.cursor' });
    }
  });
});

it('only admins may watch, list or change', async () => {
  const { gateway, admin } = await setUp();
  const { token } = await admin.ask('token.create', { name: 'phone', scopes: ['read', 'write'] });
  const phone = await connectWire({ url: gateway.url, token });
  onTestFinished(() => phone.close());
  for (const type of [
    'pairing.list',
    'pairing.approve',
    'pairing.reject',
    'pairing.revoke',
    'allow.list',
    'allow.add',
  ]) {
    expect((await phone.refusal(type, {})).code).toBe('forbidden');
  }
});

it('who asks is told to those who watch, not to others, nor to one whose token was revoked or who has left', () => {
  const clients = new Clients({ connections: 9, connectionsPerAddress: 9, unauthenticated: 9 }, newCounters());
  const heard: string[] = [];
  const connection = (name: string, scopeBits = 0b111) => {
    const send = (frame: Uint8Array) => heard.push(`${name} ${decodeFrame(frame).type}`);
    const one = { address: name, scopeBits, send } as unknown as Connection;
    clients.opened(one);
    return one;
  };
  const [watcher, revoked, left] = [connection('watcher'), connection('revoked'), connection('left')];
  connection('other');
  for (const one of [watcher, revoked, left]) clients.watchPairing(one, true);
  revoked.scopeBits = 0;
  clients.closed(left);
  const times = { requestedAt: 1, expiresAt: 2 };
  const data: PairingInfo = {
    channel: 'telegram',
    account: 'default',
    user: '1',
    name: 'Ada',
    code: 'ABCDEFGH',
    ...times,
  };
  clients.tellPairing({ type: 'pairing.requested', data });
  expect(heard).toEqual(['watcher pairing.requested']);
});
