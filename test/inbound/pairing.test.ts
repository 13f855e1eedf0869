/** Goal: people get in by a code that an operator approves, and not otherwise. Method: the real store, an injected clock. */
import { describe, expect, it, onTestFinished } from 'vitest';
import { AccountAccess } from '../../src/inbound/admit.ts';
import { AccountGrants, AllowLists, LIST_MAX } from '../../src/inbound/grants.ts';
import { Pairing, type PairingAnswer, pairingText, TOLD_AGAIN_MS } from '../../src/inbound/pairing.ts';
import type { PairingTable } from '../../src/storage/pairing.ts';
import { Store } from '../../src/storage/store.ts';
import { inbound, person } from '../support/inbound.ts';
import { tempFolder } from '../support/temp-folder.ts';

async function setUp(home?: string) {
  const folder = home ?? (await tempFolder());
  const store = new Store(folder);
  onTestFinished(() => store.close().catch(() => undefined));
  const at = { now: 1_700_000_000_000 };
  const pairing = new Pairing({ table: store.pairing, now: () => at.now });
  const lists = new AllowLists({ table: store.pairing, now: () => at.now });
  const live = new AccountGrants(store.pairing, 'telegram', 'default');
  const ask = (id: string) => pairing.request('telegram', 'default', person(id));
  return { folder, store, at, pairing, lists, live, ask };
}

function told(answer: PairingAnswer) {
  if (answer.type !== 'told') throw new Error(`${answer.type} instead of told`);
  return answer;
}

describe('a code', () => {
  it('has 8 characters of which none is taken for another, and any of the 32 comes up', async () => {
    const { pairing, ask } = await setUp();
    const seen = new Set<string>();
    for (let i = 0; i < 100; i += 1) {
      const { code } = told(await ask(`${i}`)).request;
      expect(code).toMatch(/^[A-HJ-NP-Z2-9]{8}$/);
      for (const character of code) seen.add(character);
      await pairing.reject('telegram', code);
    }
    expect(seen.size).toBe(32);
  });

  it('is good for an hour from when the clock was set back, and blocks nobody for longer', async () => {
    const { at, ask, pairing } = await setUp();
    const first = told(await ask('1'));
    at.now -= 5 * 86_400_000;
    for (const id of ['2', '3']) told(await ask(id));
    expect(await ask('4')).toEqual({ type: 'silent', reason: 'full' });
    expect(pairing.pending().map(({ code }) => code)).toContain(first.request.code);
    at.now += 3_600_000;
    told(await ask('4'));
    await expect(pairing.approve('telegram', first.request.code)).rejects.toThrow('no request');
  });

  it('is told again at most once a minute, and is the same for its hour', async () => {
    const { at, ask } = await setUp();
    const first = told(await ask('1'));
    expect(first.isNew).toBe(true);
    at.now += TOLD_AGAIN_MS - 1;
    expect(await ask('1')).toEqual({ type: 'silent', reason: 'told' });
    at.now += 1;
    const second = told(await ask('1'));
    expect([second.isNew, second.request.code, second.request.expiresAt]).toEqual([
      false,
      first.request.code,
      first.request.expiresAt,
    ]);
    expect(await ask('1')).toEqual({ type: 'silent', reason: 'told' });
  });

  it('is in the text for the person, with what the operator must type', async () => {
    const { ask } = await setUp();
    const { request } = told(await ask('1'));
    expect(pairingText(request)).toContain(`\`dhaavak pairing approve telegram ${request.code}\``);
  });

  it('is found in any case, with spaces and dashes, on its channel only', async () => {
    const { pairing, ask } = await setUp();
    const { code } = told(await ask('1')).request;
    await expect(pairing.approve('discord', code)).rejects.toMatchObject({ code: 'not_found', param: 'data.code' });
    const typed = ` ${code.slice(0, 4)}-${code.slice(4)} `.toLowerCase();
    expect(await pairing.approve('telegram', typed)).toMatchObject({ user: '1', name: 'Person 1', username: 'user_1' });
  });
});

describe('an approval', () => {
  it('lets in at once, in DMs only, outlives a restart, and is taken back by revoke', async () => {
    const { folder, store, pairing, ask } = await setUp();
    const { code } = told(await ask('1')).request;
    await pairing.approve('telegram', code);
    await store.close();
    const again = await setUp(folder);
    const rules = { dm: 'pairing', group: 'mention', users: ['2'], groups: [], admins: [] } as const;
    const access = new AccountAccess({ ...rules, users: ['2'], groups: [], admins: [] }, again.live);
    expect(access.admit(inbound()).type).toBe('run');
    expect(access.admit(inbound({ chat: { id: 'g', type: 'group' } })).type).toBe('ignore');
    expect(await again.ask('1')).toEqual({ type: 'paired' });
    expect(await again.pairing.revoke('telegram', 'default', '1')).toMatchObject({ kind: 'paired', peer: '1' });
    expect(access.admit(inbound()).type).toBe('pair');
    expect(told(await again.ask('1')).request.code).not.toBe(code);
    await expect(again.pairing.revoke('telegram', 'default', '1')).rejects.toMatchObject({ code: 'not_found' });
  });
});

