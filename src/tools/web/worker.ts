/** The threads of the web tools: each does one task at a time, and is ended when its task is cancelled or takes too long. */
import { workerData } from 'node:worker_threads';
import type { WebSettings } from './host.ts';
import { NetworkRules } from './network.ts';
import { fetchPage as fetchPageBy, type Page, type PageJob } from './page.ts';
import { type PluginRequestJob, type PluginResponse, requestForPlugin as requestBy } from './plugin-request.ts';
import { type SearchJob, search as searchWith } from './search.ts';
import type { SearchResult } from './search-limits.ts';

const { allow, ports, search: provider } = workerData as WebSettings;
const rules = new NetworkRules({ allow, ports });
/** Whoever cancels ends the thread. */
const never = new AbortController().signal;

export function fetchPage(job: PageJob): Promise<Page> {
  return fetchPageBy(job, rules, never);
}

export function requestForPlugin(job: PluginRequestJob): Promise<PluginResponse> {
  return requestBy(job, rules, never);
}

export function search(job: SearchJob): Promise<SearchResult[]> {
  if (provider === undefined) throw new Error('no search engine is configured');
  return searchWith(job, provider, never);
}
