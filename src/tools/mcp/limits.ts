/** Of one message of a server, in bytes: many times what is left of a result, and 20 ms to parse. */
export const MESSAGE_BYTES_MAX = 4 * 1024 ** 2;
/** Of the input of a call, as JSON, in UTF-16 code units. */
export const INPUT_LENGTH_MAX = 262_144;
/** Calls of one server that are under way. */
export const CALLS_MAX = 32;
/** The main thread waits for an answer this much longer than the process, which has the time-outs. */
export const ANSWER_SLACK_MS = 5_000;
