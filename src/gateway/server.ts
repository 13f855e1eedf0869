/** The front end: the only file that knows uWebSockets.js. All of it runs on the main thread and must never block it. */
import uWS, {
  type HttpRequest,
  type HttpResponse,
  type TemplatedApp,
  type us_listen_socket,
  type us_socket_context_t,
} from 'uWebSockets.js';
import { DhaavakError } from '../protocol/errors.ts';
import { BACKPRESSURE_BYTES_MAX, FRAME_BYTES_MAX } from '../protocol/limits.ts';
import { addressOf } from './address.ts';
import type { Clients } from './clients.ts';
import { Connection, type SocketData } from './connection.ts';
import type { HostCheck } from './host-check.ts';
import { type HttpContext, handleHttp, json, ROUTES, tooMany, upgradeRequired } from './http.ts';
import { PluginRoutes, pathOf } from './plugin-routes.ts';
import type { PluginDesk } from './plugins.ts';
import { handleMessage, type RequestContext } from './requests.ts';
import { PLUGIN_ROUTE, WEBHOOK_ROUTE } from './scopes.ts';
import type { Topics } from './topics.ts';
import { Webhooks } from './webhooks.ts';

/**
 * LIBUS_LISTEN_EXCLUSIVE_PORT, which the types of uWebSockets.js do not offer as a value. Without it the kernel (SO_REUSEPORT) lets a second
 * gateway listen on the same port, and gives each of them some of the connections.
 */
const EXCLUSIVE_PORT = 1;
/** RFC 6455: the server goes away. */
const GOING_AWAY = 1001;

export interface ServerOptions extends RequestContext, HttpContext {
  topics: Topics;
  plugins: PluginDesk;
  hosts: HostCheck;
  /** Seconds without any frame after which a connection is cut; uWebSockets.js pings before that. */
  idleSeconds: number;
  /** PEM files; undefined: no TLS. */
  tls?: { cert: string; key: string } | undefined;
}

/** What the types of uWebSockets.js leave out: a form of `listen`, and the Apps an App hands connections to, in turn. */
interface App extends Omit<TemplatedApp, 'listen'> {
  listen(host: string, port: number, options: number, listening: (socket: us_listen_socket | false) => void): void;
  getDescriptor(): unknown;
  addChildAppDescriptor(descriptor: unknown): void;
  removeChildAppDescriptor(descriptor: unknown): void;
}

/** HTTP and WebSocket on one port. */
export class Server {
  readonly #context: ServerOptions;
  /** The one that listens. */
  readonly #app: App;
  /** With certificates that came later, the newest last. */
  readonly #renewed: App[] = [];
  readonly #clients: Clients;
  readonly #ticking: NodeJS.Timeout;
  #listening: us_listen_socket | undefined;
  #stopping = false;

