import { DhaavakError } from '../../protocol/errors.ts';
import { Execution, type Result, type Task } from './execution.ts';
import { type HostEnd, HostProcess } from './host-process.ts';
import { type CommandLine, commandLine, type Fence, findBubblewrap, type HostSettings } from './launch.ts';
import type { JobMessage } from './messages.ts';

/** A host that has run so many programs is replaced: what V8 does not give back, and what a guest may have left. */
const PROGRAMS_PER_HOST = 500;
/** As soon as a host keeps this share of the memory it may have, it is given no more programs. */
const WORN_SHARE = 0.5;
/** Longest wait for a host, in milliseconds. */
const QUEUE_WAIT_MS = 60_000;
/** After hosts that came to nothing, the next one is started so much later: doubled each time. */
const BACKOFF_MIN_MS = 100;
const BACKOFF_MAX_MS = 10_000;

export interface PoolSettings extends HostSettings {
  /** Processes; one more for programs that run again because theirs died, and as many that only finish what they run. */
  hostsMax: number;
  /** Programs that may wait for a host. */
  queueMax: number;
  /** A host with nothing to do ends after so long. */
  idleMs: number;
  fence: Fence;
}

export interface PoolLog {
  warn(fields: object, message: string): void;
}

/** A host and what the pool knows of it. */
interface Slot {
  process: HostProcess;
  running: Map<number, Execution>;
  /** Programs it has been given. */
  programs: number;
  /** It gets no more. */
  retired: boolean;
  idle: NodeJS.Timeout | undefined;
}

/**
 * The sandbox hosts of one shard: started when there is something to run, shared by few programs at a time, replaced when
 * they die or are worn. See docs/sandbox.md for what they protect from, and docs/decisions/007 for why a shard has its own.
 */
export class SandboxPool {
  readonly #settings: PoolSettings;
  readonly #log: PoolLog;
  readonly #slots = new Set<Slot>();
  readonly #queue: Execution[] = [];
  #bubblewrap: string | undefined;
  /** How hosts are started, found out with the first. */
  #command: CommandLine | undefined;
  #jobs = 0;
  /** Hosts in a row of which nothing came. */
  #failures = 0;
  #everReady = false;
  #backoff: NodeJS.Timeout | undefined;
  #stopped = false;

  /** Throws where the fence that is asked for is not installed. */
  constructor(settings: PoolSettings, log: PoolLog) {
    this.#settings = settings;
    this.#log = log;
    this.#bubblewrap = settings.fence === 'off' ? undefined : findBubblewrap();
    if (settings.fence === 'bubblewrap' && this.#bubblewrap === undefined) {
      throw new DhaavakError('unavailable', 'tools.sandboxHosts.fence is bubblewrap, and bubblewrap is not installed');
    }
    if (settings.fence === 'auto' && this.#bubblewrap === undefined) {
      log.warn({}, 'bubblewrap is not installed: sandbox hosts run without it, and could reach the network');
    }
  }

