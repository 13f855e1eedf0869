/**
 * Every error a user can see: one table of codes, one class. `npm run docs` makes `docs/errors.md` of the table, and a test
 * fails when the two differ (the idea of a single documented code table is fastify's).
 */

/** What a code means, whether the same request may succeed when sent again unchanged, and what a client does about it. */
interface ErrorKind {
  readonly meaning: string;
  readonly retryable: boolean;
  readonly todo: string;
}

export const ERROR_CODES = {
  invalid_frame: {
    meaning: 'The bytes are not one msgpack map (or JSON object) within the limits.',
    retryable: false,
    todo: 'mend the encoder',
  },
  invalid_request: {
    meaning: 'A field is missing, unknown or of the wrong type; `param` names it.',
    retryable: false,
    todo: 'mend the request',
  },
  unknown_type: {
    meaning: 'No request has this `type`.',
    retryable: false,
    todo: 'mend the request, or ask a newer gateway',
  },
  too_large: {
    meaning: 'A frame or field is over its limit.',
    retryable: false,
    todo: 'send less, or send msgpack instead of JSON',
  },
  hello_required: {
    meaning: 'The first request of a connection must be `hello`.',
    retryable: false,
    todo: 'connect again and say hello',
  },
  protocol_unsupported: {
    meaning: 'Client and server share no protocol version.',
    retryable: false,
    todo: 'update the older of the two',
  },
  unauthorized: {
    meaning: 'The credential is missing or wrong.',
    retryable: false,
    todo: "ask for the right token; don't try again with the same",
  },
  forbidden: {
    meaning: 'The credential does not have the scope this request needs.',
    retryable: false,
    todo: 'ask for a token with that scope',
  },
  rate_limited: {
    meaning: 'Too many requests in a second, or too many failed logins.',
    retryable: true,
    todo: 'wait `retryAfterMs`',
  },
  conflict: {
    meaning: 'The name is taken, or there are as many as there may be.',
    retryable: false,
    todo: 'choose another name, or revoke one',
  },
  not_found: {
    meaning: 'The session, run or agent does not exist; `param` names which.',
    retryable: false,
    todo: 'create the session; a run has ended already',
  },
  busy: {
    meaning: 'The mailbox of this session is full, or too many sessions are at work; nothing was accepted.',
    retryable: true,
    todo: 'wait `retryAfterMs`, then longer each time',
  },
  too_many_requests: {
    meaning: 'A limit in `welcome.limits` is reached.',
    retryable: true,
    todo: 'wait for replies, or unsubscribe from a session',
  },
  stopped: {
    meaning: 'The session crashed too often and is paused; accepted messages are kept.',
    retryable: true,
    todo: 'wait `retryAfterMs`; tell the operator',
  },
  cancelled: {
    meaning: 'The run was cancelled.',
    retryable: false,
    todo: 'nothing: somebody wanted it',
  },
  deadline_exceeded: {
    meaning: 'The time limit of the run passed.',
    retryable: true,
    todo: 'ask for less at once',
  },
  model_rejected: {
    meaning: 'The model API refused the request (bad key, bad model, bad input).',
    retryable: false,
    todo: 'read the message; often the operator must mend the key',
  },
  model_unavailable: {
    meaning: 'The model API could not answer (overload, rate limit, network).',
    retryable: true,
    todo: 'send the message again later',
  },
  model_stalled: {
    meaning: 'The model API stopped sending within the stall limit.',
    retryable: true,
    todo: 'send the message again',
  },
  model_limit: {
    meaning: 'The run reached its limit of model turns.',
    retryable: false,
    todo: 'ask for less at once',
  },
  budget_exceeded: {
    meaning: 'What may be spent in a day is spent; the model was not asked.',
    retryable: false,
    todo: 'send it again after `retryAfterMs`, at midnight UTC; without that, the model has no configured price',
  },
  storage_failed: {
    meaning: 'The journal could not be written; nothing was accepted.',
    retryable: true,
    todo: 'tell the operator: the disk may be full',
  },
  unavailable: {
    meaning: 'The gateway is draining or a worker was replaced; the outcome is unknown.',
    retryable: true,
    todo: 'wait, then send again with the same idempotency key',
  },
  in_use: {
    meaning: 'The port or the data folder belongs to another process.',
    retryable: false,
    todo: 'choose another port or data folder, or stop the other process; only the start of a gateway says it',
  },
  store_unusable: {
    meaning: 'The data folder holds a store that this version of the gateway cannot use.',
    retryable: false,
    todo: 'do what the message says; only the start of a gateway says it',
  },
  internal: {
    meaning: 'A fault in the gateway; the log has it under the same id.',
    retryable: false,
    todo: 'report it',
  },
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof ERROR_CODES;

/** The `error` of a frame. `param` is a dotted path into the frame; `retryAfterMs` is a hint in milliseconds. */
export interface WireError {
  code: ErrorCode;
  message: string;
  retryable: boolean;
  retryAfterMs?: number;
  param?: string;
}

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
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
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
