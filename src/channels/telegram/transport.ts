/**
 * HTTP to the Bot API, for grammY in place of the `fetch` it brings (node-fetch 2). That one takes an answer that comes in
 * chunks for cut off when its connection is given to the next request at once: under load every second message would be one
 * of unknown fate. Here the connections are also ours to close.
 */
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { Readable } from 'node:stream';
import { ChannelError } from '../adapter.ts';

/** Connections for calls and files at a time; further calls wait for one. Polling has one of its own. */
const CONNECTIONS_MAX = 50;
/**
 * A connection is closed when nobody used it for so long, in milliseconds: before Telegram closes it, since a request on a
 * connection that is just being closed leaves open whether it was taken.
 */
const IDLE_MS = 30_000;
/** Largest answer of a method that is read: 100 updates have about 5 MB at most. */
const ANSWER_BYTES_MAX = 32 * 1024 * 1024;

/** The part of a signal that the one grammY makes has too. */
interface Abortable {
  readonly aborted: boolean;
  addEventListener(type: 'abort', listener: () => void): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

/** What grammY hands to `fetch`. */
interface Call {
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly body: string | Readable;
  readonly signal: Abortable;
}

export class Transport {
  readonly #send: typeof httpRequest;
  readonly #calls: HttpAgent;
  readonly #polls: HttpAgent;

  constructor(root: string) {
    const isSecure = root.startsWith('https:');
    const Agent = isSecure ? HttpsAgent : HttpAgent;
    this.#send = isSecure ? httpsRequest : httpRequest;
    this.#calls = new Agent({ keepAlive: true, maxSockets: CONNECTIONS_MAX, timeout: IDLE_MS });
    this.#polls = new Agent({ keepAlive: true });
  }

  /** For grammY, which wants no more of an answer than this. Redirects are not followed: an address holds the token. */
  readonly fetch = async (url: string, call: Call): Promise<{ json(): Promise<unknown> }> => {
    const agent = url.endsWith('/getUpdates') ? this.#polls : this.#calls;
    const { method, headers, body, signal } = call;
    const answer = await this.#exchange(url, { method, headers, agent }, body, signal, ANSWER_BYTES_MAX);
    return { json: async () => parse(answer) };
  };

  /** The content of a file. Throws a ChannelError of kind `too_large` after `bytesMax` bytes, or what went wrong. */
  async download(url: string, bytesMax: number, signal: AbortSignal): Promise<Uint8Array> {
    const { status, body } = await this.#exchange(url, { agent: this.#calls }, undefined, signal, bytesMax);
    if (status !== 200) throw new Error(`the file server answered ${status}`);
    return body;
  }

  /** Closes every connection; requests under way fail. */
  close(): void {
    this.#calls.destroy();
    this.#polls.destroy();
  }

  async #exchange(
    url: string,
    options: RequestOptions,
    body: string | Readable | undefined,
    signal: Abortable,
    bytesMax: number,
  ): Promise<{ status: number; body: Buffer }> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const request = this.#send(url, options, resolve).on('error', reject);
    const giveUp = (): void => void request.destroy(new Error('it was given up'));
    signal.addEventListener('abort', giveUp);
    try {
      if (signal.aborted) giveUp();
      else if (body instanceof Readable) body.on('error', (error) => request.destroy(error)).pipe(request);
      else request.end(body);
      const response = await promise;
      return { status: response.statusCode ?? 0, body: await read(response, bytesMax) };
    } catch (error) {
      request.destroy();
      throw error;
    } finally {
      signal.removeEventListener('abort', giveUp);
    }
  }
}

async function read(response: IncomingMessage, bytesMax: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw new ChannelError('too_large', `it has more than ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Throws an Error with the status when it is no JSON: then who answered is not the Bot API, but what stands before it. */
function parse({ status, body }: { status: number; body: Buffer }): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    throw new Error(`the answer (${status}) is not one of the Bot API`);
  }
}
