/**
 * Slack's Web API through its own library, which here makes one try of each call: its retries and its waiting for rate
 * limits are off, as the outbox decides. A call's signal reaches the library's request through the async context.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { LogLevel, WebClient, type WebClientOptions } from '@slack/web-api';
import { ChannelError } from '../adapter.ts';
import { channelError, scrubbed } from './failure.ts';
import { Http } from './http.ts';

const DEFAULT_URL = 'https://slack.com/api/';
const CALL_MS = 20_000;
/** 50 MB through 3 Mbit/s take 130 s. */
const TRANSFER_MS = 150_000;

/** The library logs bodies, and what goes wrong is thrown anyway. */
const SILENT = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  setLevel: () => undefined,
  getLevel: () => LogLevel.ERROR,
  setName: () => undefined,
};

const signals = new AsyncLocalStorage<AbortSignal>();

/** One account's access to the Web API and to the hosts of its files. */
export class SlackApi {
  readonly #token: string;
  readonly #secrets: readonly string[];
  readonly #ended: AbortSignal;
  readonly #refused: (error: ChannelError) => void;
  readonly #http = new Http();
  readonly #url: URL;
  readonly #web: WebClient;

  /**
   * @param secrets what may not be in errors: the first is the bot token
   * @param ended aborts all calls
   * @param refused called when the bot token is refused
   */
  constructor(
    secrets: readonly [string, ...string[]],
    apiUrl: string | undefined,
    ended: AbortSignal,
    refused: (error: ChannelError) => void,
  ) {
    this.#token = secrets[0];
    this.#secrets = secrets;
    this.#ended = ended;
    this.#refused = refused;
    this.#url = new URL((apiUrl ?? DEFAULT_URL).replace(/\/*$/, '/'));
    this.#web = new WebClient(this.#token, this.options);
  }

  /** For a client of the library, also that of Socket Mode. */
  get options(): Omit<WebClientOptions, 'logLevel'> {
    return {
      slackApiUrl: this.#url.href,
      logger: SILENT,
      fetch: this.#http.fetch(() => signals.getStore() ?? this.#ended),
      retryConfig: { retries: 0 },
      rejectRateLimitedCalls: true,
      // The connections have a limit of their own; a queue here would lose the caller's signal.
      maxRequestConcurrency: Number.POSITIVE_INFINITY,
      allowAbsoluteUrls: false,
    };
  }

  /**
   * What `run` gets from the API. Throws a ChannelError, with `what` it was for in it; `temporary` when `signal` had aborted
   * before. `repeatable`: a lost answer does not matter.
   */
  async call<T>(
    what: string,
    signal: AbortSignal,
    run: (web: WebClient) => Promise<T>,
    { repeatable = false } = {},
  ): Promise<T> {
    try {
      return await this.within(signal, () => run(this.#web));
    } catch (thrown) {
      const error = channelError(thrown, { what, repeatable, secrets: this.#secrets });
      if (error.kind === 'unauthorized') this.#refused(error);
      throw error;
    }
  }

  /** Runs `work`, whose requests through a client with {@link options} end with `signal`, with the adapter, or in time. */
  within<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    return signals.run(this.#limited(signal, CALL_MS), work);
  }

  /** A ChannelError of a call to a client of the library with {@link options}. */
  errorOf(thrown: unknown, what: string): ChannelError {
    return channelError(thrown, { what, repeatable: true, secrets: this.#secrets });
  }

  /**
   * The content of a file at Slack, which is a web page itself if `mediaType` says so. Throws a ChannelError: `too_large`
   * after `bytesMax` bytes.
   */
  async download(
    address: string,
    mediaType: string | undefined,
    bytesMax: number,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    const url = this.#own(address);
    try {
      const headers = { authorization: `Bearer ${this.#token}` };
      const response = await this.#http.request(url, {
        method: 'GET',
        headers,
        signal: this.#limited(signal, TRANSFER_MS),
      });
      const { statusCode: status = 0 } = response;
      const good = status === 200 && (isPage(mediaType) || !isPage(response.headers['content-type']));
      if (good) return await this.#http.read(response, bytesMax);
      response.destroy();
      throw noFile(status);
    } catch (error) {
      throw this.errorOf(error, 'a file');
    }
  }

  /** Puts a file where `files.getUploadURLExternal` said. Throws a ChannelError; nobody sees it yet, so never `unknown`. */
  async upload(address: string, data: Uint8Array, signal: AbortSignal): Promise<void> {
    const url = this.#own(address);
    try {
      const headers = { 'content-type': 'application/octet-stream', 'content-length': String(data.length) };
      const options = { method: 'POST', headers, body: data, signal: this.#limited(signal, TRANSFER_MS) } as const;
      const response = await this.#http.request(url, options);
      response.resume();
      const { statusCode: status = 0 } = response;
      if (status !== 200)
        throw new ChannelError(
          status >= 500 ? 'temporary' : 'rejected',
          `Slack did not take the file (HTTP ${status})`,
        );
    } catch (error) {
      throw this.errorOf(error, 'a file');
    }
  }

  /** Shows `text` to whoever caused what has this `response_url`, to nobody else. Throws a ChannelError. */
  async respond(responseUrl: string, text: string, thread: string | undefined): Promise<void> {
    const body = {
      response_type: 'ephemeral',
      replace_original: false,
      text,
      ...(thread === undefined ? {} : { thread_ts: thread }),
    };
    const response = await this.#http.request(this.#own(responseUrl), {
      method: 'POST',
      headers: { 'content-type': 'application/json; charset=utf-8' },
      body: JSON.stringify(body),
      signal: this.#limited(this.#ended, CALL_MS),
    });
    response.resume();
    if (response.statusCode !== 200) {
      throw new ChannelError('rejected', `Slack did not take the answer (HTTP ${response.statusCode})`);
    }
  }

  /** Words of Slack's as they may be shown. */
  scrub(text: string): string {
    return scrubbed(text, this.#secrets);
  }

  /** Closes every connection; calls under way fail. */
  close(): void {
    this.#http.close();
  }

  #limited(signal: AbortSignal, ms: number): AbortSignal {
    return AbortSignal.any([signal, this.#ended, AbortSignal.timeout(ms)]);
  }

  /** An address of the API's own host, or of Slack's; any other would be shown the token. Throws a ChannelError. */
  #own(address: string): URL {
    const url = URL.parse(address);
    const own = url?.origin === this.#url.origin || (isSlack(this.#url) && isSlack(url));
    if (url && own) return url;
    throw new ChannelError('rejected', `it is not at Slack but at ${url?.host ?? 'no address'}: it is not asked for`);
  }
}

function isSlack(url: URL | null): boolean {
  return url?.protocol === 'https:' && /(^|\.)slack(-gov)?\.com$/.test(url.hostname);
}

/** Slack answers with its page to sign in where the token may not read a file. */
function isPage(mediaType = ''): boolean {
  return mediaType.startsWith('text/html');
}

function noFile(status: number): ChannelError {
  if (status >= 500) return new ChannelError('temporary', `Slack does not give the file (HTTP ${status})`);
  if (status === 404) return new ChannelError('gone', 'the file is not at Slack any more');
  return new ChannelError(
    'rejected',
    'Slack does not give the file: add the scope files:read at api.slack.com/apps > your app > OAuth & Permissions, and install the app again',
  );
}
