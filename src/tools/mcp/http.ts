/** MCP over streamable HTTP: the SDK's transport, over a `fetch` that has an end to whatever the server answers. */
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { FetchLike } from '@modelcontextprotocol/sdk/shared/transport.js';
import { CALLS_MAX, MESSAGE_BYTES_MAX } from './limits.ts';
import { Pace } from './pace.ts';

/** Answers that may be open: of calls, and of such as were cancelled and go on. */
const OPEN_MAX = 2 * CALLS_MAX;
/** The stream for notifications is opened again after so long, and not more often in a row before the server counts as lost. */
const REOPEN = {
  initialReconnectionDelay: 1_000,
  maxReconnectionDelay: 30_000,
  reconnectionDelayGrowFactor: 2,
  maxRetries: 5,
};

const NEWLINE = 0x0a;
const RETURN = 0x0d;

export interface HttpSettings {
  url: string;
  headers?: Readonly<Record<string, string | undefined>> | undefined;
  /** Of one answer, from the request to its last byte. */
  answerMsMax: number;
  /** It sends what no server may: without this the SDK would only ask again. */
  onBreach(error: Error): void;
}

export function httpTransport({
  url,
  headers = {},
  answerMsMax,
  onBreach,
}: HttpSettings): StreamableHTTPClientTransport {
  const listed = Object.entries(headers).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return new StreamableHTTPClientTransport(new URL(url), {
    requestInit: { headers: Object.fromEntries(listed) },
    fetch: boundedFetch(answerMsMax, onBreach),
    reconnectionOptions: REOPEN,
  });
}

/** Of one server: what all of its answers together may be is bounded. */
function boundedFetch(answerMsMax: number, onBreach: (error: Error) => void): FetchLike {
  const pace = new Pace();
  let open = 0;
  return async (url, init = {}) => {
    const isStream = (init.method ?? 'GET') === 'GET';
    if (!isStream && open >= OPEN_MAX) throw new Error(`${OPEN_MAX} of its answers are open and do not end`);
    const signals = [init.signal, isStream ? undefined : AbortSignal.timeout(answerMsMax)];
    const signal = AbortSignal.any(signals.filter((one) => one !== undefined && one !== null));
    open += 1;
    const done = once(() => {
      open -= 1;
    });
    try {
      const response = await fetch(url, { ...init, signal });
      if (response.body === null) {
        done();
        return response;
      }
      const { status, statusText, headers } = response;
      const body = boundedBody(response.body, new Bounds(pace, headers, onBreach), done);
      return new Response(body, { status, statusText, headers });
    } catch (error) {
      done();
      throw error;
    }
  };
}

/** The body as it comes, up to where it breaks a limit; `done` is called when nothing more is read of it. */
function boundedBody(body: ReadableStream<Uint8Array<ArrayBuffer>>, bounds: Bounds, done: () => void) {
  const reader = body.getReader();
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      try {
        const { done: isEnd, value } = await reader.read();
        if (isEnd) {
          done();
          controller.close();
          return;
        }
        bounds.check(value);
        controller.enqueue(value);
      } catch (error) {
        done();
        reader.cancel(error).catch(() => {});
        throw error;
      }
    },
    cancel(reason) {
      done();
      return reader.cancel(reason);
    },
  });
}

/** Of one answer. In a stream of events an empty line ends each message; any other body is one. */
class Bounds {
  readonly #pace: Pace;
  readonly #isEvents: boolean;
  readonly #onBreach: (error: Error) => void;
  #bytes = 0;
  #lineIsEmpty = true;

  constructor(pace: Pace, headers: Headers, onBreach: (error: Error) => void) {
    this.#pace = pace;
    this.#onBreach = onBreach;
    this.#isEvents = headers.get('content-type')?.startsWith('text/event-stream') === true;
  }

  /** Throws where a message is too long or they come too fast. */
  check(chunk: Uint8Array): void {
    let messages = 0;
    let start = 0;
    for (let at = 0; this.#isEvents && at < chunk.length; at += 1) {
      const byte = chunk[at];
      if (byte === NEWLINE && this.#lineIsEmpty) {
        messages += 1;
        this.#bytes = 0;
        start = at + 1;
      }
      this.#lineIsEmpty = byte === NEWLINE || (this.#lineIsEmpty && byte === RETURN);
    }
    this.#bytes += chunk.length - start;
    try {
      this.#pace.count(messages, chunk.length);
      if (this.#bytes > MESSAGE_BYTES_MAX) throw new Error(`it sent a message over ${MESSAGE_BYTES_MAX} bytes`);
    } catch (error) {
      this.#onBreach(error as Error);
      throw error;
    }
  }
}

function once(work: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) work();
    isDone = true;
  };
}
