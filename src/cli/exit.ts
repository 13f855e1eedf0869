import { CommanderError } from 'commander';
import { ConfigError } from '../config/config-error.ts';
import { DhaavakError } from '../protocol/errors.ts';

/** What the process says to scripts when it ends. Shown in the help. */
export const EXIT = {
  ok: 0,
  /** The run failed or was cancelled, or the gateway could not start. */
  failed: 1,
  /** Wrong flags or arguments, or a configuration that cannot be used. */
  usage: 2,
  /** No gateway answers, or it does not let us in. */
  unreachable: 3,
} as const;

/** A failure that is already worded for the person at the terminal. */
export class CliError extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode: number) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Says on standard error what went wrong, a sentence a problem, and returns the exit code that fits. */
export function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage; // it has said so itself
  if (error instanceof CliError) return say(error.message, error.exitCode);
  if (error instanceof ConfigError) return say(error.message, EXIT.usage);
  if (error instanceof DhaavakError) return say(`Dhaavak: ${error.message}`, EXIT.failed);
  // A fault of ours: here the stack is what helps.
  return say(error instanceof Error ? `${error.stack}` : String(error), EXIT.failed);
}

function say(message: string, exitCode: number): number {
  console.error(message);
  return exitCode;
}
