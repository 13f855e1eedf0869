import { type Bindings, type DestinationStream, destination, type Logger, pino } from 'pino';
import { redactFields, redactText } from './redact.ts';

const STDERR = 2;
/** The message as pino writes it: the last key of a line, with its arguments filled in. */
const MESSAGE = /"msg":"(?:[^"\\]|\\.)*"\}\n$/;

export interface LogOptions {
  /** `trace` to `error`, or `silent`. */
  level: string;
  /** The thread or part that writes, e.g. `gateway` or `shard-0`. */
  name: string;
  /** Where lines go; default: standard error, since standard output is for people. */
  to?: DestinationStream;
}

/**
 * A log of JSON lines. What belongs together is found by its correlation ids: pass them as fields or, for several lines,
 * as bindings of a child, under the names the wire protocol has: `session`, `run`, `message`, `request`. Errors go under
 * `error`. Secrets are taken out of fields, bindings, errors and messages alike.
 *
 * Lines are written synchronously, each in one call to the file descriptor itself and not through `process.stderr`: so
 * worker threads can share it, lines do not mix, and none is lost when a thread or the process ends right after.
 */
export function createLogger({ level, name, to = destination({ fd: STDERR, sync: true }) }: LogOptions): Logger {
  const log = pino(
    {
      level,
      base: { name },
      errorKey: 'error',
      // redactFields has made errors plain objects already, wherever they stand.
      serializers: { err: (error: unknown) => error },
      formatters: { level: (label) => ({ level: label }), log: redactFields },
      hooks: { streamWrite: (line) => line.replace(MESSAGE, redactText) },
    },
    to,
  );
  // pino passes the bindings of a child past all formatters. Children inherit this method.
  const { child } = log;
  log.child = function redacted(this: Logger, bindings: Bindings, options?: object) {
    return child.call(this, redactFields(bindings), options);
  } as Logger['child'];
  return log;
}
