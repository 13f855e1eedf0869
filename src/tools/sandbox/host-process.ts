import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import type { CommandLine } from './launch.ts';
import { JsonLines, LINE_LENGTH_MAX } from './lines.mjs';
import { type Death, fromHost, type JobMessage, type ToHost } from './messages.ts';

/** How often a host at work is asked whether it is there, and after how many looks without an answer it is killed. */
const PING_MS = 250;
const UNANSWERED_MAX = 6;
/** A host that has not said that it is ready by then is killed. */
const START_MS = 10_000;
/** What is kept of its standard error, in UTF-16 code units. */
const ERROR_LENGTH_MAX = 2_000;
const DEATHS: Record<Death, string> = {
  memory: 'it used too much memory',
  stuck: 'a program in it could not be stopped',
  catastrophe: 'V8 failed',
  protocol: 'it was sent something malformed',
};

export interface HostEvents {
  message(message: JobMessage): void;
  /** It takes programs. */
  ready(): void;
  /** The process is gone, or never came. `why` is for people and models; `outOfMemory` that it ended itself for that. */
  ended(end: HostEnd): void;
}

export interface HostEnd {
  why: string;
  outOfMemory: boolean;
  wasReady: boolean;
}

/** One sandbox host as its pool sees it. Nothing of what it sends is trusted: a guest may have broken into it. */
export class HostProcess {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #events: HostEvents;
  readonly #lines = new JsonLines(LINE_LENGTH_MAX);
  readonly #startTimer: NodeJS.Timeout;
  #errors = '';
  #ready = false;
  #killedBecause: string | undefined;
  /** What it said itself. */
  #death: Death | undefined;
  #ended = false;
  #unanswered = 0;
  #pings: NodeJS.Timeout | undefined;

  constructor({ file, args }: CommandLine, events: HostEvents) {
    this.#events = events;
    // No environment, no descriptor but the three, no folder of ours; a process group of its own, for `kill`.
    this.#child = spawn(file, args, { env: {}, cwd: '/', stdio: 'pipe', detached: true });
    this.#startTimer = setTimeout(() => this.kill('it did not start in time'), START_MS);
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => this.#take(text));
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#errors = (this.#errors + text).slice(-ERROR_LENGTH_MAX);
    });
    this.#child.stdin.on('error', () => undefined); // its end says so too
    this.#child.on('error', (error) => this.#end(error.message, null));
    this.#child.on('close', (code, signal) => this.#end(signal ?? undefined, code));
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get isReady(): boolean {
    return this.#ready;
  }

  send(message: ToHost): void {
    if (!this.#ended) this.#child.stdin.write(`${JSON.stringify(message)}\n`);
  }

  /** While `busy`, a host that does not answer is killed. */
  watch(busy: boolean): void {
    if (busy === (this.#pings !== undefined)) return;
    clearInterval(this.#pings);
    this.#unanswered = 0;
    this.#pings = busy ? setInterval(() => this.#ping(), PING_MS) : undefined;
  }

  /** Lets it end by itself: it does when its input does. */
  retire(): void {
    this.#child.stdin.end();
  }

  kill(why: string): void {
    this.#killedBecause ??= why;
    const { pid } = this.#child;
    if (pid === undefined || this.#ended) return;
    try {
      // The group: bubblewrap that is killed while it sets up its child would leave that waiting for ever.
      process.kill(-pid, 'SIGKILL');
    } catch {
      // It is gone already.
    }
  }

  #ping(): void {
    // Counted in looks, not in time: where this thread stands still, the host is not to blame.
    if (this.#unanswered >= UNANSWERED_MAX) this.kill('it did not answer any more');
    this.#unanswered += 1;
    this.send({ type: 'ping' });
  }

  #take(text: string): void {
    if (this.#killedBecause !== undefined) return;
    try {
      for (const value of this.#lines.push(text)) {
        const message = fromHost.parse(value);
        if (message.type === 'ready') this.#becameReady();
        else if (message.type === 'pong') this.#unanswered = 0;
        else if (message.type === 'dying') this.#death = message.why;
        else this.#events.message(message);
      }
    } catch (error) {
      this.kill(`it sent something malformed: ${String(error)}`);
    }
  }

  #becameReady(): void {
    clearTimeout(this.#startTimer);
    this.#ready = true;
    this.#events.ready();
  }

  #end(cause: string | undefined, code: number | null): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#startTimer);
    this.watch(false);
    const said = this.#errors.trim();
    const why = this.#killedBecause ?? (this.#death ? DEATHS[this.#death] : said || cause || `exit code ${code}`);
    this.#events.ended({ why, outOfMemory: this.#death === 'memory', wasReady: this.#ready });
  }
}
