/**
 * Ten tasks, each written down twice: the calls a model makes one by one (independent ones at once, as models do), and the
 * program it writes with the `code` tool. Who writes them here reads the results as a model would and does sums with calc.
 */
import { SERVICES } from './code-tools.ts';

export interface PlannedCall {
  name: string;
  input: unknown;
}

export interface CodeTask {
  name: string;
  ask: string;
  /** The calls of each turn, given all results so far. Then comes the answer. */
  turns: ((results: readonly string[]) => PlannedCall[])[];
  /** What the model says at the end of the calls, from their results. */
  say(results: readonly string[]): string;
  program: string;
  /** Must stand in the answer in either way. */
  answer: string;
}

const read = (path: string): PlannedCall => ({ name: 'files.read', input: { path } });
const sum = (numbers: string[]): PlannedCall => ({ name: 'calc', input: { expression: numbers.join('+') } });
const configs = SERVICES.map((service) => `config/${service}.json`);
const last = (results: readonly string[]) => results.at(-1) as string;

/** The amounts of customer `n`, from the text of orders.csv. */
const amountsOf = (n: number, orders: string) =>
  orders.split('\n').flatMap((line) => (line.split(',')[1] === `c${n}` ? [line.split(',')[2] as string] : []));
const nextIn = (text: string) => /next file is (\S+)\./.exec(text)?.[1] as string;

