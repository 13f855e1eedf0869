import type { HistoryEntry, Replies, RequestData } from '../../src/protocol/messages.ts';
import type { Store } from '../../src/storage/store.ts';
import { textFinder } from './text-search.ts';

type Query = RequestData<'session.history'>;
type Page = Omit<Replies['session.history'], 'session'>;

/** Entries of one page, where the client names no limit. */
const ENTRIES = 50;
/** Text of one page, in UTF-16 code units: at worst three bytes each, which a frame still holds. */
const PAGE_LENGTH_MAX = 262_144;
/**
 * Entries looked at for one page, and for how long, in milliseconds: whoever looks for what is rare asks again. An entry of the
 * largest size that was made to be searched slowly takes some 6 ms more; all others far less.
 */
const LOOK_MAX = 2_000;
const LOOK_MS = 3;

/**
 * One page of a transcript, oldest entry first: the newest entries that match, or with `after` the oldest behind that.
 * There is no index: entries are read, as many as one look may take, and `cursor` is where the next one goes on. A page may
 * so be short or empty and have more behind it. At least one entry is looked at, since each is bounded.
 */
export function historyPage(store: Store, session: string, query: Query): Page {
  const { after, before = Number.MAX_SAFE_INTEGER, limit = ENTRIES } = query;
  const matches = matcherOf(query);
  const forwards = after !== undefined;
  const isFiltered = [query.contains, query.roles, query.since, query.until].some((filter) => filter !== undefined);
  const deadline = isFiltered ? performance.now() + LOOK_MS : Number.POSITIVE_INFINITY;
  const entries: HistoryEntry[] = [];
  let [seen, length, damaged, cursor] = [0, 0, 0, 0];
  let more = false;
  for (const { seq, entry } of store.entriesBetween(session, after ?? 0, before, forwards)) {
    // A page without a filter is bounded by its length and not by time, and so the same whenever it is asked for.
    more = entries.length === limit || (seen > entries.length && (seen >= LOOK_MAX || performance.now() > deadline));
    if (more) break;
    if (entry === undefined) damaged += 1;
    else if (matches(entry)) {
      length += lengthOf(entry);
      more = length > PAGE_LENGTH_MAX && entries.length > 0;
      if (more) break;
      entries.push(entry);
    }
    seen += 1;
    cursor = seq;
  }
  if (!forwards) entries.reverse();
  return { entries, more, ...(more && { cursor }), ...(damaged > 0 && { damaged }) };
}

/** Whether an entry is one that was asked for. */
function matcherOf({ contains, roles, since = 0, until = Number.POSITIVE_INFINITY }: Query) {
  const finds = contains === undefined ? undefined : textFinder(contains);
  return (entry: HistoryEntry): boolean =>
    (roles === undefined || roles.includes(entry.role)) &&
    entry.timestamp >= since &&
    entry.timestamp < until &&
    (finds === undefined || finds(entry.text) || finds(callsOf(entry)));
}

/** The tools an entry calls with what they are given, as one text. */
function callsOf({ toolCall, toolCalls }: HistoryEntry): string {
  if (toolCalls === undefined) return toolCall?.name ?? '';
  return toolCalls.map(({ name, input }) => `${name} ${JSON.stringify(input)}`).join('\n');
}

/** What an entry counts towards {@link PAGE_LENGTH_MAX}. */
function lengthOf({ text, toolCalls }: HistoryEntry): number {
  return 200 + text.length + (toolCalls === undefined ? 0 : JSON.stringify(toolCalls).length);
}
