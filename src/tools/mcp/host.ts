/**
 * The MCP servers as the gateway sees them: the process that is connected to them (`host-process.ts`), its restarts, and the
 * calls that shards have under way. Everything here is quick: whatever a server does is waited for in that process.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Logger } from 'pino';
import type { McpConfig } from '../../config/mcp.ts';
import { DhaavakError } from '../../protocol/errors.ts';
import type { McpServerStatus } from '../../protocol/messages.ts';
import { sibling } from '../../shards/sibling.ts';
import { ANSWER_SLACK_MS } from './limits.ts';
import { type FromHost, type McpAnswer, type McpCall, type McpOffer, ours, type ToHost } from './messages.ts';
import { plainEnvironment, signalGroup } from './program-group.ts';

/** Heap of the process: what the largest messages of some servers take at once. */
const HEAP_MB_MAX = 256;
/** Calls of all shards: 32 servers with 32 each. */
const CALLS_MAX = 1_024;
const PING_MS = 5_000;
/** Pings without an answer after which the process is replaced: it may be at work on large messages of a busy server. */
const SILENT_PINGS_MAX = 6;
/** Before the process is started again: doubles each time, until it has lived for RESTART_WINDOW_MS. */
const BACKOFF_MIN_MS = 250;
const BACKOFF_MAX_MS = 60_000;
const RESTART_WINDOW_MS = 60_000;
/** Programs have three seconds to end. */
const STOP_MS = 4_000;

const GONE =
  'the process that is connected to the MCP servers ended during the call; whether it did anything is not known';

interface Pending {
  /** Whose call it is: a life of a shard. */
  owner: object;
  answer(answer: McpAnswer): void;
}

export interface McpHostOptions {
  servers: McpConfig['servers'];
  logLevel: string;
  /** Tells every shard. */
  onOffer(offer: McpOffer): void;
  log: Logger;
  /** Default 5 s. */
  pingMs?: number;
}

export class McpHost {
  readonly #options: McpHostOptions;
  readonly #statuses = new Map<string, McpServerStatus>();
  readonly #offers = new Map<string, McpOffer>();
  readonly #calls = new Map<string, Pending>();
  /** The groups of processes that servers are, of the process at hand. */
  readonly #groups = new Map<string, number>();
  #process: ChildProcess | undefined;
  #exited: Promise<void> = Promise.resolve();
  #pinging: NodeJS.Timeout | undefined;
  #waiting: NodeJS.Timeout | undefined;
  #silentPings = 0;
  #restarts = 0;
  #startedAt = 0;
  #isStopping = false;

  constructor(options: McpHostOptions) {
    this.#options = options;
    for (const server of Object.keys(options.servers)) {
      const counts = { tools: 0, refused: [], calls: 0, failed: 0, restarts: 0 };
      this.#statuses.set(server, { server, state: 'connecting', reason: null, since: Date.now(), ...counts });
    }
  }

  /** Starts the process. What servers take to connect is not waited for. */
  start(): void {
    this.#spawn();
    this.#pinging = setInterval(() => this.#ping(), this.#options.pingMs ?? PING_MS).unref();
  }

