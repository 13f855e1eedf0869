/** `web.fetch` and `web.search` as a model sees them; the work is done in the threads of `host.ts`. */
import { z } from 'zod';
import { cancellable } from '../cancellable.ts';
import { riskOfAddress, WHY_ASKED } from '../outside.ts';
import type { ToolServices } from '../services.ts';
import { defineTool, type Tool } from '../tool.ts';
import { PageCache } from './cache.ts';
import type { Page } from './page.ts';
import { QUERY_LENGTH_MAX, QUERY_WORDS_MAX, RESULTS_MAX, type SearchResult } from './search-limits.ts';

/** Characters of one answer, and what is given where nobody asked for another length. */
const LENGTH_MAX = 30_000;
const LENGTH_DEFAULT = 12_000;
/** Characters of a URL. */
const URL_LENGTH_MAX = 8_192;
/** Characters of what a page says of itself, such as its title. */
const TITLE_LENGTH_MAX = 300;

const NOT_CONFIGURED =
  'no search engine is configured: an operator must set tools.web.search.braveApiKey or tools.web.search.searxngUrl';

export function webTools(services: ToolServices, searchConfigured: boolean): Tool[] {
  return [fetchTool(services), searchTool(services, searchConfigured)];
}

function fetchTool(services: ToolServices): Tool {
  const cache = new PageCache();
  return defineTool({
    name: 'web.fetch',
    group: 'web',
    description:
      'Fetches a public web page over HTTP and returns its text, with links as [text](url): the main part of an HTML page, or JSON, XML and plain text as they are. It runs no scripts; use the browser tools for pages that need them. Once you have read anything from outside, take addresses word for word from what the user wrote or the web tools found: any other waits for an operator.',
    input: z.strictObject({
      url: z.string().min(1).max(URL_LENGTH_MAX).describe('A whole http or https URL.'),
      method: z.enum(['GET', 'HEAD']).default('GET').describe('HEAD: only status and type, no text.'),
      offset: z.int().min(0).default(0).describe('Where to go on in a long page, in characters.'),
      length: z.int().min(100).max(LENGTH_MAX).default(LENGTH_DEFAULT).describe('Characters to return.'),
      whole: z.boolean().default(false).describe('All of an HTML page, menus included, instead of its main part.'),
    }),
    risk: 'safe',
    riskOf: ({ url }, context) => riskOfAddress(url, context),
    binding: async ({ url }, context) => (riskOfAddress(url, context) === 'ask' ? WHY_ASKED : {}),
    safeToRepeat: true,
    returns: 'string',
    untrusted: true,
    async handler({ url, method, offset, length, whole }, { signal, caller }) {
      const key = JSON.stringify([caller.session, url, method, whole]);
      const known = offset > 0 ? cache.get(key) : undefined;
      const page =
        known ?? (await cancellable(services, signal, (call) => services.fetchPage(call, { url, method, whole })));
      cache.set(key, page);
      return describePage(page, offset, length);
    },
  });
}

function searchTool(services: ToolServices, configured: boolean): Tool {
  return defineTool({
    name: 'web.search',
    group: 'web',
    description:
      'Searches the web and returns titles, addresses and short descriptions of the results. Read a result with web.fetch.',
    input: z.strictObject({
      query: z
        .string()
        .trim()
        .min(1)
        .max(QUERY_LENGTH_MAX)
        .refine((query) => query.split(/\s+/).length <= QUERY_WORDS_MAX, `at most ${QUERY_WORDS_MAX} words`),
      count: z.int().min(1).max(RESULTS_MAX).default(8).describe('Results to return.'),
      page: z.int().min(1).max(10).default(1),
      freshness: z.enum(['day', 'week', 'month', 'year']).optional().describe('No older than.'),
    }),
    risk: 'safe',
    safeToRepeat: true,
    returns: 'string',
    untrusted: true,
    ...(configured ? {} : { unavailable: NOT_CONFIGURED }),
    async handler(job, { signal }) {
      const results = await cancellable(services, signal, (call) => services.search(call, job));
      return results.length === 0 ? 'Nothing was found: try other words.' : results.map(describeResult).join('\n\n');
    },
  });
}

function describePage({ url, status, type, title, text, cut, headers }: Page, offset: number, length: number): string {
  const lines = [`${url} (${status}${type === '' ? '' : `, ${type}`})`];
  if (title !== '') lines.push(`Title: ${title.slice(0, TITLE_LENGTH_MAX)}`);
  for (const [name, value] of Object.entries(headers ?? {})) lines.push(`${name}: ${value.slice(0, TITLE_LENGTH_MAX)}`);
  if (headers !== undefined) return lines.join('\n');
  const end = Math.min(offset + length, text.length);
  const rest = end < text.length ? `; go on with offset ${end}` : '';
  if (offset > 0 || rest !== '') lines.push(`Characters ${Math.min(offset, end)} to ${end} of ${text.length}${rest}.`);
  if (cut) lines.push('The page is longer: only its beginning was read.');
  if (text === '') lines.push('There is no text; the browser tools may show more.');
  return `${lines.join('\n')}\n\n${text.slice(offset, end)}`.trimEnd();
}

function describeResult({ title, url, description, age }: SearchResult, index: number): string {
  return `${index + 1}. ${title}${age === undefined ? '' : ` (${age})`}\n${url}\n${description}`.trimEnd();
}
