/** A gateway's memory as a client sees it, and its files. */
import type { Replies } from '../../src/protocol/messages.ts';
import { until } from './wait.ts';
import type { WireClient } from './wire-client.ts';

export type MemoryResult = Replies['memory.search']['results'][number];

/** The thread has to start and to read what was said. */
const FOUND_MS = 30_000;

/** Says something and waits for the end of its turn. */
export async function tell(client: WireClient, text: string, session?: string): Promise<void> {
  const { message } = await client.ask('message.send', { text, ...(session === undefined ? {} : { session }) });
  await client.runEnd(message);
}

export async function search(client: WireClient, query: string): Promise<readonly MemoryResult[]> {
  return (await client.ask('memory.search', { query })).results;
}

/** The results, as soon as one of them has this text. */
export function whenFound(client: WireClient, query: string, text: string): Promise<readonly MemoryResult[]> {
  return until(
    FOUND_MS,
    async () => {
      const results = await search(client, query);
      return results.some((result) => result.text === text) ? results : undefined;
    },
    `${JSON.stringify(text)} to be found`,
  );
}

/** Resolves when no result has this text any more. */
export async function whenForgotten(client: WireClient, query: string, text: string): Promise<void> {
  const isGone = async () => !(await search(client, query)).some((result) => result.text === text) || undefined;
  await until(FOUND_MS, isGone, `${JSON.stringify(text)} to be found no more`);
}
