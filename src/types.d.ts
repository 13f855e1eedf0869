/** Types for what is imported without its own. */

/** Comlink ships this file's types under a name that `import` does not look for. */
interface Buffer {
  /** Node's own, of which `toString('latin1', start, end)` is a slower wrapper; `@types/node` does not list it. */
  latin1Slice(start: number, end: number): string;
}

declare module 'comlink/dist/esm/node-adapter.mjs' {
  import type { MessagePort, Worker } from 'node:worker_threads';
  import type { Endpoint } from 'comlink';

  /** Lets Comlink talk over a Node worker or message port, which have `on` instead of `addEventListener`. */
  export default function nodeEndpoint(port: MessagePort | Worker): Endpoint;
}

declare module 'undici/lib/core/connect.js' {
  export { buildConnector as default } from 'undici';
}

declare module 'undici/lib/dispatcher/agent.js' {
  export { Agent as default } from 'undici';
}

declare module 'undici/lib/web/websocket/events.js' {
  export { CloseEvent, ErrorEvent, MessageEvent } from 'undici';
}

declare module 'undici/lib/web/websocket/websocket.js' {
  export { WebSocket } from 'undici';
}
