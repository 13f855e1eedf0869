/**
 * Discord's REST API through the library of discord.js, which keeps to the rate limits of each route by itself: requests
 * over one wait in line. Only short waits, though: a longer one is an error, so that the outbox knows and decides.
 */
import { DefaultRestOptions, type RawFile, REST, type RequestMethod, type RouteLike } from '@discordjs/rest';
import { VERSION } from '../../version.ts';
import { ChannelError } from '../adapter.ts';
import { channelError, networkError } from './failure.ts';

/** The longest wait for a rate limit that is waited here, in milliseconds. */
const RATE_WAIT_MAX_MS = 1_000;
const REQUEST_MS = 20_000;
/** With a file: 10 MB through 1 Mbit/s take 80 s. */
const UPLOAD_MS = 120_000;

/** What goes with a request. */
export interface ApiRequest {
  readonly body?: unknown;
  readonly query?: URLSearchParams;
  readonly files?: RawFile[];
  /** False: the URL has a token of its own (interactions). */
  readonly auth?: boolean;
  readonly signal?: AbortSignal;
}

export class Api {
  /** For the gateway's part of the library. */
  readonly rest: REST;
  readonly token: string;
  readonly #ended: AbortSignal;
  readonly #refused: (error: ChannelError) => void;

  /**
   * @param ended aborts all requests
   * @param refused called when the token is refused
   */
  constructor(token: string, apiUrl: string | undefined, ended: AbortSignal, refused: (error: ChannelError) => void) {
    this.token = token.replace(/^Bot\s+/i, '');
    this.#ended = ended;
    this.#refused = refused;
    this.rest = new REST({
      ...(apiUrl === undefined ? {} : { api: apiUrl.replace(/\/+$/, '') }),
      version: '10',
      // One try: the outbox tries again. Its own limit is never reached: every request has one.
      retries: 0,
      timeout: 2 * UPLOAD_MS,
      // retry_after as Discord says it.
      offset: 0,
      rejectOnRateLimit: ({ timeToReset, retryAfter }) => Math.max(timeToReset, retryAfter) > RATE_WAIT_MAX_MS,
      userAgentAppendix: `Dhaavak/${VERSION}`,
      makeRequest,
    }).setToken(this.token);
  }

  /** What Discord answers. Throws a ChannelError; `temporary` when `signal` had aborted before the request left. */
  async request<T>(method: `${RequestMethod}`, route: RouteLike, request: ApiRequest = {}): Promise<T> {
    const limit = AbortSignal.timeout(request.files ? UPLOAD_MS : REQUEST_MS);
    const signals = [limit, this.#ended, ...(request.signal ? [request.signal] : [])];
    try {
      const options = {
        ...request,
        fullRoute: route,
        method: method as RequestMethod,
        signal: AbortSignal.any(signals),
      };
      return (await this.rest.request(options)) as T;
    } catch (thrown) {
      const error = channelError(thrown, this.token);
      if (error.kind === 'unauthorized' && request.auth !== false) this.#refused(error);
      throw error;
    }
  }

  /** Ends the library's timers. */
  close(): void {
    this.rest.clearHashSweeper();
    this.rest.clearHandlerSweeper();
  }
}

/** The library's own request, but whoever sent it learns whether it had left. */
const makeRequest: typeof DefaultRestOptions.makeRequest = async (url, init) => {
  if (init.signal?.aborted) throw new ChannelError('temporary', 'given up before the request to Discord was made');
  try {
    return await DefaultRestOptions.makeRequest(url, init);
  } catch (error) {
    throw networkError(error);
  }
};
