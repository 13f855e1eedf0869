import type { Config } from '../../config/schema.ts';
import type { SearchProvider } from './search.ts';

/** The search engine that is configured; a SearXNG of one's own before Brave, whose key the environment may have for others. */
export function searchProvider({ tools }: Config): SearchProvider | undefined {
  const { braveApiKey, braveUrl, searxngUrl } = tools.web.search;
  if (searxngUrl !== undefined) return { type: 'searxng', url: searxngUrl };
  return braveApiKey === undefined ? undefined : { type: 'brave', apiKey: braveApiKey, baseUrl: braveUrl };
}
