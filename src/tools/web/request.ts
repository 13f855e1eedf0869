/** One HTTP request under the rules: to an address that was checked, with limits on time and size, and at most three redirects. */
import type { Socket } from 'node:net';
import type { Readable, Transform } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from 'node:zlib';
import { buildConnector, Client, type Dispatcher } from 'undici';
import { VERSION } from '../../version.ts';
import { BlockedError, type NetworkRules } from './network.ts';

/** Each is checked as the first URL was. */
export const REDIRECTS_MAX = 3;
/** In milliseconds. */
export const LIMITS = {
  /** From the last byte of the request to the first of the answer; and for TLS. */
  firstByteMs: 15_000,
  /** Longest pause between two pieces of the answer. */
  pieceMs: 10_000,
  /** For everything, redirects included. */
  totalMs: 30_000,
};
/** Of the answer's head. */
const HEAD_BYTES_MAX = 32 * 1024;
/** Says what it is; no cookie, no referrer, nothing of the machine goes with it. */
const USER_AGENT = `Mozilla/5.0 (compatible; Dhaavak/${VERSION})`;

export interface WebRequest {
  url: string;
  method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** They stay with the origin of `url`: where a redirect leads elsewhere, they may be a key. */
  headers?: Readonly<Record<string, string>>;
  body?: string | undefined;
  /** Only these hosts, redirects too: names, or `*.example.org` for what is below. Default: any. */
  hosts?: readonly string[];
  /** Default {@link REDIRECTS_MAX}. */
  redirectsMax?: number;
  /** Of the body once it is unpacked: the rest is cut off, so that a bomb costs no more than this. */
  bytesMax: number;
}

export interface WebResponse {
  /** Of the last redirect. */
  url: URL;
  status: number;
  headers: Readonly<Record<string, string>>;
  body: Buffer;
  /** There was more than `bytesMax`. */
  cut: boolean;
  redirects: number;
}

/** Throws a BlockedError for what the rules refuse, else an Error in words: no such host, too slow, broken answer. */
export async function request(
  asked: WebRequest,
  rules: NetworkRules,
  cancel: AbortSignal,
  limits = LIMITS,
): Promise<WebResponse> {
  const timeout = AbortSignal.timeout(limits.totalMs);
  const signal = AbortSignal.any([cancel, timeout]);
  try {
    return await follow(asked, rules, signal, limits);
  } catch (error) {
    cancel.throwIfAborted();
    if (timeout.aborted) throw new Error(`the answer took longer than ${limits.totalMs / 1_000} s`, { cause: error });
    throw inWords(error);
  }
}

async function follow(
  asked: WebRequest,
  rules: NetworkRules,
  signal: AbortSignal,
  limits: typeof LIMITS,
): Promise<WebResponse> {
  const redirectsMax = asked.redirectsMax ?? REDIRECTS_MAX;
  let url = rules.parse(asked.url);
  let sent = asked;
  for (let redirects = 0; ; redirects += 1) {
    checkHost(url, asked.hosts);
    const client = await clientFor(url, rules, signal, limits);
    try {
      const answer = await client.request(options(sent, url, signal));
      const next = redirectOf(answer);
      if (next === undefined) return { ...(await read(answer, sent)), url, redirects };
      if (redirects === redirectsMax) throw new BlockedError(`it redirects more than ${redirectsMax} times`);
      const target = rules.parse(next, url);
      sent = redirected(sent, answer.statusCode, target.origin === url.origin);
      url = target;
    } finally {
      // Not awaited, and no connection is kept: the next request looks its host up and checks it anew.
      client.destroy().catch(() => undefined);
    }
  }
}

/** As browsers do it: what was posted is got from there, unless the answer says that it is to be posted again. */
function redirected({ headers, body, ...asked }: WebRequest, status: number, sameOrigin: boolean): WebRequest {
  const kept = { ...asked, ...(sameOrigin && headers !== undefined ? { headers } : {}) };
  if (status === 307 || status === 308) return { ...kept, body };
  return { ...kept, method: asked.method === 'HEAD' ? 'HEAD' : 'GET' };
}

/** Throws a BlockedError for a host that is none of `hosts`. */
function checkHost({ hostname }: URL, hosts: readonly string[] | undefined): void {
  const host = hostname.replace(/^\[|\]$|\.$/g, '');
  const isGiven = (one: string): boolean => (one.startsWith('*.') ? host.endsWith(one.slice(1)) : host === one);
  if (hosts === undefined || hosts.some(isGiven)) return;
  throw new BlockedError(
    `the plugin may not send requests to ${host}: its allow.hosts in the configuration has it not`,
  );
}

