/**
 * Goal: what a session sends to chats goes where it may and nowhere else, once; and what it has set for later comes once and is
 * answered in its chat. Method: a gateway with the line channel of docs/extending.md, and somebody on the line.
 */
import { describe, expect, it } from 'vitest';
import { Store } from '../../../src/storage/store.ts';
import { runCli } from '../../cli/processes.ts';
import { type Asked, actingModel, calls, says } from '../../support/acting-model.ts';
import { type ConfigInput, gatewayProcess, localGateway } from '../../support/gateway.ts';
import { freePort, Line, lineConfig, writeLineChannel } from '../../support/line-channel.ts';
import { tempFolder } from '../../support/temp-folder.ts';
import { MAIN } from '../../support/valid-requests.ts';
import { until } from '../../support/wait.ts';

const KITCHEN = 'agent:main:dm:line:kitchen';
const agents = { main: { tools: ['group:message', 'group:schedule'] } };

async function configured(act: (asked: Asked) => ReturnType<typeof says>, more: ConfigInput = {}) {
  const { models, asked } = await actingModel(act);
  const port = await freePort();
  const module = await writeLineChannel(await tempFolder());
  const channels = { custom: { line: lineConfig(module, port) } };
  // By default what reaches out is for main sessions only.
  const tools: ConfigInput['tools'] = { types: { dm: { deny: [] } }, ...more.tools };
  const config: ConfigInput = { agents, models, channels, shards: { count: 2 }, ...more, tools };
  return { config, port, asked };
}

async function open(act: (asked: Asked) => ReturnType<typeof says>, more: ConfigInput = {}) {
  const { config, port, asked } = await configured(act, more);
  const gateway = await localGateway(config);
  const client = await gateway.connect();
  return { gateway, client, asked, line: await Line.open(port) };
}

/** Sets what is due last back to a minute ago, while no gateway runs. */
async function makeDue(home: string): Promise<void> {
  const store = new Store(home);
  const [record] = store.schedules.of(MAIN);
  if (record === undefined) throw new Error('there is no schedule');
  await store.journal.commit((batch) => store.schedules.put(batch, { ...record, next: Date.now() - 60_000 }));
  await store.close();
}

describe('message.send', () => {
  it('writes to the chat the session came from without asking', async () => {
    const { line, asked } = await open((one) =>
      one.results.length > 0 ? says('that was all') : calls('message.send', { text: 'first this' }),
    );
    line.say('kitchen ada: hello');
    expect(await line.heard(/first this/)).toContain('kitchen');
    await line.heard(/that was all/);
    expect(asked.at(-1)?.results).toEqual(['It is on its way to line:kitchen.']);
  });

  it('writes elsewhere only when an operator says yes, or the configuration names the chat', async () => {
    const { client, asked, line } = await open(
      (one) => {
        const to = ['line:garden', 'line:cellar', 'line:attic', 'nowhere:1'][one.results.length];
        return to === undefined ? says('done') : calls('message.send', { to, text: `to ${to}` });
      },
      { tools: { message: { targets: ['line:garden'] } } },
    );
    for (const chat of ['garden', 'cellar', 'attic']) line.say(`${chat} ada: /whoami`);
    await line.heard(/attic/);
    await client.ask('subscribe', { session: MAIN });
    const { message } = await client.ask('message.send', { session: MAIN, text: 'go' });
    for (const [to, allow] of [
      ['line:cellar', true],
      ['line:attic', false],
    ] as const) {
      const { data } = await client.event(
        'approval.requested',
        (event) => (event.data.input as { to?: string }).to === to,
      );
      await client.ask('approval.resolve', { session: MAIN, approval: data.approval, allow });
    }
    await client.runEnd(message);
    const { results } = asked.at(-1) as Asked;
    expect(results[0]).toBe('It is on its way to line:garden.');
    expect(results[1]).toBe('It is on its way to line:cellar.');
    expect(results[2]).toContain('an operator refused it');
    expect(results[3]).toContain('no account nowhere/default is on here; there are: line/default');
    await line.heard(/to line:garden/);
    await line.heard(/to line:cellar/);
    expect(line.lines.filter((text) => text.includes('to line:attic'))).toEqual([]);
  });
});

