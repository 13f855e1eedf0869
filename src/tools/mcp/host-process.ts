/**
 * The process that is connected to the MCP servers: one for the gateway, started where a server is configured. Here the SDK
 * is loaded, here hostile messages are parsed; should that end the process, calls fail and nothing else does. It ends with
 * the gateway, also one that is killed, and ends all programs it has started before.
 */
import { createLogger } from '../../telemetry/log.ts';
import { ServerKeeper } from './keeper.ts';
import { type FromHost, ours, type ToHost } from './messages.ts';

const keepers = new Map<string, ServerKeeper>();
let isEnding = false;

process.on('message', (message: ToHost) => {
  switch (message.type) {
    case 'start':
      start(message);
      break;
    case 'call': {
      const { call } = message;
      const answered =
        keepers.get(call.server)?.call(call) ?? Promise.resolve(ours(`there is no MCP server ${call.server}`));
      void answered.then((answer) => send({ type: 'answer', id: call.id, answer }));
      break;
    }
    case 'cancel':
      for (const keeper of keepers.values()) keeper.cancel(message.id);
      break;
    case 'restart':
      keepers.get(message.server)?.restart();
      break;
    case 'ping':
      send({ type: 'pong' });
      break;
    case 'stop':
      void end(false);
      break;
  }
});

// The channel closes with the gateway, however that ends.
process.on('disconnect', () => void end(true));
// Signals for the gateway reach its whole group: when this process is to end, the gateway says so.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});

function start({ servers, logLevel }: ToHost & { type: 'start' }): void {
  const log = createLogger({ level: logLevel, name: 'mcp' });
  for (const [name, settings] of Object.entries(servers)) {
    const ofServer = log.child({ server: name });
    const keeper = new ServerKeeper({ name, settings, send, log: (level, line) => ofServer[level](line) });
    keepers.set(name, keeper);
    keeper.start();
  }
}

function send(message: FromHost): void {
  if (process.connected) process.send?.(message);
}

async function end(hurry: boolean): Promise<void> {
  if (isEnding) return;
  isEnding = true;
  await Promise.allSettled([...keepers.values()].map((keeper) => keeper.stop(hurry)));
  process.exit(0);
}
