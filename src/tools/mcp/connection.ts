/** One connection to a server, from its start to its end: the SDK's client, with an end to whatever is waited for. */
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { EmptyResultSchema, ToolListChangedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import { z } from 'zod';
import type { McpServerConfig } from '../../config/mcp.ts';
import { VERSION } from '../../version.ts';
import { callResult } from './content.ts';
import { httpTransport } from './http.ts';
import { ANSWER_SLACK_MS } from './limits.ts';
import { TOOLS_MAX } from './listing.ts';
import { type ProgramHooks, StdioTransport } from './stdio.ts';

/** Pages of a list of tools. */
const PAGES_MAX = 32;
/** Tools of a list that are looked at: what is over the limit of those that are offered is told. */
const LISTED_MAX = 4 * TOOLS_MAX;
const PING_MS = 5_000;
/** The SDK's own limits are only there so that it keeps nothing for ever: ours end first, also what has no request. */
const SDK_SLACK_MS = 1_000;
const CLOSED = 'the connection was closed';

const toolPage = z.looseObject({ tools: z.array(z.unknown()), nextCursor: z.string().optional() });

export interface ConnectionHooks extends ProgramHooks {
  /** The connection is at an end that nobody asked for. Called once at most, and only when {@link Connection.open} has resolved. */
  onEnd(reason: string): void;
  onToolsChanged(): void;
}

export class Connection {
  readonly #settings: McpServerConfig;
  readonly #client = new Client({ name: 'dhaavak', version: VERSION }, { capabilities: {} });
  readonly #transport: StdioTransport | ReturnType<typeof httpTransport>;
  readonly #ended = Promise.withResolvers<never>();
  #isOpen = false;

  constructor(settings: McpServerConfig, hooks: ConnectionHooks) {
    this.#settings = settings;
    const { command, url = '', callTimeoutMs, connectTimeoutMs } = settings;
    this.#transport =
      command === undefined
        ? httpTransport({
            ...settings,
            url,
            answerMsMax: Math.max(callTimeoutMs, connectTimeoutMs) + ANSWER_SLACK_MS,
            onBreach: (error) => this.#end(error.message),
          })
        : new StdioTransport({ ...settings, command }, hooks);
    this.#client.onclose = () => {
      this.#end(this.#transport instanceof StdioTransport ? (this.#transport.reason ?? CLOSED) : CLOSED);
    };
    this.#client.onerror = (error) => {
      if (/maximum reconnection attempts/i.test(error.message))
        this.#end('its stream of notifications cannot be opened');
    };
    this.#client.setNotificationHandler(ToolListChangedNotificationSchema, () => hooks.onToolsChanged());
    this.#ended.promise.catch((error: Error) => {
      if (this.#isOpen) hooks.onEnd(error.message);
    });
  }

  /** Throws with the reason when it is not there in time. */
  async open(): Promise<void> {
    const { connectTimeoutMs } = this.#settings;
    // The SDK's type of an optional property is not ours (`exactOptionalPropertyTypes`).
    try {
      const timeout = connectTimeoutMs + SDK_SLACK_MS;
      const connected = this.#client.connect(this.#transport as Transport, { timeout });
      await withTimeout(connectTimeoutMs, connected);
    } catch (error) {
      const reason = this.#transport instanceof StdioTransport ? this.#transport.reason : undefined;
      throw reason === undefined ? error : new Error(reason);
    }
    this.#isOpen = true;
  }

  /** As the server has them: they are not looked at here. */
  async tools(): Promise<unknown[]> {
    if (this.#client.getServerCapabilities()?.tools === undefined) return [];
    return Promise.race([withTimeout(this.#settings.connectTimeoutMs, this.#pages()), this.#ended.promise]);
  }

  /**
   * Throws what the server refused it with, or that it did not answer. The SDK's own `callTool` would compile the schema of the
   * tool's output, regular expressions of the server's and all, to check what only a model reads.
   */
  async call(name: string, input: unknown, signal: AbortSignal) {
    const request = { method: 'tools/call' as const, params: { name, arguments: input as Record<string, unknown> } };
    const options = { signal, timeout: this.#settings.callTimeoutMs };
    return Promise.race([this.#client.request(request, callResult, options), this.#ended.promise]);
  }

  async answers(): Promise<boolean> {
    const ping = this.#client.request({ method: 'ping' }, EmptyResultSchema, { timeout: PING_MS + SDK_SLACK_MS });
    return withTimeout(PING_MS, ping).then(
      () => true,
      () => false,
    );
  }

  /** `hurry`: a program is given no time to end by itself. */
  async close(hurry = false): Promise<void> {
    this.#isOpen = false;
    this.#end(CLOSED);
    if (this.#transport instanceof StdioTransport) {
      await this.#transport.close(hurry);
      return;
    }
    if (!hurry) await withTimeout(PING_MS, this.#transport.terminateSession()).catch(() => {});
    await this.#transport.close();
  }

  async #pages(): Promise<unknown[]> {
    const timeout = this.#settings.connectTimeoutMs + SDK_SLACK_MS;
    const tools: unknown[] = [];
    let cursor: string | undefined;
    for (let page = 0; page < PAGES_MAX && tools.length < LISTED_MAX; page += 1) {
      const params = cursor === undefined ? {} : { cursor };
      const answer = await this.#client.request({ method: 'tools/list', params }, toolPage, { timeout });
      tools.push(...answer.tools);
      if (answer.nextCursor === undefined || answer.nextCursor === cursor) break;
      cursor = answer.nextCursor;
    }
    return tools.slice(0, LISTED_MAX);
  }

  #end(reason: string): void {
    this.#ended.reject(new Error(reason));
  }
}

async function withTimeout<T>(timeoutMs: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`it did not answer within ${timeoutMs} ms`)), timeoutMs);
  });
  work.catch(() => {}); // when it is too late
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
