/** What a session may do with tools. Pure. */
import type { Config } from '../config/schema.ts';
import type { SessionType } from '../protocol/messages.ts';

export type SandboxMode = Config['tools']['sandbox'];

/**
 * Whether the tools of a session of this type are to be kept in a sandbox. With `off` there is none, and a session that is
 * not main is still said to belong in one: it gets none of the tools that would need it.
 */
export function isSandboxed(mode: SandboxMode, type: SessionType): boolean {
  return mode === 'always' || type !== 'main';
}
