/**
 * Slack's library for Socket Mode, with less of undici. The library takes its WebSocket from undici, whose index loads all
 * there is besides: mocks, caches, a database for them. Without that it is 110 modules less, and 3 MB.
 */
import { registerHooks } from 'node:module';
import { sibling } from '../../shards/sibling.ts';

const websocket = sibling('websocket', import.meta.url).href;
const hooks = registerHooks({
  resolve(specifier, context, next) {
    const asks = specifier === 'undici' && context.parentURL?.includes('/@slack/socket-mode/');
    return asks ? { url: websocket, shortCircuit: true } : next(specifier, context);
  },
});

export const { SocketModeClient } = await import('@slack/socket-mode').finally(() => hooks.deregister());
