/**
 * Row 28: SIGTERM under load. Bar: no new work after 100 ms, nothing acknowledged is lost, the process ends with 0 within
 * 30 s. Method: twenty sessions send without pause to a real process that is told to stop, and another one on its folder.
 */
import { expect, it } from 'vitest';
import { gatewayProcess } from '../support/gateway.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { until } from '../support/wait.ts';
import type { WireClient } from '../support/wire-client.ts';

const SESSIONS = 20;
/** New work is refused this long after the signal was sent; the signal's own way on a busy machine comes on top. */
const INTAKE_MS = 100;
const SLACK_MS = 400;

it('row 28: a gateway told to stop under load takes no new work, loses nothing it acknowledged, and ends with 0', async () => {
  const home = await tempFolder();
  const gateway = await gatewayProcess({ home });
  const clients = await Promise.all(Array.from({ length: SESSIONS }, () => gateway.connect()));
  const accepted: { session: string; message: string; at: number }[] = [];
  const refused: string[] = [];
  const send = async (client: WireClient, user: number): Promise<void> => {
    const { session } = await client.ask('session.create', { user: `u${user}` });
    for (;;) {
      const reply = await client
        .reply(client.send('message.send', { session: session.id, text: 'hello' }))
        .catch(() => null);
      if (reply === null) return;
      if (reply.error === undefined) {
        accepted.push({ session: session.id, message: reply.data?.message as string, at: performance.now() });
      } else if (reply.error.code !== 'busy') {
        refused.push(reply.error.code);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }
  };
  const sending = Promise.all(clients.map(send));
  await until(10_000, async () => accepted.length > 200 || undefined, 'some load');
  const signalled = performance.now();
  const exit = await gateway.stop();
  await sending;
  expect(exit).toMatchObject({ code: 0, stderr: '' });
  expect(exit.tookMs).toBeLessThan(30_000);
  expect(accepted.filter(({ at }) => at > signalled + INTAKE_MS + SLACK_MS)).toEqual([]);
  expect(new Set(refused)).toEqual(new Set(['unavailable']));
  expect(clients.every((client) => client.frames.some(({ type }) => type === 'goaway'))).toBe(true);

  const second = await (await gatewayProcess({ home })).connect();
  const sessions = new Set(accepted.map(({ session }) => session));
  for (const session of sessions) {
    const mine = accepted.filter((one) => one.session === session).map(({ message }) => message);
    const answered = await until(
      15_000,
      async () => {
        const found = new Set<string>();
        for (let before: number | undefined; ; ) {
          const page = await second.ask('session.history', { session, limit: 200, ...(before ? { before } : {}) });
          for (const { role, message, status } of page.entries) if (role === 'assistant' && !status) found.add(message);
          before = page.entries[0]?.seq;
          if (!page.more) break;
        }
        return mine.every((message) => found.has(message)) ? found : undefined;
      },
      `the answers of ${session}`,
    );
    expect(mine.every((message) => answered.has(message))).toBe(true);
  }
}, 60_000);
