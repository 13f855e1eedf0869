/** Stand-ins for the search engines `web.search` asks: their addresses, parameters, answers and refusals. */
import type { RequestListener, ServerResponse } from 'node:http';
import { z } from 'zod';
import { type LocalSite, localSite } from './sentinel.ts';

export const BRAVE_KEY = 'BSA-test-0123456789';

export interface EngineState {
  /** Refuses with 429, and this is what it says of when. */
  limitedBy?: Record<string, string>;
  /** SearXNG as it is installed: without JSON. */
  noJson?: boolean;
}

const braveQuery = z.strictObject({
  q: z
    .string()
    .min(1)
    .max(400)
    .refine((q) => q.split(/\s+/).length <= 50),
  count: z.coerce.number().int().min(1).max(20).optional(),
  offset: z.coerce.number().int().min(0).max(9).optional(),
  text_decorations: z.enum(['true', 'false']).optional(),
  freshness: z
    .string()
    .regex(/^(pd|pw|pm|py|\d{4}-\d\d-\d\dto\d{4}-\d\d-\d\d)$/)
    .optional(),
});

/** Brave's Web Search API. Its base URL is `<url>/res/v1`. */
export function braveServer(state: EngineState = {}): Promise<LocalSite> {
  return localSite(brave(state));
}

function brave(state: EngineState): RequestListener {
  return (asked, reply) => {
    const url = new URL(asked.url ?? '', 'http://x');
    const refuse = (status: number, code: string, detail: string, meta: object = {}): void =>
      json(reply, status, { type: 'ErrorResponse', error: { id: 'x', status, code, detail, meta }, time: 1 });
    if (url.pathname !== '/res/v1/web/search') return refuse(404, 'NOT_FOUND', 'Not found');
    const key = asked.headers['x-subscription-token'];
    // The real API answers 422, not 401, to both.
    if (key === undefined) {
      const errors = [{ type: 'missing', loc: ['header', 'x-subscription-token'], msg: 'Field required', input: null }];
      return refuse(422, 'VALIDATION', 'Unable to validate request parameter(s)', { errors });
    }
    if (key !== BRAVE_KEY)
      return refuse(422, 'SUBSCRIPTION_TOKEN_INVALID', 'The provided subscription token is invalid.');
    const query = braveQuery.safeParse(Object.fromEntries(url.searchParams));
    if (!query.success) return refuse(422, 'VALIDATION', 'Unable to validate request parameter(s)');
    if (state.limitedBy !== undefined) {
      for (const [name, value] of Object.entries(state.limitedBy)) reply.setHeader(name, value);
      return refuse(429, 'RATE_LIMITED', 'Request rate limit exceeded for plan.');
    }
    const { q, count = 20, offset = 0 } = query.data;
    if (q === 'nothing')
      return json(reply, 200, { type: 'search', query: { original: q, more_results_available: false } });
    const results = Array.from({ length: count }, (_, index) => ({
      type: 'search_result',
      title: `<strong>${q}</strong> ${offset * count + index + 1}`,
      url: `https://example.org/${offset * count + index + 1}`,
      description: `About <strong>${q}</strong>`,
      age: 'May 1, 2026',
      meta_url: { scheme: 'https', netloc: 'example.org', hostname: 'example.org' },
    }));
    json(reply, 200, {
      type: 'search',
      query: { original: q, more_results_available: true },
      web: { type: 'search', results },
    });
  };
}

const searxngQuery = z.object({
  q: z.string().min(1),
  format: z.enum(['html', 'json', 'csv', 'rss']).optional(),
  pageno: z.coerce.number().int().min(1).optional(),
  time_range: z.enum(['day', 'week', 'month', 'year']).optional(),
});

/** A SearXNG of one's own. */
export function searxngServer(state: EngineState = {}): Promise<LocalSite> {
  return localSite((asked, reply) => {
    const url = new URL(asked.url ?? '', 'http://x');
    const query = searxngQuery.safeParse(Object.fromEntries(url.searchParams));
    if (url.pathname !== '/search') return void reply.writeHead(404).end();
    if (!query.success) return void reply.writeHead(400).end('No query');
    if (query.data.format === 'json' && state.noJson === true)
      return void reply.writeHead(403).end('<h1>Forbidden</h1>');
    if (state.limitedBy !== undefined) return void reply.writeHead(429, state.limitedBy).end('Too Many Requests');
    const { q, pageno = 1 } = query.data;
    const results = Array.from({ length: 10 }, (_, index) => ({
      url: `https://example.org/${pageno}/${index}`,
      title: `${q} ${index + 1}`,
      content: index === 1 ? null : `Page ${pageno}`,
      engine: 'wikipedia',
      score: 1,
      publishedDate: index === 0 ? '2026-05-01T00:00:00' : null,
    }));
    json(reply, 200, {
      query: q,
      number_of_results: 0,
      results,
      answers: [],
      suggestions: [],
      unresponsive_engines: [],
    });
  });
}

function json(reply: ServerResponse, status: number, body: object): void {
  reply.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
