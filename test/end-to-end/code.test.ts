/** Goal: a model's program runs beside the gateway and can do what its session may. Method: the offline model's `call`. */
import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { gatewayProcess, localGateway } from '../support/gateway.ts';
import { met } from '../support/sandbox.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { MAIN } from '../support/valid-requests.ts';

const agents = { main: { tools: ['code', 'calc', 'time.now'] } };
const program = (source: string) => ({ text: `call code ${JSON.stringify({ source })}` });

/** Process ids of the sandbox hosts that `parent` has started. */
function hostsOf(parent: number): number[] {
  const lines = execFileSync('ps', ['-eo', 'pid=,ppid=,args='], { encoding: 'utf8' }).split('\n');
  return lines.flatMap((line) => {
    const [pid, ppid, ...args] = line.trim().split(/\s+/);
    return Number(ppid) === parent && args.join(' ').includes('host.mjs') ? [Number(pid)] : [];
  });
}

it('runs the program of a model, with the tools of its session', async () => {
  const client = await (await localGateway({ agents })).connect();
  const source = `const values = await Promise.all([1, 2, 3].map((n) => calc({ expression: n + ' * 7' })));
    console.log(typeof (await time.now()).utc);
    return values.map(Number);`;
  const { message } = await client.ask('message.send', program(source));
  await client.runEnd(message);
  const [whole, ...others] = client.events('tool.end').toReversed();
  expect(whole?.data).toMatchObject({
    name: 'code',
    output: 'Console output:\nstring\nResult:\n[7,14,21]',
    failed: false,
    calls: 4,
  });
  const { call } = whole?.data ?? {};
  expect(others.map(({ data }) => [data.name, data.parent, data.failed]).sort()).toEqual([
    ['calc', call, false],
    ['calc', call, false],
    ['calc', call, false],
    ['time.now', call, false],
  ]);
  const starts = client.events('tool.start').map(({ data }) => [data.call, data.parent, data.input]);
  expect(starts).toContainEqual([`${call}.2`, call, { expression: '2 * 7' }]);
  expect(starts[0]).toEqual([call, undefined, expect.objectContaining({ source })]);
});

it('shows the first hundred calls of a program, and the end of each before that of the program', async () => {
  const tools = { code: { callsMax: 120 } };
  const client = await (
    await localGateway({ agents: { main: { ...agents.main, approve: ['time.now'] } }, tools })
  ).connect();
  const source = `time.now(); for (let n = 0; n < 110; n += 1) await calc({ expression: '1'.repeat(n + 1) });`;
  const { message } = await client.ask('message.send', program(source));
  await client.runEnd(message);
  const ends = client.events('tool.end').map(({ data }) => data);
  expect(client.events('tool.start')).toHaveLength(101);
  expect(ends).toHaveLength(101);
  expect(ends.at(-1)).toMatchObject({ name: 'code', calls: 111, failed: false });
  expect(ends.at(-2)).toMatchObject({ name: 'time.now', unknown: true, failed: true });
});

it('asks an operator for a call of a program as for one of the model', async () => {
  const client = await (await localGateway({ agents: { main: { ...agents.main, approve: ['calc'] } } })).connect();
  const { message } = await client.ask('message.send', program('return await calc({ expression: "6 * 7" })'));
  const { data } = await client.event('approval.requested');
  expect(data).toMatchObject({ name: 'calc', call: expect.stringMatching(/\.1$/), input: { expression: '6 * 7' } });
  await client.ask('approval.resolve', { session: MAIN, approval: data.approval, allow: true });
  await client.runEnd(message);
  expect(client.events('tool.end').at(-1)?.data).toMatchObject({ name: 'code', output: '42' });
});

it('ends a program with its run', async () => {
  const client = await (await localGateway({ agents })).connect();
  const { message } = await client.ask('message.send', program('await calc({ expression: "1" }); await sleep(25_000)'));
  const { data } = await client.event('tool.start');
  await client.ask('message.cancel', { session: MAIN, run: data.run });
  expect((await client.runEnd(message)).data.status).toBe('cancelled');
});

it('starts no host before there is a program, and leaves none behind', async () => {
  const gateway = await gatewayProcess({ home: await tempFolder(), config: { agents } });
  const client = await gateway.connect();
  await client.runEnd((await client.ask('message.send', { text: 'what is 1+1' })).message);
  expect(hostsOf(gateway.pid)).toEqual([]);
  await client.runEnd((await client.ask('message.send', program('return 1'))).message);
  const hosts = hostsOf(gateway.pid);
  expect(hosts).toHaveLength(1);
  expect((await gateway.stop()).code).toBe(0);
  await met(() =>
    execFileSync('ps', ['-eo', 'pid='], { encoding: 'utf8' })
      .split(/\s+/)
      .every((pid) => !hosts.includes(Number(pid))),
  );
});
