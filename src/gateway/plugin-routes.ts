/** HTTP routes of plugins, `/plugins/<name>/…`: who may call them is decided here, what they answer in a thread of the plugin's. */
import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import type { Scope } from '../protocol/messages.ts';
import { Bodies } from './bodies.ts';
import { json, tooMany } from './http.ts';
import type { LoginContext } from './login.ts';
import { covers } from './scopes.ts';

export interface PluginRequest {
  method: string;
  /** Below `/plugins/<name>`. */
  path: string;
  query: string;
  headers: Readonly<Record<string, string>>;
  body: Uint8Array;
}

export interface PluginAnswer {
  status: number;
  headers: Readonly<Record<string, string>>;
  body: Uint8Array;
}

/** One route: what it asks for, and how it is called. */
export interface PluginRoute {
  readonly scope: Scope | 'open';
  /** Undefined: no answer in time. Never rejects. */
  call(request: PluginRequest): Promise<PluginAnswer | undefined>;
}

/** Headers that say who asks; what a plugin needs of that, the gateway has looked at. */
const KEPT_BACK = new Set(['authorization', 'cookie', 'proxy-authorization']);

/** Handles one request to a route that there is. No body is read of one that may not be made. */
export class PluginRoutes {
  readonly #bodies = new Bodies();

  handle(
    context: LoginContext,
    route: PluginRoute,
    response: HttpResponse,
    request: HttpRequest,
    address: string,
  ): void {
    if (!isLetIn(context, route, response, request, address)) return;
    const headers: Record<string, string> = {};
    request.forEach((key, value) => {
      if (!KEPT_BACK.has(key)) headers[key] = value;
    });
    const asked = {
      method: request.getMethod().toUpperCase(),
      path: pathOf(request.getUrl()).path,
      query: request.getQuery() ?? '',
      headers,
    };
    this.#bodies.handle(response, Number(request.getHeader('content-length')), async (body) => {
      const answer = await route.call({ ...asked, body });
      return answer && { ...answer, headers: Object.entries(answer.headers) };
    });
  }
}

/** `/plugins/words/hook` is `/hook` of `words`. */
export function pathOf(url: string): { plugin: string; path: string } {
  const [, plugin = '', path = ''] = /^\/plugins\/([^/]+)(\/.*)$/.exec(url) ?? [];
  return { plugin, path };
}

/** Whether the request's credential is good for the route; when not, it is answered and its connection closed. */
function isLetIn(
  { access, counters }: LoginContext,
  { scope }: PluginRoute,
  response: HttpResponse,
  request: HttpRequest,
  address: string,
): boolean {
  if (scope === 'open') return true;
  response.onAborted(() => {});
  const authorization = request.getHeader('authorization');
  const lockedMs = authorization === '' ? 0 : access.attempts.lockedForMs(address);
  if (lockedMs > 0) {
    tooMany(response, lockedMs);
    return false;
  }
  const grant = access.checkHeader(authorization);
  if (grant === undefined) {
    if (authorization !== '') {
      counters.loginsFailed += 1;
      if (access.attempts.failed(address)) counters.lockouts += 1;
    }
    json(response, '401 Unauthorized', { status: 'unauthorized' }, { close: true });
    return false;
  }
  if (covers(grant, scope)) return true;
  json(response, '403 Forbidden', { status: `this route needs the scope ${scope}` }, { close: true });
  return false;
}
