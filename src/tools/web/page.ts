/** `web.fetch` in its thread: a request, and its answer as text. */
import type { NetworkRules } from './network.ts';
import { request } from './request.ts';
import { decode, looksLikeText, mediaType } from './text.ts';

/** Of an answer, unpacked; more than 2 MB of one page is no text a model would read, and parsing it takes seconds. */
export const PAGE_BYTES_MAX = 2 * 1024 * 1024;

export interface PageJob {
  url: string;
  method: 'GET' | 'HEAD';
  /** All of a page instead of its main part. */
  whole: boolean;
}

export interface Page {
  url: string;
  status: number;
  /** Empty: nobody said. */
  type: string;
  title: string;
  text: string;
  /** The server had more than {@link PAGE_BYTES_MAX}. */
  cut: boolean;
  /** Of a HEAD request: what the server says of it. */
  headers?: Readonly<Record<string, string>>;
}

/** What of a head is worth telling. */
const HEADERS_TOLD = ['content-type', 'content-length', 'content-language', 'last-modified', 'etag', 'date', 'server'];

/** Throws as `request` does, and for what is no text. */
export async function fetchPage(job: PageJob, rules: NetworkRules, signal: AbortSignal): Promise<Page> {
  const { url, status, headers, body, cut } = await request({ ...job, bytesMax: PAGE_BYTES_MAX }, rules, signal);
  const said = headers['content-type'];
  const type = mediaType(said);
  const page = { url: url.href, status, type, title: '', text: '', cut };
  if (job.method === 'HEAD') {
    const told = HEADERS_TOLD.flatMap((name) => (headers[name] === undefined ? [] : [[name, headers[name]]]));
    return { ...page, headers: Object.fromEntries(told) };
  }
  if (type === 'application/pdf') throw new Error('this is a PDF, which cannot be read here; look for an HTML version');
  if (type === '' ? !looksLikeText(body) : !isText(type)) {
    throw new Error(`this is ${type || 'not text'}, which cannot be read here: only text, HTML, JSON and XML can`);
  }
  const text = decode(body, said);
  if (!/^(text\/html|application\/xhtml\+xml)$/.test(type)) return { ...page, text };
  const { readableText } = await import('./readable.ts');
  return { ...page, ...readableText(text, url.href, job.whole) };
}

function isText(type: string): boolean {
  return /^text\/|^application\/(.+\+)?(json|xml|javascript|ecmascript|yaml|x-yaml|x-ndjson|jsonl|toml|sql)$|\+(json|xml)$/.test(
    type,
  );
}
