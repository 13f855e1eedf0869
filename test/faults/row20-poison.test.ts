/**
 * Row 20: a message whose handling always throws. Bar: a dead letter after three tries; the lane goes on; it can be sent
 * again. Method: a real gateway in which handling a run throws three times, and the command line.
 */
import { expect, it } from 'vitest';
import { runCli } from '../cli/processes.ts';
import { gatewayProcess } from '../support/gateway.ts';
import { MAIN } from '../support/valid-requests.ts';

it('row 20: a poison message is a dead letter after three tries, survives a restart, and is answered when sent again', async () => {
  const gateway = await gatewayProcess({
    env: { DHAAVAK_FAILPOINT: 'model.before:1-3=throw', DHAAVAK_LOG_LEVEL: 'silent' },
  });
  const client = await gateway.connect();
  const poison = await client.ask('message.send', { text: 'poison' });
  const next = await client.ask('message.send', { text: 'next' });
  expect((await client.runEnd(poison.message)).data).toMatchObject({
    status: 'failed',
    deadLetter: true,
    error: { code: 'internal' },
  });
  expect((await client.runEnd(next.message)).data).toMatchObject({ status: 'ok' });
  await gateway.kill();

  const second = await gatewayProcess({ home: gateway.home });
  const cli = (...args: string[]) => runCli(['dead-letters', ...args, '--url', second.url, '--token', second.token]);
  const { letters } = JSON.parse((await cli('list', '--json')).stdout);
  expect(letters).toMatchObject([{ message: poison.message, session: MAIN, text: 'poison', attempts: 3 }]);
  expect((await cli('list')).stdout).toContain('poison');
  expect((await cli('show', poison.message)).stdout).toMatch(/internal: .*[\s\S]*poison/);

  const again = await second.connect();
  await again.ask('subscribe', { session: MAIN });
  const { resubmitted } = JSON.parse((await cli('resubmit', poison.message, '--json')).stdout);
  const sentTwice = await again.ask('dead-letter.resubmit', { session: MAIN, message: poison.message });
  expect(sentTwice).toEqual({ session: MAIN, message: poison.message, resubmitted });
  expect((await again.runEnd(resubmitted)).data).toMatchObject({ status: 'ok' });
  expect((await cli('list')).stdout).toBe('No dead letters.\n');
  const gone = await cli('discard', poison.message);
  expect(gone).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('no dead letter') });
});

it('row 20: one that is discarded is gone', async () => {
  const gateway = await gatewayProcess({
    env: { DHAAVAK_FAILPOINT: 'model.before:1-3=throw', DHAAVAK_LOG_LEVEL: 'silent' },
  });
  const client = await gateway.connect();
  const { message } = await client.ask('message.send', { text: 'poison' });
  await client.runEnd(message);
  expect(await client.ask('dead-letter.discard', { session: MAIN, message })).toEqual({ session: MAIN, message });
  expect(await client.ask('dead-letter.list')).toEqual({ letters: [] });
  expect(await client.refusal('dead-letter.resubmit', { session: MAIN, message })).toMatchObject({
    code: 'not_found',
    param: 'data.message',
  });
});

it('row 20: one that is sent again twice at once becomes one message', async () => {
  const gateway = await gatewayProcess({
    env: { DHAAVAK_FAILPOINT: 'model.before:1-3=throw', DHAAVAK_LOG_LEVEL: 'silent' },
  });
  const client = await gateway.connect();
  const { message } = await client.ask('message.send', { text: 'poison' });
  await client.runEnd(message);
  const resubmit = () => client.ask('dead-letter.resubmit', { session: MAIN, message });
  const [first, second] = await Promise.all([resubmit(), resubmit()]);
  expect(second).toEqual(first);
  await client.runEnd(first.resubmitted);
  const { entries } = await client.ask('session.history', { session: MAIN });
  expect(entries.filter((entry) => entry.role === 'user').map((entry) => entry.message)).toEqual([
    message,
    first.resubmitted,
  ]);
});

it('row 20: a command said twice at once, while its session starts anew, is carried out once', async () => {
  const gateway = await gatewayProcess({
    env: { DHAAVAK_FAILPOINT: 'model.before:1-3=throw', DHAAVAK_LOG_LEVEL: 'silent' },
  });
  const client = await gateway.connect();
  const { message: poison } = await client.ask('message.send', { text: 'poison' });
  const hasEnded = () => client.events('run.end').some(({ data }) => data.message === poison);
  for (let pair = 0; !hasEnded(); pair++) {
    const send = () => client.ask('message.send', { session: MAIN, text: '/whoami', idempotencyKey: `k${pair}` });
    const [first, second] = await Promise.all([send(), send()]);
    expect(second).toMatchObject({ message: first.message, duplicate: true });
  }
});