  /** How every server is, as it was told last. */
  get statuses(): McpServerStatus[] {
    return [...this.#statuses.values()];
  }

  /** What every server has, as it was told last. */
  get offers(): McpOffer[] {
    return [...this.#offers.values()];
  }

  /** The pid of the process, while there is one. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** Has a tool called. Never rejects, and never waits longer than the server's time-out and 5 s. */
  call(owner: object, call: McpCall): Promise<McpAnswer> {
    const settings = this.#options.servers[call.server];
    if (settings === undefined) return Promise.resolve(ours(`there is no MCP server ${call.server}`));
    if (this.#calls.size >= CALLS_MAX)
      return Promise.resolve(ours(`${CALLS_MAX} calls are under way: try again later`));
    const { promise, resolve } = Promise.withResolvers<McpAnswer>();
    const limitMs = settings.callTimeoutMs + ANSWER_SLACK_MS;
    const late = `the MCP server ${call.server} did not answer within ${limitMs} ms; whether it did anything is not known`;
    const timer = setTimeout(() => this.#settle(call.id, ours(late)), limitMs);
    this.#calls.set(call.id, {
      owner,
      answer(answer) {
        clearTimeout(timer);
        resolve(answer);
      },
    });
    if (!this.#send({ type: 'call', call })) {
      this.#settle(
        call.id,
        ours(`the MCP server ${call.server} is not there: it is being started again; try again later`),
      );
    }
    return promise;
  }

  /** Has a server connected anew, at once. Throws `not_found`. Where the process is being started again, all of them are. */
  restart(server: string): void {
    if (!this.#statuses.has(server)) {
      const there = [...this.#statuses.keys()].join(', ');
      throw new DhaavakError('not_found', `no MCP server is named ${server}; there are: ${there}`);
    }
    this.#options.log.info({ server }, 'an operator has the MCP server connected anew');
    this.#send({ type: 'restart', server });
  }

  cancel(id: string): void {
    if (!this.#calls.has(id)) return;
    this.#send({ type: 'cancel', id });
    this.#settle(id, ours('the call was cancelled; whether it did anything is not known'));
  }

  /** Cancels the calls of a shard that is gone. */
  forget(owner: object): void {
    for (const [id, pending] of this.#calls) if (pending.owner === owner) this.cancel(id);
  }

  /** Ends every server, and then the process. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    clearInterval(this.#pinging);
    clearTimeout(this.#waiting);
    this.#send({ type: 'stop' });
    const kill = setTimeout(() => this.#process?.kill('SIGKILL'), STOP_MS);
    await this.#exited;
    clearTimeout(kill);
  }

  #spawn(): void {
    const { servers, logLevel, log } = this.#options;
    const child = fork(fileURLToPath(sibling('host-process', import.meta.url)), {
      execArgv: [`--max-old-space-size=${HEAP_MB_MAX}`],
      // No secret of the gateway's is in it; those of servers go through the channel.
      env: { ...plainEnvironment(), ...cacheOf(process.env) },
      // Its log lines go where ours go.
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.#process = child;
    this.#startedAt = performance.now();
    this.#silentPings = 0;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#exited = promise;
    child.on('message', (message: FromHost) => this.#take(message));
    child.on('error', (error) => log.error({ error }, 'the process of the MCP servers'));
    child.once('exit', (code, signal) => {
      this.#ended(signal ?? `exit code ${code}`);
      resolve();
    });
    // It could not even be started: then there is no exit.
    child.once('error', () => {
      if (child.pid !== undefined) return;
      this.#ended('it could not be started');
      resolve();
    });
    this.#send({ type: 'start', servers, logLevel });
  }

  #take(message: FromHost): void {
    switch (message.type) {
      case 'answer':
        this.#settle(message.id, message.answer);
        break;
      case 'status':
        this.#statuses.set(message.status.server, message.status);
        break;
      case 'offer':
        this.#offers.set(message.offer.server, message.offer);
        this.#options.onOffer(message.offer);
        break;
      case 'group':
        if (message.pid === null) this.#groups.delete(message.server);
        else this.#groups.set(message.server, message.pid);
        break;
      case 'pong':
        this.#silentPings = 0;
        break;
    }
  }

  #ended(why: string): void {
    this.#process = undefined;
    for (const pid of this.#groups.values()) signalGroup(pid, 'SIGKILL');
    this.#groups.clear();
    for (const id of [...this.#calls.keys()]) this.#settle(id, ours(GONE));
    if (this.#isStopping) return;
    if (performance.now() - this.#startedAt > RESTART_WINDOW_MS) this.#restarts = 0;
    const waitMs = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** this.#restarts);
    this.#restarts += 1;
    this.#options.log.error({ why, waitMs }, 'the process of the MCP servers ended: it is started again');
    const reason = `the process that connects to it ended (${why}) and is started again`;
    for (const [server, status] of this.#statuses) {
      this.#statuses.set(server, { ...status, state: 'waiting', reason, since: Date.now(), tools: 0 });
      const offer = { server, state: 'it is being connected again', tools: [] };
      this.#offers.set(server, offer);
      this.#options.onOffer(offer);
    }
    this.#waiting = setTimeout(() => this.#spawn(), waitMs);
  }

  #ping(): void {
    if (this.#process === undefined) return;
    this.#silentPings += 1;
    if (this.#silentPings <= SILENT_PINGS_MAX) {
      this.#send({ type: 'ping' });
      return;
    }
    this.#options.log.error('the process of the MCP servers stopped answering: it is replaced');
    this.#process.kill('SIGKILL'); // its end is supervised
  }

  #settle(id: string, answer: McpAnswer): void {
    const pending = this.#calls.get(id);
    this.#calls.delete(id);
    pending?.answer(answer);
  }

  /** False: there is nobody to send it to. */
  #send(message: ToHost): boolean {
    const child = this.#process;
    if (child?.connected !== true) return false;
    // A channel that breaks is the end of the process, which is supervised.
    child.send(message, () => {});
    return true;
  }
}

/** Where compiled modules are kept: the process starts in a third of the time. */
function cacheOf({ NODE_COMPILE_CACHE }: NodeJS.ProcessEnv): Record<string, string> {
  return NODE_COMPILE_CACHE === undefined ? {} : { NODE_COMPILE_CACHE };
}
