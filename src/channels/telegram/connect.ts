/** Access to the Bot API: grammY's client, over a transport of ours, with what goes wrong as ChannelErrors. */
import { Api, type RawApi } from 'grammy';
import { ChannelError } from '../adapter.ts';
import { channelError, withoutToken } from './failure.ts';
import { Transport } from './transport.ts';

const DEFAULT_URL = 'https://api.telegram.org';
/** Longest a call may take, in seconds: a file of 50 MB over a slow line takes as long. Polling has its own, shorter. */
const CALL_TIMEOUT_S = 60;
/** Largest file a bot may fetch from Telegram's own server. */
export const DOWNLOAD_BYTES_MAX = 20 * 1024 * 1024;

/** What grammY takes for a signal: by its types the one of a package for old Nodes. */
export type GrammySignal = Parameters<RawApi['getMe']>[0];

/** One bot's access to the Bot API. */
export class TelegramClient {
  readonly token: string;
  readonly #root: string;
  readonly #transport: Transport;
  readonly #api: RawApi;

  constructor(token: string, apiUrl = DEFAULT_URL) {
    this.token = token;
    this.#root = apiUrl.replace(/\/+$/, '');
    this.#transport = new Transport(this.#root);
    const { fetch } = this.#transport;
    this.#api = new Api(token, { apiRoot: this.#root, timeoutSeconds: CALL_TIMEOUT_S, fetch }).raw;
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
    try {
      return await this.#transport.download(`${this.#root}/file/bot${this.token}/${encodeURI(path)}`, bytesMax, signal);
    } catch (error) {
      throw channelError('the file', error, this.token, true);
    }
  }

  /** A text of Telegram's as it may be shown. */
  scrub(text: string): string {
    return withoutToken(text, this.token);
  }

  /** Closes every connection; calls under way fail. */
  close(): void {
    this.#transport.close();
  }
}
