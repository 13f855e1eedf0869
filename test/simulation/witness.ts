import type { Config } from '../../src/config/schema.ts';
import type { Events } from '../../src/protocol/messages.ts';
import type { Change, Disk } from './disk.ts';
import { Effects } from './invariants/effects.ts';
import { Fates } from './invariants/fates.ts';
import { Lanes } from './invariants/lanes.ts';
import { Messages } from './invariants/messages.ts';
import { ModelRequests } from './invariants/models.ts';
import type { Report } from './invariants/report.ts';
import { type Position, Streams } from './invariants/streams.ts';
import { Wishes } from './invariants/wishes.ts';
import type { Trace } from './trace.ts';

export interface WitnessParts {
  trace: Trace;
  disk: Disk;
  config: Config;
  /** Number of the step of the world. */
  step(): number;
}

/** Sees everything that happens in a world, and keeps the first promise that was broken. */
export class Witness {
  readonly messages: Messages;
  readonly lanes: Lanes;
  readonly streams: Streams;
  readonly requests: ModelRequests;
  readonly effects: Effects;
  readonly wishes: Wishes;
  readonly report: Report;
  readonly #fates = new Fates();
  /** Runs that are chat commands: nothing of them is on the disk. */
  readonly #commands = new Set<string | undefined>();
  /** Undefined: all were kept. */
  broken: string | undefined;

  constructor({ trace, disk, config, step }: WitnessParts) {
    const report = (broken: string) => {
      trace.note(`BROKEN: ${broken}`);
      this.broken ??= broken;
    };
    const fates = this.#fates;
    const wishes = new Wishes(config.sessions, step);
    const lanes = new Lanes(report);
    this.report = report;
    this.wishes = wishes;
    this.lanes = lanes;
    this.streams = new Streams(report);
    this.effects = new Effects(report);
    this.messages = new Messages({
      report,
      disk,
      fates,
      wishes,
      step,
      isRunning: (...which) => lanes.isRunning(...which),
    });
    this.requests = new ModelRequests(report, fates, wishes);
  }

  /** A transaction is about to become readable. */
  committed(changes: readonly Change[]): void {
    this.messages.committed(changes);
    for (const { table, key, value } of changes) {
      if (table !== 'sessions' || value !== undefined) continue;
      this.lanes.deleted(key as string);
      this.streams.dropped(key as string);
    }
  }

  /** The process, or its shard, is gone; what is left is on the disk. `asked`: it had been asked to end. */
  processEnded(asked: boolean): void {
    for (const message of this.lanes.cut()) {
      const fate = this.#fates.of(message);
      if (fate !== undefined && !asked) fate.cuts += 1;
    }
    this.messages.survived();
  }

  /** An event leaves the process. */
  emitted(session: string, type: string, data: unknown, frame: Uint8Array): void {
    const event = data as Position & Partial<Events['run.end'] & Events['run.start']>;
    this.streams.emitted(session, event, frame);
    if (event.model === 'command') this.#commands.add(event.run);
    if (event.message === undefined || this.#commands.has(event.run)) return;
    if (type === 'run.start') this.lanes.told(session, event.message);
    if (type === 'message.outbound') this.messages.toldAnswer(session, event.run!);
    if (type === 'run.end') this.messages.toldEnd(event.message);
  }
}
