import type { ToolsConfig } from '../../config/tools.ts';
import type { SearchProvider } from './search.ts';

/** The search engine that is configured; a SearXNG of one's own before Brave, whose key the environment may have for others. */
export function searchProvider({ search }: ToolsConfig['web']): SearchProvider | undefined {
  const { braveApiKey, braveUrl, searxngUrl } = search;
  if (searxngUrl !== undefined) return { type: 'searxng', url: searxngUrl };
  return braveApiKey === undefined ? undefined : { type: 'brave', apiKey: braveApiKey, baseUrl: braveUrl };
}
