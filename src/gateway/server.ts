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
import { type HttpContext, handleHttp, json, ROUTES, tooMany } from './http.ts';
import { handleMessage, type RequestContext } from './requests.ts';
import { WEBHOOK_ROUTE } from './scopes.ts';
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
  hosts: HostCheck;
  /** Seconds without any frame after which a connection is cut; uWebSockets.js pings before that. */
  idleSeconds: number;
  /** PEM files; undefined: no TLS. */
  tls?: { cert: string; key: string } | undefined;
}

/** A form of `listen` that the types of uWebSockets.js leave out. */
interface ListensExclusively {
  listen(host: string, port: number, options: number, listening: (socket: us_listen_socket | false) => void): void;
}

/** HTTP and WebSocket on one port. */
export class Server {
  readonly #app: TemplatedApp;
  readonly #clients: Clients;
  readonly #ticking: NodeJS.Timeout;
  #listening: us_listen_socket | undefined;
  #stopping = false;

  constructor(options: ServerOptions) {
    const { clients, counters, topics, pace, tls } = options;
    const context: ServerOptions = {
      ...options,
      trouble: () => (this.#stopping ? 'the gateway stops' : options.trouble()),
    };
    this.#clients = clients;
    this.#ticking = setInterval(() => {
      pace.tick += 1;
    }, pace.tickMs).unref();
    this.#app = (
      tls === undefined ? uWS.App() : uWS.SSLApp({ cert_file_name: tls.cert, key_file_name: tls.key })
    ).ws<SocketData>('/ws', {
      maxPayloadLength: FRAME_BYTES_MAX,
      maxBackpressure: BACKPRESSURE_BYTES_MAX,
      idleTimeout: options.idleSeconds,
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
      this.#app.get(route, (response, request) => this.#http(context, response, request, route));
    }
    const webhooks = new Webhooks(options.channels);
    this.#app.post(WEBHOOK_ROUTE, (response, request) => {
      if (this.#welcome(context, response, request)) webhooks.handle(response, request);
    });
    this.#app.any('/*', (response, request) => this.#http(context, response, request));
  }

  #upgrade(
    context: ServerOptions,
    response: HttpResponse,
    request: HttpRequest,
    socketContext: us_socket_context_t,
  ): void {
    if (!this.#welcome(context, response, request)) return;
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
        request.getHeader('sec-websocket-protocol'),
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
    const app = this.#app as unknown as ListensExclusively;
    const socket = await new Promise<us_listen_socket | false>((resolve) =>
      app.listen(host, port, EXCLUSIVE_PORT, resolve),
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
    this.#app.close();
  }
}
