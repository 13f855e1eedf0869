/**
 * The part of a summary that no model writes: links, files, ids, numbers with units and open points, word for word as they
 * were said. A model that forgets them does no harm so. Bounded, the newest kept; those of an earlier summary are in it
 * again, as the oldest. What tools answered counts for links, files and ids only: a web page must not be able to set a task.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ModelMessage } from './provider.ts';

/** Longest part of a text that is looked at, in UTF-16 code units, and how much is between two turns of the event loop. */
const LOOK_LENGTH_MAX = 16_384;
const LOOK_LENGTH_STEP = 131_072;
/** Of each kind: items, and their length together. With the headings at most 4,200 code units. */
const ITEMS_MAX = 40;
const ITEMS_LENGTH_MAX = 800;
const ITEM_LENGTH_MAX = 160;

/** Stands before the part, so that the next summary finds where it begins. */
export const MENTIONS_HEADING = '[Kept word for word]';

type Kind = 'Links' | 'Files' | 'Ids' | 'Numbers' | 'Open';
const KINDS: readonly Kind[] = ['Links', 'Files', 'Ids', 'Numbers', 'Open'];

/** What separates words; a line's end separates them too. */
const BETWEEN_WORDS = /[\s"'`<>()[\]{},;|«»„“”]+/;
const OPEN_POINT = /^(?:[-*]\s*)?(?:\[ \]|todo\b|fixme\b|open:|next:|to do\b|remind me\b|don't forget\b)/i;
const QUESTION = /[?？؟]$/;
const UNIT =
  /^(?:%|°[cf]?|[kmg]?i?b|[kmgt]b|[nµum]?s|min|h|hours?|minutes?|seconds?|days?|weeks?|months?|years?|[kcmn]?m|km\/h|[km]?g|l|ml|[km]?w|kwh|[kmg]?hz|v|€|\$|£|₹|eur|usd|gbp|inr|tokens?)$/i;

/** The part that goes with the summary of `messages`, oldest first; '' where there is nothing to keep. */
export async function mentionsIn(messages: readonly ModelMessage[]): Promise<string> {
  const found = new Map<Kind, string[]>(KINDS.map((kind) => [kind, []]));
  let looked = 0;
  for (const message of messages.toReversed()) {
    looked += Math.min(message.text.length, LOOK_LENGTH_MAX);
    if (looked > LOOK_LENGTH_STEP) {
      looked = 0;
      await nextTurn();
    }
    look(message, found);
  }
  const lines = KINDS.flatMap((kind) => {
    const items = (found.get(kind) as string[]).toReversed();
    if (items.length === 0) return [];
    return kind === 'Open' ? items.map((item) => `- [ ] ${item}`) : [`${kind}: ${items.join(', ')}`];
  });
  return lines.length === 0 ? '' : [MENTIONS_HEADING, ...lines].join('\n');
}

/** Looks at one message, its last words first. */
function look(message: ModelMessage, found: ReadonlyMap<Kind, string[]>): void {
  const said = message.role !== 'tool';
  for (const line of textOf(message).split('\n').reverse()) {
    const text = line.trim();
    if (said && text.length <= ITEM_LENGTH_MAX && (OPEN_POINT.test(text) || QUESTION.test(text))) {
      keep(found.get('Open'), text.replace(/^(?:[-*]\s*)?\[ \]\s*/, ''));
    }
    const words = text.split(BETWEEN_WORDS);
    for (let index = words.length - 1; index >= 0; index -= 1) {
      const word = (words[index] as string).replace(/[.:!?*_…]+$/, '').replace(/^[*_]+/, '');
      const kind = kindOf(word, words[index + 1]);
      if (kind === undefined || (kind === 'Numbers' && !said)) continue;
      keep(found.get(kind), kind === 'Numbers' && !/[^\d.,]/.test(word) ? `${word} ${words[index + 1]}` : word);
    }
  }
}

/** The message's text, and the inputs of its calls. */
function textOf(message: ModelMessage): string {
  const calls = message.role === 'assistant' ? message.toolCalls.map(({ input }) => JSON.stringify(input) ?? '') : [];
  return [...calls, message.text].map((text) => text.slice(-LOOK_LENGTH_MAX)).join('\n');
}

function kindOf(word: string, next: string | undefined): Kind | undefined {
  if (word.length < 1 || word.length > ITEM_LENGTH_MAX) return undefined;
  if (/^https?:\/\/\S/i.test(word)) return 'Links';
  if (/^[€$£₹¥]?\d[\d.,]*$/.test(word)) {
    if (next !== undefined && UNIT.test(next)) return 'Numbers';
    return /^\d{5,}$/.test(word) ? 'Ids' : /^[€$£₹¥]/.test(word) ? 'Numbers' : undefined;
  }
  if (/^\d{4}-\d\d-\d\d/.test(word) || /^\d{1,2}:\d\d$/.test(word)) return 'Numbers';
  const [, unit] = /^\d[\d.,]*([^\d.,].*)$/.exec(word) ?? [];
  if (unit !== undefined && UNIT.test(unit)) return 'Numbers';
  if (/^[\w.+-]+@[\w-]+\.[\w.-]+$/.test(word) || /^#\d+$/.test(word)) return 'Ids';
  if (/^~?\.{0,2}\/?[\w@.~-]+(?:\/[\w@.~-]*)+$/.test(word) && /[a-z]/i.test(word)) return 'Files';
  if (/^[\w-][\w.-]*\.[a-z][a-z0-9]{1,4}$/i.test(word)) return 'Files';
  return isId(word) ? 'Ids' : undefined;
}

/** Letters and digits mixed as in no word: `ABC-123`, hashes, UUIDs, ULIDs, order numbers. */
function isId(word: string): boolean {
  if (!/^[\w:.-]{5,}$/.test(word) || !/\d/.test(word) || !/[a-z]/i.test(word)) return false;
  return /^[A-Z]{1,10}-?\d{2,}/.test(word) || word.length >= 7;
}

function keep(items: string[] | undefined, item: string): void {
  if (items === undefined || item === '' || items.length >= ITEMS_MAX || items.includes(item)) return;
  const length = items.reduce((sum, other) => sum + other.length + 2, item.length);
  if (length <= ITEMS_LENGTH_MAX) items.push(item);
}
