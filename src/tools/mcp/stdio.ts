/**
 * MCP over the standard streams of a program. The SDK has a transport for that; this one ends all that the program has
 * started, gives it no more of the environment than is listed, and has an end to whatever it sends or does not read.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { type JSONRPCMessage, JSONRPCMessageSchema } from '@modelcontextprotocol/sdk/types.js';
import { MESSAGE_BYTES_MAX } from './limits.ts';
import { Lines } from './lines.ts';
import { Pace } from './pace.ts';
import { plainEnvironment, signalGroup } from './program-group.ts';

/** Bytes that wait for the program to read them: some calls of the largest input. */
const UNREAD_BYTES_MAX = 1024 ** 2;
/** What it may take to end by itself once its input has ended, and then after SIGTERM. */
const END_MS = 1_000;
const TERM_MS = 2_000;
/** Of a line on standard error; the rest of a longer one is left out. */
const STDERR_LINE_BYTES_MAX = 4_096;
/** Lines of garbage on standard output that are told. */
const GARBAGE_TOLD_MAX = 3;

export interface ProgramSettings {
  command: string;
  args?: readonly string[] | undefined;
  env?: Readonly<Record<string, string | undefined>> | undefined;
  cwd?: string | undefined;
}

export interface ProgramHooks {
  /** The group of processes there is now; null: it has ended. */
  onGroup(pid: number | null): void;
  /** A line the program wrote for people, or garbage where a message should be. */
  onLine(line: string, from: 'stderr' | 'stdout'): void;
}

type Program = ChildProcessByStdio<Writable, Readable, Readable>;

export class StdioTransport implements Transport {
  onclose: (() => void) | undefined;
  onerror: ((error: Error) => void) | undefined;
  onmessage: Transport['onmessage'];
  /** Why it has closed, where that was not asked for. */
  reason: string | undefined;
  readonly #settings: ProgramSettings;
  readonly #hooks: ProgramHooks;
  readonly #pace = new Pace();
  #program: Program | undefined;
  #ended: Promise<void> | undefined;
  #garbage = 0;

  constructor(settings: ProgramSettings, hooks: ProgramHooks) {
    this.#settings = settings;
    this.#hooks = hooks;
  }

  /** Resolves when the program runs. Rejects when it cannot be started. */
  start(): Promise<void> {
    const { command, args = [], env = {}, cwd } = this.#settings;
    const program: Program = spawn(command, [...args], {
      cwd,
      env: { ...plainEnvironment(), ...env },
      // A group of its own: it can be ended with all it has started, and a Ctrl-C for the gateway is none for it.
      detached: process.platform !== 'win32',
      stdio: ['pipe', 'pipe', 'pipe'],
      windowsHide: true,
    });
    this.#program = program;
    this.#read(program);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#ended = new Promise((end) => {
      program.once('error', (error: NodeJS.ErrnoException) => {
        // Also for a signal that could not be sent, after it was started.
        if (program.pid !== undefined) return;
        this.#close(`"${command}" cannot be started: ${whyNot(error)}`);
        reject(new Error(this.reason));
        end();
      });
      program.once('exit', (code, signal) => {
        if (program.pid !== undefined) signalGroup(program.pid, 'SIGKILL');
        this.#hooks.onGroup(null);
        this.#close(signal === null ? `it ended with the exit code ${code}` : `it was ended by ${signal}`);
        end();
      });
    });
    program.once('spawn', () => {
      this.#hooks.onGroup(program.pid ?? null);
      resolve();
    });
    return promise;
  }

  /** Rejects when the program has ended or reads nothing; else it resolves at once, as what is not read yet is bounded. */
  async send(message: JSONRPCMessage): Promise<void> {
    const stdin = this.#program?.stdin;
    if (stdin === undefined || !stdin.writable) throw new Error('it has ended');
    if (stdin.writableLength > UNREAD_BYTES_MAX) {
      throw new Error(`it does not read what it is sent: more than ${UNREAD_BYTES_MAX} bytes wait`);
    }
    stdin.write(`${JSON.stringify(message)}\n`);
  }

  /** Lets the program end by itself, then makes it. `hurry`: it is given no time. */
  async close(hurry = false): Promise<void> {
    const program = this.#program;
    this.#close(undefined);
    if (program?.pid === undefined) return;
    program.stdin.end();
    if (hurry) signalGroup(program.pid, 'SIGTERM');
    else if (await this.#endsWithin(END_MS)) return;
    signalGroup(program.pid, 'SIGTERM');
    if (await this.#endsWithin(hurry ? END_MS / 2 : TERM_MS)) return;
    signalGroup(program.pid, 'SIGKILL');
    await this.#ended;
  }

  #read(program: Program): void {
    const messages = new Lines(MESSAGE_BYTES_MAX, () =>
      this.#break(`it sent a message over ${MESSAGE_BYTES_MAX} bytes`),
    );
    program.stdout.on('data', (chunk: Buffer) => {
      if (this.#program === undefined) return;
      try {
        this.#pace.count(0, chunk.length);
        for (const line of messages.take(chunk)) {
          this.#pace.count(1, 0);
          this.#take(line);
          if (this.#program === undefined) return;
        }
      } catch (error) {
        this.#break((error as Error).message);
      }
    });
    const stderr = new Lines(STDERR_LINE_BYTES_MAX, () => {
      this.#hooks.onLine(`a line over ${STDERR_LINE_BYTES_MAX} bytes was left out`, 'stderr');
    });
    program.stderr.on('data', (chunk: Buffer) => {
      for (const line of stderr.take(chunk)) if (line.trim() !== '') this.#hooks.onLine(line, 'stderr');
    });
    // A pipe that breaks is the end of the program, which is told by its exit.
    for (const stream of [program.stdin, program.stdout, program.stderr]) stream.on('error', () => {});
  }

  #take(line: string): void {
    if (line.trim() === '') return;
    let message: JSONRPCMessage;
    try {
      message = JSONRPCMessageSchema.parse(JSON.parse(line));
    } catch {
      this.#garbage += 1;
      if (this.#garbage <= GARBAGE_TOLD_MAX) this.#hooks.onLine(line.slice(0, STDERR_LINE_BYTES_MAX), 'stdout');
      return;
    }
    this.onmessage?.(message);
  }

  /** It does what no server may do: the connection is at an end, and so is the program. */
  #break(reason: string): void {
    const { pid } = this.#program ?? {};
    this.#close(reason);
    if (pid !== undefined) signalGroup(pid, 'SIGKILL');
  }

  #close(reason: string | undefined): void {
    if (this.#program === undefined) return;
    this.#program = undefined;
    this.reason = reason;
    this.onclose?.();
  }

  #endsWithin(timeoutMs: number): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const timer = setTimeout(resolve, timeoutMs, false);
    void this.#ended?.then(() => {
      clearTimeout(timer);
      resolve(true);
    });
    return promise;
  }
}

function whyNot({ code, message }: NodeJS.ErrnoException): string {
  if (code === 'ENOENT') return 'there is no such program in PATH, or no such cwd';
  return code === 'EACCES' ? 'it is not executable' : message;
}
