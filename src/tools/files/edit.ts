/** An edit by exact replacement: the text to be replaced says itself where it is. */
import type { Stats } from 'node:fs';
import { changing } from './changing.ts';
import type { Boundary, Folder } from './folder.ts';
import { ChangedMeanwhile, replaceFile } from './replace.ts';
import { binaryKindOf, bytesInWords, decodeText, encodeText, type TextFile } from './text.ts';

/** Lines round a change that are shown with it. */
const CONTEXT_LINES = 2;
/** Changes shown of an edit, and characters of one. */
const CHANGES_SHOWN_MAX = 3;
const CHANGE_LENGTH_MAX = 3_000;
/** Lines named where the old text is in several. */
const PLACES_NAMED_MAX = 10;
/** Replacements of one edit: as many as are made in a few milliseconds. */
const PLACES_MAX = 10_000;
/** How often an edit is made anew on a file that somebody else has just changed. */
const ATTEMPTS_MAX = 3;

export interface EditRequest {
  path: string;
  old: string;
  new: string;
  /** Every occurrence, however many; else there must be exactly one. */
  all: boolean;
}

/** A text with an edit made. */
export interface Edited {
  text: string;
  /** Where the replaced text began, in `text` as it was, ascending. */
  places: number[];
  /** What was looked for and what stands there now, with the line ends of the file. */
  old: string;
  new: string;
}

/** Edits a file of at most `bytesMax`. Returns what changed, as a small diff. Throws an Error that says what to do instead. */
export function editFile(boundary: Boundary, bytesMax: number, request: EditRequest): Promise<string> {
  return changing(boundary, request.path, async (folder, name) => {
    const path = folder.shown(name);
    for (let attempt = 1; ; attempt += 1) {
      const { file, stats } = await readWhole(folder, name, bytesMax);
      const edited = applyEdit(file.text, request, path);
      const bytes = encodeText({ ...file, text: edited.text });
      if (bytes.length > bytesMax) throw new Error(`${path} would be larger than ${bytesInWords(bytesMax)}`);
      try {
        await replaceFile(folder, name, bytes, stats);
      } catch (error) {
        if (error instanceof ChangedMeanwhile && attempt < ATTEMPTS_MAX) continue;
        throw error;
      }
      return `edited ${path}: ${inWords(edited.places.length)}\n${diffOf(file.text, edited)}`;
    }
  });
}

/**
 * `text` with `old` replaced. In a file whose lines end in CRLF, an `old` with plain line feeds is found too, and `new`
 * gets the file's line ends. Throws where `old` is not in it once, or not at all.
 */
export function applyEdit(text: string, request: Omit<EditRequest, 'path'>, path: string): Edited {
  const plain = { old: request.old, new: request.new };
  if (plain.old === plain.new) throw new Error('old and new are the same: there is nothing to change');
  let wanted = plain;
  let places = placesOf(text, wanted.old);
  if (places.length === 0 && text.includes('\r\n')) {
    wanted = { old: withCrlf(plain.old), new: withCrlf(plain.new) };
    places = placesOf(text, wanted.old);
  }
  if (places.length === 0) throw new Error(`the old text is not in ${path}${hint(text, plain.old)}`);
  if (places.length > 1 && !request.all) throw ambiguous(text, places, path);
  const parts: string[] = [];
  let end = 0;
  for (const place of places) {
    parts.push(text.slice(end, place), wanted.new);
    end = place + wanted.old.length;
  }
  parts.push(text.slice(end));
  return { text: parts.join(''), places, ...wanted };
}

