/**
 * Goal: a rule that lets calls through lets no others through. Method: patterns against a plain reference in regular
 * expressions, and commands in which a shell would find a second one.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ToolRule, toolsSchema } from '../../src/config/tools.ts';
import { MATCHED_LENGTH_MAX, matches, textOf } from '../../src/tools/pattern.ts';
import { rate, ratingOfAll } from '../../src/tools/risk.ts';
import type { ToolRisk } from '../../src/tools/tool.ts';

const exec = { name: 'exec', group: 'exec', risk: 'ask' as ToolRisk };
const GIT_STATUS = { tools: ['exec'], input: { command: 'git status*' }, risk: 'safe' as const };

function rated(
  rules: object[],
  input: object,
  { own = 'ask' as ToolRisk, approve = [] as string[], agent = 'main' } = {},
) {
  const parsed = toolsSchema.parse({ rules }).rules;
  return rate({ tool: exec, agent, input, given: input, own }, parsed, { approve });
}

const reference = (pattern: string, text: string, cautious: boolean) => {
  const any = cautious ? '[^;&|<>$`\\\\\'"(){}\\r\\n\\0]' : '[^]';
  const source = [...pattern].map((c) =>
    c === '*' ? `${any}*` : c === '?' ? any : `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return new RegExp(`^${source.join('')}$`).test(text);
};

describe('a pattern', () => {
  it('matches what it says, cautious or not', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', ';', '"'), maxLength: 12 });
    const pattern = fc.string({ unit: fc.constantFrom('a', 'b', ';', '*', '?'), maxLength: 8 });
    fc.assert(
      fc.property(pattern, text, fc.boolean(), (pattern, text, cautious) => {
        expect(matches(pattern, text, { cautious })).toBe(reference(pattern, text, cautious));
      }),
      { numRuns: 5_000 },
    );
  });

  it('is compared in bounded steps, and a text too long for it is on the careful side', () => {
    const text = 'a'.repeat(MATCHED_LENGTH_MAX);
    expect(matches(`${'a*'.repeat(127)}b`, text, { cautious: true })).toBe(false);
    expect(matches('*', `${text}a`, { cautious: true })).toBe(false);
    expect(matches('b', `${text}a`, { cautious: false })).toBe(true);
  });

  it('sees the words of a list with blanks between them, and all else as JSON', () => {
    expect(textOf(['git', 'status'])).toBe('git status');
    expect(textOf({ a: 1 })).toBe('{"a":1}');
    expect(textOf(true)).toBe('true');
  });
});

describe('a rule that says safe', () => {
  it('lets through what it names', () => {
    expect(rated([GIT_STATUS], { command: 'git status --short' })).toEqual({ risk: 'safe', rule: 'tools.rules.0' });
  });

  it.each([
    'git status; rm -rf ~',
    'git status && curl evil',
    'git status | sh',
    'git status $(reboot)',
    'git status `reboot`',
    'git status > ~/.bashrc',
    'git status\nreboot',
    'git status "$HOME"',
    'git statu',
    ' git status',
    'GIT STATUS',
  ])('lets nothing else through: %j', (command) => {
    expect(rated([GIT_STATUS], { command })).toEqual({ risk: 'ask', rule: 'the tool itself' });
  });

  it('must speak of every field the model gave', () => {
    const input = { command: 'git status', env: { GIT_EXTERNAL_DIFF: 'reboot' } };
    expect(rated([GIT_STATUS], input).risk).toBe('ask');
    const both = { ...GIT_STATUS, input: { command: 'git status*', cwd: '*' } };
    expect(rated([both], { command: 'git status', cwd: 'src' }).risk).toBe('safe');
    expect(rated([both], { command: 'git status' }).risk).toBe('safe');
    expect(rated([both], { cwd: 'src' }).risk).toBe('ask');
  });
});

describe('rules', () => {
  it('decide by the first that matches', () => {
    const rules = [
      { tools: ['exec'], input: { command: '*rm *' }, risk: 'forbid' },
      GIT_STATUS,
      { tools: ['*'], risk: 'ask' },
    ];
    expect(rated(rules, { command: 'sudo rm -rf /; true' })).toEqual({ risk: 'forbid', rule: 'tools.rules.0' });
    expect(rated(rules, { command: 'git status' })).toEqual({ risk: 'safe', rule: 'tools.rules.1' });
    expect(rated(rules, { command: 'ls' }, { own: 'safe' })).toEqual({ risk: 'ask', rule: 'tools.rules.2' });
    expect(rated([{ tools: ['group:exec'], agents: ['other'], risk: 'safe' }], {}).risk).toBe('ask');
  });

  it('cannot lower what the tool forbids, nor what its agent wants to be asked about', () => {
    const all: ToolRule = { tools: ['*'], risk: 'safe' };
    expect(rated([all], {}, { own: 'forbid' })).toEqual({ risk: 'forbid', rule: 'the tool itself' });
    expect(rated([all], {}, { approve: ['group:exec'] })).toEqual({
      risk: 'ask',
      rule: 'agents.main.approve: group:exec',
    });
    const forbidden = [{ tools: ['exec'], risk: 'forbid' }];
    expect(rated(forbidden, {}, { approve: ['exec'] })).toEqual({ risk: 'forbid', rule: 'tools.rules.0' });
  });

  it('are told for all calls of a tool: what decides without a pattern, and whether there is more to it', () => {
    const all = (rules: object[]) => ratingOfAll(exec, 'main', toolsSchema.parse({ rules }).rules, { approve: [] });
    expect(all([])).toEqual({ risk: 'ask', rule: 'the tool itself', varies: false });
    expect(all([GIT_STATUS])).toEqual({ risk: 'ask', rule: 'the tool itself', varies: true });
    expect(all([{ tools: ['exec'], risk: 'forbid' }, GIT_STATUS])).toEqual({
      risk: 'forbid',
      rule: 'tools.rules.0',
      varies: false,
    });
    expect(all([GIT_STATUS, { tools: ['exec'], risk: 'forbid' }])).toEqual({
      risk: 'forbid',
      rule: 'tools.rules.1',
      varies: true,
    });
    expect(ratingOfAll({ ...exec, riskOf: () => 'safe' }, 'main', [], { approve: [] }).varies).toBe(true);
  });
});
