/** The Telegram adapter alone in a process: what comes is forgotten and answered at once. Argument: the port of its server. */
import { pino } from 'pino';
import { createAdapter } from '../../src/channels/telegram/adapter.ts';
import { settingsOf } from './platform-account.ts';

const settings = settingsOf('telegram', Number(process.argv[2])) as Parameters<typeof createAdapter>[0];
const { signal } = new AbortController();
const log = pino({ level: 'error' });
const adapter = createAdapter(settings, { account: 'default', folder: '', log, signal });
let sent = 0;
await adapter.start({
  async receive({ chat, message }) {
    sent += 1;
    void adapter.send({ chat, text: 'An answer of the usual length.', replyTo: message, key: `${sent}` }, signal);
  },
  press: async () => '',
  state: (state) => state === 'ready' && console.log(0),
  alive: () => undefined,
  qr: () => undefined,
  log,
});
