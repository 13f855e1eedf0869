/**
 * The connections to Slack: what its library fetches with, over connections of our own, so that stopping leaves none behind
 * and whoever asked learns whether the request had left. (The `fetch` of Node costs 40 ms and 17 MB when it is first used.)
 */
import type { IncomingMessage } from 'node:http';
import type { FetchFunction } from '@slack/web-api';
import { ChannelError } from '../adapter.ts';

/** An import of `node:http` would have Node load its `fetch` all the same: an ES module has every export of it, at once. */
const http = process.getBuiltinModule('node:http');
const https = process.getBuiltinModule('node:https');

/** Connections at a time; further requests wait for one. */
const CONNECTIONS_MAX = 50;
/** A connection is closed when nobody used it for so long, in milliseconds: before Slack closes it. */
const IDLE_MS = 30_000;
/** Largest answer of the API that is read. */
const ANSWER_BYTES_MAX = 8 * 1024 * 1024;

/** What goes with a request. */
export interface HttpRequest {
  readonly method: 'GET' | 'POST';
  readonly headers?: Record<string, string>;
  readonly body?: string | Uint8Array;
  readonly signal: AbortSignal;
}

export class Http {
  readonly #plain = new http.Agent({ keepAlive: true, maxSockets: CONNECTIONS_MAX, timeout: IDLE_MS });
  readonly #secure = new https.Agent({ keepAlive: true, maxSockets: CONNECTIONS_MAX, timeout: IDLE_MS });

  /**
   * The head of the response; its body is the caller's to read or to destroy. Redirects are not followed: they would show
   * the token to somebody else. Throws a ChannelError: `temporary` when the request did not leave, else `unknown`.
   */
  async request(url: URL, { method, headers = {}, body, signal }: HttpRequest): Promise<IncomingMessage> {
    if (signal.aborted) throw new ChannelError('temporary', 'given up before Slack was asked');
    const secure = url.protocol === 'https:';
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const options = { method, headers, agent: secure ? this.#secure : this.#plain, signal };
    const request = (secure ? https : http).request(url, options, resolve);
    let left = false;
    request.on('socket', (socket) => {
      if (socket.connecting) socket.once(secure ? 'secureConnect' : 'connect', () => (left = true));
      else left = true;
    });
    request.on('error', (error) => reject(broken(error, left)));
    request.end(body);
    return promise;
  }

  /** The body of a response, up to `bytesMax`. Throws a ChannelError: `too_large`, or `unknown` where it broke off. */
  async read(response: IncomingMessage, bytesMax = ANSWER_BYTES_MAX): Promise<Buffer> {
    const chunks: Buffer[] = [];
    let bytes = Number(response.headers['content-length'] ?? 0);
    try {
      if (bytes > bytesMax) throw tooLarge(bytesMax);
      bytes = 0;
      for await (const chunk of response as AsyncIterable<Buffer>) {
        bytes += chunk.length;
        if (bytes > bytesMax) throw tooLarge(bytesMax);
        chunks.push(chunk);
      }
      return Buffer.concat(chunks);
    } catch (error) {
      response.destroy();
      throw error instanceof ChannelError ? error : broken(error, true);
    }
  }

  /** For the library: what `signal` gives when a request is made ends it. */
  fetch(signal: () => AbortSignal): FetchFunction {
    return async (url, { method, headers, body } = {}) => {
      if (method !== 'POST' || (body !== undefined && typeof body !== 'string'))
        throw new Error('not a request of ours');
      const response = await this.request(new URL(url), {
        method,
        headers: { ...headers },
        ...(body === undefined ? {} : { body }),
        signal: signal(),
      });
      const content = await this.read(response);
      const status = response.statusCode ?? 0;
      const answer = new Map(Object.entries(response.headers).map(([name, value]) => [name, String(value)]));
      return {
        ok: status >= 200 && status < 300,
        status,
        statusText: response.statusMessage ?? '',
        url: String(url),
        headers: { get: (name: string) => answer.get(name.toLowerCase()) ?? null, entries: () => answer.entries() },
        json: async () => JSON.parse(content.toString()) as unknown,
        text: async () => content.toString(),
        arrayBuffer: async () => Uint8Array.from(content).buffer,
      };
    };
  }

  /** Closes every connection; requests under way fail. */
  close(): void {
    this.#plain.destroy();
    this.#secure.destroy();
  }
}

function broken(error: unknown, left: boolean): ChannelError {
  const { code, message } = error as NodeJS.ErrnoException;
  return left
    ? new ChannelError('unknown', `Slack did not answer (${code ?? message}): whether it was done is not known`)
    : new ChannelError('temporary', `Slack cannot be reached (${code ?? message})`);
}

function tooLarge(bytesMax: number): ChannelError {
  return new ChannelError('too_large', `it has more than ${bytesMax} bytes`);
}
