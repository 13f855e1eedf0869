/**
 * Every error a user can see, in one table. `npm run docs` makes `docs/errors.md` of it, and a test fails when the two
 * differ (the idea of a single documented code table is fastify's).
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
    meaning: 'The name is taken, there are as many as there may be, or somebody else was first.',
    retryable: false,
    todo: 'choose another name, or revoke one; the message says who was first',
  },
  not_found: {
    meaning:
      'The session, run, agent, dead letter, pairing code or entry of a list does not exist; `param` names which.',
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
  context_overflow: {
    meaning: 'What must be sent does not fit into the context window of the model, with all else left out.',
    retryable: false,
    todo: 'send a shorter message, or choose a model with a larger window',
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
  crash_loop: {
    meaning: 'The process ended in each of its three tries to answer the message; it is a dead letter now.',
    retryable: false,
    todo: 'look into the log; resubmit the dead letter when the cause is mended',
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
  delivery_failed: {
    meaning:
      'A message could not be sent to a channel, or nobody knows whether it was; the message says which and why.',
    retryable: false,
    todo: 'read the message; look into the chat before sending it again',
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
