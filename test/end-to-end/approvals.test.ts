/** Goal: a tool call that needs an operator waits for one, and nobody's silence means yes. Method: calc, to be approved. */
import { describe, expect, it } from 'vitest';
import { runCli } from '../cli/processes.ts';
import { localGateway } from '../support/gateway.ts';
import { MAIN } from '../support/valid-requests.ts';

const agents = { main: { approve: ['calc'] } };

async function open(approvalTimeoutMs = 60_000) {
  const gateway = await localGateway({ agents, tools: { approvalTimeoutMs } });
  const admin = await gateway.connect();
  const { token } = await admin.ask('token.create', { name: 'writer', scopes: ['write'] });
  return { gateway, admin, writer: await gateway.connect({ token }) };
}

describe('a tool call that needs an operator', () => {
  it('waits for one, and is made when the answer is yes; other messages are refused to nobody meanwhile', async () => {
    const { admin, writer } = await open();
    await admin.ask('subscribe', { session: MAIN });
    const { message } = await writer.ask('message.send', { text: 'what is 6*7' });
    const { data: asked } = await admin.event('approval.requested');
    expect(asked).toMatchObject({ name: 'calc', input: { expression: '6*7' } });
    expect((await admin.ask('subscribe', { session: MAIN })).snapshot?.approvals).toMatchObject([{ name: 'calc' }]);
    expect(
      await writer.refusal('approval.resolve', { session: MAIN, approval: asked.approval, allow: true }),
    ).toMatchObject({ code: 'forbidden' });
    const answer = { session: MAIN, approval: asked.approval, allow: true };
    expect(await admin.ask('approval.resolve', answer)).toEqual({
      session: MAIN,
      approval: asked.approval,
      allowed: true,
    });
    expect((await writer.runEnd(message)).data.status).toBe('ok');
    expect(writer.events('message.outbound')[0]?.data.text).toContain('42');
    expect(admin.events('approval.resolved').map(({ data }) => data.allowed)).toEqual([true]);
    expect(await admin.refusal('approval.resolve', answer)).toMatchObject({
      code: 'conflict',
      message: 'too late: it was approved by admin (api)',
      param: 'data.approval',
    });
  });

  it('is not made when the answer is no, and the model is told', async () => {
    const { admin } = await open();
    const { message } = await admin.ask('message.send', { text: 'what is 6*7' });
    const { data } = await admin.event('approval.requested');
    await admin.ask('approval.resolve', { session: MAIN, approval: data.approval, allow: false });
    await admin.runEnd(message);
    expect(admin.events('tool.end')[0]?.data).toMatchObject({
      failed: true,
      output: expect.stringContaining('refused'),
    });
  });

  it('is not made when nobody answers in time, or the run is cancelled', async () => {
    const { admin } = await open(50);
    const { message } = await admin.ask('message.send', { text: 'what is 6*7' });
    await admin.runEnd(message);
    expect(admin.events('tool.end')[0]?.data.output).toContain('in time');
    const patient = await open();
    const second = await patient.admin.ask('message.send', { text: 'what is 6*7' });
    await patient.admin.event('approval.requested');
    await patient.admin.ask('message.cancel', { session: MAIN });
    expect((await patient.admin.runEnd(second.message)).data.status).toBe('cancelled');
    expect(patient.admin.events('approval.resolved').map(({ data }) => data.allowed)).toEqual([false]);
  });

  it('is decided on from the command line, which tells how', async () => {
    const { gateway, admin } = await open();
    const { message } = await admin.ask('message.send', { text: 'what is 6*7' });
    const { data } = await admin.event('approval.requested');
    const flags = ['--url', gateway.url, '--token', gateway.token];
    const done = await runCli(['approvals', 'deny', data.approval, ...flags]);
    expect(done).toEqual({ exitCode: 0, stdout: `${data.approval} is refused.\n`, stderr: '' });
    await admin.runEnd(message);
    const sent = runCli(['send', 'what is 6*7', ...flags]);
    const next = await admin.event('approval.requested', (event) => event.data.approval !== data.approval);
    await runCli(['approvals', 'allow', next.data.approval, ...flags]);
    const { stdout, stderr } = await sent;
    expect(stdout).toContain('6*7 = 42');
    expect(stderr).toContain(`dhaavak approvals allow ${next.data.approval}`);
  });

  it('is listed on the command line while it waits, and afterwards with who decided', async () => {
    const { gateway, admin } = await open();
    const flags = ['--url', gateway.url, '--token', gateway.token];
    expect((await runCli(['approvals', 'list', ...flags])).stdout).toBe('No tool call waits.\n');
    const { message } = await admin.ask('message.send', { text: 'what is 6*7' });
    const { data } = await admin.event('approval.requested');
    const { stdout } = await runCli(['approvals', 'list', ...flags]);
    for (const part of [data.approval, MAIN, 'calc {"expression":"6*7"}', 'agents.main.approve: calc']) {
      expect(stdout).toContain(part);
    }
    const json = await runCli(['approvals', 'list', '--json', '--session', MAIN, ...flags]);
    expect(JSON.parse(json.stdout)).toMatchObject({ approvals: [{ approval: data.approval, message }], more: false });
    await runCli(['approvals', 'allow', data.approval, ...flags]);
    await admin.runEnd(message);
    const history = await runCli(['approvals', 'history', ...flags]);
    expect(history.stdout).toMatch(new RegExp(`${data.approval}  \\S+  approved  admin \\(api\\)  ${MAIN}  calc`));
    const late = await runCli(['approvals', 'deny', data.approval, ...flags]);
    expect(late).toMatchObject({ exitCode: 1, stdout: '' });
    expect(late.stderr).toContain('too late: it was approved by admin (api)');
    const unknown = await runCli(['approvals', 'allow', 'nothing', ...flags]);
    expect(unknown).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('see dhaavak approvals list') });
  });

  it('is decided on by the name of a token, which no client can choose', async () => {
    const { gateway, admin } = await open();
    const { token } = await admin.ask('token.create', { name: 'asha', scopes: ['admin'] });
    const asha = await gateway.connect({ token });
    await admin.ask('message.send', { text: 'what is 6*7' });
    const { data } = await admin.event('approval.requested');
    const answer = { session: MAIN, approval: data.approval, allow: true };
    expect(await asha.refusal('approval.resolve', { ...answer, by: 'somebody else' } as never)).toMatchObject({
      code: 'invalid_request',
    });
    await asha.ask('approval.resolve', answer);
    expect((await admin.event('approval.resolved')).data).toMatchObject({ allowed: true, by: 'asha', via: 'api' });
    const { approvals } = await admin.ask('approval.list', { state: 'decided' });
    expect(approvals).toMatchObject([{ session: MAIN, decision: { by: 'asha' } }]);
  });

  it('is decided on in the chat by an operator, and by nobody else', async () => {
    const { admin, writer } = await open();
    await writer.ask('message.send', { text: 'what is 6*7' });
    await writer.event('approval.requested');
    const refused = await writer.ask('message.send', { text: '/approve' });
    await writer.runEnd(refused.message);
    const said = (text: string) => writer.events('message.outbound').some(({ data }) => data.text.startsWith(text));
    expect(said('Only an operator')).toBe(true);
    await admin.ask('message.send', { text: '/approve' });
    await writer.when(() => (said('6*7 = 42') ? true : undefined));
    expect(said('Approved: calc {"expression":"6*7"}')).toBe(true);
  });
});
