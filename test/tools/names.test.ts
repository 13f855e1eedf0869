import { describe, expect, it } from 'vitest';
import { configSchema } from '../../src/config/schema.ts';
import type { ConfigInput } from '../support/gateway.ts';
import { builtinTools } from '../support/tool-registry.ts';

const check = (config: ConfigInput) => builtinTools().check(configSchema.parse(config));

describe('a name of a tool in the configuration', () => {
  it.each([
    ['agents.main.tools.1', { agents: { main: { tools: ['calc', 'time.no'] } } }, 'did you mean "time.now"?'],
    ['agents.main.deny.0', { agents: { main: { deny: ['group:exce'] } } }, 'did you mean "group:exec"?'],
    ['agents.main.approve.0', { agents: { main: { approve: ['clac'] } } }, 'did you mean "calc"?'],
    ['tools.allow.0', { tools: { allow: ['something.else'] } }, 'and groups such as group:files'],
    ['tools.types.dm.deny.0', { tools: { types: { dm: { deny: ['Calc'] } } } }, 'did you mean "calc"?'],
    [
      'tools.channels.telegram.deny.0',
      { tools: { channels: { telegram: { deny: ['files'] } } } },
      'did you mean "group:files"?',
    ],
    [
      'tools.senders.telegram:1.deny.0',
      { tools: { senders: { 'telegram:1': { deny: ['**'] } } } },
      'did you mean "*"?',
    ],
    [
      'tools.rules.0.tools.0',
      { tools: { rules: [{ tools: ['group:maths'], risk: 'ask' }] } },
      'did you mean "group:math"?',
    ],
  ] satisfies [string, ConfigInput, string][])(
    'is refused at %s with the nearest when there is none',
    (key, config, hint) => {
      expect(() => check(config)).toThrow(
        expect.objectContaining({ code: 'invalid_request', param: key, message: expect.stringContaining(hint) }),
      );
    },
  );

  it.each([
    ['tools.channels.telgram', { tools: { channels: { telgram: {} } } }],
    ['tools.senders.telgram:1', { tools: { senders: { 'telgram:1': {} } } }],
  ])('is refused with a channel that looks like a slip: %s', (key, config) => {
    expect(() => check(config)).toThrow(
      expect.objectContaining({ param: key, message: expect.stringContaining('did you mean "telegram"?') }),
    );
    expect(() => check({ tools: { channels: { kiosk: {}, person: {}, slack: {} } } })).not.toThrow();
  });

  it('may be a group of which no tool is loaded', () => {
    expect(() => check({ tools: { deny: ['group:exec', 'group:browser', 'group:memory'] } })).not.toThrow();
    expect(() => check({})).not.toThrow();
  });

  it('is refused with an agent that is not there', () => {
    const config = { tools: { rules: [{ tools: ['calc'], agents: ['mian'], risk: 'ask' as const }] } };
    expect(configSchema.safeParse(config).error?.issues[0]).toMatchObject({ path: ['tools', 'rules', 0, 'agents', 0] });
  });
});
