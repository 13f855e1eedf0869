/**
 * WhatsApp, as a linked device of a phone (WhatsApp Web's protocol, which WhatsApp does not offer to programs), by baileys.
 *
 *   adapter.ts      this: puts the parts of an account together
 *   connect.ts      the connection: linking, coming back, giving up
 *   credentials.ts  the device's identity and keys, on the disk
 *   intake.ts       what comes, before it is acknowledged → normalize.ts, media.ts
 *   send.ts         what goes → render.ts
 *   failure.ts      what WhatsApp's refusals mean
 */
import type { Account } from '../../config/channels.ts';
import { isLoopback } from '../../config/loopback.ts';
import { type Adapter, type AdapterContext, type AdapterEvents, type Capabilities, ChannelError } from '../adapter.ts';
import { Connection, TIMINGS, type Timings } from './connect.ts';
import { Credentials, DamagedCredentials } from './credentials.ts';
import { Groups } from './groups.ts';
import { Intake } from './intake.ts';
import { bare, jidOf } from './jid.ts';
import { type Baileys, loadBaileys, type Socket } from './library.ts';
import { loadMedia } from './media.ts';
import type { Surroundings } from './normalize.ts';
import { Presence } from './presence.ts';
import { Dispatch, FILE_BYTES_MAX, TEXT_LENGTH_MAX } from './send.ts';

const CAPABILITIES: Capabilities = {
  textLengthMax: TEXT_LENGTH_MAX,
  edits: true,
  // An edit is a message to every device of everybody in the chat, and many messages are what accounts are banned for.
  editIntervalMs: 3_000,
  typingMs: 10_000,
  buttons: false,
  fileBytesMax: FILE_BYTES_MAX,
  detectsDuplicates: true,
};

/** `timings` are for tests. */
export function createAdapter(
  settings: Account<'whatsapp'>,
  context: AdapterContext,
  timings: Timings = TIMINGS,
): Adapter {
  return new WhatsAppAdapter(settings, context, timings);
}

/** What there is between `start` and `stop`. */
interface Running {
  readonly credentials: Credentials;
  readonly connection: Connection;
  readonly dispatch: Dispatch;
  readonly presence: Presence;
}

class WhatsAppAdapter implements Adapter {
  readonly capabilities = CAPABILITIES;
  readonly #settings: Account<'whatsapp'>;
  readonly #context: AdapterContext;
  readonly #timings: Timings;
  #running: Running | undefined;

  constructor(settings: Account<'whatsapp'>, context: AdapterContext, timings: Timings) {
    this.#settings = settings;
    this.#context = context;
    this.#timings = timings;
  }

  async start(events: AdapterEvents): Promise<void> {
    const { serverUrl } = this.#settings;
    if (serverUrl !== undefined && !isSafe(new URL(serverUrl))) {
      throw new ChannelError('rejected', 'serverUrl must begin with wss://, or with ws:// and be on this machine');
    }
    await this.stop();
    const baileys = await loadBaileys();
    const credentials = this.#credentials(baileys, events);
    const groups = new Groups();
    const presence = new Presence();
    const connection: Connection = new Connection({
      baileys,
      credentials,
      events,
      url: serverUrl,
      timings: this.#timings,
      options: {
        getMessage: async ({ id }) => dispatch.sent(id),
        cachedGroupMetadata: async (group) => connection.socket && groups.metadata(connection.socket, group),
      },
      makeIntake: (socket, reconnect) =>
        new Intake({
          baileys,
          log: events.log,
          surroundings: surroundingsOf(baileys, connection, credentials, groups, socket),
          receive: async (message, key) => {
            dispatch.received(message, key);
            await events.receive(message);
          },
          reconnect,
        }),
      began: (socket) => {
        presence.stop();
        groups.watch(socket);
      },
    });
    const dispatch = new Dispatch(baileys, credentials, connection, events.log);
    this.#running = { credentials, connection, dispatch, presence };
    connection.open();
  }

  async stop(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    running?.presence.stop();
    await running?.connection.close();
    running?.credentials.close();
  }

  async send(...[message, signal]: Parameters<Adapter['send']>): ReturnType<Adapter['send']> {
    return this.#started().dispatch.send(message, signal);
  }

  async edit(...[chat, message, text, , signal]: Parameters<NonNullable<Adapter['edit']>>): Promise<void> {
    return this.#started().dispatch.edit(chat, message, text, signal);
  }

  async typing(...[chat]: Parameters<NonNullable<Adapter['typing']>>): Promise<void> {
    const { connection, presence } = this.#running ?? {};
    const { socket } = connection ?? {};
    try {
      if (socket) await presence!.typing(socket, jidOf(chat.id));
    } catch (error) {
      this.#context.log.debug({ error }, 'typing could not be shown');
    }
  }

  #started(): Running {
    if (!this.#running) throw new ChannelError('temporary', 'the account is stopped');
    return this.#running;
  }

  #credentials(baileys: Baileys, events: AdapterEvents): Credentials {
    try {
      return Credentials.open(this.#context.folder, baileys, events.log);
    } catch (error) {
      if (!(error instanceof DamagedCredentials)) throw error;
      throw new ChannelError('unauthorized', `${error.message}; restart the account to link it again`, {
        cause: error,
      });
    }
  }
}

/** Only TLS proves whose server it is (`library.ts`). */
function isSafe({ protocol, hostname }: URL): boolean {
  return protocol === 'wss:' || (protocol === 'ws:' && isLoopback(hostname.replace(/^\[|\]$/g, '')));
}

function surroundingsOf(
  baileys: Baileys,
  connection: Connection,
  { creds }: Credentials,
  groups: Groups,
  socket: () => Socket,
): Surroundings {
  return {
    get me() {
      return [creds.me?.id, creds.me?.lid].flatMap((jid) => (jid ? [bare(jid)] : []));
    },
    phoneOf: (lid) => socket().signalRepository.lidMapping.getPNForLID(lid),
    titleOf: (group) => groups.title(socket(), group),
    load: async (reference, type, bytesMax, signal) =>
      loadMedia(baileys, connection.ready().socket, reference, type, bytesMax, signal),
  };
}
