/** The HTTP routes of our own: JSON, GET and HEAD only. Webhooks are in `webhooks.ts`. */
import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import type { GatewayStatus } from '../protocol/messages.ts';
import type { LoginContext } from './login.ts';
import { type Grant, mayRead, type PLUGIN_ROUTE, type Route, type WEBHOOK_ROUTE } from './scopes.ts';

export interface HttpContext extends LoginContext {
  /** Why the gateway can't serve now; undefined when it can. */
  trouble(): string | undefined;
  status(): Promise<GatewayStatus>;
}

/** What is known of a request once its headers are read. */
interface Asked {
  grant: Grant | undefined;
  /** The response is still there to be written. */
  alive: boolean;
}

type Handler = (context: HttpContext, response: HttpResponse, asked: Asked) => void;

/** One for each route of the table of scopes that is neither a webhook nor a plugin's. */
export const ROUTES: Record<Exclude<Route, typeof WEBHOOK_ROUTE | typeof PLUGIN_ROUTE>, Handler> = {
  '/health': (_, response) => json(response, '200 OK', { status: 'ok' }),
  '/ready': ({ trouble }, response, { grant }) => {
    const reason = trouble();
    if (reason === undefined) json(response, '200 OK', { status: 'ready' });
    else {
      const detail = grant !== undefined && mayRead(grant) ? { reason } : {};
      json(response, '503 Service Unavailable', { status: 'unavailable', ...detail });
    }
  },
  '/status': ({ status }, response, asked) => {
    status().then(
      (answer) => {
        if (asked.alive) json(response, '200 OK', answer);
      },
      () => {
        if (asked.alive) json(response, '500 Internal Server Error', { status: 'unavailable' });
      },
    );
  },
};

/**
 * Answers one request. A body is never read: a request that announces one is answered at once and its connection closed,
 * whatever else it would send.
 */
export function handleHttp(
  context: HttpContext,
  response: HttpResponse,
  request: HttpRequest,
  address: string,
  route?: keyof typeof ROUTES,
) {
  const asked: Asked = { grant: undefined, alive: true };
  response.onAborted(() => {
    asked.alive = false;
  });
  const method = request.getMethod();
  const length = request.getHeader('content-length');
  if ((length !== '' && length !== '0') || request.getHeader('transfer-encoding') !== '') {
    json(response, '413 Payload Too Large', { status: 'no body is taken' }, { close: true });
    return;
  }
  if (route === '/health' && method === 'get') {
    ROUTES[route](context, response, asked);
    return;
  }
  const authorization = request.getHeader('authorization');
  if (authorization !== '') {
    const lockedMs = context.access.attempts.lockedForMs(address);
    if (lockedMs > 0) {
      tooMany(response, lockedMs);
      return;
    }
    asked.grant = context.access.checkHeader(authorization);
    if (asked.grant === undefined) {
      context.counters.loginsFailed += 1;
      if (context.access.attempts.failed(address)) context.counters.lockouts += 1;
    }
  } else asked.grant = context.access.checkHeader('');
  if (asked.grant === undefined && route !== '/ready') {
    response.cork(() => {
      response.writeStatus('401 Unauthorized').writeHeader('www-authenticate', 'Bearer');
      end(response, { status: 'unauthorized' });
    });
  } else if (route === undefined || method !== 'get') {
    json(response, '404 Not Found', { status: 'not found', try: [...Object.keys(ROUTES), '/ws'] });
  } else ROUTES[route](context, response, asked);
}

/** 429 with when to try again. */
export function tooMany(response: HttpResponse, retryAfterMs: number): void {
  response.cork(() => {
    response.writeStatus('429 Too Many Requests').writeHeader('retry-after', String(Math.ceil(retryAfterMs / 1_000)));
    end(response, { status: 'too many failed logins from here' });
  });
}

/** 426 with what is spoken here. */
export function upgradeRequired(response: HttpResponse): void {
  response.cork(() => {
    response.writeStatus('426 Upgrade Required').writeHeader('upgrade', 'websocket');
    response.writeHeader('sec-websocket-version', '13');
    end(response, { status: 'this is no request for a WebSocket of version 13' }, true);
  });
}

export function json(response: HttpResponse, status: string, body: unknown, { close = false } = {}): void {
  response.cork(() => {
    response.writeStatus(status);
    end(response, body, close);
  });
}

function end(response: HttpResponse, body: unknown, close = false): void {
  response.writeHeader('content-type', 'application/json').end(`${JSON.stringify(body)}\n`, close);
}
