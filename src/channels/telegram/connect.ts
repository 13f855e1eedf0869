/** The connections to the Bot API: grammY's client over connections of our own, so that stopping leaves none behind. */
import { type ClientRequest, Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { Api, type RawApi } from 'grammy';
import { ChannelError } from '../adapter.ts';
import { channelError, withoutToken } from './failure.ts';

const DEFAULT_URL = 'https://api.telegram.org';
/** Longest a call may take, in seconds: a file of 50 MB over a slow line takes as long. Polling has its own, shorter. */
const CALL_TIMEOUT_S = 60;
/** Connections for calls and files at a time; further calls wait for one. Polling has one of its own. */
const CONNECTIONS_MAX = 50;
/**
 * A connection is closed when nobody used it for so long, in milliseconds: before Telegram closes it, since a request on a
 * connection that is just being closed leaves open whether it was taken.
 */
const IDLE_MS = 30_000;
/** Largest answer that is read: 100 updates have about 5 MB at most. */
const ANSWER_BYTES_MAX = 32 * 1024 * 1024;
/** Largest file a bot may fetch from Telegram's own server. */
export const DOWNLOAD_BYTES_MAX = 20 * 1024 * 1024;

/** What grammY takes for a signal: by its types the one of a package for old Nodes. */
export type GrammySignal = Parameters<RawApi['getMe']>[0];

/** One bot's access to the Bot API. */
export class TelegramClient {
  readonly token: string;
  readonly #root: string;
  readonly #api: RawApi;
  readonly #calls: HttpAgent;
  readonly #polls: HttpAgent;

  constructor(token: string, apiUrl = DEFAULT_URL) {
    this.token = token;
    this.#root = apiUrl.replace(/\/+$/, '');
    const Agent = this.#root.startsWith('https:') ? HttpsAgent : HttpAgent;
    this.#calls = new Agent({ keepAlive: true, maxSockets: CONNECTIONS_MAX, timeout: IDLE_MS });
    this.#polls = new Agent({ keepAlive: true });
    const agent = ({ pathname }: URL): HttpAgent => (pathname.endsWith('/getUpdates') ? this.#polls : this.#calls);
    // A redirect would show the token, a part of every address, to somebody else.
    const baseFetchConfig = { agent, compress: true, redirect: 'error', size: ANSWER_BYTES_MAX };
    this.#api = new Api(token, { apiRoot: this.#root, timeoutSeconds: CALL_TIMEOUT_S, baseFetchConfig }).raw;
  }

  /**
   * What `run` gets from the API. Throws a ChannelError, named for `method`. `repeatable`: a lost answer does not matter.
   */
  async call<T>(
    method: string,
    signal: AbortSignal,
    run: (api: RawApi, signal: GrammySignal) => Promise<T>,
    { repeatable = false } = {},
  ): Promise<T> {
    if (signal.aborted) throw new ChannelError('temporary', `${method} was given up before Telegram was asked`);
    try {
      return await run(this.#api, signal as unknown as GrammySignal);
    } catch (error) {
      throw channelError(method, error, this.token, repeatable);
    }
  }

  /** The content of a file of which `getFile` gave the path. Throws a ChannelError: `too_large` after `bytesMax` bytes. */
  async download(path: string, bytesMax: number, signal: AbortSignal): Promise<Uint8Array> {
    const url = new URL(`${this.#root}/file/bot${this.token}/${encodeURI(path)}`);
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
    let request: ClientRequest | undefined;
    try {
      request = send(url, { agent: this.#calls, signal }, resolve).on('error', reject);
      request.end();
      const response = await promise;
      if (response.statusCode !== 200) throw new Error(`the file server answered ${response.statusCode}`);
      return await read(response, bytesMax);
    } catch (error) {
      request?.destroy();
      throw channelError('the file', error, this.token, true);
    }
  }

  /** A text of Telegram's as it may be shown. */
  scrub(text: string): string {
    return withoutToken(text, this.token);
  }

  /** Closes every connection; calls under way fail. */
  close(): void {
    this.#calls.destroy();
    this.#polls.destroy();
  }
}

async function read(response: IncomingMessage, bytesMax: number): Promise<Uint8Array> {
  const tooLarge = new ChannelError('too_large', `the file has more than ${bytesMax} bytes`);
  if (Number(response.headers['content-length'] ?? 0) > bytesMax) throw tooLarge;
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw tooLarge;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
