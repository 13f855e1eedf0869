import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { mcpSchema } from '../../src/config/mcp.ts';
import type { McpServerStatus } from '../../src/protocol/messages.ts';
import { type KeeperTiming, ServerKeeper, TIMING } from '../../src/tools/mcp/keeper.ts';
import type { FromHost, McpAnswer, McpOffer } from '../../src/tools/mcp/messages.ts';
import { holds } from './wait.ts';

export const SDK_SERVER = fileURLToPath(new URL('./mcp-server.ts', import.meta.url));
export const HOSTILE_SERVER = fileURLToPath(new URL('./hostile-mcp-server.mjs', import.meta.url));

export interface TestKeeper {
  readonly status: McpServerStatus | undefined;
  readonly offer: McpOffer | undefined;
  /** All that it was, in order, without repetitions. */
  readonly states: string[];
  readonly log: string[];
  /** The group of processes there is now. */
  readonly pid: number | undefined;
  /** Resolves when it is in this state. */
  becomes(state: McpServerStatus['state']): Promise<void>;
  call(tool: string, input?: unknown, id?: string): Promise<McpAnswer>;
  cancel(id: string): void;
  restart(): void;
  stop(): Promise<void>;
}

/** A keeper with a server as the configuration has it, which is gone with the test. */
export function testKeeper(settings: Record<string, unknown>, timing: Partial<KeeperTiming> = {}): TestKeeper {
  const server = mcpSchema.parse({ servers: { notes: settings } }).servers.notes!;
  const seen: { status?: McpServerStatus; offer?: McpOffer; pid?: number | undefined } = {};
  const states: string[] = [];
  const log: string[] = [];
  const keeper = new ServerKeeper({
    name: 'notes',
    settings: server,
    timing: { ...TIMING, backoffMinMs: 20, backoffMaxMs: 100, settleMs: 10, ...timing },
    send(message: FromHost) {
      if (message.type === 'offer') seen.offer = message.offer;
      if (message.type === 'group') seen.pid = message.pid ?? undefined;
      if (message.type !== 'status') return;
      seen.status = message.status;
      if (states.at(-1) !== message.status.state) states.push(message.status.state);
    },
    log: (_, line) => log.push(line),
  });
  keeper.start();
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopped ??= keeper.stop(false);
    return stopped;
  };
  onTestFinished(stop);
  let lastId = 0;
  return {
    get status() {
      return seen.status;
    },
    get offer() {
      return seen.offer;
    },
    get pid() {
      return seen.pid;
    },
    states,
    log,
    becomes: (state) => holds(() => seen.status?.state === state),
    call(tool, input = {}, id = `call-${++lastId}`) {
      return keeper.call({ id, server: 'notes', tool, input });
    },
    cancel: (id) => keeper.cancel(id),
    restart: () => keeper.restart(),
    stop,
  };
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