describe('a rejection', () => {
  it('frees the place, and the person gets no new code before the hour is over', async () => {
    const { at, pairing, ask } = await setUp();
    for (const id of ['1', '2', '3']) told(await ask(id));
    const [first] = pairing.pending();
    await pairing.reject('telegram', first!.code);
    expect(pairing.pending('telegram').map(({ user }) => user)).toEqual(['2', '3']);
    expect(pairing.pending('discord')).toEqual([]);
    at.now += TOLD_AGAIN_MS;
    expect(await ask('1')).toEqual({ type: 'silent', reason: 'rejected' });
    told(await ask('4'));
    await expect(pairing.approve('telegram', first!.code)).rejects.toMatchObject({ code: 'not_found' });
    at.now = first!.expiresAt;
    expect(told(await ask('1')).request.code).not.toBe(first!.code);
  });

  it('needs a record for no more than 100 people: the oldest is forgotten', async () => {
    const { store, at, pairing, ask } = await setUp();
    for (let i = 0; i <= 101; i += 1) {
      at.now += 1;
      await pairing.reject('telegram', told(await ask(`${i}`)).request.code);
    }
    expect(store.pairing.requests()).toHaveLength(100);
    expect([(await ask('0')).type, (await ask('2')).type]).toEqual(['told', 'silent']);
  });
});

describe('the lists', () => {
  it('are seen by who asks as soon as they are changed, for their account only', async () => {
    const { lists, live, store } = await setUp();
    const other = new AccountGrants(store.pairing, 'telegram', 'work');
    expect([live.users.has(person('1')), live.groups.has('g1')]).toEqual([false, false]);
    await lists.add('telegram', 'default', 'user', '@User_1');
    await lists.add('telegram', 'default', 'group', 'g1');
    expect([live.users.has(person('1')), live.groups.has('g1')]).toEqual([true, true]);
    expect([other.users.has(person('1')), other.groups.has('g1')]).toEqual([false, false]);
    await lists.remove('telegram', 'default', 'user', '@User_1');
    expect([live.users.has(person('1')), live.groups.has('g1')]).toEqual([false, true]);
    await expect(lists.remove('telegram', 'default', 'user', '@User_1')).rejects.toMatchObject({
      code: 'not_found',
      param: 'data.peer',
    });
  });

  it('keep an entry that is added twice, and are full at their limit', async () => {
    const { at, lists } = await setUp();
    const added = await lists.add('telegram', 'default', 'user', '1');
    at.now += 1;
    expect(await lists.add('telegram', 'default', 'user', '1')).toEqual(added);
    await Promise.all(
      Array.from({ length: LIST_MAX - 1 }, (_, i) => lists.add('telegram', 'default', 'user', `x${i}`)),
    );
    await expect(lists.add('telegram', 'default', 'user', 'one more')).rejects.toMatchObject({ code: 'conflict' });
    await lists.add('telegram', 'default', 'group', 'one more');
    await lists.add('telegram', 'work', 'user', 'one more');
  });

  it('are read page by page, each entry once, by channel, account and kind', async () => {
    const { lists, pairing, ask } = await setUp();
    for (const account of ['a', 'b']) {
      for (const channel of ['discord', 'telegram']) {
        for (const kind of ['user', 'group'] as const) {
          for (const peer of ['1', '2', '3']) await lists.add(channel, account, kind, `${peer}${kind}`);
        }
      }
    }
    await pairing.approve('telegram', told(await ask('1')).request.code);
    const all = (filter: Partial<Parameters<AllowLists['page']>[0]>) => {
      const found: string[] = [];
      for (let after: Parameters<AllowLists['page']>[0]['after']; ; ) {
        const { grants, next } = lists.page({ ...filter, after, limit: 2 });
        expect(grants.length).toBeLessThanOrEqual(2);
        found.push(...grants.map(({ channel, account, kind, peer }) => [channel, account, kind, peer].join(' ')));
        if (next === undefined) return found;
        after = next;
      }
    };
    expect(all({})).toHaveLength(25);
    expect(new Set(all({})).size).toBe(25);
    expect(all({ channel: 'telegram' })).toHaveLength(13);
    expect(all({ channel: 'telegram', account: 'b' })).toHaveLength(6);
    expect(all({ channel: 'telegram', account: 'b', kind: 'user' })).toEqual(
      ['1', '2', '3'].map((peer) => `telegram b user ${peer}user`),
    );
    expect(all({ kind: 'paired' })).toEqual(['telegram default paired 1']);
    expect(all({ channel: 'slack' })).toEqual([]);
  });
});

it('a store that cannot be written is told as storage_failed', async () => {
  const table = { change: () => Promise.reject(new Error('no space')) } as unknown as PairingTable;
  const full = { code: 'storage_failed', retryable: true };
  const asking = new Pairing({ table, now: Date.now }).request('telegram', 'default', person('1'));
  await expect(asking).rejects.toMatchObject(full);
  const adding = new AllowLists({ table, now: Date.now }).add('telegram', 'default', 'user', '1');
  await expect(adding).rejects.toMatchObject(full);
});
