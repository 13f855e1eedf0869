/**
 * The tests' Bot API server alone in a process, and the people who write to the bot. Prints the port at which it takes orders:
 * `/telegram` (its port), `/flood?updates=…&waiting=…` and `/steady?rate=…&seconds=…`, each answered with JSON when it is done.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { TelegramServer } from '../../test/support/telegram-server.ts';

/** Private chats that take turns. */
const CHATS = 1_000;
/** The offline model answers this at once, in five pieces. */
const TEXT = 'hello there';
/** So long nothing may come before it counts as lost, in milliseconds. */
const SILENCE_MS = 20_000;

/** What the bot's answers came to. Times in milliseconds, from the update to the message that answers it. */
export interface TelegramLoad {
  readonly answered: number;
  readonly tookMs: number;
  readonly p50: number;
  readonly p99: number;
  /** Calls of the Bot API meanwhile, by method. */
  readonly calls: Record<string, number>;
}

const server = await TelegramServer.start();
const postedAt = new Map<number, number>();
let latencies: number[] = [];
let lastAt = 0;
let posted = 0;
let wake = (): void => {};

server.onSent = ({ replyTo }) => {
  const at = postedAt.get(replyTo ?? 0);
  if (at === undefined) return;
  postedAt.delete(replyTo!);
  lastAt = performance.now();
  latencies.push(lastAt - at);
  wake();
};

function post(): void {
  const id = 1 + (posted++ % CHATS);
  const person = { id, is_bot: false, first_name: 'Asha' };
  const { message } = server.post({ id, type: 'private', first_name: 'Asha' }, person, { text: TEXT });
  postedAt.set(message!.message_id, performance.now());
}

/** Posts as soon as fewer than `waiting` are without an answer. */
async function flood(updates: number, waiting: number): Promise<void> {
  for (let left = updates; left > 0; ) {
    for (; left > 0 && postedAt.size < waiting; left--) post();
    await answer();
  }
}

async function steady(rate: number, seconds: number): Promise<void> {
  const startedAt = performance.now();
  for (let sent = 0; sent < rate * seconds; ) {
    for (const due = ((performance.now() - startedAt) / 1_000) * rate; sent < due; sent++) post();
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

function answer(): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${postedAt.size} updates are not answered`)), SILENCE_MS);
    wake = () => {
      clearTimeout(timer);
      resolve();
    };
  });
}

async function measured(work: () => Promise<void>): Promise<TelegramLoad> {
  latencies = [];
  server.sent.length = 0;
  server.calls.clear();
  const startedAt = performance.now();
  await work();
  while (postedAt.size > 0) await answer();
  const sorted = latencies.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.floor(sorted.length * share)] as number;
  const calls = Object.fromEntries(server.calls);
  return { answered: sorted.length, tookMs: lastAt - startedAt, p50: at(0.5), p99: at(0.99), calls };
}

const orders = createServer(async (request, response) => {
  const { pathname, searchParams } = new URL(request.url!, 'http://orders');
  const number = (name: string) => Number(searchParams.get(name));
  const reports: Record<string, () => unknown> = {
    '/telegram': () => ({ port: Number(new URL(server.url).port) }),
    '/flood': () => measured(() => flood(number('updates'), number('waiting'))),
    '/steady': () => measured(() => steady(number('rate'), number('seconds'))),
  };
  try {
    response.end(JSON.stringify(await reports[pathname]?.()));
  } catch (error) {
    response.writeHead(500).end(String(error));
  }
}).listen(0, '127.0.0.1', () => console.log((orders.address() as AddressInfo).port));