  constructor(options: ServerOptions) {
    const { clients, pace } = options;
    this.#context = {
      ...options,
      trouble: () => (this.#stopping ? 'the gateway stops' : options.trouble()),
    };
    this.#clients = clients;
    this.#ticking = setInterval(() => {
      pace.tick += 1;
    }, pace.tickMs).unref();
    this.#app = this.#createApp();
  }

  #createApp(): App {
    const context = this.#context;
    const { channels, clients, counters, plugins, topics, idleSeconds, tls } = context;
    const app = (
      tls === undefined ? uWS.App() : uWS.SSLApp({ cert_file_name: tls.cert, key_file_name: tls.key })
    ).ws<SocketData>('/ws', {
      maxPayloadLength: FRAME_BYTES_MAX,
      maxBackpressure: BACKPRESSURE_BYTES_MAX,
      idleTimeout: idleSeconds,
      sendPingsAutomatically: true,
      upgrade: (response, request, socketContext) => this.#upgrade(context, response, request, socketContext),
      open: (socket) => {
        const data = socket.getUserData();
        const connection = new Connection(socket, topics, counters, data.address);
        data.connection = connection;
        clients.opened(connection);
        if (this.#stopping) connection.close(GOING_AWAY, 'the gateway stops');
      },
      message: (socket, message, binary) => {
        const { connection } = socket.getUserData();
        if (connection !== undefined) handleMessage(context, connection, message, binary);
      },
      drain: (socket) => socket.getUserData().connection?.drained(),
      close: (socket) => {
        const { connection } = socket.getUserData();
        if (connection === undefined) return;
        connection.closed();
        clients.closed(connection);
      },
    });
    for (const route of Object.keys(ROUTES) as (keyof typeof ROUTES)[]) {
      app.get(route, (response, request) => this.#http(context, response, request, route));
    }
    const webhooks = new Webhooks(channels);
    app.post(WEBHOOK_ROUTE, (response, request) => {
      if (this.#welcome(context, response, request)) webhooks.handle(response, request);
    });
    const pluginRoutes = new PluginRoutes();
    app.any(PLUGIN_ROUTE, (response, request) => {
      const { plugin, path } = pathOf(request.getUrl());
      const route = plugins.route(plugin, request.getMethod().toUpperCase(), path);
      if (route === undefined) this.#http(context, response, request);
      else if (this.#welcome(context, response, request)) {
        pluginRoutes.handle(context, route, response, request, addressOf(response.getRemoteAddress()).address);
      }
    });
    app.any('/*', (response, request) => this.#http(context, response, request));
    return app as unknown as App;
  }

  /**
   * Reads the certificate and its key anew: they are shown to connections made from now on, and open ones stay as they are.
   * An App cannot be given another certificate. So the first one goes on listening and hands what it accepts to a new one
   * (uWebSockets.js has that for worker threads); those in between serve what they have, at some 40 KB each. Throws,
   * with nothing changed, when uWebSockets.js cannot use the files.
   */
  renewCertificate(): void {
    const app = this.#createApp();
    const before = this.#renewed.at(-1);
    this.#app.addChildAppDescriptor(app.getDescriptor());
    if (before !== undefined) this.#app.removeChildAppDescriptor(before.getDescriptor());
    this.#renewed.push(app);
  }

  #upgrade(
    context: ServerOptions,
    response: HttpResponse,
    request: HttpRequest,
    socketContext: us_socket_context_t,
  ): void {
    if (!this.#welcome(context, response, request)) return;
    if (!isWebSocket(request)) {
      upgradeRequired(response);
      return;
    }
    const { address, loopback } = addressOf(response.getRemoteAddress());
    const lockedMs = context.access.attempts.lockedForMs(address);
    if (lockedMs > 0) {
      tooMany(response, lockedMs);
    } else if (context.clients.full(address, loopback)) {
      context.counters.refusedFull += 1;
      json(response, '503 Service Unavailable', { status: 'too many connections' }, { close: true });
    } else {
      // Every header must be read before this handler returns.
      response.upgrade<SocketData>(
        { address, connection: undefined },
        request.getHeader('sec-websocket-key'),
        '', // no subprotocol is ours, whatever is offered
        request.getHeader('sec-websocket-extensions'),
        socketContext,
      );
    }
  }

  #http(context: ServerOptions, response: HttpResponse, request: HttpRequest, route?: keyof typeof ROUTES): void {
    if (!this.#welcome(context, response, request)) return;
    handleHttp(context, response, request, addressOf(response.getRemoteAddress()).address, route);
  }

  /** Whether Host and Origin are ours; when not, the request is answered. */
  #welcome({ hosts, counters }: ServerOptions, response: HttpResponse, request: HttpRequest): boolean {
    if (hosts.allows(request.getHeader('host'), request.getHeader('origin'))) return true;
    counters.refusedOrigins += 1;
    json(response, '403 Forbidden', { status: 'this Host or Origin is not one of the gateway' }, { close: true });
    return false;
  }

  /** Takes the port and returns it (for port 0, the one the system chose). Throws when it is taken. */
  async listen(host: string, port: number): Promise<number> {
    const socket = await new Promise<us_listen_socket | false>((resolve) =>
      this.#app.listen(host, port, EXCLUSIVE_PORT, resolve),
    );
    if (!socket) throw new DhaavakError('in_use', `port ${port} of ${host} is taken: choose another with --port`);
    this.#listening = socket;
    return uWS.us_socket_local_port(socket);
  }

  /** Takes no new connections, makes `/ready` say so, and tells clients that they will be closed. */
  stopIntake(): void {
    if (!this.#stopping) this.#clients.sayGoaway();
    this.#stopping = true;
    if (this.#listening !== undefined) uWS.us_listen_socket_close(this.#listening);
    this.#listening = undefined;
  }

  /** Closes every connection. An App left open would abort the process at its exit. */
  close(): void {
    this.stopIntake();
    clearInterval(this.#ticking);
    for (const connection of this.#clients) connection.close(GOING_AWAY, 'the gateway stops');
    for (const app of [this.#app, ...this.#renewed]) app.close();
  }
}

/** Whether the request asks for what uWebSockets.js would give it for the sake of its key alone. */
function isWebSocket(request: HttpRequest): boolean {
  return (
    request.getHeader('sec-websocket-version') === '13' &&
    request.getHeader('upgrade').toLowerCase() === 'websocket' &&
    /\bupgrade\b/i.test(request.getHeader('connection'))
  );
}
