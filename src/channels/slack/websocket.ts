/** What `@slack/socket-mode` uses of undici, and no more: `socket-mode.ts` gives it this instead. */
export { default as buildConnector } from 'undici/lib/core/connect.js';
export { default as Agent } from 'undici/lib/dispatcher/agent.js';
export { CloseEvent, ErrorEvent, MessageEvent } from 'undici/lib/web/websocket/events.js';
export { WebSocket } from 'undici/lib/web/websocket/websocket.js';
