/**
 * Keeps one server connected, and makes the calls of its tools:
 *
 *     connecting → ready → (it ended) waiting → connecting → …
 *         └─ it did not come up ──┘               a program that ends again and again → failed → (an operator) connecting
 */
import { StreamableHTTPError } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { McpError } from '@modelcontextprotocol/sdk/types.js';
import { z } from 'zod';
import type { McpServerConfig } from '../../config/mcp.ts';
import type { McpServerStatus } from '../../protocol/messages.ts';
import { Connection } from './connection.ts';
import { answerOf } from './content.ts';
import { CALLS_MAX, INPUT_LENGTH_MAX } from './limits.ts';
import { readListing } from './listing.ts';
import { type FromHost, type McpAnswer, type McpCall, type McpTool, ours } from './messages.ts';
import { createRedactor, type Redact } from './secrets.ts';

/** JSON-RPC's code of the SDK for an answer that did not come in time. */
const TIMED_OUT = -32_001;
/** HTTP's status of the protocol for a session the server does not know, as after a restart of its own. */
const NO_SESSION = 404;
/** Of a reason or a server's error, in UTF-16 code units. */
const REASON_LENGTH_MAX = 500;

export interface KeeperTiming {
  /** Before it is connected again: doubles each time. */
  backoffMinMs: number;
  backoffMaxMs: number;
  /** A connection that lived this long was a good one: the count of bad ones begins anew. */
  stableMs: number;
  /** Bad ones in a row after which a program is not started again. A URL is tried for ever: that costs nothing. */
  badMax: number;
  /** Changes of the list of tools within this time are one. */
  settleMs: number;
}

export const TIMING: KeeperTiming = {
  backoffMinMs: 500,
  backoffMaxMs: 300_000,
  stableMs: 60_000,
  badMax: 6,
  settleMs: 200,
};

export interface KeeperOptions {
  name: string;
  settings: McpServerConfig;
  timing?: KeeperTiming;
  send(message: FromHost): void;
  /** A line for the log, without secrets. */
  log(level: 'info' | 'warn' | 'error', line: string): void;
}

export class ServerKeeper {
  readonly #options: KeeperOptions;
  readonly #timing: KeeperTiming;
  readonly #redact: Redact;
  readonly #calls = new Map<string, AbortController>();
  readonly #status: McpServerStatus;
  #connection: Connection | undefined;
  #tools: readonly McpTool[] = [];
  #bad = 0;
  #connectedAt = 0;
  #waiting: NodeJS.Timeout | undefined;
  #settling: NodeJS.Timeout | undefined;
  /** The end of the connection before. */
  #closing: Promise<void> = Promise.resolve();
  #isPinging = false;
  #isStopped = false;

