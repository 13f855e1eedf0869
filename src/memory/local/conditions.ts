/** The rules of `entry.ts` and the filters of a query, as conditions of SQL on a row `e` of the table `entries`. */
import type { SQLInputValue } from 'node:sqlite';
import type { MemoryFilter, MemoryQuery } from '../backend.ts';
import type { MemoryKind, MemoryReader, Reach } from '../entry.ts';

/** As they stand in the table. */
export const KINDS: readonly MemoryKind[] = ['user', 'assistant', 'tool', 'summary', 'fact'];
export const REACHES: readonly Reach[] = ['session', 'owner', 'agent'];

const TOOL = KINDS.indexOf('tool');
const FACT = KINDS.indexOf('fact');
const OWNER = REACHES.indexOf('owner');
const AGENT = REACHES.indexOf('agent');

export interface Conditions {
  /** Joined by AND; never empty. The texts are few: values are not in them. */
  sql: string;
  values: SQLInputValue[];
  /** Every entry meets them. */
  isAll: boolean;
}

/** What an entry must meet to be found. `idOf` is the number of a string in the table, one that no row has for one that is not there. */
export function conditionsOf(query: MemoryQuery, idOf: (name: string) => number): Conditions {
  const { reader, unasked, filter } = query;
  const parts: [sql: string, ...values: SQLInputValue[]][] = [];
  const scope = mayRecall(reader, idOf);
  if (scope !== undefined) parts.push(scope);
  if (unasked) parts.push(mayRecallUnasked(reader, idOf));
  if (filter !== undefined) parts.push(...filtered(filter, reader, idOf));
  return {
    sql: parts.length === 0 ? '1' : parts.map(([sql]) => sql).join(' AND '),
    values: parts.flatMap(([, ...values]) => values),
    isAll: parts.length === 0,
  };
}

type Part = [sql: string, ...values: SQLInputValue[]];

function mayRecall({ session, owner, scope }: MemoryReader, idOf: (name: string) => number): Part | undefined {
  if (scope === 'agent') return undefined;
  if (scope === 'session') return [`(e.session = ? OR e.reach = ${AGENT})`, idOf(session)];
  return [`(e.session = ? OR e.reach = ${AGENT} OR (e.reach = ${OWNER} AND e.owner = ?))`, idOf(session), idOf(owner)];
}

function mayRecallUnasked({ owner }: MemoryReader, idOf: (name: string) => number): Part {
  return [
    `e.trusted = 1 AND e.kind != ${TOOL} AND (e.owner = ? OR (e.kind = ${FACT} AND e.reach = ${AGENT}))`,
    idOf(owner),
  ];
}

function filtered(filter: MemoryFilter, reader: MemoryReader, idOf: (name: string) => number): Part[] {
  const { session, channel, sender, kinds, after, before, beforeSeq } = filter;
  const parts: Part[] = [];
  if (session !== undefined) parts.push(['e.session = ?', idOf(session)]);
  if (channel !== undefined) parts.push(['e.channel = ?', idOf(channel)]);
  if (sender !== undefined) parts.push(['e.sender = ?', idOf(sender)]);
  if (kinds !== undefined) {
    const numbers = KINDS.flatMap((kind, number) => (kinds.includes(kind) ? [number] : []));
    parts.push([`e.kind IN (${numbers.join(', ')})`]);
  }
  if (after !== undefined) parts.push(['e.timestamp >= ?', after]);
  if (before !== undefined) parts.push(['e.timestamp < ?', before]);
  if (beforeSeq !== undefined) {
    parts.push(['NOT (e.session = ? AND e.seq IS NOT NULL AND e.seq >= ?)', idOf(reader.session), beforeSeq]);
  }
  return parts;
}
