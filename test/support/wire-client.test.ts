/** Goal: what a test waits for and leaves is no error beside the test's own; what it looks at is. */
import { expect, it, onTestFinished } from 'vitest';
import { localGateway } from './gateway.ts';
import { until } from './wait.ts';

it('tells the end of a connection to who waits, and to nobody else', async () => {
  const unheard: unknown[] = [];
  const listener = (reason: unknown) => void unheard.push(reason);
  // Vitest's own would fail the test.
  const others = process.listeners('unhandledRejection');
  process.removeAllListeners('unhandledRejection').on('unhandledRejection', listener);
  onTestFinished(() => {
    process.off('unhandledRejection', listener);
    for (const other of others) process.on('unhandledRejection', other);
  });
  const client = await (await localGateway()).connect();
  const { session } = await client.ask('session.create', { user: 'ada' });
  const heard = client.event('run.end');
  for (const leave of [
    () => client.event('run.end'),
    () => client.runEnd('none'),
    () => client.reply('none'),
    () => client.when(() => undefined),
    () => client.ask('session.get', { session: session.id }),
    () => client.refusal('session.get', { session: 'none' }),
  ]) {
    void leave();
  }
  await client.close();
  await expect(heard).rejects.toThrow('closed with 1000 while waiting');
  // A refusal that nobody looks at stays an error.
  const other = await (await localGateway()).connect();
  void other.ask('session.get', { session: 'agent:main:dm:api:nobody' });
  await until(5_000, async () => unheard[0], 'the refusal');
  expect(unheard.map(String)).toEqual([expect.stringContaining('session.get was refused: not_found')]);
});
