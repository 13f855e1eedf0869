import type { Address } from './actor.ts';
import type { DeadLetter } from './dead-letters.ts';

/** What happens in a system that logs and metrics may want to know. */
export type SystemEvent =
  | { readonly type: 'crash'; readonly address: Address; readonly error: unknown }
  /** A new instance is up after a crash or a stop. */
  | { readonly type: 'restart'; readonly address: Address }
  /** Too many crashes; it starts again by itself after `retryAfterMs`. */
  | { readonly type: 'stopped'; readonly address: Address; readonly error: unknown; readonly retryAfterMs: number }
  | ({ readonly type: 'deadLetter' } & DeadLetter)
  /** A message failed after its signal was aborted; nobody else may hear of it. */
  | { readonly type: 'aborted'; readonly address: Address; readonly message: unknown; readonly error: unknown }
  | { readonly type: 'passivated'; readonly address: Address }
  | { readonly type: 'passivateFailed'; readonly address: Address; readonly error: unknown };
