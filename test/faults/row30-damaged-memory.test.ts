/**
 * Goal: damage to the files of the memory crashes nothing, and everything is found again (scorecard 30, the index). Method: a gateway
 * that has talked is stopped, or killed, the files of its memory damaged in one of several ways, and started again.
 */
import { existsSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type GatewayProcess, gatewayProcess } from '../support/gateway.ts';
import { search, tell, whenFound } from '../support/remembering.ts';
import { flipBits, placesIn } from '../support/store-files.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { until } from '../support/wait.ts';

const CONFIG = { shards: { count: 1 } };
const FACTS = [
  'the spare key hangs behind the oak wardrobe',
  'grandmother keeps bees in the orchard',
  'the boiler is from 1987',
];
const QUERIES = ['where is the key to the wardrobe', 'bees orchard', 'how old is the boiler'];

/** A home whose memory has taken in what was said, and the end its gateway had. */
async function remembering(how: 'stop' | 'kill'): Promise<string> {
  const home = await tempFolder();
  const gateway = await gatewayProcess({ home, config: CONFIG });
  const client = await gateway.connect();
  for (const fact of FACTS) await tell(client, fact);
  await whenFound(client, 'boiler', FACTS[2] as string);
  const isDone = async () => {
    const { agents } = await client.ask('memory.status');
    return agents.every(({ pending }) => pending === 0) || undefined;
  };
  await until(30_000, isDone, 'everything to be taken in');
  await gateway[how]();
  return home;
}

/** Sees that everything is found, by meaning too, and that the gateway is as ready as ever. */
async function findsAll(gateway: GatewayProcess): Promise<void> {
  const client = await gateway.connect();
  for (const [index, query] of QUERIES.entries()) {
    const fact = FACTS[index] as string;
    await whenFound(client, query, fact);
    const byBoth = async () => {
      const found = (await search(client, query)).find(({ text }) => text === fact);
      return (found?.by.length === 2 && found) || undefined;
    };
    await until(30_000, byBoth, `${query} to be found by words and by meaning`);
  }
  await tell(client, 'the piano was tuned in May');
  await whenFound(client, 'piano', 'the piano was tuned in May');
  expect((await fetch(`${gateway.httpUrl}/ready`)).status).toBe(200);
}

function files(home: string, name: string): string[] {
  const folder = join(home, 'memory', 'main', name);
  if (statSync(folder).isFile()) return [folder];
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((file) => join(folder, file))
    .filter((path) => statSync(path).isFile());
}

const GARBAGE = 'no database '.repeat(4_000);

const DAMAGES: readonly [what: string, damage: (home: string) => void, told: RegExp | undefined][] = [
  ['an index that is no database', (home) => write(home, GARBAGE), /index of the memory is of no use/],
  ['an index that is cut short', (home) => truncateSync(index(home), 9_000), /index of the memory is of no use/],
  ['an index that is empty', (home) => truncateSync(index(home), 0), undefined],
  ['an index with flipped bits', (home) => flipBits(index(home), placesIn(index(home), 60, 3)), undefined],
  [
    'a graph of garbage',
    (home) => files(home, 'graph').forEach((path) => void writeFileSync(path, GARBAGE)),
    /graph is made anew/,
  ],
  [
    'a graph that is cut short',
    (home) => files(home, 'graph').forEach((path) => void truncateSync(path, statSync(path).size / 2)),
    /graph is made anew/,
  ],
  [
    'a graph with flipped bits',
    (home) => files(home, 'graph').forEach((path) => void flipBits(path, placesIn(path, 20, 5))),
    /graph is made anew/,
  ],
];

const index = (home: string): string => join(home, 'memory', 'main', 'index.sqlite');
const write = (home: string, text: string): void => writeFileSync(index(home), text);

describe('after damage to the memory’s files', () => {
  it.each(DAMAGES)('%s: everything is found again', async (_, damage, told) => {
    const home = await remembering('stop');
    expect(existsSync(join(home, 'memory', 'main', 'graph'))).toBe(true);
    damage(home);
    const gateway = await gatewayProcess({ home, config: CONFIG });
    await findsAll(gateway);
    const { code, stderr } = await gateway.stop();
    expect(code).toBe(0);
    expect(stderr).not.toContain('thread of the memory ended');
    if (told !== undefined) expect(stderr).toMatch(told);
  });

  it('a gateway that was killed while it took something in goes on where its index stands', async () => {
    const home = await remembering('kill');
    const before = readFileSync(index(home)).length;
    expect(before).toBeGreaterThan(0);
    const gateway = await gatewayProcess({ home, config: CONFIG });
    await findsAll(gateway);
    expect((await gateway.stop()).stderr).not.toContain('of no use');
  });
});
