/** A transcript as a Markdown document to read: what was said in it can neither break out of its place nor load anything. */
import type { HistoryEntry, Session } from '../protocol/messages.ts';
import { printable, printableLine } from './terminal.ts';

/** Longest name of a person or tool in a heading. */
const NAME_LENGTH_MAX = 80;

/** What begins the document. */
export function markdownHead({ id, title, agent, channel, user, createdAt }: Session): string {
  const name = title === null ? id : `${title} (${id})`;
  const about = `Agent ${inline(agent)}, with ${inline(user)} on ${inline(channel)}, since ${timeOf(createdAt)}.`;
  return `# ${inline(name)}\n\n${about}\n`;
}

/** One entry, with an empty line before it. `files`: links to its images, where they were written out. */
export function markdownOf(entry: HistoryEntry, files: readonly (string | undefined)[] = []): string {
  const { attachments = [], role, text, toolCalls = [] } = entry;
  const body = role === 'tool' ? fenced(text) : quoted(text);
  const images = attachments.map(({ mediaType, bytes }, index) => {
    const file = files[index];
    return file === undefined ? `*An image: ${mediaType}, ${bytes} bytes*` : `![${mediaType}](<${encodeURI(file)}>)`;
  });
  const calls = toolCalls.map(
    ({ name, input }) => `Calls ${inline(name)}:\n\n${fenced(JSON.stringify(input, null, 2))}`,
  );
  const parts = [`## ${headingOf(entry)}`, ...notesOf(entry), body, ...images, ...calls];
  return `\n${parts.filter((part) => part !== '').join('\n\n')}\n`;
}

function headingOf({ role, timestamp, origin, source, toolCall }: HistoryEntry): string {
  const sender = origin === undefined ? role : `${inline(origin.sender.name)} (${role})`;
  const names = {
    user: source === undefined ? sender : `${sender}, by ${source.type} ${inline(source.session ?? '')}`.trimEnd(),
    assistant: role,
    tool: `Result of ${inline(toolCall?.name ?? 'a tool')}`,
    reset: 'The conversation began anew',
    summary: 'A summary of what stands above',
  };
  return `${names[role]} · ${timeOf(timestamp)}`;
}

/** What is to be known of an entry besides what it says. */
function notesOf({ status, truncated, toolCall, delivery, covers }: HistoryEntry): string[] {
  const notes = [
    status === undefined ? '' : `The run was ${status}.`,
    truncated ? 'Only the beginning was kept.' : '',
    toolCall?.failed ? 'The call failed.' : '',
    toolCall?.unknown ? 'Nobody knows whether the call was made.' : '',
    delivery === undefined ? '' : `Delivery ${delivery.status}: ${inline(delivery.reason)}.`,
    covers === undefined ? '' : `Models are sent it instead of the turns up to entry ${covers}.`,
  ].filter((note) => note !== '');
  return notes.length === 0 ? [] : [`*${notes.join(' ')}*`];
}

function timeOf(at: number): string {
  const date = new Date(at);
  return Number.isNaN(date.getTime())
    ? 'at an unknown time'
    : date
        .toISOString()
        .replace('T', ' ')
        .replace(/\.\d+Z$/, ' UTC');
}

/** Text within a line, with no mark-up in it. */
function inline(text: string): string {
  return printableLine(text, NAME_LENGTH_MAX).replace(/[\\`*_{}[\]<>()#!|&~]/g, '\\$&');
}

/** A block of code whose fence no line of `text` can end. */
function fenced(text: string): string {
  const shown = printable(text);
  const fence = '`'.repeat(Math.max(3, ...[...shown.matchAll(/`+/g)].map(([run]) => run.length + 1)));
  return `${fence}\n${shown}\n${fence}`;
}

/** The opening of a block of code; behind ``` there is no further ` in the line. */
const OPENING = /^(?:(`{3,})[^`]*|(~{3,}).*)$/;

/**
 * What somebody said, as a quotation: its Markdown is shown as such, but it stays in the quotation, and neither HTML nor
 * images are taken from it. Only blocks of code at the beginning of a line are left as they are, since inside of others (a
 * list) where a block ends is not sure.
 */
function quoted(text: string): string {
  if (text.trim() === '') return '';
  let closing: RegExp | undefined;
  const lines = printable(text)
    .split('\n')
    .map((line) => {
      if (closing !== undefined) {
        if (closing.test(line)) closing = undefined;
        return line;
      }
      const [, ticks, tildes] = OPENING.exec(line) ?? [];
      const fence = ticks ?? tildes;
      if (fence === undefined) return line.replaceAll('<', '&lt;').replaceAll('![', '&#33;[');
      closing = new RegExp(`^ {0,3}${fence[0]}{${fence.length},}[ \\t]*$`);
      return line.replaceAll('<', '&lt;');
    });
  return lines.map((line) => (line === '' ? '>' : `> ${line}`)).join('\n');
}
