/**
 * `web.search` in its thread: Brave's API or a SearXNG of the operator's. Their results are only told; nobody follows the
 * addresses in them.
 */
import { z } from 'zod';
import { NetworkRules } from './network.ts';
import { request, type WebResponse } from './request.ts';
import type { SearchResult } from './search-limits.ts';

/** Of an answer, unpacked: twenty results are some 50 kB. */
const ANSWER_BYTES_MAX = 1024 * 1024;
/** Characters of one result's description. */
const DESCRIPTION_LENGTH_MAX = 600;

export type SearchProvider = { type: 'brave'; apiKey: string; baseUrl: string } | { type: 'searxng'; url: string };

export interface SearchJob {
  query: string;
  /** 1 to `RESULTS_MAX`. */
  count: number;
  /** From 1. */
  page: number;
  /** No older than. */
  freshness?: 'day' | 'week' | 'month' | 'year' | undefined;
}

/** Throws in words that tell an operator what to mend, or the model to wait. */
export async function search(job: SearchJob, provider: SearchProvider, signal: AbortSignal): Promise<SearchResult[]> {
  return provider.type === 'brave' ? searchBrave(job, provider, signal) : searchSearxng(job, provider.url, signal);
}

const braveAnswer = z.object({
  web: z
    .object({
      results: z.array(
        z.object({
          title: z.string(),
          url: z.string(),
          description: z.string().default(''),
          age: z.string().optional(),
          page_age: z.string().optional(),
        }),
      ),
    })
    .optional(),
});

const braveError = z.object({ error: z.object({ code: z.string(), detail: z.string().optional() }) });

async function searchBrave(
  { query, count, page, freshness }: SearchJob,
  { apiKey, baseUrl }: Extract<SearchProvider, { type: 'brave' }>,
  signal: AbortSignal,
): Promise<SearchResult[]> {
  const url = new URL(`${baseUrl.replace(/\/$/, '')}/web/search`);
  url.searchParams.set('q', query);
  url.searchParams.set('count', String(count));
  url.searchParams.set('offset', String(page - 1));
  url.searchParams.set('text_decorations', 'false');
  if (freshness !== undefined) url.searchParams.set('freshness', `p${freshness[0]}`);
  const answer = await ask(url, { 'x-subscription-token': apiKey }, signal);
  if (answer.status !== 200) throw braveFailure(answer);
  const { web } = parsed(braveAnswer, answer);
  return (web?.results ?? []).map(({ title, url, description, age, page_age }) =>
    result(title, url, description, age ?? page_age),
  );
}

function braveFailure(answer: WebResponse): Error {
  const { status } = answer;
  const told = braveError.safeParse(json(answer)).data?.error;
  if (status === 429) return tooMany(answer);
  if (status === 401 || status === 403 || told?.code === 'SUBSCRIPTION_TOKEN_INVALID') {
    return new Error('Brave refuses the key: an operator must set tools.web.search.braveApiKey to a valid one');
  }
  return new Error(`Brave refused the search (${status}${told === undefined ? '' : `, ${told.code}`})`);
}

const searxngAnswer = z.object({
  results: z.array(
    z.object({
      title: z.string(),
      url: z.string(),
      content: z.string().nullish(),
      publishedDate: z.string().nullish(),
    }),
  ),
});

async function searchSearxng(
  { query, count, page, freshness }: SearchJob,
  base: string,
  signal: AbortSignal,
): Promise<SearchResult[]> {
  const url = new URL(`${base.replace(/\/$/, '')}/search`);
  url.searchParams.set('q', query);
  url.searchParams.set('format', 'json');
  url.searchParams.set('pageno', String(page));
  if (freshness !== undefined) url.searchParams.set('time_range', freshness);
  const answer = await ask(url, {}, signal);
  if (answer.status === 429) throw tooMany(answer);
  if (answer.status === 403) {
    throw new Error('the SearXNG refuses JSON: its operator must add json to search.formats in its settings.yml');
  }
  if (answer.status !== 200) throw new Error(`the SearXNG refused the search (${answer.status})`);
  const { results } = parsed(searxngAnswer, answer);
  return results
    .slice(0, count)
    .map(({ title, url, content, publishedDate }) => result(title, url, content ?? '', publishedDate ?? undefined));
}

/** The operator has named this server, so it may be anywhere; wherever it redirects to, nobody has. */
async function ask(url: URL, headers: Record<string, string>, signal: AbortSignal): Promise<WebResponse> {
  const port = Number(url.port) || (url.protocol === 'https:' ? 443 : 80);
  const rules = new NetworkRules({ allow: [`${url.hostname}:${port}`], ports: [] });
  const asked = { url: url.href, method: 'GET' as const, headers: { accept: 'application/json', ...headers } };
  return request({ ...asked, redirectsMax: 0, bytesMax: ANSWER_BYTES_MAX }, rules, signal);
}

function tooMany({ headers }: WebResponse): Error {
  // Brave's is a list: of this second's limit, then of the month's.
  const seconds = Number.parseInt(headers['retry-after'] ?? headers['x-ratelimit-reset'] ?? '', 10);
  const when = Number.isFinite(seconds) ? `in ${seconds} s` : 'later';
  return new Error(`the search engine takes no more searches now: try again ${when}`);
}

function json({ body }: WebResponse): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
}

function parsed<T>(schema: z.ZodType<T>, answer: WebResponse): T {
  const { data } = schema.safeParse(json(answer));
  if (data === undefined) throw new Error('the search engine answered with something that is no list of results');
  return data;
}

function result(title: string, url: string, description: string, age: string | undefined): SearchResult {
  const text = { title: plain(title), url, description: plain(description).slice(0, DESCRIPTION_LENGTH_MAX) };
  return age === undefined ? text : { ...text, age };
}

/** Engines mark the words that were found as HTML. */
function plain(text: string): string {
  return text
    .replace(/<\/?(?:strong|b|em|span|mark)[^<>]*>/gi, '')
    .replace(/\s+/g, ' ')
    .trim();
}
