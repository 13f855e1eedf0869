import type { BrowserJob } from './browser/job.ts';
import type { Page, PageJob } from './web/page.ts';
import type { PluginRequestJob, PluginResponse } from './web/plugin-request.ts';
import type { SearchJob } from './web/search.ts';
import type { SearchResult } from './web/search-limits.ts';

/**
 * What tools have done elsewhere than on their shard's thread: in threads and processes that the whole gateway shares, and that
 * are started with the first call. `call` is an id that no other call has, under which it can be cancelled.
 */
export interface ToolServices {
  fetchPage(call: string, job: PageJob): Promise<Page>;
  search(call: string, job: SearchJob): Promise<SearchResult[]>;
  /** A request of a plugin. */
  request(call: string, job: PluginRequestJob): Promise<PluginResponse>;
  /** What to tell the model. */
  browse(call: string, job: BrowserJob): Promise<string>;
  /** Ends a call early; nothing happens where it has ended. */
  cancel(call: string): void;
  /** Removes what a deleted session has left. */
  sessionDeleted(session: string): Promise<void>;
}
