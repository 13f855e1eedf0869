/**
 * What the stand-ins for the model APIs share: an HTTP server on a free port that checks each request as the vendor
 * would, answers from a script and streams server-sent events. `openai-server.ts` and `anthropic-server.ts` add the
 * vendor's rules and format. Each can run in a process of its own: it needs nothing of the test runner.
 */
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One scripted answer. An empty object is an answer without text. */
export interface Reply {
  text?: readonly string[];
  toolCalls?: readonly ScriptedToolCall[];
  /** Anthropic only: a thinking block before the rest. */
  thinking?: string;
  /** Why the answer ends; the default follows from what is in it. */
  end?: 'stop' | 'toolCalls' | 'length' | 'refused';
  /** False: the API reports no usage, as some compatible servers do. */
  usage?: false;
  /** What it reports; default 11, or with a {@link ServerOptions.window} what was sent. */
  inputTokens?: number;
  /** A refusal with the vendor's error body instead of an answer. */
  status?: number;
  message?: string;
  retryAfterMs?: number;
  fault?: Fault;
  /** Time between events: undefined sends all at once, 0 one in each turn of the event loop. */
  eventDelayMs?: number;
}

export interface ScriptedToolCall {
  name: string;
  input?: unknown;
  /** Sent as the arguments instead of `input` as JSON. */
  rawInput?: string;
  id?: string;
}

/**
 * What goes wrong. All but `silent` send the first half of the answer's events:
 * - `cut`: then the socket is destroyed; `end`: then the response ends as if it were whole;
 * - `garbage`: then a line that is not JSON; `failure`: then the vendor's error event;
 * - `stall`: then nothing more; `silent`: nothing at all, not even a status.
 */
export type Fault = 'cut' | 'end' | 'garbage' | 'failure' | 'stall' | 'silent';

export interface ReceivedRequest {
  body: Record<string, unknown>;
  headers: IncomingHttpHeaders;
  /** The client's port: the same for two requests over one connection. */
  port: number | undefined;
  /** Settles when the connection closed before the answer was whole: the client gave up. */
  abandoned: Promise<void>;
}

export interface ModelServer {
  /** For the client's `baseURL`, without a slash at the end. */
  readonly url: string;
  readonly requests: ReceivedRequest[];
  /** Appends to the script. When it is empty the default reply is sent. */
  script(...replies: Reply[]): void;
  /** The request number `index`, from 0, as soon as it is there. */
  request(index: number): Promise<ReceivedRequest>;
  /** Forgets requests and script. */
  reset(): void;
  close(): Promise<void>;
}

/** One vendor's part. */
export interface Vendor {
  /** Path of the one request it answers; `basePath` of it belongs to the client's base URL. */
  path: string;
  basePath: string;
  /** What the vendor would refuse about the request, or null. Throws nothing. */
  refuse(headers: IncomingHttpHeaders, body: Record<string, unknown>): Refusal | null;
  errorBody(refusal: Refusal): string;
  /** Server-sent events of the answer: its opening, its content, its end. */
  events(reply: Reply, body: Record<string, unknown>): { open: string[]; content: string[]; close: string[] };
  /** An event whose data is not JSON, and one with which the vendor reports a failure in the middle of an answer. */
  garbageEvent: string;
  failureEvent: string;
}

export interface Refusal {
  status: number;
  message: string;
  /** OpenAI: the field. */
  param?: string | null;
}

export interface ServerOptions {
  /** Sent when the script is empty. Default: the text "Hello there". */
  reply?: Reply;
  /** Decides, where the script is empty, by what is asked. */
  answer?: (body: Record<string, unknown>) => Reply | Promise<Reply>;
  /** Keep what was received. Default true; a load test turns it off. */
  record?: boolean;
  /** Refuses requests of more tokens. */
  window?: { tokens: number; refusal: OverflowRefusal };
}

/** How a server says that a request is too long: of `sent` tokens, with `answer` more wanted, where `limit` is all. */
export type OverflowRefusal = (sent: number, answer: number, limit: number) => { status: number; body: unknown };