export const TASKS: CodeTask[] = [
  {
    name: 'one look',
    ask: 'What is the heading of README.md?',
    turns: [() => [read('README.md')]],
    say: ([text]) => `The heading is "${text?.split('\n')[0]?.slice(2)}".`,
    program: `return (await files.read({ path: 'README.md', limit: 1 }));`,
    answer: 'Services',
  },
  {
    name: 'one search',
    ask: 'Which services does grace own?',
    turns: [() => [{ name: 'files.search', input: { pattern: 'grace', path: 'config' } }]],
    say: ([found]) =>
      `Grace owns ${found
        ?.match(/config\/\w+/g)
        ?.map((one) => one.slice(7))
        .join(', ')}.`,
    program: `const found = await files.search({ pattern: 'grace', path: 'config' });
return found.match(/config\\/\\w+/g).map((one) => one.slice(7));`,
    answer: 'billing',
  },
  {
    name: 'count errors in eight logs',
    ask: 'Which service has the most ERROR lines in logs/?',
    turns: [() => [{ name: 'files.search', input: { pattern: 'ERROR', path: 'logs' } }]],
    say: ([found]) => `${commonest(found?.match(/(?<=^logs\/)\w+/gm) ?? [])} has the most ERROR lines.`,
    program: `const counts = {};
for (const [, name] of (await files.search({ pattern: 'ERROR', path: 'logs' })).matchAll(/^logs\\/(\\w+)\\.log/gm)) {
  counts[name] = (counts[name] ?? 0) + 1;
}
return Object.entries(counts).sort((a, b) => b[1] - a[1])[0];`,
    answer: 'mail',
  },
  {
    name: 'slowest request of eight logs',
    ask: 'Which is the slowest request over all logs, and of which service?',
    turns: [
      () => [{ name: 'files.list', input: { path: 'logs' } }],
      () => SERVICES.map((service) => read(`logs/${service}.log`)),
    ],
    say: (results) => `The slowest took ${Math.max(...timesIn(results.slice(1)))} ms.`,
    program: `let slowest = { ms: -1 };
for (const line of (await files.list({ path: 'logs' })).split('\\n')) {
  const name = line.split(' ')[0];
  const log = await files.read({ path: name });
  for (const [, request, ms] of log.matchAll(/request (\\d+) took (\\d+) ms/g)) {
    if (Number(ms) > slowest.ms) slowest = { ms: Number(ms), request, name };
  }
}
return slowest;`,
    answer: '85',
  },
  {
    name: 'sum a column of 80 rows',
    ask: 'What is the total of all amounts in data/orders.csv?',
    turns: [
      () => [read('data/orders.csv')],
      ([text]) => [0, 1].map((half) => sum(rowsOf(text as string).slice(half * 40, half * 40 + 40))),
      (results) => [sum(results.slice(-2))],
    ],
    say: (results) => `The total is ${last(results)}.`,
    program: `const rows = (await files.read({ path: 'data/orders.csv' })).trim().split('\\n').slice(1);
return rows.reduce((sum, row) => sum + Number(row.split(',')[2]), 0).toFixed(2);`,
    answer: '4130.4',
  },
  {
    name: 'join two tables',
    ask: 'Which customer, by name, spent most according to data/orders.csv and data/customers.csv?',
    turns: [
      () => [read('data/orders.csv'), read('data/customers.csv')],
      ([orders]) => [0, 1, 2, 3, 4, 5, 6].map((n) => sum(amountsOf(n, orders as string))),
    ],
    say: (results) => {
      const totals = results.slice(2).map(Number);
      const best = totals.indexOf(Math.max(...totals));
      return `${results[1]?.split('\n')[best + 1]?.split(',')[1]} spent most.`;
    },
    program: `const table = async (path) => (await files.read({ path })).trim().split('\\n').slice(1).map((row) => row.split(','));
const names = Object.fromEntries(await table('data/customers.csv'));
const totals = {};
for (const [, customer, amount] of await table('data/orders.csv')) {
  totals[names[customer]] = (totals[names[customer]] ?? 0) + Number(amount);
}
return Object.entries(totals).sort((a, b) => b[1] - a[1])[0];`,
    answer: 'Egon',
  },
  {
    name: 'follow three files',
    ask: 'Start at chain/start.txt and follow it. What is the word?',
    turns: [
      () => [read('chain/start.txt')],
      (results) => [read(nextIn(last(results)))],
      (results) => [read(nextIn(last(results)))],
    ],
    say: (results) => `The word is ${/word is (\w+)/.exec(last(results))?.[1]}.`,
    program: `let path = 'chain/start.txt';
for (let step = 0; step < 20; step++) {
  const text = await files.read({ path });
  const next = /next file is (\\S+)\\./.exec(text);
  if (!next) return text;
  path = next[1];
}`,
    answer: 'heliotrope',
  },
  {
    name: 'change eight files',
    ask: 'Set "retries" to 5 in every file of config/.',
    turns: [
      () => [{ name: 'files.search', input: { pattern: '"retries"', path: 'config' } }],
      () => configs.map((path) => ({ name: 'files.edit', input: { path, old: '"retries": 3', new: '"retries": 5' } })),
    ],
    say: () => 'Done: retries is 5 in all 8 files.',
    program: `const found = await files.search({ pattern: '"retries"', path: 'config' });
const paths = [...new Set(found.match(/^config\\/[^:]+/gm))];
await Promise.all(paths.map((path) => files.edit({ path, old: '"retries": 3', new: '"retries": 5' })));
return paths.length + ' files changed';`,
    answer: '8',
  },
  {
    name: 'a report of eight files',
    ask: 'Write report.md: a table of name, port and owner of every service in config/.',
    turns: [
      () => [{ name: 'files.list', input: { path: 'config' } }],
      () => configs.map(read),
      (results) => [{ name: 'files.write', input: { path: 'report.md', content: tableOf(results.slice(1)) } }],
    ],
    say: () => 'report.md has all 8 services.',
    program: `const names = (await files.list({ path: 'config' })).split('\\n').map((line) => line.split(' ')[0]);
const all = await Promise.all(names.map(async (name) => JSON.parse(await files.read({ path: name }))));
const rows = all.map(({ name, port, owner }) => \`| \${name} | \${port} | \${owner} |\`);
await files.write({ path: 'report.md', content: ['| name | port | owner |', '|---|---|---|', ...rows].join('\\n') + '\\n' });
return rows.length + ' services';`,
    answer: '8 services',
  },
  {
    name: 'wait for a process',
    ask: 'Tell me when the process p1 has ended, and with which code.',
    turns: Array.from({ length: 4 }, () => () => [{ name: 'job.poll', input: { id: 'p1' } }]),
    say: (results) => `It ended with code ${(JSON.parse(last(results)) as { code: number }).code}.`,
    program: `for (;;) {
  const { state, code } = await job.poll({ id: 'p1' });
  if (state === 'ended') return 'code ' + code;
  await sleep(20);
}`,
    answer: 'code 0',
  },
];

function timesIn(logs: readonly string[]): number[] {
  return logs.flatMap((log) => [...log.matchAll(/took (\d+) ms/g)].map(([, ms]) => Number(ms)));
}

function commonest(names: readonly string[]): string | undefined {
  const counts = Map.groupBy(names, (name) => name);
  return [...counts].toSorted(([, a], [, b]) => b.length - a.length)[0]?.[0];
}

/** The amounts of all orders. */
function rowsOf(orders: string): string[] {
  return orders
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.split(',')[2] as string);
}

function tableOf(texts: string[]): string {
  const rows = texts.map((text) => {
    const { name, port, owner } = JSON.parse(text) as { name: string; port: number; owner: string };
    return `| ${name} | ${port} | ${owner} |`;
  });
  return `${['| name | port | owner |', '|---|---|---|', ...rows].join('\n')}\n`;
}
