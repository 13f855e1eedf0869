/**
 * Goal: a level of the policy can take away and never give, and says so. Method: random lists on all levels, against what the
 * words mean: denied anywhere is denied, and not listed anywhere that lists is denied.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toolsSchema } from '../../src/config/tools.ts';
import { type AgentTools, decide, isSandboxed, type Level, Levels, type Speaker } from '../../src/tools/policy.ts';
import { toolCaller } from '../support/tool-caller.ts';

const TOOLS = ['files.read', 'files.write', 'web.fetch', 'exec', 'calc'].map((name) => ({
  name,
  group: name.split('.')[0] as string,
}));
const entry = fc.constantFrom('*', ...TOOLS.flatMap(({ name, group }) => [name, `group:${group}`]));
const list = fc.uniqueArray(entry, { maxLength: 5 });
const level = fc.record({ allow: list, deny: list });
const levels = fc
  .array(level, { minLength: 1, maxLength: 6 })
  .map((all) =>
    all.map(({ allow, deny }, at): Level => ({ allow, deny, allowKey: `${at}.allow`, denyKey: `${at}.deny` })),
  );
const tool = fc.constantFrom(...TOOLS);

const covers = (entries: readonly string[], { name, group }: (typeof TOOLS)[number]) =>
  ['*', name, `group:${group}`].some((entry) => entries.includes(entry));

const DEFAULTS = toolsSchema.parse({});
const ALL: AgentTools = { tools: ['*'], approve: [] };

function decided(settings: object, caller: object, { agent = ALL, speakers = [] as Speaker[], name = 'exec' } = {}) {
  const given = new Levels(toolsSchema.parse(settings)).of(agent, toolCaller(caller), speakers);
  return decide(TOOLS.find((tool) => tool.name === name)!, given);
}

describe('a decision', () => {
  it('is no when any level denies, else yes only when every level allows', () => {
    fc.assert(
      fc.property(levels, tool, (given, one) => {
        const denied = given.some(({ deny }) => covers(deny, one));
        const listed = given.every(({ allow }) => covers(allow, one));
        expect(decide(one, given).allowed).toBe(!denied && listed);
      }),
    );
  });

  it('is never widened by one more level, and not changed by the order of levels', () => {
    fc.assert(
      fc.property(levels, level, tool, fc.nat(), (given, { allow, deny }, one, at) => {
        const before = decide(one, given).allowed;
        const more = given.toSpliced(at % (given.length + 1), 0, { allow, deny, allowKey: 'a', denyKey: 'd' });
        if (!before) expect(decide(one, more).allowed).toBe(false);
        expect(decide(one, given.toReversed()).allowed).toBe(before);
      }),
    );
  });

  it('names the list that decided, and the entry', () => {
    fc.assert(
      fc.property(levels, tool, (given, one) => {
        const { allowed, rule } = decide(one, given);
        const [, at, kind, found] = /^(\d)\.(allow|deny): (.+)$/.exec(rule)!;
        const chosen = given[Number(at)]!;
        if (allowed) expect([kind, covers([found!], one)]).toEqual(['allow', true]);
        else if (kind === 'deny') expect(covers([found!], one) && chosen.deny.includes(found!)).toBe(true);
        else expect([found, covers(chosen.allow, one)]).toEqual(['not in it', false]);
      }),
    );
  });

  it('is no without any level', () => {
    expect(decide(TOOLS[0]!, []).allowed).toBe(false);
  });
});

describe('the levels of a session', () => {
  it('are its agent, everybody, its type, its channel, and who speaks', () => {
    const caller = { type: 'dm', channel: 'telegram', user: '123' };
    const open = { types: { dm: { deny: [] }, group: { deny: [] } } };
    expect(decided(open, caller)).toEqual({ allowed: true, rule: 'agents.main.tools: *' });
    for (const [settings, rule] of [
      [{ ...open, deny: ['exec'] }, 'tools.deny: exec'],
      [{ ...open, allow: ['calc'] }, 'tools.allow: not in it'],
      [{ types: { dm: { deny: ['*'] } } }, 'tools.types.dm.deny: *'],
      [{ ...open, channels: { telegram: { deny: ['group:exec'] } } }, 'tools.channels.telegram.deny: group:exec'],
      [{ ...open, senders: { 'telegram:123': { allow: ['calc'] } } }, 'tools.senders.telegram:123.allow: not in it'],
      [{ ...open, sandbox: 'off' }, 'tools.sandbox (off, and the session is not main): group:exec'],
    ] as const) {
      expect(decided(settings, caller)).toEqual({ allowed: false, rule });
    }
    expect(decided({}, caller, { agent: { ...ALL, deny: ['exec'] } }).rule).toBe('agents.main.deny: exec');
    expect(decided({}, caller, { agent: { tools: ['calc'], approve: [] } }).rule).toBe(
      'tools.types.dm.deny: group:exec',
    );
    expect(decided(open, caller, { agent: { tools: ['calc'], approve: [] } }).rule).toBe(
      'agents.main.tools: not in it',
    );
  });

  it('of other channels and people say nothing', () => {
    const settings = {
      channels: { telegram: { deny: ['*'] } },
      senders: { 'telegram:123': { deny: ['*'] }, 'api:123': { deny: ['*'] } },
    };
    expect(decided(settings, { type: 'main', channel: 'api', user: 'owner' }).allowed).toBe(true);
  });

  it('are those of everybody whose message is answered, whatever the session is', () => {
    const settings = { types: { group: { deny: [] } }, senders: { 'telegram:666': { deny: ['*'] } } };
    const group = { type: 'group', channel: 'telegram', user: '-100' };
    const asha = { channel: 'telegram', user: '1' };
    const mallory = { channel: 'telegram', user: '666' };
    expect(decided(settings, group, { speakers: [asha] }).allowed).toBe(true);
    expect(decided(settings, group, { speakers: [asha, mallory] }).rule).toBe('tools.senders.telegram:666.deny: *');
    const byChannel = { channels: { telegram: { deny: ['exec'] } }, types: { dm: { deny: [] } } };
    const person = { type: 'dm', channel: 'person', user: 'ada' };
    expect(decided(byChannel, person, { speakers: [asha] }).allowed).toBe(false);
  });

  it.each(['-100', '-100/7', 'work@-100', 'work@-100/7'])(
    'are found for the chat in %s, whatever account or thread',
    (user) => {
      const settings = { types: { group: { deny: [] } }, senders: { 'telegram:-100': { deny: ['*'] } } };
      expect(decided(settings, { type: 'group', channel: 'telegram', user }).allowed).toBe(false);
    },
  );

  it('keep by default what reaches beyond a conversation for main sessions', () => {
    for (const type of ['dm', 'group']) {
      for (const name of ['files.read', 'files.write', 'exec'])
        expect(decided({}, { type }, { name }).allowed).toBe(false);
      for (const name of ['calc', 'web.fetch']) expect(decided({}, { type }, { name }).allowed).toBe(true);
    }
    for (const { name } of TOOLS) expect(decided({}, { type: 'main' }, { name }).allowed).toBe(true);
  });

  it('are the same objects each time: what was made of them is found again', () => {
    const found = new Levels(DEFAULTS);
    const [first, second] = [1, 2].map(() => found.of(ALL, toolCaller({ type: 'dm' }), []));
    expect(first!.every((level, at) => level === second![at])).toBe(true);
  });
});

describe('the sandbox mode', () => {
  it('keeps all but main sessions in a sandbox, or all; and off keeps none, so the others lack what would need one', () => {
    const modes = ['off', 'non-main', 'always'] as const;
    const types = ['main', 'dm', 'group'] as const;
    expect(modes.map((mode) => types.map((type) => isSandboxed(mode, type)))).toEqual([
      [false, true, true],
      [false, true, true],
      [true, true, true],
    ]);
    const open = { types: { dm: { deny: [] }, group: { deny: [] } } };
    for (const sandbox of modes) {
      expect(decided({ ...open, sandbox }, { type: 'main' }).allowed).toBe(true);
      expect(decided({ ...open, sandbox }, { type: 'dm' }).allowed).toBe(sandbox !== 'off');
      expect(decided({ ...open, sandbox }, { type: 'dm' }, { name: 'calc' }).allowed).toBe(true);
    }
  });

  it("is the agent's own where it says one", () => {
    const open = { types: { dm: { deny: [] } }, sandbox: 'off' };
    expect(decided(open, { type: 'dm' }, { agent: { ...ALL, sandbox: 'always' } }).allowed).toBe(true);
    expect(decided({ ...open, sandbox: 'always' }, { type: 'dm' }, { agent: { ...ALL, sandbox: 'off' } }).rule).toBe(
      'agents.main.sandbox (off, and the session is not main): group:exec',
    );
  });
});