const EVENT_STREAM = { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' };

export async function startModelServer(vendor: Vendor, options: ServerOptions): Promise<ModelServer> {
  const script: Reply[] = [];
  const requests: ReceivedRequest[] = [];
  const waiting = new Map<number, (request: ReceivedRequest) => void>();

  const record = (request: IncomingMessage, response: ServerResponse, body: Record<string, unknown>): void => {
    const abandoned = new Promise<void>((resolve) => {
      response.on('close', () => response.writableFinished || resolve());
    });
    const index = requests.push({ body, headers: request.headers, port: request.socket.remotePort, abandoned }) - 1;
    waiting.get(index)?.(requests[index]!);
    waiting.delete(index);
  };

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const refuse = (refusal: Refusal, headers: Record<string, string> = {}): void => {
      response.writeHead(refusal.status, { 'content-type': 'application/json', ...headers });
      response.end(vendor.errorBody(refusal));
    };
    const text = await readBody(request);
    if (request.method !== 'POST' || request.url !== vendor.path) {
      return refuse({ status: 404, message: `Invalid URL (${request.method} ${request.url})` });
    }
    const body = parseObject(text);
    if (!body) return refuse({ status: 400, message: 'The body of your request is not valid JSON.' });
    if (options.record !== false) record(request, response, body);
    const refusal = vendor.refuse(request.headers, body);
    if (refusal) return refuse(refusal);

    const sent = options.window === undefined ? undefined : await tokensIn(body);
    if (options.window !== undefined && sent !== undefined && sent > options.window.tokens) {
      const answer = Number(body.max_tokens ?? body.max_completion_tokens ?? 0);
      const { status, body: told } = options.window.refusal(sent, answer, options.window.tokens);
      response.writeHead(status, { 'content-type': 'application/json' });
      return void response.end(JSON.stringify(told));
    }

    const scripted = script.shift() ?? (await options.answer?.(body)) ?? options.reply ?? { text: ['Hello', ' there'] };
    const reply = sent === undefined ? scripted : { inputTokens: sent, ...scripted };
    if (reply.status !== undefined) {
      const wait = reply.retryAfterMs;
      return refuse(
        { status: reply.status, message: reply.message ?? `scripted refusal ${reply.status}` },
        wait === undefined ? {} : { 'retry-after': String(Math.ceil(wait / 1000)), 'retry-after-ms': String(wait) },
      );
    }
    if (reply.fault !== 'silent') await stream(response, vendor, reply, body);
  };

  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => response.destroy(error as Error));
  });
  // Longer than a client keeps an idle connection, so that it is never closed under a request just being sent.
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;

  return {
    url: `http://127.0.0.1:${port}${vendor.basePath}`,
    requests,
    script: (...replies) => void script.push(...replies),
    request: (index) =>
      requests[index]
        ? Promise.resolve(requests[index])
        : new Promise((resolve) => {
            waiting.set(index, resolve);
          }),
    reset() {
      script.length = 0;
      requests.length = 0;
      waiting.clear();
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function stream(
  response: ServerResponse,
  vendor: Vendor,
  reply: Reply,
  body: Record<string, unknown>,
): Promise<void> {
  const { open, content, close } = vendor.events(reply, body);
  const events = reply.fault
    ? [...open, ...content.slice(0, Math.ceil(content.length / 2))]
    : [...open, ...content, ...close];
  response.writeHead(200, EVENT_STREAM);
  response.flushHeaders();
  if (reply.eventDelayMs === undefined) {
    response.write(events.join(''));
  } else {
    for (const event of events) {
      if (response.destroyed) return;
      response.write(event);
      await pause(reply.eventDelayMs);
    }
  }
  switch (reply.fault) {
    case 'stall':
      return;
    case 'cut':
      // Only once the client can have the first half: otherwise this would be a refused connection, which is retried.
      return await new Promise((resolve) => response.write(': \n\n', () => resolve(void response.destroy())));
    case 'garbage':
      response.write(vendor.garbageEvent);
      break;
    case 'failure':
      response.write(vendor.failureEvent);
      break;
  }
  response.end();
}

/** Tokens of everything in the request that is text for the model. */
async function tokensIn({ system, messages, tools }: Record<string, unknown>): Promise<number> {
  const { countTokens } = await import('gpt-tokenizer');
  return countTokens(JSON.stringify([system ?? '', messages, tools ?? []]));
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => (ms === 0 ? setImmediate(resolve) : setTimeout(resolve, ms)));
}

function readBody(request: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    request.setEncoding('utf8');
    request.on('data', (chunk: string) => {
      text += chunk;
    });
    request.on('end', () => resolve(text));
    request.on('error', reject);
  });
}

function parseObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return value !== null && typeof value === 'object' && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}
