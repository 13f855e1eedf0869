/** Limits of protocol v1. The ones a client must know are sent in `welcome.limits`. */

/** Versions of the wire protocol this build speaks, inclusive. */
export const PROTOCOL_MIN = 1;
export const PROTOCOL_MAX = 1;

/** Largest frame after `hello`. A ring of the shard link must hold at least two. */
export const FRAME_BYTES_MAX = 1024 * 1024;
/** Largest frame before `hello` was accepted: an unauthenticated peer gets no more memory than this. */
export const FRAME_BYTES_MAX_UNAUTHENTICATED = 64 * 1024;
/** Maps and arrays inside each other. msgpackr's own limit is only the JavaScript stack. */
export const DEPTH_MAX = 32;
/** Values in one frame, keys not counted: 1 MiB of one-byte values would become 64 MB of heap. */
export const VALUES_MAX = 16_384;
/** Time a connection has to send a good `hello`, in milliseconds. */
export const HELLO_TIMEOUT_MS = 10_000;
/** Requests of one connection that are not answered yet. */
export const IN_FLIGHT_MAX = 256;
/** Sessions one connection is subscribed to. */
export const SUBSCRIPTIONS_MAX = 1_024;
/** Text of one `message.send`, in Unicode code points, as zod counts them. */
export const TEXT_LENGTH_MAX = 256 * 1024;
/** Text of one `channel.send`, in Unicode code points. */
export const SEND_TEXT_LENGTH_MAX = 65_536;
/** Images one message comes with. */
export const ATTACHMENTS_MAX = 4;
/** Bytes of the images of one message together: a frame holds them and a text beside them. */
export const ATTACHMENTS_BYTES_MAX = 512 * 1024;
/** Entries in one page of `session.history`. */
export const HISTORY_PAGE_MAX = 200;
/** Text that is looked for in a transcript, in Unicode code points. */
export const SEARCH_LENGTH_MAX = 256;
/** Sessions in one page of `session.list`, grants in one of `allow.list`. */
export const LIST_PAGE_MAX = 200;
/** Text of a fact that is saved, and of a search of the memory, in Unicode code points. */
export const FACT_TEXT_LENGTH_MAX = 2_000;
export const QUERY_TEXT_LENGTH_MAX = 2_000;
/** Results of one search of the memory. */
export const MEMORY_RESULTS_MAX = 50;
/** Title of a session, in Unicode code points. */
export const TITLE_LENGTH_MAX = 200;
/** Bytes that may wait in a connection's socket before deltas are merged for it. */
export const BACKPRESSURE_BYTES_MERGE = 64 * 1024;
/** Time a connection over BACKPRESSURE_BYTES_MAX has to read what it was sent and why it is closed, in milliseconds. */
export const SLOW_CLOSE_MS = 4_000;
/** Connections in one answer to `presence.list`. */
export const PRESENCE_MAX = 500;
/** When a connection that was sent `goaway` should try again, in milliseconds. */
export const RECONNECT_AFTER_MS = 2_000;
/** Bytes that may wait for a connection before it counts as too slow and is closed. */
export const BACKPRESSURE_BYTES_MAX = 1024 * 1024;
