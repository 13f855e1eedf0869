/**
 * Goal: however many send to one session at a time, each sender's messages are taken in order, turns run in the order of
 * acceptance, and no two at once (scorecard row 3). Method: a property over shapes of load. Senders in this thread, whole
 * shards in theirs (link, journal, session, agent loop, offline model); what subscribers are told is checked, event by event.
 */
import fc from 'fast-check';
import { pino } from 'pino';
import { describe, expect, it, onTestFinished } from 'vitest';
import { configSchema } from '../../src/config/schema.ts';
import { toWireError } from '../../src/protocol/errors.ts';
import { decodeFrame, encodeFrame, type Frame } from '../../src/protocol/frame.ts';
import { shardOf } from '../../src/shards/placement.ts';
import { ShardPool } from '../../src/shards/pool.ts';
import type { Receiver } from '../../src/shards/receiver.ts';
import { ToolHosts } from '../../src/tools/hosts.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { within } from '../support/wait.ts';

const SHARDS = 2;
const MESSAGES = process.env.FAULTS === 'long' ? 1_000_000 : 10_000;
const RUNS = process.env.FAULTS === 'long' ? 50 : 5;

const sessions = new Map<string, SessionWatch>();
let requests = 0;

async function startPool(): Promise<ShardPool> {
  const config = configSchema.parse({
    home: await tempFolder(),
    sessions: { mailboxMax: 10_000 },
    // A lane waits for its commits; the disk's speed is not the matter here.
    storage: { flush: false },
    models: { default: 'offline' },
    log: { level: 'error' },
  });
  const pool = new ShardPool({
    config,
    count: SHARDS,
    subscribers: { of: (session) => sessions.get(session)?.receivers },
    countTokens: async (texts) => texts.map(() => 1),
    tellPairing: () => {},
    tools: new ToolHosts(config),
    log: pino({ level: 'silent' }),
  });
  onTestFinished(() => pool.stop(0));
  await pool.start();
  return pool;
}

/** How many send to how many sessions, and how far each is ahead of the answers. */
interface Shape {
  senders: number;
  sessions: number;
  window: number;
  length: number;
}

const shape: fc.Arbitrary<Shape> = fc.record({
  senders: fc.integer({ min: 2, max: 24 }),
  sessions: fc.integer({ min: 2, max: 40 }),
  window: fc.integer({ min: 1, max: 32 }),
  length: fc.constantFrom(0, 10, 400),
});

interface Told {
  session: string;
  message: string;
  run: string;
  text: string;
}

/** Whoever is told something on the link, frame by frame. */
class Listener implements Receiver {
  readonly #heard: (frame: Frame) => void;

  constructor(heard: (frame: Frame) => void) {
    this.#heard = heard;
  }

  queue(frame: Uint8Array): boolean {
    this.#heard(decodeFrame(frame));
    return false;
  }

  flush(): void {}
  subscribe(): void {}
  answered(): void {}
  fail(id: string, error: Error): void {
    this.#heard({ id, type: 'error', timestamp: 0, error: toWireError(error) });
  }
}

/** A subscriber of one session, who knows what must come next. */
class SessionWatch {
  readonly receivers: ReadonlySet<Receiver> = new Set([new Listener((frame) => this.#heard(frame))]);
  readonly faults: string[] = [];
  /** Told when one of a sender's messages was answered. */
  onAnswer: (sender: number) => void = () => {};
  /** Accepted messages in order, with who sent them; those before `#ended` have ended. */
  readonly #accepted: { message: string; sender: number }[] = [];
  #ended = 0;
  /** By sender: the number of its newest message. */
  readonly #newest = new Map<number, number>();
  #running: string | undefined;

  #heard({ type, data }: Frame): void {
    const { message, run, text } = data as Told;
    if (type === 'message.inbound') this.#inbound(message, text);
    else if (type === 'run.start') this.#starts(message, run);
    else if (type === 'run.end') this.#ends(message, run);
  }

  #inbound(message: string, text: string): void {
    const [sender = Number.NaN, number = Number.NaN] = text.split(':').map(Number);
    const newest = this.#newest.get(sender) ?? 0;
    if (number !== newest + 1) this.faults.push(`message ${number} of sender ${sender} comes after ${newest}`);
    this.#newest.set(sender, number);
    this.#accepted.push({ message, sender });
  }

  #starts(message: string, run: string): void {
    if (this.#running !== undefined) this.faults.push(`${run} begins while ${this.#running} goes on`);
    this.#running = run;
    const next = this.#accepted[this.#ended]?.message;
    if (message !== next) this.faults.push(`${message} runs where ${next} is next`);
  }

  #ends(message: string, run: string): void {
    const next = this.#accepted[this.#ended++];
    if (this.#running !== run || next?.message !== message)
      this.faults.push(`${run} of ${message} ends, and did not run`);
    this.#running = undefined;
    if (next !== undefined) this.onAnswer(next.sender);
  }
}

/** Resolves with the reply; rejects with the error that was the reply. */
function ask(pool: ShardPool, type: string, session: string, data: object): Promise<Frame> {
  return new Promise((resolve, reject) => {
    const id = `r${++requests}`;
    const frame = encodeFrame({ id, type, timestamp: Date.now(), data });
    const reply = new Listener((answer) => {
      if (answer.error === undefined) resolve(answer);
      else reject(new Error(`${type}: ${answer.error.code} ${answer.error.message}`));
    });
    const key = type === 'session.create' ? session : '';
    pool.request(shardOf(session, SHARDS), key, frame, id, reply);
  });
}

/** Has `count` messages sent and answered, divided over senders and sessions. */
async function load(
  pool: ShardPool,
  count: number,
  { senders, window, length, ...shape }: Shape,
  name: string,
): Promise<string[]> {
  const faults: string[] = [];
  const filler = ':'.padEnd(length + 1, '-');
  const ends = Array.from({ length: shape.sessions }, async (_, index) => {
    const user = `${name}-${index}`;
    const session = `agent:main:dm:test:${user}`;
    const watch = new SessionWatch();
    sessions.set(session, watch);
    await ask(pool, 'session.create', session, { type: 'dm', channel: 'test', user });
    const each = Math.ceil(count / shape.sessions / senders);
    await new Promise<void>((resolve, reject) => {
      let left = senders * each;
      const sent = new Map<number, number>();
      const next = (sender: number) => {
        const number = (sent.get(sender) ?? 0) + 1;
        if (number > each) return;
        sent.set(sender, number);
        // Two ways to be accepted must not overtake each other.
        const key = number % 2 === 0 ? { idempotencyKey: `${sender}-${number}` } : {};
        ask(pool, 'message.send', session, { session, text: `${sender}:${number}${filler}`, ...key }).catch(reject);
      };
      watch.onAnswer = (sender) => {
        left -= 1;
        if (left === 0) resolve();
        next(sender);
      };
      for (let i = 0; i < window; i++) for (let sender = 1; sender <= senders; sender++) next(sender);
    });
    faults.push(...watch.faults);
    sessions.delete(session);
  });
  await Promise.all(ends);
  return faults;
}

describe('many senders to one session', () => {
  it(`are served in order, one turn at a time, in ${MESSAGES} messages`, { timeout: 60 * 60_000 }, async () => {
    const pool = await startPool();
    let run = 0;
    await fc.assert(
      fc.asyncProperty(shape, async (chosen) => {
        const name = `r${run++}`;
        const faults = await within(120_000, load(pool, MESSAGES / RUNS, chosen, name), () => `the answers to ${name}`);
        expect(faults).toEqual([]);
      }),
      { numRuns: RUNS, endOnFailure: true },
    );
  });
});