  constructor(options: KeeperOptions) {
    const { name, settings, timing = TIMING } = options;
    this.#options = options;
    this.#timing = timing;
    this.#redact = createRedactor(settings);
    this.#status = {
      server: name,
      state: 'connecting',
      reason: null,
      since: Date.now(),
      tools: 0,
      refused: [],
      calls: 0,
      failed: 0,
      restarts: 0,
    };
  }

  start(): void {
    void this.#connect();
  }

  /** Never rejects. */
  async call({ id, tool, input }: McpCall): Promise<McpAnswer> {
    const { name } = this.#options;
    const connection = this.#connection;
    if (connection === undefined || this.#status.state !== 'ready') {
      return ours(`the MCP server ${name} is not there: ${this.#stateText()}; do without it, or try again later`);
    }
    if (this.#calls.size >= CALLS_MAX) {
      return ours(`the MCP server ${name} is busy with ${CALLS_MAX} calls: try again when they have ended`);
    }
    if ((JSON.stringify(input) ?? '').length > INPUT_LENGTH_MAX) {
      return ours(`the input is over ${INPUT_LENGTH_MAX} characters: make several calls of less`);
    }
    const abort = new AbortController();
    this.#calls.set(id, abort);
    this.#status.calls += 1;
    try {
      const answer = answerOf(await connection.call(tool, input, abort.signal));
      if (answer.failed) this.#status.failed += 1;
      return { ...answer, text: this.#redact(answer.text) };
    } catch (error) {
      this.#status.failed += 1;
      return this.#explained(error as Error, connection, abort.signal);
    } finally {
      this.#calls.delete(id);
      this.#tell();
    }
  }

  /** Connects anew, at once, also one that was given up: what was wrong with it is mended, perhaps. */
  restart(): void {
    if (this.#isStopped) return;
    clearTimeout(this.#waiting);
    clearTimeout(this.#settling);
    const connection = this.#connection;
    this.#connection = undefined;
    if (connection !== undefined) this.#closing = connection.close(true).catch(() => {});
    this.#bad = 0;
    this.#tools = [];
    this.#status.tools = 0;
    this.#become('connecting', null);
    void this.#closing.then(() => this.#connect());
  }

  /** The server is told that nobody waits any more. */
  cancel(id: string): void {
    this.#calls.get(id)?.abort('the run was cancelled');
  }

  /** `hurry`: there is no time left. */
  async stop(hurry: boolean): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#waiting);
    clearTimeout(this.#settling);
    await Promise.all([this.#closing, this.#connection?.close(hurry)]);
  }

  async #connect(): Promise<void> {
    // It may be connected by somebody who has asked for that meanwhile.
    if (this.#isStopped || this.#connection !== undefined) return;
    this.#become('connecting', null);
    const { name, settings, send } = this.#options;
    const told = new Told();
    const connection: Connection = new Connection(settings, {
      onEnd: (reason) => this.#lost(connection, reason),
      onToolsChanged: () => this.#toolsChanged(connection),
      onGroup: (pid) => send({ type: 'group', server: name, pid }),
      onLine: (line, from) => {
        const where = from === 'stderr' ? '' : 'no message of the protocol on standard output: ';
        if (told.mayTell()) this.#options.log(from === 'stderr' ? 'info' : 'warn', `${where}${this.#redact(line)}`);
      },
    });
    this.#connection = connection;
    this.#connectedAt = performance.now();
    try {
      await connection.open();
      if (this.#isStopped) return;
      await this.#list(connection);
      if (this.#connection !== connection) return;
      this.#become('ready', null);
      this.#options.log('info', `connected, ${this.#tools.length} tools`);
    } catch (error) {
      this.#lost(connection, this.#worded(error as Error));
    }
  }

  async #list(connection: Connection): Promise<void> {
    const { name, settings } = this.#options;
    const { tools, refused } = readListing(name, settings.trust, await connection.tools());
    if (this.#connection !== connection) return;
    for (const line of refused) this.#options.log('warn', `a tool is not offered: ${line}`);
    this.#tools = tools;
    this.#status.tools = tools.length;
    this.#status.refused = refused;
  }

  #toolsChanged(connection: Connection): void {
    clearTimeout(this.#settling);
    this.#settling = setTimeout(() => {
      if (this.#connection !== connection || this.#status.state !== 'ready') return;
      this.#list(connection).then(
        () => {
          this.#offer();
          this.#tell();
        },
        (error: Error) => this.#options.log('warn', `its changed list of tools cannot be read: ${this.#worded(error)}`),
      );
    }, this.#timing.settleMs);
  }

  /** The connection is at an end: another one is made, or not. */
  #lost(connection: Connection, reason: string): void {
    if (this.#connection !== connection || this.#isStopped) return;
    this.#connection = undefined;
    this.#closing = connection.close(true).catch(() => {});
    const { backoffMinMs, backoffMaxMs, stableMs, badMax } = this.#timing;
    const wasGood = this.#status.state === 'ready' && performance.now() - this.#connectedAt >= stableMs;
    this.#bad = wasGood ? 1 : this.#bad + 1;
    this.#tools = [];
    this.#status.tools = 0;
    const why = this.#redact(reason).slice(0, REASON_LENGTH_MAX);
    if (this.#options.settings.command !== undefined && this.#bad >= badMax) {
      this.#become('failed', `given up after ${this.#bad} starts in a row: ${why}`);
      this.#options.log('error', `given up after ${this.#bad} starts in a row: ${why}`);
      return;
    }
    const waitMs = Math.min(backoffMaxMs, backoffMinMs * 2 ** (this.#bad - 1));
    this.#become('waiting', why);
    this.#options.log('warn', `${why}; it is tried again in ${waitMs} ms`);
    this.#status.restarts += 1;
    this.#waiting = setTimeout(() => void this.#closing.then(() => this.#connect()), waitMs);
  }

  /** What the model is told of a call that failed, and what that says of the connection. */
  #explained(error: Error, connection: Connection, signal: AbortSignal): McpAnswer {
    const { name, settings } = this.#options;
    if (signal.aborted) return ours('the call was cancelled; whether it did anything is not known');
    const code = error instanceof McpError ? error.code : undefined;
    if (code === TIMED_OUT) {
      void this.#suspect(connection);
      return ours(
        `the MCP server ${name} did not answer within ${settings.callTimeoutMs} ms and the call was cancelled; whether it did anything is not known`,
      );
    }
    const text = this.#worded(error);
    if (error instanceof McpError && this.#connection === connection) {
      return { text: `the MCP server ${name} refused the call: ${text}`, failed: true, foreign: true };
    }
    // What the transport throws: it cannot be reached any more, or does not know the session.
    if (settings.url !== undefined) this.#lost(connection, text);
    const failure = `the call of the MCP server ${name} failed: ${text}; whether it did anything is not known`;
    if (error instanceof StreamableHTTPError && error.code === NO_SESSION) {
      return ours(
        `the MCP server ${name} had lost the connection, which is made anew; nothing was done: call it again`,
      );
    }
    // Over HTTP the server may have said it in its own words.
    return { text: failure, failed: true, foreign: settings.url !== undefined };
  }

  /** One that answers no call may hang: then it is started again. */
  async #suspect(connection: Connection): Promise<void> {
    if (this.#isPinging) return;
    this.#isPinging = true;
    const answers = await connection.answers();
    this.#isPinging = false;
    if (!answers) this.#lost(connection, 'it answers neither a call nor a ping');
  }

  #worded(error: Error): string {
    if (error instanceof z.core.$ZodError) return 'what it answered is not as the protocol wants it';
    const cause = error.cause instanceof Error ? `: ${error.cause.message}` : '';
    return this.#redact(`${error.message}${cause}`.replace(/^MCP error -?\d+: /, '')).slice(0, REASON_LENGTH_MAX);
  }

  #become(state: McpServerStatus['state'], reason: string | null): void {
    Object.assign(this.#status, { state, reason, since: Date.now() });
    this.#offer();
    this.#tell();
  }

  #offer(): void {
    const { name, send } = this.#options;
    send({ type: 'offer', offer: { server: name, state: this.#stateText(), tools: this.#tools } });
  }

  #tell(): void {
    this.#options.send({ type: 'status', status: { ...this.#status } });
  }

  /** For models: without the reason, in which the server may have had its say. */
  #stateText(): string {
    return STATE_TEXTS[this.#status.state];
  }
}

const STATE_TEXTS: Record<McpServerStatus['state'], string> = {
  connecting: 'it is being connected',
  ready: 'it is connected',
  waiting: 'it cannot be reached and is tried again',
  failed: 'it ended too often and is not started again',
};

/** Lines of a program that are logged in this time. */
const LINES_MAX = 50;
const LINES_MS = 10_000;

/** Keeps a program that writes without end from filling the log. */
class Told {
  #until = 0;
  #lines = 0;

  mayTell(nowMs = performance.now()): boolean {
    if (nowMs >= this.#until) {
      this.#until = nowMs + LINES_MS;
      this.#lines = 0;
    }
    this.#lines += 1;
    return this.#lines <= LINES_MAX;
  }
}
