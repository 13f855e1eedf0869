/** Goal: `web.search` asks each engine as that wants it, and tells what went wrong so that somebody can mend it. */
import { describe, expect, it } from 'vitest';
import { type SearchJob, search } from '../../../src/tools/web/search.ts';
import type { SearchResult } from '../../../src/tools/web/search-limits.ts';
import { BRAVE_KEY, braveServer, type EngineState, searxngServer } from '../../support/search-engines.ts';
import { localSite } from '../../support/sentinel.ts';

const never = new AbortController().signal;
const job: SearchJob = { query: 'actors', count: 3, page: 1 };

async function brave(
  asked: Partial<SearchJob> = {},
  state: EngineState = {},
  apiKey = BRAVE_KEY,
): Promise<SearchResult[]> {
  const { url } = await braveServer(state);
  return search({ ...job, ...asked }, { type: 'brave', apiKey, baseUrl: `${url}/res/v1` }, never);
}

async function searxng(asked: Partial<SearchJob> = {}, state: EngineState = {}): Promise<SearchResult[]> {
  const { url } = await searxngServer(state);
  return search({ ...job, ...asked }, { type: 'searxng', url: `${url}/` }, never);
}

describe('Brave', () => {
  it('is asked for a number of results, of a page and an age', async () => {
    const results = await brave({ count: 2, page: 3, freshness: 'week' });
    expect(results).toEqual([
      { title: 'actors 5', url: 'https://example.org/5', description: 'About actors', age: 'May 1, 2026' },
      { title: 'actors 6', url: 'https://example.org/6', description: 'About actors', age: 'May 1, 2026' },
    ]);
    expect(await brave({ query: 'nothing' })).toEqual([]);
  });

  it.each([
    ['a wrong key', {}, {}, 'wrong-key', 'must set tools.web.search.braveApiKey to a valid one'],
    [
      'too many searches, by its own header',
      {},
      { limitedBy: { 'x-ratelimit-reset': '1, 1419704' } },
      BRAVE_KEY,
      'try again in 1 s',
    ],
    ['too many searches, by Retry-After', {}, { limitedBy: { 'retry-after': '30' } }, BRAVE_KEY, 'try again in 30 s'],
    ['too many searches, it does not say when', {}, { limitedBy: {} }, BRAVE_KEY, 'try again later'],
    ['a parameter it does not take', { page: 99 }, {}, BRAVE_KEY, 'Brave refused the search (422, VALIDATION)'],
  ])('refuses %s', async (_what, asked, state, key, reason) => {
    await expect(brave(asked, state, key)).rejects.toThrow(reason);
  });

  it('never has its key in an error', async () => {
    for (const state of [{ limitedBy: {} }, {}]) {
      const error = await brave({ page: 99 }, state).catch((error: Error) => error);
      expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain(BRAVE_KEY);
    }
  });
});

describe('a SearXNG', () => {
  it('is asked for JSON, of a page and an age, and cut to the number that is wanted', async () => {
    expect(await searxng({ count: 2, page: 2, freshness: 'month' })).toEqual([
      { title: 'actors 1', url: 'https://example.org/2/0', description: 'Page 2', age: '2026-05-01T00:00:00' },
      { title: 'actors 2', url: 'https://example.org/2/1', description: '' },
    ]);
  });

  it('that gives no JSON is told how to', async () => {
    await expect(searxng({}, { noJson: true })).rejects.toThrow('must add json to search.formats in its settings.yml');
    await expect(searxng({}, { limitedBy: { 'retry-after': '7' } })).rejects.toThrow('try again in 7 s');
  });
});

describe('an engine that is none', () => {
  it('is told as that, and leads nowhere else', async () => {
    const inside = await localSite();
    const odd = await localSite((asked, reply) => {
      if (asked.url?.startsWith('/redirects')) reply.writeHead(302, { location: inside.url }).end();
      else reply.setHeader('content-type', 'application/json').end('{"results": 7}');
    });
    await expect(search(job, { type: 'searxng', url: odd.url }, never)).rejects.toThrow('no list of results');
    await expect(search(job, { type: 'searxng', url: `${odd.url}/redirects` }, never)).rejects.toThrow(
      'redirects more than 0 times',
    );
    expect(inside.connections).toBe(0);
  });
});
