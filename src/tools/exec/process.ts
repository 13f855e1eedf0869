/** One command that runs, with all the processes it starts. */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import type { ResourceLimits } from './limits.ts';
import { Output } from './output.ts';

/** Between asking a process to end and ending it, in milliseconds. */
const GRACE_MS = 2_000;
/** How long output is waited for when the command has ended: a process that left its group may hold the pipe for ever. */
const LAST_OUTPUT_MS = 1_000;
/** Output taken in a window of time; more waits in the pipe, which slows down who writes it: 10 MiB/s. */
const WINDOW_BYTES = 1_048_576;
const WINDOW_MS = 100;

export interface Ending {
  code: number | null;
  signal: NodeJS.Signals | null;
  /** Why it was ended, where it didn't end by itself. */
  reason?: string | undefined;
  /** That it could not be started, and why. */
  problem?: string | undefined;
}

export interface ProcessOptions {
  argv: readonly string[];
  /** Where it starts. */
  folder: string;
  env: Readonly<Record<string, string>>;
  timeoutMs: number;
  /** Those it was started under. */
  limits: ResourceLimits;
}

export class CommandProcess {
  readonly output = new Output();
  readonly limits: ResourceLimits;
  readonly startedAt = performance.now();
  /** Resolves when nothing of it runs any more. Never rejects. */
  readonly ended: Promise<Ending>;
  /** Set when it has ended. */
  ending: Ending | undefined;
  readonly #child: ChildProcess;
  readonly #timers: NodeJS.Timeout[] = [];
  #reason: string | undefined;
  #window = 0;
  #paused = false;

  /** Starts it as the leader of a process group, so that it can be ended with all it has started. */
  constructor({ argv, folder, env, timeoutMs, limits }: ProcessOptions) {
    this.limits = limits;
    const [program, ...args] = argv as [string, ...string[]];
    this.#child = spawn(program, args, { cwd: folder, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of this.#streams) stream.on('data', (chunk: Buffer) => this.#take(chunk));
    this.#timers.push(setTimeout(() => this.end(`it ran longer than ${timeoutMs} ms`), timeoutMs));
    this.ended = this.#wait();
  }

  /** Asks it to end, and ends it when it doesn't. Only the first reason counts. */
  end(reason: string): void {
    if (this.ending !== undefined || this.#reason !== undefined) return;
    this.#reason = reason;
    this.#signal('SIGTERM');
    this.#timers.push(setTimeout(() => this.#signal('SIGKILL'), GRACE_MS));
  }

  /** Ends it, and all it has started, now. */
  kill(reason: string): void {
    this.#reason ??= reason;
    this.#signal('SIGKILL');
  }

  get #streams(): Readable[] {
    return [this.#child.stdout, this.#child.stderr].filter((stream) => stream !== null);
  }

  async #wait(): Promise<Ending> {
    const closed = new Promise<void>((resolve) => this.#child.once('close', () => resolve()));
    const ending = await new Promise<Ending>((resolve) => {
      this.#child.once('error', (error) => resolve({ code: null, signal: null, problem: error.message }));
      this.#child.once('exit', (code, signal) => resolve({ code, signal }));
    });
    // What it left behind in its group.
    this.#signal('SIGKILL');
    this.#resume();
    const late = new Promise<void>((resolve) => {
      this.#timers.push(setTimeout(resolve, LAST_OUTPUT_MS));
    });
    if (ending.problem === undefined) await Promise.race([closed, late]);
    for (const stream of this.#streams) stream.destroy();
    for (const timer of this.#timers) clearTimeout(timer);
    this.ending = { ...ending, reason: this.#reason };
    return this.ending;
  }

  #take(chunk: Buffer): void {
    this.output.add(chunk);
    this.#window += chunk.length;
    if (this.#window < WINDOW_BYTES || this.#paused) return;
    this.#paused = true;
    for (const stream of this.#streams) stream.pause();
    this.#timers.push(setTimeout(() => this.#resume(), WINDOW_MS));
  }

  #resume(): void {
    this.#window = 0;
    this.#paused = false;
    for (const stream of this.#streams) stream.resume();
  }

  #signal(signal: NodeJS.Signals): void {
    const { pid } = this.#child;
    if (pid === undefined) return;
    try {
      process.kill(-pid, signal);
    } catch {
      // Nobody is left in the group.
    }
  }
}
