/** The commands that run, and those in the background that have ended and may still be asked about. */
import { setTimeout as sleep } from 'node:timers/promises';
import { inFolder } from '../files/folder.ts';
import type { Command, HostLimits, ProcessId } from './command.ts';
import { limited, limitReached } from './limits.ts';
import { CommandProcess, type Ending } from './process.ts';
import type { Sandbox } from './sandbox.ts';

/** Background processes that have ended and are remembered, of all sessions; the oldest are forgotten first. */
const ENDED_KEPT_MAX = 100;
/** Of a command, in a list, in characters. */
const SUMMARY_LENGTH_MAX = 200;

/** One in the background. */
interface Background {
  id: string;
  session: string;
  summary: string;
  process: CommandProcess;
  /** Bytes of its output that were told. */
  told: number;
}

export class Processes {
  readonly #limits: HostLimits;
  readonly #sandbox: Sandbox;
  readonly #running = new Map<CommandProcess, { session: string }>();
  /** Commands that are about to start: they count. */
  #starting = 0;
  readonly #background = new Map<string, Background>();
  #lastId = 0;

  constructor(limits: HostLimits, sandbox: Sandbox) {
    this.#limits = limits;
    this.#sandbox = sandbox;
  }

  /** Runs a command to its end. Throws an Error for the model where it cannot be started. */
  async run(command: Command, signal: AbortSignal): Promise<string> {
    const process = await this.#start(command);
    const stop = (): void => process.kill('the run was cancelled');
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    const ending = await process.ended;
    signal.removeEventListener('abort', stop);
    if (ending.problem !== undefined) throw new Error(`the command could not be started: ${ending.problem}`);
    return `${stateOf(process)}\n${process.output.text().trimEnd() || '(no output)'}`;
  }

  /** Starts a command in the background; it ends with `signal`, if that comes. Throws as {@link run} does. */
  async start(command: Command, signal: AbortSignal): Promise<string> {
    const { session, argv } = command;
    const going = this.#ofSession(session).filter(({ process }) => process.ending === undefined);
    const { backgroundMax } = this.#limits;
    if (going.length >= backgroundMax) {
      const ids = going.map(({ id }) => id).join(', ') || 'none';
      throw new Error(
        `a session has ${backgroundMax} background processes at most; running: ${ids}. End one with exec.kill`,
      );
    }
    const process = await this.#start(command);
    this.#lastId += 1;
    const id = `p${this.#lastId}`;
    const summary = argv.join(' ').slice(0, SUMMARY_LENGTH_MAX);
    this.#background.set(id, { id, session, summary, process, told: 0 });
    const stop = (): void => process.kill('the run that started it was cancelled');
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    void process.ended.then(() => {
      signal.removeEventListener('abort', stop);
      this.#forgetOldest();
    });
    return `started ${id} in the background: exec.poll tells what it writes and how it ends, exec.kill ends it`;
  }

  /** What is new of a background process, at the latest after `waitMs`. Throws where there is none. */
  async poll(id: ProcessId, waitMs: number, signal: AbortSignal): Promise<string> {
    const background = this.#find(id);
    const { process } = background;
    const timer = new AbortController();
    const waited = sleep(waitMs, undefined, { signal: AbortSignal.any([signal, timer.signal]) }).catch(() => undefined);
    await Promise.race([process.ended, waited]);
    timer.abort();
    const text = process.output.since(background.told).trimEnd();
    background.told = process.output.total;
    return `${background.id}: ${stateOf(process)}\n${text || '(no new output)'}`;
  }

  list(session: string): string {
    const lines = this.#ofSession(session).map(({ id, summary, process }) => `${id}: ${stateOf(process)}: ${summary}`);
    return lines.join('\n') || 'this session has no background processes.';
  }

  async kill(id: ProcessId): Promise<string> {
    const { process } = this.#find(id);
    process.end('it was ended by exec.kill');
    await process.ended;
    return `${id.process}: ${stateOf(process)}`;
  }

  /** Ends and forgets all there is of a session. */
  endSession(session: string): void {
    for (const [process, { session: owner }] of this.#running) {
      if (owner === session) process.kill('the session was deleted');
    }
    for (const { id } of this.#ofSession(session)) this.#background.delete(id);
  }

  /** Ends everything, at once; resolves when nothing runs. */
  async close(): Promise<void> {
    const all = [...this.#running.keys()];
    for (const process of all) process.kill('the gateway stops');
    await Promise.all(all.map(({ ended }) => ended));
  }

  async #start(command: Command): Promise<CommandProcess> {
    const { processesMax } = this.#limits;
    if (this.#running.size + this.#starting >= processesMax) {
      throw new Error(`${processesMax} commands run already, which is the limit: try again when one has ended`);
    }
    this.#starting += 1;
    try {
      const { session, root, home, folder, env, timeoutMs, limits } = command;
      const isOutside = command.sandbox === undefined;
      const argv = isOutside ? limited(command.argv, limits, 'outside') : await this.#sandbox.wrap(command);
      const process = await inFolder(
        { root, home },
        folder,
        // Inside the sandbox, bubblewrap enters the folder itself.
        async ({ place }) => new CommandProcess({ argv, env, timeoutMs, limits, folder: isOutside ? place : '/' }),
        { make: folder.length === 0 },
      );
      this.#running.set(process, { session });
      void process.ended.then(() => this.#running.delete(process));
      return process;
    } finally {
      this.#starting -= 1;
    }
  }

  #ofSession(session: string): Background[] {
    return [...this.#background.values()].filter((background) => background.session === session);
  }

  #find({ session, process }: ProcessId): Background {
    const found = this.#background.get(process);
    if (found?.session === session) return found;
    const ids = this.#ofSession(session).map(({ id }) => id);
    throw new Error(`there is no process ${process}; this session's are: ${ids.join(', ') || 'none'}`);
  }

  #forgetOldest(): void {
    const ended = [...this.#background.values()].filter(({ process }) => process.ending !== undefined);
    for (const { id } of ended.slice(0, Math.max(0, ended.length - ENDED_KEPT_MAX))) this.#background.delete(id);
  }
}

function stateOf({ ending, startedAt, output, limits }: CommandProcess): string {
  const seconds = `${((performance.now() - startedAt) / 1_000).toFixed(1)} s`;
  if (ending === undefined) return `running for ${seconds}`;
  return endInWords({ ...ending, reason: ending.reason ?? limitReached(ending, output.text(), limits) });
}

function endInWords({ code, signal, reason, problem }: Ending): string {
  if (problem !== undefined) return `could not be started: ${problem}`;
  const end = signal === null ? `exit code ${code}` : `ended by ${signal}`;
  return reason === undefined ? end : `${end}: ${reason}`;
}
