/** Goal: what a session may do with tools is what the configuration says, and an operator sees why. Method: a gateway and its command line. */
import { describe, expect, it } from 'vitest';
import { runCli } from '../cli/processes.ts';
import { localGateway, refusedGateway } from '../support/gateway.ts';
import { scriptedModel } from '../support/model.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { MAIN } from '../support/valid-requests.ts';

const DM = 'agent:main:dm:telegram:123';
const config = {
  agents: {
    main: { tools: ['group:time', 'group:math'], approve: ['calc'] },
    boxed: { tools: ['*'], sandbox: 'off' as const },
  },
  tools: {
    sandbox: 'always' as const,
    types: { dm: { deny: ['calc'] } },
    senders: { 'telegram:666': { allow: ['calc'] } },
    rules: [{ tools: ['time.now'], input: { timeZone: 'Europe/*' }, risk: 'forbid' as const }],
  },
};

/** Without the other tools that come with the gateway. */
const twoOf = (tools: readonly { name: string }[]) =>
  tools.filter(({ name }) => name === 'time.now' || name === 'calc');

describe('what a session may do with tools', () => {
  it('is told of every tool, with the rule that decided, whether or not the session is there', async () => {
    const client = await (await localGateway(config)).connect();
    const explained = await client.ask('session.tools', { session: DM });
    expect({ ...explained, tools: twoOf(explained.tools) }).toEqual({
      session: DM,
      agent: 'main',
      sandbox: { mode: 'always', sandboxed: true, rule: 'tools.sandbox' },
      tools: [
        {
          ...{ name: 'time.now', group: 'time', allowed: true, rule: 'agents.main.tools: group:time' },
          ...{ risk: 'safe', riskRule: 'the tool itself', varies: true },
        },
        {
          ...{ name: 'calc', group: 'math', allowed: false, rule: 'tools.types.dm.deny: calc' },
          ...{ risk: 'ask', riskRule: 'agents.main.approve: calc', varies: false },
        },
      ],
    });
    const group = { session: 'agent:boxed:group:telegram:-1', sender: 'telegram:666' };
    const inGroup = await client.ask('session.tools', group);
    expect({ ...inGroup, tools: twoOf(inGroup.tools) }).toMatchObject({
      sandbox: { mode: 'off', sandboxed: true, rule: 'agents.boxed.sandbox' },
      tools: [{ allowed: false, rule: 'tools.senders.telegram:666.allow: not in it' }, { allowed: true }],
    });
    expect(await client.refusal('session.tools', { session: 'agent:main:nowhere' })).toMatchObject({
      param: 'data.session',
    });
    expect(await client.refusal('session.tools', { session: DM, sender: 'somebody' })).toMatchObject({
      param: 'data.sender',
    });
  });

  it('is explained on the command line', async () => {
    const gateway = await localGateway(config);
    const flags = ['--url', gateway.url, '--token', gateway.token];
    const { stdout, exitCode } = await runCli(['sandbox', 'explain', DM, ...flags]);
    expect(exitCode).toBe(0);
    const lines = stdout.split('\n').map((line) => line.trim().split(/ {2,}/));
    expect(lines.filter(([, , allowed, rule]) => !(allowed === 'no' && rule?.endsWith('not in it')))).toEqual([
      [`${DM}: agent main, in a sandbox (tools.sandbox: always)`],
      ['tool', 'group', 'may be called', 'because of', 'a call is'],
      [
        'time.now',
        'time',
        'yes',
        'agents.main.tools: group:time',
        'safe, unless the call says otherwise (the tool itself)',
      ],
      ['calc', 'math', 'no', 'tools.types.dm.deny: calc'],
      [''],
    ]);
    const json = await runCli(['sandbox', 'explain', '--json', '--sender', 'telegram:666', MAIN, ...flags]);
    const { session, tools } = JSON.parse(json.stdout);
    expect([session, ...twoOf(tools)]).toMatchObject([MAIN, { allowed: false }, { allowed: true }]);
  });

  it('is all the model hears of, and its calls are rated one by one', async () => {
    const names = (body: Record<string, unknown>) =>
      ((body.tools ?? []) as { function: { name: string } }[]).map((tool) => tool.function.name);
    const calls = ['Europe/Berlin', 'Asia/Kolkata'].map((timeZone, at) => ({
      id: `c${at}`,
      name: 'time_now',
      input: { timeZone },
    }));
    const { models, server } = await scriptedModel({ toolCalls: calls, end: 'toolCalls' }, { text: ['Late.'] });
    const client = await (await localGateway({ ...config, models })).connect();
    await client.ask('session.create', { type: 'dm', channel: 'telegram', user: '123' });
    const { message } = await client.ask('message.send', { session: DM, text: 'how late is it' });
    await client.runEnd(message);
    expect(names(server.requests[0]!.body)).toEqual(['time_now']);
    const ends = client.events('tool.end').map(({ data }) => data);
    expect(ends.find(({ call }) => call === 'c0')).toMatchObject({
      failed: true,
      output: 'time.now may not be called like this: tools.rules.0 forbids it',
    });
    expect(ends.find(({ call }) => call === 'c1')).toMatchObject({ failed: false });
  });

  it('is no start when a name in it is none', async () => {
    const home = await tempFolder();
    const { code, stderr } = await refusedGateway({ home, config: { tools: { deny: ['time.noww'] } } });
    expect(code).toBe(1);
    expect(stderr).toContain('tools.deny.0: there is no tool or group "time.noww"; did you mean "time.now"?');
  });
});
