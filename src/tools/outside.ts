/**
 * Whether a call could carry out what its session knows, because somebody outside said so.
 *
 * A model that has read a page, a file, or what another session wrote may obey what stands there. From then on a call that
 * takes something of the model's choice to somebody else waits for an operator: a message for a session that is not its own, a
 * text for a page, a fact for everybody to recall, an address. An address is no choice where it stands word for word in what its user said or in what the
 * web tools found: who wrote it there did not know what the session knows. That is looked at, and not what is sent, since
 * a secret can be written in more ways than anybody can recognize.
 *
 * What is left: which of several addresses it was shown a model opens tells a little, a choice of 32 links five bits.
 */
import type { ModelMessage, ToolCall } from '../agent/provider.ts';
import type { CallContext, ToolRisk } from './tool.ts';

/** Tools that answer in no words but ours and the model's own. */
const OWN_WORDS = /^(time\.|schedule\.|message\.|memory\.(save|forget)$|calc$)/;
/** Tools that find addresses. Nothing a model has written comes back from them, as it does from a file or a program. */
const FINDS_ADDRESSES = /^(web|browser)\./;
const ADDRESS = /https?:\/\/[^\s<>"'`\\]+/gi;
/** As people write them: `example.org/page`. */
const BARE_ADDRESS = /(?<![\w@./-])(?:[\w-]+\.)+[a-z]{2,24}(?::\d{1,5})?(?:\/[^\s<>"'`\\]*)?/gi;
/** What ends a sentence or a link in Markdown and not an address, mostly: it is read both ways. */
const TRAILING = /[.,;:!?*_)\]}]+$/;
/** Addresses one program may find; later ones it has to ask for. */
export const FOUND_MAX = 10_000;

/** What an operator is shown of such a call, as a fact of the approval. */
export const WHY_ASKED = {
  why: 'the model has read what others wrote, and this could take out what it knows',
} as const;

/** Whether the model has read anything that neither its user nor itself wrote. */
export function hasReadOutside({ shown }: CallContext): boolean {
  return shown?.().some(isFromOutside) === true;
}

/** `ask` where a model that has read words from outside chooses what is sent. */
export function riskOfSending(context: CallContext): ToolRisk {
  return hasReadOutside(context) ? 'ask' : 'safe';
}

/** `ask` for an address that such a model made up. */
export function riskOfAddress(address: string, context: CallContext): ToolRisk {
  if (!hasReadOutside(context)) return 'safe';
  const wanted = canonical(address);
  if (wanted === undefined || context.found?.has(wanted)) return 'safe'; // what is no address goes nowhere
  const shown = context.shown?.() ?? [];
  return shown.some((message) => names(message, wanted)) || openedBefore(shown).has(wanted) ? 'safe' : 'ask';
}

/** The addresses in a result of a tool; none for a tool that may give back what a model has written. */
export function addressesFound(tool: string, text: string): string[] {
  return FINDS_ADDRESSES.test(tool) ? (text.match(ADDRESS) ?? []).flatMap(readings) : [];
}

function isFromOutside(message: ModelMessage): boolean {
  if (message.role === 'tool') return !OWN_WORDS.test(message.name);
  return message.role === 'user' && message.outside === true;
}

function names(message: ModelMessage, wanted: string): boolean {
  if (message.role === 'assistant') return false;
  // Most are of other hosts, and to read one takes a hundred times as long as to look whether it has the name in it.
  const { hostname } = new URL(wanted);
  const isLike = (found: string) => hostname.startsWith('xn--') || found.toLowerCase().includes(hostname);
  const found = (message.text.match(ADDRESS) ?? []).filter(isLike);
  if (message.role === 'tool') {
    return !message.failed && FINDS_ADDRESSES.test(message.name) && found.flatMap(readings).includes(wanted);
  }
  if (message.outside) return false;
  const bare = (message.text.match(BARE_ADDRESS) ?? []).filter(isLike);
  return [...found, ...bare.flatMap((one) => [`https://${one}`, `http://${one}`])].flatMap(readings).includes(wanted);
}

/** What calls have opened: to do it again tells nobody anything new. */
function openedBefore(shown: readonly ModelMessage[]): Set<string> {
  const opened = new Set<string>();
  // Ids are unique within one answer only, so a result belongs to the call of the answer before it.
  let calls: readonly ToolCall[] = [];
  for (const message of shown) {
    if (message.role === 'assistant') calls = message.toolCalls;
    if (message.role !== 'tool' || message.failed || !FINDS_ADDRESSES.test(message.name)) continue;
    const { url } = (calls.find(({ id }) => id === message.call)?.input ?? {}) as { url?: unknown };
    const address = typeof url === 'string' ? canonical(url) : undefined;
    if (address !== undefined) opened.add(address);
  }
  return opened;
}

/** The address with and without what may be the end of a sentence, or of a link. */
function readings(found: string): string[] {
  const parts = new Set([found, found.replace(TRAILING, ''), found.split(')')[0] as string]);
  return [...parts].map(canonical).filter((one) => one !== undefined);
}

/** As it is asked for: without its fragment, which no server is told. */
function canonical(text: string): string | undefined {
  const url = URL.parse(text);
  if (url === null) return undefined;
  url.hash = '';
  return url.href;
}
