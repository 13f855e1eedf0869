/**
 * Goal: an account's policies decide what becomes of a message, and nothing else does. Method: every combination of
 * policies, lists, senders and places, against the rules in words; then each rule by an example.
 */
import { describe, expect, it } from 'vitest';
import { type AccessRules, AccountAccess, type Admission, type LiveAccess } from '../../src/inbound/admit.ts';
import { PeerList } from '../../src/inbound/peer-list.ts';
import { inbound, person } from '../support/inbound.ts';

const RULES: AccessRules = { dm: 'pairing', group: 'mention', users: [], groups: [], admins: [] };
const GROUP = { id: 'g1', type: 'group' } as const;

function live({ paired = [] as string[], users = [] as string[], groups = [] as string[] } = {}): LiveAccess {
  return { isPaired: (user) => paired.includes(user), users: new PeerList(users), groups: new Set(groups) };
}

function admit(rules: Partial<AccessRules>, message: Parameters<typeof inbound>[0], granted = live()): Admission {
  return new AccountAccess({ ...RULES, ...rules }, granted).admit(inbound(message));
}

const run = (admin: boolean): Admission => ({ type: 'run', admin });
const ignore = (reason: string) => ({ type: 'ignore', reason });

describe('every combination', () => {
  const WAYS_IN = ['none', 'users', 'live', 'paired'] as const;
  const lists = (way: (typeof WAYS_IN)[number]) => ({
    rules: { users: way === 'users' ? ['1'] : [] },
    granted: live({ users: way === 'live' ? ['1'] : [], paired: way === 'paired' ? ['1'] : [] }),
  });

  it('of a DM: 4 policies, 4 ways to be let in, people and bots', () => {
    const rows = [];
    for (const dm of ['open', 'pairing', 'allowlist', 'closed'] as const) {
      for (const way of WAYS_IN) {
        for (const bot of [false, true]) {
          const { rules, granted } = lists(way);
          const { type, ...rest } = admit({ dm, ...rules }, { sender: person('1', { bot }) }, granted);
          rows.push([dm, way, bot ? 'bot' : 'person', type, ...Object.values(rest)].join(' '));
        }
      }
    }
    expect(rows).toEqual([
      'open none person run true',
      'open none bot run true',
      'open users person run true',
      'open users bot run true',
      'open live person run true',
      'open live bot run true',
      'open paired person run true',
      'open paired bot run true',
      'pairing none person pair',
      'pairing none bot ignore bot',
      'pairing users person run true',
      'pairing users bot run true',
      'pairing live person run true',
      'pairing live bot run true',
      'pairing paired person run true',
      'pairing paired bot run true',
      'allowlist none person ignore sender',
      'allowlist none bot ignore sender',
      'allowlist users person run true',
      'allowlist users bot run true',
      'allowlist live person run true',
      'allowlist live bot run true',
      'allowlist paired person run true',
      'allowlist paired bot run true',
      'closed none person ignore closed',
      'closed none bot ignore closed',
      'closed users person ignore closed',
      'closed users bot ignore closed',
      'closed live person ignore closed',
      'closed live bot ignore closed',
      'closed paired person ignore closed',
      'closed paired bot ignore closed',
    ]);
  });

  it('of a group: 4 policies, listed or not, users listed in 6 ways, addressed or not, people and bots, admins or not', () => {
    const USERS = {
      none: { users: [], granted: {}, heard: true },
      own: { users: ['1'], granted: {}, heard: true },
      other: { users: ['2'], granted: {}, heard: false },
      'other, own in the store': { users: ['2'], granted: { users: ['1'] }, heard: true },
      'other, own paired': { users: ['2'], granted: { paired: ['1'] }, heard: false },
      'none, other in the store': { users: [], granted: { users: ['2'] }, heard: true },
    };
    let combinations = 0;
    for (const group of ['mention', 'all', 'allowlist', 'disabled'] as const) {
      for (const listed of ['no', 'rules', 'store'] as const) {
        for (const { users, granted, heard } of Object.values(USERS)) {
          for (const addressed of [false, true]) {
            for (const bot of [false, true]) {
              for (const admins of [[], ['1']]) {
                combinations += 1;
                const rules = { group, users, admins, groups: listed === 'rules' ? ['g1'] : [] };
                const store = live({ ...granted, groups: listed === 'store' ? ['g1'] : [] });
                const actual = admit(rules, { chat: GROUP, addressed, sender: person('1', { bot }) }, store);
                let expected: Admission | object = run(admins.length > 0);
                if (group === 'disabled') expected = ignore('disabled');
                else if (group === 'allowlist' && listed === 'no') expected = ignore('group');
                else if (!heard) expected = ignore('sender');
                else if (!addressed && (group !== 'all' || bot)) expected = { type: 'withhold' };
                expect([rules, granted, addressed, bot, actual]).toEqual([rules, granted, addressed, bot, expected]);
              }
            }
          }
        }
      }
    }
    expect(combinations).toBe(576);
  });
});

