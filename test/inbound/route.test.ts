/** Goal: the most specific binding wins. Method: the seven levels as a table, then random bindings against the rule in words. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Config } from '../../src/config/schema.ts';
import { createRoute, type Origin } from '../../src/inbound/route.ts';

type Binding = Config['bindings'][number];

/** A thread in a group of a server, seen by one account; each field has its own binding, named for it. */
const thread: Required<Origin> = {
  channel: 'discord',
  account: 'work',
  peer: 'thread-1',
  parentPeer: 'group-1',
  guild: 'guild-1',
  team: 'team-1',
};
/** In the order of the levels. */
const bindings: Binding[] = [
  { match: { channel: 'discord', peer: 'thread-1' }, agent: 'by-peer' },
  { match: { channel: 'discord', parentPeer: 'group-1' }, agent: 'by-parent' },
  { match: { channel: 'discord', guild: 'guild-1' }, agent: 'by-guild' },
  { match: { channel: 'discord', team: 'team-1' }, agent: 'by-team' },
  { match: { channel: 'discord', account: 'work' }, agent: 'by-account' },
  { match: { channel: 'discord' }, agent: 'by-channel' },
  { match: {}, agent: 'by-default' },
];

describe('the agent of a conversation is that of', () => {
  it.each(bindings.map(({ agent }, level) => [agent, level] as const))('%s, above all below it', (agent, level) => {
    const from = bindings.slice(level);
    expect(createRoute(from)(thread)).toBe(agent);
    expect(createRoute(from.toReversed())(thread)).toBe(agent);
  });

  it.each<[string, Partial<Origin>, string]>([
    ['another peer of the group', { peer: 'thread-2' }, 'by-parent'],
    ['another group of the server', { peer: 'x', parentPeer: 'x' }, 'by-guild'],
    ['a peer without a group', { peer: 'x', parentPeer: undefined }, 'by-guild'],
    ['another server of the team', { peer: 'x', parentPeer: 'x', guild: 'x' }, 'by-team'],
    ['elsewhere, the same account', { peer: 'x', parentPeer: 'x', guild: 'x', team: 'x' }, 'by-account'],
    ['another account', { peer: 'x', parentPeer: 'x', guild: 'x', team: 'x', account: 'home' }, 'by-channel'],
    ['another channel, though the ids are the same', { channel: 'slack' }, 'by-default'],
  ])('%s', (_, changes, agent) => {
    expect(createRoute(bindings)({ ...thread, ...changes })).toBe(agent);
  });

  it('a binding that names several fields only when all are met', () => {
    const route = createRoute([
      { match: { peer: 'thread-1', account: 'home' }, agent: 'strict' },
      ...bindings.slice(4),
    ]);
    expect(route(thread)).toBe('by-account');
    expect(route({ ...thread, account: 'home' })).toBe('strict');
  });

  it('the first of two on one level, and main where none is met', () => {
    const twice: Binding[] = [
      { match: { channel: 'discord' }, agent: 'first' },
      { match: { channel: 'discord' }, agent: 'second' },
    ];
    expect(createRoute(twice)(thread)).toBe('first');
    expect(createRoute(twice)({ channel: 'slack', peer: 'x' })).toBe('main');
    expect(createRoute([])(thread)).toBe('main');
  });
});

describe('for any bindings and any conversation', () => {
  const fields = ['peer', 'parentPeer', 'guild', 'team', 'account', 'channel'] as const;
  const value = fc.constantFrom('a', 'b');
  const match = fc.record(Object.fromEntries(fields.map((field) => [field, value])), { requiredKeys: [] });
  const origin = fc.record({
    channel: value,
    peer: value,
    account: value,
    parentPeer: value,
    guild: value,
    team: value,
  });
  const many = fc
    .array(match, { maxLength: 12 })
    .map((all): Binding[] => all.map((m, i) => ({ match: m, agent: `a${i}` })));

  it('the agent’s binding is met, and no binding that is met says more, or as much and earlier', () => {
    fc.assert(
      fc.property(many, origin, (all, where) => {
        const met = all.filter(({ match }) => fields.every((field) => (match[field] ?? where[field]) === where[field]));
        const agent = createRoute(all)(where);
        // Level by level, as the page says it.
        const expected = [...fields, undefined].flatMap((level, i) =>
          met.filter(({ match }) => {
            const above = fields.slice(0, i).some((field) => match[field] !== undefined);
            return !above && (level === undefined || match[level] !== undefined);
          }),
        )[0];
        expect(agent).toBe(expected?.agent ?? 'main');
      }),
    );
  });

  it('bindings that are not met change nothing', () => {
    fc.assert(
      fc.property(many, origin, (all, where) => {
        const met = all.filter(({ match }) => fields.every((field) => (match[field] ?? where[field]) === where[field]));
        expect(createRoute(all)(where)).toBe(createRoute(met)(where));
      }),
    );
  });
});