/** A client for one request. Its connection is made here; what undici adds is TLS for the name, and HTTP. */
async function clientFor(
  url: URL,
  rules: NetworkRules,
  signal: AbortSignal,
  { firstByteMs, pieceMs }: typeof LIMITS,
): Promise<Client> {
  const located = await rules.locate(rules.target(url), signal);
  const secure = buildConnector({ allowH2: false, maxCachedSessions: 0, timeout: firstByteMs });
  return new Client(url.origin, {
    pipelining: 0,
    maxHeaderSize: HEAD_BYTES_MAX,
    headersTimeout: firstByteMs,
    bodyTimeout: pieceMs,
    connect(options, callback) {
      rules.dial(located, signal).then(
        (socket: Socket) => {
          if (options.protocol === 'https:') secure({ ...options, httpSocket: socket }, callback);
          else callback(null, socket.setNoDelay(true));
        },
        (error: Error) => callback(error, null),
      );
    },
  });
}

function options({ method, headers, body }: WebRequest, url: URL, signal: AbortSignal): Dispatcher.RequestOptions {
  return {
    method,
    body: body ?? null,
    path: `${url.pathname}${url.search}`,
    signal,
    headers: {
      accept: 'text/html,application/xhtml+xml,application/json,application/xml;q=0.9,text/*;q=0.9,*/*;q=0.5',
      'accept-encoding': 'gzip, deflate, br, zstd',
      'accept-language': 'en,*;q=0.5',
      'user-agent': USER_AGENT,
      ...headers,
    },
  };
}

function redirectOf({ statusCode, headers }: Dispatcher.ResponseData): string | undefined {
  const { location } = headers;
  return [301, 302, 303, 307, 308].includes(statusCode) && typeof location === 'string' ? location : undefined;
}

async function read(
  { statusCode: status, headers: raw, body: stream }: Dispatcher.ResponseData,
  { method, bytesMax }: WebRequest,
): Promise<Pick<WebResponse, 'status' | 'headers' | 'body' | 'cut'>> {
  const headers = Object.fromEntries(
    Object.entries(raw).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : (value ?? '')]),
  );
  stream.on('error', () => {}); // whoever reads it hears; after a cut nobody does
  if (method === 'HEAD') return { status, headers, body: Buffer.alloc(0), cut: false };
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of unpacked(stream, headers['content-encoding'] ?? '') as AsyncIterable<Buffer>) {
    pieces.push(piece);
    bytes += piece.length;
    // Counted as it comes out of the decompressor, which waits for us: what is beyond is never unpacked.
    if (bytes > bytesMax) break;
  }
  return { status, headers, body: Buffer.concat(pieces).subarray(0, bytesMax), cut: bytes > bytesMax };
}

const DECOMPRESSORS: Readonly<Record<string, () => Transform>> = {
  gzip: createGunzip,
  'x-gzip': createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
  zstd: createZstdDecompress,
};

/** One encoding: several inside each other are a bomb's way, and no site's. */
function unpacked(stream: Readable, encoding: string): Readable {
  const name = encoding.trim().toLowerCase();
  if (name === '' || name === 'identity') return stream;
  const decompressor = Object.hasOwn(DECOMPRESSORS, name) ? DECOMPRESSORS[name]?.() : undefined;
  if (decompressor === undefined) throw new Error('the answer is packed in a way that was not asked for');
  stream.once('error', (error) => decompressor.destroy(error));
  return stream.pipe(decompressor);
}

const TOO_SLOW = 'the server is too slow to answer';
const REASONS: Readonly<Record<string, string>> = {
  UND_ERR_HEADERS_TIMEOUT: TOO_SLOW,
  UND_ERR_BODY_TIMEOUT: TOO_SLOW,
  UND_ERR_CONNECT_TIMEOUT: TOO_SLOW,
  UND_ERR_HEADERS_OVERFLOW: 'the head of the answer is too large',
  UND_ERR_SOCKET: 'the server closed the connection',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'the server closed the connection',
  ECONNRESET: 'the server closed the connection',
  EPIPE: 'the server closed the connection',
  Z_DATA_ERROR: 'the answer is packed wrongly',
};

function inWords(error: unknown): Error {
  if (!(error instanceof Error)) return new Error(String(error));
  const { code = '' } = error as NodeJS.ErrnoException;
  if (error instanceof BlockedError || code === '') return error;
  const certificate = /CERT|SELF_SIGNED|UNABLE_TO|ERR_TLS|EPROTO|ERR_SSL/.test(code);
  const reason = REASONS[code] ?? (certificate ? `no secure connection can be made (${code})` : `it failed (${code})`);
  return new Error(reason, { cause: error });
}