  /** Process ids of the hosts and the programs on each. */
  get hosts(): { pid: number | undefined; running: number }[] {
    return [...this.#slots].map(({ process, running }) => ({ pid: process.pid, running: running.size }));
  }

  /** Runs a program. Rejects with `busy` when too many wait, `unavailable` when no host can be started. */
  async run(task: Task): Promise<Result> {
    if (this.#stopped) throw new DhaavakError('unavailable', 'the gateway stops');
    const { queueMax } = this.#settings;
    if (this.#queue.length >= queueMax) {
      throw new DhaavakError('busy', `${queueMax} programs wait for the sandbox already; try again later`);
    }
    const execution = new Execution(task);
    const onAbort = () => this.#cancel(execution);
    task.signal.addEventListener('abort', onAbort, { once: true });
    this.#enqueue(execution);
    if (task.signal.aborted) this.#cancel(execution);
    this.#dispatch();
    try {
      return await execution.result;
    } finally {
      task.signal.removeEventListener('abort', onAbort);
    }
  }

  /** Ends all hosts and whatever runs in them. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#backoff);
    for (const execution of this.#queue) execution.cut('cancelled');
    for (const { process, running } of this.#slots) {
      for (const execution of running.values()) execution.cut('cancelled');
      process.kill('the gateway stops');
    }
  }

  #enqueue(execution: Execution): void {
    // Who runs again has waited before.
    if (execution.alone) this.#queue.unshift(execution);
    else this.#queue.push(execution);
    execution.waits(QUEUE_WAIT_MS);
  }

  /** Gives programs that wait to hosts with room, oldest first; starts a host where there is none. */
  #dispatch(): void {
    for (const execution of [...this.#queue]) {
      if (execution.isOver) {
        this.#queue.splice(this.#queue.indexOf(execution), 1);
        continue;
      }
      const slot = this.#roomFor(execution);
      if (slot === undefined) continue;
      this.#queue.splice(this.#queue.indexOf(execution), 1);
      this.#give(slot, execution);
    }
    const starting = [...this.#slots].filter(({ process, retired }) => !process.isReady && !retired).length;
    const waiting = this.#queue.length - starting * this.#settings.programsPerHost;
    if (waiting > 0 || (starting === 0 && this.#queue.length > 0)) this.#start();
  }

  #roomFor({ alone }: Execution): Slot | undefined {
    const { programsPerHost } = this.#settings;
    return [...this.#slots].find(({ process, running, retired }) => {
      if (!process.isReady || retired) return false;
      if (alone) return running.size === 0;
      return running.size < programsPerHost && ![...running.values()].some((other) => other.alone);
    });
  }

  #give(slot: Slot, execution: Execution): void {
    clearTimeout(slot.idle);
    this.#jobs += 1;
    slot.running.set(this.#jobs, execution);
    slot.programs += 1;
    slot.retired ||= slot.programs >= PROGRAMS_PER_HOST;
    slot.process.watch(true);
    execution.begins();
    slot.process.send({ type: 'run', job: this.#jobs, program: execution.program });
  }

  #start(): void {
    const { hostsMax } = this.#settings;
    const extra = this.#queue.some(({ alone }) => alone) ? 1 : 0;
    const inUse = [...this.#slots].filter(({ retired }) => !retired).length;
    if (this.#stopped || this.#backoff !== undefined || inUse >= hostsMax + extra) return;
    if (this.#slots.size >= 2 * hostsMax + extra) return;
    try {
      this.#command ??= commandLine(this.#settings, this.#bubblewrap);
      const process = new HostProcess(this.#command, {
        message: (message) => this.#take(slot, message),
        ready: () => {
          this.#everReady = true;
          this.#dispatch();
          this.#rest(slot); // what it was started for may have gone elsewhere
        },
        ended: (end) => this.#ended(slot, end),
      });
      const slot: Slot = { process, running: new Map(), programs: 0, retired: false, idle: undefined };
      this.#slots.add(slot);
    } catch (error) {
      this.#failed(error instanceof Error ? error.message : String(error));
    }
  }

  #take(slot: Slot, message: JobMessage): void {
    const execution = slot.running.get(message.job);
    if (execution === undefined) return;
    if (message.type === 'call') {
      void this.#call(slot, message, execution);
    } else if (message.type === 'console') {
      execution.print(message.text);
    } else {
      slot.running.delete(message.job);
      execution.end(message.ending);
      this.#failures = 0;
      if (message.rssMb > this.#settings.rssMaxMb * WORN_SHARE) slot.retired = true;
      this.#rest(slot);
      this.#dispatch();
    }
  }

  async #call(slot: Slot, message: Extract<JobMessage, { type: 'call' }>, execution: Execution): Promise<void> {
    const { job, call, name, input } = message;
    try {
      const outcome = await execution.call(name, input);
      slot.process.send({ type: 'answer', job, call, ...outcome });
    } catch (error) {
      slot.process.kill(error instanceof Error ? error.message : String(error));
    }
  }

  /** What a host does when a program on it has ended. */
  #rest(slot: Slot): void {
    if (slot.running.size > 0) return;
    slot.process.watch(false);
    clearTimeout(slot.idle);
    if (slot.retired) slot.process.retire();
    else slot.idle = setTimeout(() => this.#retire(slot), this.#settings.idleMs);
  }

  #retire(slot: Slot): void {
    slot.retired = true;
    slot.process.retire();
  }

  #cancel(execution: Execution): void {
    execution.cut('cancelled');
    for (const { process, running } of this.#slots) {
      for (const [job, other] of running) if (other === execution) process.send({ type: 'cancel', job });
    }
    const at = this.#queue.indexOf(execution);
    if (at >= 0) this.#queue.splice(at, 1);
  }

  #ended(slot: Slot, { why, outOfMemory, wasReady }: HostEnd): void {
    this.#slots.delete(slot);
    clearTimeout(slot.idle);
    if (this.#stopped || (slot.retired && slot.running.size === 0)) {
      this.#dispatch();
      return;
    }
    this.#log.warn(
      { why, programs: slot.running.size },
      'a sandbox host ended; it is replaced when there is something to run',
    );
    if (!wasReady) {
      this.#failed(why);
      return;
    }
    const only = slot.running.size === 1;
    for (const execution of slot.running.values()) {
      if (execution.isOver) continue;
      if (outOfMemory && only) execution.cut('memory');
      else if (execution.alone) execution.end({ status: 'lost', text: `the process it ran in died twice: ${why}` });
      else {
        execution.restart();
        this.#enqueue(execution);
      }
    }
    this.#dispatch();
  }

  /** A host could not be started: who waits is told, unless there are others, and the next one is tried later. */
  #failed(why: string): void {
    if (this.#settings.fence === 'auto' && this.#bubblewrap !== undefined && !this.#everReady) {
      this.#log.warn({ why }, 'sandbox hosts cannot be started under bubblewrap here: they run without it');
      this.#bubblewrap = undefined;
      this.#command = undefined;
      this.#dispatch();
      return;
    }
    this.#failures += 1;
    const waitMs = Math.min(BACKOFF_MIN_MS * 2 ** (this.#failures - 1), BACKOFF_MAX_MS);
    clearTimeout(this.#backoff); // of another host that was being started
    this.#backoff = setTimeout(() => {
      this.#backoff = undefined;
      this.#dispatch();
    }, waitMs);
    if (this.#slots.size > 0) return;
    for (const execution of this.#queue.splice(0)) {
      execution.fail(new DhaavakError('unavailable', `the sandbox could not be started: ${why}`));
    }
  }
}
