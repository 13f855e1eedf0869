import { CliError, EXIT } from './exit.ts';

const LIMIT_DEFAULT = 100;

/** How many rows a list has at most: what `--limit` says. Throws for what is no whole number from 1 up. */
export function limitOf(flag: string | undefined): number {
  const limit = Number(flag ?? LIMIT_DEFAULT);
  if (Number.isInteger(limit) && limit >= 1) return limit;
  throw new CliError(`--limit ${flag} is not a whole number from 1 up`, EXIT.usage);
}

/** The first `limit` of `items`; no more of them are asked for. */
export async function firstOf<T>(items: AsyncIterable<T>, limit: number): Promise<T[]> {
  const first: T[] = [];
  for await (const item of items) {
    first.push(item);
    if (first.length === limit) break;
  }
  return first;
}
