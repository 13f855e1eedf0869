import { CommanderError } from 'commander';
import { ConfigError } from '../config/config-error.ts';
import { DhaavakError, type ErrorCode } from '../protocol/errors.ts';

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
  if (error instanceof DhaavakError) return say(worded(error), EXIT.failed);
  // A fault of ours: here the stack is what helps.
  return say(error instanceof Error ? `${error.stack}` : String(error), EXIT.failed);
}

/** What a person at the terminal can do about an error, where its own sentence does not say. */
const HINTS: Partial<Record<ErrorCode, string>> = {
  not_found: '`dhaavak sessions list` shows which sessions there are',
  unknown_type: 'the gateway is older than this command: update it',
  busy: 'try again when some of its messages are answered',
  unavailable: 'see with `dhaavak status` whether the gateway is well, and try again',
  internal: 'the log of the gateway has the details',
};

function worded({ code, message, param }: DhaavakError): string {
  const hint = code === 'not_found' && param !== 'data.session' ? undefined : HINTS[code];
  return `Dhaavak: ${message}${hint === undefined ? '' : `; ${hint}`}`;
}

function say(message: string, exitCode: number): number {
  console.error(message);
  return exitCode;
}
