import { createHash } from 'node:crypto';
import type { Config } from '../../config/schema.ts';
import { DhaavakError } from '../../protocol/errors.ts';
import type { MessageOrigin } from '../../protocol/messages.ts';
import type { AskPeer } from '../../shards/peer-requests.ts';
import type { Batch } from '../../storage/journal.ts';
import type { OutboxKey } from '../../storage/outbox.ts';
import type { ScheduleRecord } from '../../storage/schedules.ts';
import type { Store } from '../../storage/store.ts';
import type { ToolCaller, ToolContext } from '../tool.ts';

/** What tools that reach out of their session use of its shard. */
export interface SessionDesk {
  config: Pick<Config, 'agents' | 'channels' | 'sessions' | 'tools'>;
  store: Store;
  /** Throws `invalid_request` for a model that cannot be used here. */
  checkModel(reference: string): void;
  ask: AskPeer;
  schedules: {
    add(record: ScheduleRecord, also?: (batch: Batch) => void): Promise<void>;
    remove(session: string, schedule: string): Promise<void>;
  };
  /** Tells the channels that a record was put into the outbox. */
  poke(key: OutboxKey): void;
  newId(): string;
  /** Milliseconds since the epoch. */
  now(): number;
}

/** Entries that are looked through for the chat a session belongs to. */
const ORIGIN_LOOK_MAX = 200;
/** Times the worker of another session is asked, while it is being replaced, and the pause between. */
const TRIES_MAX = 8;
const RETRY_MS = 500;

/**
 * What makes a call the same one when it is made again after a crash: its message, its id and its input. (Ids alone won't do:
 * some model servers give every answer's first call the same.) 48 hexadecimal digits.
 */
export function callKey({ caller, call }: Pick<ToolContext, 'caller' | 'call'>, input: unknown): string {
  const parts = JSON.stringify([caller.session, caller.message, call, input]);
  return createHash('sha256').update(parts).digest('hex').slice(0, 48);
}

/** The chat a session belongs to: that of the message it answers, or of the newest one that a channel has brought. */
export function chatOf(
  store: Store,
  { origin, session }: Pick<ToolCaller, 'origin' | 'session'>,
): MessageOrigin | undefined {
  if (origin !== undefined) return origin;
  const newest = store.entriesBefore(session, Number.MAX_SAFE_INTEGER, ORIGIN_LOOK_MAX);
  return newest.findLast((entry) => entry.origin !== undefined)?.origin;
}

/**
 * Asks a session, again while its worker is being replaced: every request may be made twice. Throws what it is refused with,
 * and the signal's reason.
 */
export async function insist<T>(ask: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await ask();
    } catch (error) {
      const mayTry = error instanceof DhaavakError && error.code === 'unavailable' && tries < TRIES_MAX;
      if (!mayTry) throw error;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      signal.throwIfAborted();
    }
  }
}

/** Throws what tells a model that it must end here. */
export function checkHops(desk: SessionDesk, { hops }: Pick<ToolCaller, 'hops'>, what: string): number {
  const { hopsMax } = desk.config.tools.sessions;
  if (hops < hopsMax) return hops + 1;
  throw new Error(
    `${what} is not possible here: what you answer was handed on by ${hops} sessions already, and ${hopsMax} is the limit. ` +
      'Finish with what you have.',
  );
}
