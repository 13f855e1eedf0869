/** An adapter for Telegram that is started, for the tests of what is Telegram's own. */
import { expect, onTestFinished } from 'vitest';
import type { Adapter, Chat, OutboundMessage } from '../../src/channels/adapter.ts';
import type { PollingTimes } from '../../src/channels/telegram/polling.ts';
import type { TelegramServer } from '../support/telegram-server.ts';
import { Recorder } from './recorder.ts';
import { never } from './stage.ts';
import { QUICK, telegramFixture } from './telegram-fixture.ts';

export interface Running {
  readonly account: Recorder;
  readonly server: TelegramServer;
  readonly adapter: Adapter;
  /** Sends and gives what is shown. */
  send(message: Partial<OutboundMessage> & { chat: Chat }): Promise<TelegramServer['sent'][number]>;
}

/** An adapter and its server until the test ends. */
export async function running(
  source: 'polling' | 'webhook' = 'polling',
  times: Partial<PollingTimes> = {},
  before: (server: TelegramServer) => void = () => undefined,
): Promise<Running> {
  const account = new Recorder();
  const { adapter, server, close } = await telegramFixture(source, account.log, { ...QUICK, ...times });
  onTestFinished(async () => {
    await adapter.stop();
    await close();
    expect(account.said.join('\n')).not.toContain(server.token);
  });
  before(server);
  await adapter.start(account);
  let keys = 0;
  const send: Running['send'] = async (message) => {
    keys += 1;
    const { message: id } = await adapter.send({ text: '', key: `key${keys}`, ...message }, never);
    return server.sent.find((sent) => String(sent.id) === id)!;
  };
  return { account, server, adapter, send };
}