async function readWhole(folder: Folder, name: string, bytesMax: number): Promise<{ file: TextFile; stats: Stats }> {
  const { handle, stats } = await folder.openFile(name);
  const path = folder.shown(name);
  try {
    if (stats.size > bytesMax) {
      const sizes = `${bytesInWords(stats.size)}; files of up to ${bytesInWords(bytesMax)} can be edited`;
      throw new Error(`${path} has ${sizes}`);
    }
    const buffer = Buffer.alloc(stats.size);
    let length = 0;
    while (length < buffer.length) {
      const { bytesRead } = await handle.read(buffer, length, buffer.length - length, length);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    const bytes = buffer.subarray(0, length);
    const kind = binaryKindOf(bytes);
    if (kind !== undefined) throw new Error(`${path} is ${kind}, not text`);
    return { file: decodeText(bytes, path), stats };
  } finally {
    await handle.close();
  }
}

/** Where `wanted` begins in `text`, one after the end of the other. Throws where that is too often. */
function placesOf(text: string, wanted: string): number[] {
  const places: number[] = [];
  for (let at = text.indexOf(wanted); at !== -1; at = text.indexOf(wanted, at + wanted.length)) {
    if (places.length === PLACES_MAX) throw new Error(`the old text is more than ${PLACES_MAX} times in the file`);
    places.push(at);
  }
  return places;
}

function withCrlf(text: string): string {
  return text.replaceAll(/\r?\n/g, '\r\n');
}

function ambiguous(text: string, places: number[], path: string): Error {
  const lines = [...new Set(linesAt(text, places.slice(0, PLACES_NAMED_MAX)))].join(', ');
  const more = places.length > PLACES_NAMED_MAX ? ' and further ones' : '';
  return new Error(
    `the old text is ${places.length} times in ${path}, from lines ${lines}${more}: add what stands round the one you mean, or set all`,
  );
}

/** What may have gone wrong where nothing was found. */
function hint(text: string, old: string): string {
  const first = old.split('\n').find((line) => line.trim() !== '');
  const at = first === undefined ? -1 : text.indexOf(first.trim());
  if (at === -1) return ': read the file and take the text from there';
  return `, but its first line is like line ${linesAt(text, [at])[0]}: white space and all lines must be exactly the same`;
}

/** The line number of each place; `places` ascend. */
function linesAt(text: string, places: readonly number[]): number[] {
  let line = 1;
  let at = 0;
  return places.map((place) => {
    for (let next = text.indexOf('\n', at); next !== -1 && next < place; next = text.indexOf('\n', at)) {
      line += 1;
      at = next + 1;
    }
    return line;
  });
}

function diffOf(before: string, edited: Edited): string {
  const shown = edited.places.slice(0, CHANGES_SHOWN_MAX);
  const lines = linesAt(before, shown);
  const changes = shown.map((place, index) => changeAt(before, edited, place, lines[index] as number));
  const more = edited.places.length - shown.length;
  return [...changes, ...(more > 0 ? [`[${more} more, the same way]`] : [])].join('\n');
}

/** The lines a replacement at `place` touched, as they were and as they are. */
function changeAt(before: string, { old, new: replacement }: Edited, place: number, line: number): string {
  const end = place + old.length;
  const lineStart = place === 0 ? 0 : before.lastIndexOf('\n', place - 1) + 1;
  const next = before.indexOf('\n', end);
  const lineEnd = next === -1 ? before.length : next;
  const head = before.slice(lineStart, place);
  const tail = before.slice(end, lineEnd);
  const aboveEnd = Math.max(0, lineStart - 1);
  const above = before
    .slice(Math.max(0, aboveEnd - CHANGE_LENGTH_MAX), aboveEnd)
    .split('\n')
    .slice(-CONTEXT_LINES);
  const below = linesAfter(before.slice(lineEnd + 1, lineEnd + 1 + CHANGE_LENGTH_MAX));
  const rows = [
    `@@ line ${line} @@`,
    ...(lineStart === 0 ? [] : marked(' ', above.join('\n'))),
    ...marked('-', head + old + tail),
    ...marked('+', head + replacement + tail),
    ...(below.length === 0 ? [] : marked(' ', below.join('\n'))),
  ];
  const text = rows.join('\n');
  return text.length > CHANGE_LENGTH_MAX
    ? `${text.slice(0, CHANGE_LENGTH_MAX)}\n[the rest of this change is cut]`
    : text;
}

/** The first lines of `text`; what follows the last line feed is one only if there is something. */
function linesAfter(text: string): string[] {
  const lines = text.split('\n').slice(0, CONTEXT_LINES);
  return lines.at(-1) === '' ? lines.slice(0, -1) : lines;
}

function marked(mark: string, text: string): string[] {
  return text.split('\n').map((line) => mark + (line.endsWith('\r') ? line.slice(0, -1) : line));
}

function inWords(count: number): string {
  return count === 1 ? '1 replacement' : `${count} replacements`;
}