describe('a schedule', () => {
  it('is told in its session when it is due, and answered in the chat the session belongs to', async () => {
    const { client, line } = await open((one) => {
      if (one.said.includes('was due at')) return says('time for tea');
      return one.results.length > 0
        ? says('I will')
        : calls('schedule.add', { text: 'remind them of tea', inSeconds: 1 });
    });
    line.say('kitchen ada: remind me of tea');
    await line.heard(/I will/);
    expect(await line.heard(/time for tea/)).toContain('kitchen');
    const { entries } = await client.ask('session.history', { session: KITCHEN });
    const due = entries.find(({ source }) => source?.type === 'schedule');
    expect(due?.text).toMatch(/^\[a one-time schedule, \w+, was due at .*no person wrote this\]\nremind them of tea$/);
    expect((await client.ask('schedule.list', {})).schedules).toEqual([]);
  });

  it('is listed and removed by its agent and by operators', async () => {
    const { client, gateway, asked } = await open((one) => {
      if (one.said !== 'go') return says('done');
      const tools = [
        calls('schedule.add', { text: 'stand-up', cron: '0 9 * * 1-5', timeZone: 'Europe/Berlin' }),
        calls('schedule.add', { text: 'once', at: '2099-01-01T00:00:00Z' }),
        calls('schedule.add', { text: 'once', at: new Date(Date.now() + 86_400_000).toISOString() }),
        calls('schedule.add', { text: 'nothing' }),
        calls('schedule.list', {}),
      ];
      return tools[one.results.length] ?? says('done');
    });
    await client.runEnd((await client.ask('message.send', { session: MAIN, text: 'go' })).message);
    const { results } = asked.at(-1) as Asked;
    expect(JSON.parse(results[0] ?? '')).toMatchObject({
      timeZone: 'Europe/Berlin',
      next: expect.stringMatching(/T0[78]:00/),
    });
    expect(results[1]).toContain('more than five years from now');
    expect(results[3]).toContain('give exactly one of cron, at and inSeconds');
    expect(JSON.parse(results[4] ?? '').schedules).toHaveLength(2);
    const { schedules } = await client.ask('schedule.list', { session: MAIN });
    const cron = schedules.find((one) => one.cron !== undefined);
    expect(cron).toMatchObject({ session: MAIN, text: 'stand-up', missed: 'once', fired: 0 });
    const flags = ['--url', gateway.url, '--token', gateway.token];
    const listed = await runCli(['schedules', 'list', ...flags]);
    expect(listed.stdout).toContain('0 9 * * 1-5 Europe/Berlin');
    const removed = await runCli(['schedules', 'remove', MAIN, cron?.schedule ?? '', '--json', ...flags]);
    expect(JSON.parse(removed.stdout)).toEqual({ session: MAIN, schedule: cron?.schedule });
    expect(JSON.parse((await runCli(['schedules', 'list', '--json', ...flags])).stdout).schedules).toHaveLength(1);
    expect(await client.refusal('schedule.remove', { session: MAIN, schedule: cron?.schedule })).toMatchObject({
      code: 'not_found',
    });
  });

  it('goes with its session', async () => {
    const { client } = await open((one) =>
      one.results.length > 0 ? says('done') : calls('schedule.add', { text: 'later', cron: '0 * * * *' }),
    );
    const { session } = await client.ask('session.create', { user: 'somebody' });
    await client.runEnd((await client.ask('message.send', { session: session.id, text: 'go' })).message);
    expect((await client.ask('schedule.list', {})).schedules).toHaveLength(1);
    await client.ask('session.delete', { session: session.id });
    expect((await client.ask('schedule.list', {})).schedules).toEqual([]);
  });

  it('that was due while the gateway was killed comes once after the start, and not again after the next', async () => {
    const { config, asked } = await configured((one) => {
      if (one.said.includes('was due at')) return says('time for tea');
      return one.results.length > 0 ? says('I will') : calls('schedule.add', { text: 'tea', inSeconds: 3_600 });
    });
    const home = await tempFolder();
    const first = await gatewayProcess({ home, config });
    const before = await first.connect();
    await before.runEnd((await before.ask('message.send', { session: MAIN, text: 'go' })).message);
    await first.kill();
    await makeDue(home); // nobody has to wait an hour
    expect(asked.filter(({ said }) => said.includes('was due at'))).toEqual([]);
    const due = async (gateway: { connect: typeof first.connect }) => {
      const { entries } = await (await gateway.connect()).ask('session.history', { session: MAIN });
      return entries.filter(({ source }) => source?.type === 'schedule').length;
    };
    const second = await gatewayProcess({ home, config });
    await until(15_000, async () => ((await due(second)) > 0 ? true : undefined), 'the schedule');
    await second.kill();
    const third = await gatewayProcess({ home, config });
    const last = await third.connect();
    const answered = async () =>
      (await last.ask('session.history', { session: MAIN })).entries.some(({ text }) => text === 'time for tea');
    await until(15_000, async () => (await answered()) || undefined, 'the answer');
    expect(await due(third)).toBe(1);
  }, 60_000);
});