describe('a group', () => {
  it('is not opened by a DM approval, and being an admin lets nobody in', () => {
    const granted = live({ paired: ['1'] });
    expect(admit({ users: ['2'] }, { chat: GROUP }, granted)).toEqual(ignore('sender'));
    expect(admit({ users: ['2'], admins: ['1'] }, { chat: GROUP })).toEqual(ignore('sender'));
    expect(admit({ admins: ['1'] }, {})).toEqual({ type: 'pair' });
  });

  it('is listed by its own id, that of its parent, or its server', () => {
    const surroundings = { parent: 'g0', guild: 's1', team: 't1', title: 'Title' };
    const admitted = (id: string) => admit({ group: 'allowlist', groups: [id] }, { chat: GROUP, surroundings }).type;
    expect(['g1', 'g0', 's1', 't1', 'Title'].map(admitted)).toEqual(['run', 'run', 'run', 'ignore', 'ignore']);
  });

  it('knows its admins by id and handle, for buttons too; in a DM everybody is one', () => {
    const access = new AccountAccess({ ...RULES, admins: ['@Ada', '7'] }, live());
    expect(access.isAdmin(GROUP, person('1', { username: 'ada' }))).toBe(true);
    expect(access.isAdmin(GROUP, person('7'))).toBe(true);
    expect(access.isAdmin(GROUP, person('8'))).toBe(false);
    expect(access.isAdmin({ id: 'c', type: 'dm' }, person('8'))).toBe(true);
  });
});

describe('a list of people', () => {
  it.each([
    ['an id', '4711', { id: '4711' }, true],
    ['another id', '4711', { id: '47110' }, false],
    ['an id in another case', 'U02AB3', { id: 'u02ab3' }, false],
    ['a handle', 'ada', { id: '1', username: 'ada' }, true],
    ['a handle in another case', 'Ada', { id: '1', username: 'aDA' }, true],
    ['a handle with @', '@Ada', { id: '1', username: 'ada' }, true],
    ['a handle in capitals with @', '@ADA', { id: '1', username: 'ada' }, true],
    ['a part of a handle', 'ada', { id: '1', username: 'adam' }, false],
    ['no handle', 'ada', { id: '1' }, false],
    ['a handle that looks like a number id', '4711', { id: '1', username: '4711' }, false],
    ["a handle that looks like Slack's id", 'U02AB3', { id: '1', username: 'u02ab3' }, false],
    ['an id that looks like a handle with @', '@ada', { id: 'ada' }, false],
    ["WhatsApp's id", '49123@s.whatsapp.net', { id: '49123@s.whatsapp.net' }, true],
  ])('knows by %s', (_, entry, sender, known) => {
    expect(new PeerList([entry]).has(sender)).toBe(known);
  });
});
