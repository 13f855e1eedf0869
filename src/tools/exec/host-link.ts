/** A shard's end of the channel to its host of commands. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { DhaavakError } from '../../protocol/errors.ts';
import { sibling } from '../../shards/sibling.ts';
import type { HostCall, HostLimits, HostReply, HostRequest } from './command.ts';

/** Of the host's heap, in megabytes: it keeps the ends of what at most some hundred processes wrote. */
const HEAP_MB_MAX = 128;
/** How long the host has to end what runs, in milliseconds. */
const CLOSE_MS = 3_000;

type Waiting = (reply: { text: string } | { problem: string }) => void;

/** Starts the host with the first call and keeps it: every start of a process halts the gateway for some milliseconds. */
export class HostLink {
  readonly #limits: HostLimits;
  readonly #env: NodeJS.ProcessEnv;
  readonly #waiting = new Map<number, Waiting>();
  #host: ChildProcess | undefined;
  #lastNumber = 0;
  #closed = false;

  /** `env`: all of the host's environment. */
  constructor(limits: HostLimits, env: NodeJS.ProcessEnv) {
    this.#limits = limits;
    this.#env = env;
  }

  /**
   * What the model is told. Throws an Error for it. When `signal` aborts, what was started ends, also after this has
   * resolved: a process in the background ends with the run that started it, if that is cancelled.
   */
  async call(call: HostCall, signal: AbortSignal): Promise<string> {
    signal.throwIfAborted();
    if (this.#closed) throw new Error('the gateway stops: no command is started any more');
    const host = this.#start();
    this.#lastNumber += 1;
    const number = this.#lastNumber;
    const onAbort = (): void => {
      if (!isStall(signal.reason)) send(host, { type: 'cancel', number });
    };
    signal.addEventListener('abort', onAbort, { once: true });
    const reply = await new Promise<Parameters<Waiting>[0]>((resolve) => {
      this.#waiting.set(number, resolve);
      send(host, { number, ...call });
    });
    if (call.type !== 'start' || 'problem' in reply) signal.removeEventListener('abort', onAbort);
    if ('problem' in reply) throw new Error(reply.problem);
    return reply.text;
  }

  /** Ends what runs for a session. */
  endSession(session: string): void {
    if (this.#host !== undefined) send(this.#host, { type: 'endSession', session });
  }

  /** Ends the host, with all that it runs. */
  async close(): Promise<void> {
    this.#closed = true;
    const host = this.#host;
    if (host === undefined) return;
    const gone = new Promise<void>((resolve) => host.once('exit', () => resolve()));
    send(host, { type: 'close' });
    const timer = setTimeout(() => host.kill('SIGKILL'), CLOSE_MS);
    await gone;
    clearTimeout(timer);
  }

  #start(): ChildProcess {
    if (this.#host !== undefined) return this.#host;
    const host = fork(fileURLToPath(sibling('host', import.meta.url)), [JSON.stringify(this.#limits)], {
      execArgv: [`--max-old-space-size=${HEAP_MB_MAX}`],
      env: this.#env,
      // A session of its own: Ctrl-C in the gateway's terminal is the gateway's to handle.
      detached: true,
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.#host = host;
    host.on('message', (message) => {
      const { number, ...reply } = message as HostReply;
      this.#waiting.get(number)?.(reply);
      this.#waiting.delete(number);
    });
    host.once('error', (error) => this.#lost(host, error.message));
    host.once('exit', () => this.#lost(host, 'it ended'));
    return host;
  }

  /** The next call starts another one. */
  #lost(host: ChildProcess, why: string): void {
    if (this.#host !== host) return;
    this.#host = undefined;
    const problem = `the host of commands is gone (${why}): what the command had done by then is unknown`;
    for (const resolve of this.#waiting.values()) resolve({ problem });
    this.#waiting.clear();
  }
}

function send(host: ChildProcess, request: HostRequest): void {
  // What goes wrong here is told by the event `exit`.
  if (host.connected) host.send(request, () => undefined);
}

/** A silent model is no end of the run: another one is asked. */
function isStall(reason: unknown): boolean {
  return reason instanceof DhaavakError && reason.code === 'model_stalled';
}
