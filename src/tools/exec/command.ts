/** What the host of commands is asked, and what it answers. Plain data: it crosses to another process. */
import type { Boundary } from '../files/folder.ts';
import type { ResourceLimits } from './limits.ts';

export interface Command extends Boundary {
  session: string;
  /** Program and arguments. */
  argv: readonly string[];
  /** The names of the folders from the workspace to where it runs. */
  folder: readonly string[];
  /** All of its environment. */
  env: Readonly<Record<string, string>>;
  /** In milliseconds; then it is ended. */
  timeoutMs: number;
  limits: ResourceLimits;
  /** Undefined: with all rights of the gateway. */
  sandbox: { network: boolean; readOnly: readonly string[] } | undefined;
}

export interface HostLimits {
  /** Processes at the same time. */
  processesMax: number;
  /** Of these, in the background for one session. */
  backgroundMax: number;
}

/** A process of a session, by the id it was given. */
export interface ProcessId {
  session: string;
  process: string;
}

export type HostCall =
  | { type: 'run'; command: Command }
  | { type: 'start'; command: Command }
  | { type: 'poll'; id: ProcessId; waitMs: number }
  | { type: 'list'; session: string }
  | { type: 'kill'; id: ProcessId };

export type HostRequest =
  | ({ number: number } & HostCall)
  /** The run that made request `number` is cancelled: what it started ends. */
  | { type: 'cancel'; number: number }
  | { type: 'endSession'; session: string }
  | { type: 'close' };

/** What a model is told. */
export type HostReply = { number: number } & ({ text: string } | { problem: string });
