/**
 * Slack's library for Socket Mode, with less of undici. The library takes its WebSocket from undici, whose index loads all
 * there is besides: mocks, caches, a database for them. Without that it is 110 modules less, and 3 MB. undici also does without
 * HTTP/2 where Node has been built so; the library asks for none.
 */
import { registerHooks } from 'node:module';
import { sibling } from '../../shards/sibling.ts';

const websocket = sibling('websocket', import.meta.url).href;
const hooks = registerHooks({
  resolve(specifier, context, next) {
    if (specifier === 'node:http2' && context.parentURL?.includes('/undici/')) throw new Error('HTTP/2 is not needed');
    const asks = specifier === 'undici' && context.parentURL?.includes('/@slack/socket-mode/');
    return asks ? { url: websocket, shortCircuit: true } : next(specifier, context);
  },
});

export const { SocketModeClient } = await import('@slack/socket-mode').finally(() => hooks.deregister());
