/** The one class of errors that users can see, as it is in the process and on the wire. */
import type { z } from 'zod';
import { ERROR_CODES } from './error-codes.ts';
import type { wireError } from './shapes.ts';

export type ErrorCode = keyof typeof ERROR_CODES;

/** Said thousands of times a second under a flood, which a stack, of no use to anybody, would make three times as dear. */
const REFUSALS: ReadonlySet<ErrorCode> = new Set(['busy', 'rate_limited', 'too_many_requests']);

export type WireError = z.output<typeof wireError>;

/** The one error class for what users can see. Anything else that is thrown reaches them as `internal`. */
export class DhaavakError extends Error {
  override readonly name = 'DhaavakError';
  readonly code: ErrorCode;
  readonly param: string | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    options: { param?: string; retryAfterMs?: number; cause?: unknown } = {},
  ) {
    const { stackTraceLimit } = Error;
    if (REFUSALS.has(code)) Error.stackTraceLimit = 0;
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    Error.stackTraceLimit = stackTraceLimit;
    this.code = code;
    this.param = options.param;
    this.retryAfterMs = options.retryAfterMs;
  }

  get retryable(): boolean {
    return ERROR_CODES[this.code].retryable;
  }

  toWire(): WireError {
    return {
      code: this.code,
      message: this.message,
      retryable: this.retryable,
      ...(this.retryAfterMs === undefined ? {} : { retryAfterMs: this.retryAfterMs }),
      ...(this.param === undefined ? {} : { param: this.param }),
    };
  }

  /** The same error on the other side of a connection. An unknown code (a newer server) becomes `internal`. */
  static fromWire(error: WireError): DhaavakError {
    return new DhaavakError(error.code in ERROR_CODES ? error.code : 'internal', error.message, {
      ...(error.param === undefined ? {} : { param: error.param }),
      ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
    });
  }
}

/** What a client may be told of `thrown`: a {@link DhaavakError} as it is, anything else as `internal` without detail. */
export function toWireError(thrown: unknown): WireError {
  if (thrown instanceof DhaavakError) return thrown.toWire();
  return { code: 'internal', message: 'internal error', retryable: false };
}

/**
 * WebSocket close codes of our own, in the private range 4000–4999. Standard ones in use: 1000 (normal), 1001 (the
 * gateway stops), 1006 (seen by a client whose frame was over `frameBytesMax`: uWebSockets.js cuts the connection).
 */
export const CLOSE_CODES = {
  invalidFrame: 4400,
  unauthorized: 4401,
  protocolUnsupported: 4402,
  helloTimeout: 4408,
  tooLarge: 4413,
  tooSlow: 4429,
  rateLimited: 4430,
} as const;
