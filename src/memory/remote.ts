/** The memory's services on their way between threads, where an error would not stay what it is: as outcomes. */
import { DhaavakError, toWireError, type WireError } from '../protocol/errors.ts';
import type { MemoryHit, MemoryQuery, MemoryStatus } from './backend.ts';
import type { MemoryServices } from './services.ts';

/** A value, or the error that a user may see. */
export type Outcome<T> = { value: T } | { error: WireError };

/** {@link MemoryServices} as a shard is offered them. */
export interface MemoryCalls {
  search(call: string, agent: string, query: MemoryQuery): Promise<Outcome<readonly MemoryHit[]>>;
  cancel(call: string): void;
  changed(news: Parameters<MemoryServices['changed']>[0]): void;
  status(): Promise<Outcome<readonly MemoryStatus[]>>;
}

/** What `work` comes to. Never rejects: what is no error for users is `internal`, and `onFault` is told what it is. */
export async function outcomeOf<T>(work: Promise<T>, onFault?: (error: unknown) => void): Promise<Outcome<T>> {
  try {
    return { value: await work };
  } catch (error) {
    if (!(error instanceof DhaavakError)) onFault?.(error);
    return { error: toWireError(error) };
  }
}

/** The value. Throws the error as a `DhaavakError`. */
export function unwrap<T>(outcome: Outcome<T>): T {
  if ('error' in outcome) throw DhaavakError.fromWire(outcome.error);
  return outcome.value;
}

/** The front end's side, for one shard. `services` is undefined where the memory is switched off: it finds nothing. */
export function memoryCalls(services: MemoryServices | undefined): MemoryCalls {
  const search = services === undefined ? refuse : services.search.bind(services);
  return {
    search: (call, agent, query) => outcomeOf(search(call, agent, query)),
    cancel: (call) => services?.cancel(call),
    changed: (news) => services?.changed(news),
    status: () => outcomeOf(services?.status() ?? Promise.resolve([])),
  };
}

/** The shard's side: `calls` are what the front end offers, as comlink shows them. */
export function remoteMemory(
  calls: {
    [Name in keyof MemoryCalls]: (
      ...args: Parameters<MemoryCalls[Name]>
    ) => Promise<Awaited<ReturnType<MemoryCalls[Name]>>>;
  },
): MemoryServices {
  return {
    search: async (call, agent, query) => unwrap(await calls.search(call, agent, query)),
    cancel: (call) => void calls.cancel(call),
    changed: (news) => void calls.changed(news),
    status: async () => unwrap(await calls.status()),
  };
}

async function refuse(): Promise<never> {
  throw new DhaavakError('unavailable', 'the memory is switched off: set memory.enabled');
}
