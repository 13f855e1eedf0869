import type { Events } from '../../src/protocol/messages.ts';
import type { Change, Disk } from './disk.ts';
import { Effects } from './invariants/effects.ts';
import { Lanes } from './invariants/lanes.ts';
import { Messages } from './invariants/messages.ts';
import { ModelRequests } from './invariants/models.ts';
import type { Report } from './invariants/report.ts';
import { type Position, Streams } from './invariants/streams.ts';
import type { Trace } from './trace.ts';

/** Sees everything that happens in a world, and keeps the first promise that was broken. */
export class Witness {
  readonly messages: Messages;
  readonly lanes: Lanes;
  readonly streams: Streams;
  readonly requests: ModelRequests;
  readonly effects: Effects;
  readonly report: Report;
  readonly #disk: Disk;
  /** Runs that are chat commands: nothing of them is on the disk. */
  readonly #commands = new Set<string | undefined>();
  /** Undefined: all were kept. */
  broken: string | undefined;

  constructor(trace: Trace, disk: Disk, step: () => number) {
    this.#disk = disk;
    this.report = (broken) => {
      trace.note(`BROKEN: ${broken}`);
      this.broken ??= broken;
    };
    this.lanes = new Lanes(this.report);
    this.streams = new Streams(this.report);
    this.effects = new Effects(this.report);
    this.messages = new Messages(this.report, { step, isRunning: (...which) => this.lanes.isRunning(...which) });
    this.requests = new ModelRequests(this.report, this.messages);
  }

  /** A transaction is about to become readable. */
  committed(changes: readonly Change[]): void {
    this.messages.committed(changes, this.#disk.visible);
    for (const { table, key, value } of changes) {
      if (table !== 'sessions' || value !== undefined) continue;
      this.lanes.deleted(key as string);
      this.streams.dropped(key as string);
    }
  }

  /** An event leaves the process. */
  emitted(session: string, type: string, data: unknown, frame: Uint8Array): void {
    const event = data as Position & Partial<Events['run.end'] & Events['run.start']>;
    this.streams.emitted(session, event, frame);
    if (event.model === 'command') this.#commands.add(event.run);
    if (event.message === undefined || this.#commands.has(event.run)) return;
    if (type === 'run.start') this.lanes.told(session, event.message);
    if (type === 'message.outbound') this.messages.toldAnswer(session, event.run!, this.#disk.durable);
    if (type === 'run.end') this.messages.toldEnd(event.message, this.#disk.durable);
  }
}
