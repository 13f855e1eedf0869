/** The front end: the only file that knows uWebSockets.js. All of it runs on the main thread and must never block it. */
import uWS, { type HttpResponse, type TemplatedApp, type us_listen_socket } from 'uWebSockets.js';
import type { Logger } from 'pino';
import { DhaavakError } from '../protocol/errors.ts';
import { BACKPRESSURE_BYTES_MAX, FRAME_BYTES_MAX } from '../protocol/limits.ts';
import { Connection, type SocketData } from './connection.ts';
import { handleMessage, type RequestContext } from './requests.ts';
import type { Topics } from './topics.ts';

/** Seconds without any frame after which a connection is closed; uWebSockets.js pings before that. */
const IDLE_SECONDS = 120;
/**
 * LIBUS_LISTEN_EXCLUSIVE_PORT, which the types of uWebSockets.js do not offer as a value. Without it the kernel (SO_REUSEPORT) lets a second
 * gateway listen on the same port, and gives each of them some of the connections.
 */
const EXCLUSIVE_PORT = 1;
/** RFC 6455: the server goes away. */
const GOING_AWAY = 1001;

export interface ServerOptions extends RequestContext {
  topics: Topics;
  /** Why the gateway can't serve now, for `/ready`; undefined when it can. */
  trouble(): string | undefined;
  log: Logger;
}

/** A form of `listen` that the types of uWebSockets.js leave out. */
interface ListensExclusively {
  listen(host: string, port: number, options: number, listening: (socket: us_listen_socket | false) => void): void;
}

/** HTTP and WebSocket on one port. */
export class Server {
  readonly #app: TemplatedApp;
  readonly #connections = new Set<Connection>();
  #listening: us_listen_socket | undefined;
  #stopping = false;

  constructor(options: ServerOptions) {
    this.#app = uWS
      .App()
      .ws<SocketData>('/ws', {
        maxPayloadLength: FRAME_BYTES_MAX,
        maxBackpressure: BACKPRESSURE_BYTES_MAX,
        closeOnBackpressureLimit: true,
        idleTimeout: IDLE_SECONDS,
        sendPingsAutomatically: true,
        upgrade: (response, request, context) => {
          // Every header must be read before this handler returns.
          response.upgrade<SocketData>(
            { connection: undefined },
            request.getHeader('sec-websocket-key'),
            request.getHeader('sec-websocket-protocol'),
            request.getHeader('sec-websocket-extensions'),
            context,
          );
        },
        open: (socket) => {
          const connection = new Connection(socket, options.topics);
          socket.getUserData().connection = connection;
          this.#connections.add(connection);
          if (this.#stopping) connection.close(GOING_AWAY, 'the gateway stops');
        },
        message: (socket, message, binary) => {
          const { connection } = socket.getUserData();
          if (connection !== undefined) handleMessage(options, connection, message, binary);
        },
        close: (socket) => {
          const { connection } = socket.getUserData();
          connection?.closed();
          if (connection !== undefined) this.#connections.delete(connection);
        },
      })
      .get('/health', (response) => json(response, '200 OK', { status: 'ok' }))
      .get('/ready', (response) => {
        const trouble = this.#stopping ? 'the gateway stops' : options.trouble();
        if (trouble === undefined) json(response, '200 OK', { status: 'ready' });
        else json(response, '503 Service Unavailable', { status: 'unavailable', reason: trouble });
      })
      .any('/*', (response) =>
        json(response, '404 Not Found', { status: 'not found', try: ['/health', '/ready', '/ws'] }),
      );
  }

  get connections(): number {
    return this.#connections.size;
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

  /** Takes no new connections and makes `/ready` say so. */
  stopIntake(): void {
    this.#stopping = true;
    if (this.#listening !== undefined) uWS.us_listen_socket_close(this.#listening);
    this.#listening = undefined;
  }

  /** Closes every connection. An App left open would abort the process at its exit. */
  close(): void {
    this.stopIntake();
    for (const connection of this.#connections) connection.close(GOING_AWAY, 'the gateway stops');
    this.#app.close();
  }
}

function json(response: HttpResponse, status: string, body: unknown): void {
  response.cork(() => {
    response
      .writeStatus(status)
      .writeHeader('content-type', 'application/json')
      .end(`${JSON.stringify(body)}\n`);
  });
}
