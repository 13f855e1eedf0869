/** The requests a shard answers: a client's frame in, a reply out. */
import type { Models } from '../../src/agent/models.ts';
import type { Config } from '../../src/config/schema.ts';
import type { AccessRequests } from '../../src/inbound/access-requests.ts';
import type { ShardMemory } from '../../src/memory/shard-memory.ts';
import { checkRequest } from '../../src/protocol/check.ts';
import { DhaavakError, toWireError } from '../../src/protocol/errors.ts';
import { decodeFrame, encodeFrame } from '../../src/protocol/frame.ts';
import { REPLY_TYPES, type Replies, type RequestData, type RequestType } from '../../src/protocol/messages.ts';
import type { ActorRef } from '../../src/runtime/actor.ts';
import { RuntimeError } from '../../src/runtime/errors.ts';
import type { KeyOwner } from '../../src/storage/idempotency.ts';
import type { ToolRegistry } from '../../src/tools/registry.ts';
import { listApprovals } from './approval-list.ts';
import { attachedTo } from './attachments.ts';
import { commandIn, unescaped } from './commands.ts';
import type {
  CommandMessage,
  SaidCommand,
  SessionAnswer,
  SessionAnswers,
  SessionControl,
  StreamPosition,
} from './control.ts';
import { deadLetter, listDeadLetters } from './dead-letters.ts';
import { historyPage } from './history.ts';
import { firstUse, type KeyDependencies } from './inbox.ts';
import { forgetFact, listFacts, saveFact, searchMemory } from './memory-requests.ts';
import { outcomeOf } from './outcome.ts';
import { noSuchSession } from './record.ts';
import type { Retention } from './retention.ts';
import { DEFAULT_AGENT, MAIN_SESSION, parseSessionKey } from './session-key.ts';
import { listSessions } from './session-list.ts';
import { explainTools } from './tools.ts';
import { DuplicateMessage, newTurn, type Turn } from './turn.ts';

export type SessionRef = ActorRef<Turn, void, SessionControl, SessionAnswer>;

/** Where the answers to one request go. */
export interface Reply {
  send(frame: Uint8Array): void;
  /** Sends the answer and makes the connection that asked a subscriber of `session`, between the same two events. */
  sendAndSubscribe(session: string, frame: Uint8Array): void;
  /** Sends an event the connection missed; the answer follows. */
  replay(frame: Uint8Array): void;
}

export interface RequestDependencies extends KeyDependencies {
  config: Config;
  models: Models;
  tools: ToolRegistry;
  /** Undefined: it is switched off. */
  memory?: ShardMemory | undefined;
  /** Who may talk on channels. */
  access: AccessRequests;
  schedules: {
    list(query: RequestData<'schedule.list'>): Replies['schedule.list'];
    remove(session: string, schedule: string): Promise<void>;
  };
  retention: Retention;
  session(key: string): SessionRef;
  /** Whether the session is in memory: one that is needs no look at the disk. */
  isActive(key: string): boolean;
  newId(): string;
  onFault(error: unknown, session: string): void;
}

/** Answers the requests of one shard's sessions. */
export class SessionRequests {
  readonly #shared: RequestDependencies;

  constructor(dependencies: RequestDependencies) {
    this.#shared = dependencies;
  }

  /**
   * Handles one frame that the front end has skimmed and routed here. `routedTo` is the session it is for where the
   * frame does not say so itself; `admin`: the client's credential may do everything. Never throws.
   */
  handle(routedTo: string, bytes: Uint8Array, reply: Reply, admin: boolean): void {
    const frame = decodeFrame(bytes);
    const id = frame.id as string;
    const key = routedTo || sessionIn(frame.data) || MAIN_SESSION;
    void this.#dispatch(frame.type as RequestType, frame.data, key, id, reply, admin).catch((error: unknown) => {
      const told = asUserError(error);
      if (told === undefined) this.#shared.onFault(error, key);
      reply.send(encodeFrame({ id, type: 'error', timestamp: Date.now(), error: toWireError(told) }));
    });
  }

  async #dispatch(
    type: RequestType,
    data: unknown,
    key: string,
    id: string,
    reply: Reply,
    admin: boolean,
  ): Promise<void> {
    switch (type) {
      case 'message.send':
        return this.#send(data, key, id, reply, admin);
      case 'message.cancel': {
        const { run } = checkRequest(type, data);
        const { cancelled } = await this.#control<'cancel'>(key, { type: 'cancel', run });
        return reply.send(answer(type, id, { session: key, cancelled }));
      }
      case 'session.create':
        return reply.send(answer(type, id, await this.#create(data, key)));
      case 'session.get': {
        checkRequest(type, data);
        return reply.send(answer(type, id, await this.#control<'get'>(key, { type: 'get' })));
      }
      case 'session.context': {
        checkRequest(type, data);
        return reply.send(answer(type, id, await this.#control<'context'>(key, { type: 'context' })));
      }
      case 'session.list':
        return reply.send(answer(type, id, listSessions(this.#shared.store, checkRequest(type, data))));
      case 'session.update': {
        const { session: _, ...changes } = checkRequest(type, data);
        if (changes.model) checkModel(this.#shared.models, changes.model);
        return reply.send(answer(type, id, await this.#control<'update'>(key, { type: 'update', changes })));
      }
      case 'session.reset':
        checkRequest(type, data);
        return reply.send(answer(type, id, await this.#control<'reset'>(key, { type: 'reset' })));
      case 'session.delete':
        checkRequest(type, data);
        return reply.send(answer(type, id, await this.#control<'delete'>(key, { type: 'delete' })));
      case 'session.history':
        return reply.send(answer(type, id, this.#history(data, key)));
      case 'session.prune':
        return reply.send(answer(type, id, await this.#prune(data, key)));
      case 'session.attachment':
        return reply.send(answer(type, id, this.#attachment(data, key)));
      case 'schedule.list':
        return reply.send(answer(type, id, this.#shared.schedules.list(checkRequest(type, data))));
      case 'schedule.remove': {
        const { schedule } = checkRequest(type, data);
        await this.#shared.schedules.remove(key, schedule);
        return reply.send(answer(type, id, { session: key, schedule }));
      }
      case 'approval.resolve': {
        // `by` is the front end's, which lets none of a client's through.
        const { by, ...said } = data as { by?: string };
        const { approval, allow } = checkRequest(type, said);
        const decider = { by, via: 'api' };
        const approved = await this.#control<'approve'>(key, { type: 'approve', approval, allow, decider });
        return reply.send(answer(type, id, approved));
      }
      case 'approval.list': {
        const { store, now } = this.#shared;
        return reply.send(answer(type, id, listApprovals(store, checkRequest(type, data), now())));
      }
      case 'session.tools':
        return reply.send(answer(type, id, explainTools(this.#shared, key, checkRequest(type, data).sender)));
      case 'memory.search':
        return reply.send(answer(type, id, await searchMemory(this.#shared, checkRequest(type, data))));
      case 'memory.save':
        return reply.send(answer(type, id, await saveFact(this.#shared, checkRequest(type, data))));
      case 'memory.forget':
        return reply.send(answer(type, id, await forgetFact(this.#shared, checkRequest(type, data))));
      case 'memory.list':
        return reply.send(answer(type, id, listFacts(this.#shared, checkRequest(type, data))));
      case 'dead-letter.list':
        return reply.send(answer(type, id, listDeadLetters(this.#shared.store, checkRequest(type, data))));
      case 'dead-letter.resubmit':
        return reply.send(answer(type, id, await this.#resubmit(checkRequest(type, data).message, key)));
      case 'dead-letter.discard': {
        const { message } = checkRequest(type, data);
        return reply.send(answer(type, id, await this.#control<'discard'>(key, { type: 'discard', message })));
      }
      case 'subscribe': {
        const { after, epoch } = checkRequest(type, data);
        const tell = ({ missed, ...position }: StreamPosition) => {
          for (const frame of missed) reply.replay(frame);
          reply.sendAndSubscribe(key, answer(type, id, { session: key, ...position }));
        };
        return this.#control<'subscribe'>(key, { type: 'subscribe', after, epoch, tell });
      }
      case 'pairing.list':
      case 'pairing.approve':
      case 'pairing.reject':
      case 'pairing.revoke':
      case 'allow.list':
      case 'allow.add':
      case 'allow.remove':
        return reply.send(answer(type, id, await this.#shared.access.answer(type, data)));
      default:
        throw new DhaavakError('unknown_type', `no request has the type ${type}`, { param: 'type' });
    }
  }

  async #send(data: unknown, key: string, id: string, reply: Reply, admin: boolean): Promise<void> {
    const { text, idempotencyKey, mode, attachments: given } = checkRequest('message.send', data);
    const attached = given === undefined ? undefined : attachedTo(given);
    const ref = this.#existing(key);
    const { store } = this.#shared;
    const repeat = (original: KeyOwner) => {
      const ack = { session: key, message: original.message, queued: 0, duplicate: true as const };
      const outcome = outcomeOf(store, key, original);
      reply.sendAndSubscribe(key, answer('message.send', id, outcome === undefined ? ack : { ...ack, outcome }));
    };
    store.checkDurable();
    // A repeated key gets its answer also when the mailbox is full.
    const original = idempotencyKey === undefined ? undefined : firstUse(this.#shared, key, idempotencyKey);
    if (original !== undefined) return repeat(await original);
    const message = this.#shared.newId();
    const acknowledge = (queued: number) =>
      reply.sendAndSubscribe(key, answer('message.send', id, { session: key, message, queued }));
    const said = commandIn(text);
    try {
      if (said !== undefined) {
        if (attached !== undefined) throw commandWithImages();
        const rights = { change: true, approve: admin };
        const command = { message, text, idempotencyKey, rights, acknowledge: () => acknowledge(0) };
        return await sendCommand(ref, said, command, (error) => this.#shared.onFault(error, key));
      }
      await ref.tell({
        ...newTurn(message, unescaped(text)),
        attachments: attached?.attachments,
        images: attached?.images,
        idempotencyKey,
        followUp: mode,
        acknowledge,
      });
    } catch (error) {
      if (!(error instanceof DuplicateMessage)) throw error;
      repeat(error.original);
    }
  }

  async #create(data: unknown, key: string): Promise<Replies['session.create']> {
    const { config, models } = this.#shared;
    const { model = null, thinkingLevel = 'off' } = checkRequest('session.create', data);
    const agent = parseSessionKey(key)?.agent ?? DEFAULT_AGENT;
    if (!Object.hasOwn(config.agents, agent)) {
      throw new DhaavakError('not_found', `no agent is named ${agent}`, { param: 'data.agent' });
    }
    if (model !== null) checkModel(models, model);
    const ref = this.#shared.session(key);
    const created = await ref.control({ type: 'create', fields: { model, thinkingLevel } });
    return created as SessionAnswers['create'];
  }

  /** Sends a dead letter again, as a new message; it goes with the commit that brings that. Asked twice, it is sent once. */
  async #resubmit(message: string, key: string): Promise<Replies['dead-letter.resubmit']> {
    const { store, newId } = this.#shared;
    const idempotencyKey = `dead-letter-${message}`;
    const original = await firstUse(this.#shared, key, idempotencyKey);
    if (original !== undefined) return { session: key, message, resubmitted: original.message };
    const { seq, text, attachments } = deadLetter(store, key, message);
    const images = attachments?.map((_, index) => store.images.get([key, seq, index]) ?? Buffer.alloc(0));
    const resubmitted = newId();
    try {
      const turn = { ...newTurn(resubmitted, text), attachments, images, idempotencyKey, resubmits: message };
      await this.#existing(key).tell(turn);
    } catch (error) {
      if (!(error instanceof DuplicateMessage)) throw error;
      return { session: key, message, resubmitted: error.original.message };
    }
    return { session: key, message, resubmitted };
  }

  #history(data: unknown, key: string): Replies['session.history'] {
    const query = checkRequest('session.history', data);
    if (!isKept(this.#shared, key)) throw noSuchSession(key);
    return { session: key, ...historyPage(this.#shared.store, key, query) };
  }

  /** An image as base64, so that it is the same in JSON. */
  #attachment(data: unknown, key: string): Replies['session.attachment'] {
    const { seq, index } = checkRequest('session.attachment', data);
    if (!isKept(this.#shared, key)) throw noSuchSession(key);
    const { entries, images } = this.#shared.store;
    const attachment = entries.get([key, seq])?.attachments?.[index];
    const image = attachment && images.get([key, seq, index]);
    if (image === undefined) {
      const what = `entry ${seq} of ${key} has no attachment ${index}`;
      throw new DhaavakError('not_found', what, { param: 'data.index' });
    }
    return { session: key, seq, index, mediaType: attachment!.mediaType, data: image.toString('base64') };
  }

  async #prune(data: unknown, key: string): Promise<Replies['session.prune']> {
    const { session: _, dryRun = false, ...named } = checkRequest('session.prune', data);
    const { retention } = this.#shared;
    if (!isKept(this.#shared, key)) throw noSuchSession(key);
    const rule = Object.keys(named).length === 0 ? undefined : named;
    if (rule === undefined && !retention.isRuled) {
      const what = 'nothing says what is to go: set sessions.retention, or name days, entriesMax or bytesMax';
      throw new DhaavakError('invalid_request', what, { param: 'data' });
    }
    const pruned = await (dryRun ? retention.preview(key, rule) : retention.apply(key, rule));
    return { session: key, dryRun, ...pruned };
  }

  async #control<T extends SessionControl['type']>(
    key: string,
    message: SessionControl & { type: T },
  ): Promise<SessionAnswers[T]> {
    return (await this.#existing(key).control(message)) as SessionAnswers[T];
  }

  /** A ref to a session that is there. A key that was never created must not bring an actor into memory. */
  #existing(key: string): SessionRef {
    if (this.#shared.isActive(key) || isKept(this.#shared, key)) return this.#shared.session(key);
    throw noSuchSession(key);
  }
}

/** Whether there is a session `key`, on the disk or because it always is. */
export function isKept({ store, config }: Pick<RequestDependencies, 'store' | 'config'>, key: string): boolean {
  return store.sessions.doesExist(key) || isMainSession(key, config);
}

function isMainSession(key: string, config: Config): boolean {
  const [, agent = '', type, ...rest] = key.split(':');
  return key.startsWith('agent:') && type === 'main' && rest.length === 0 && Object.hasOwn(config.agents, agent);
}

/** Has a command carried out, and what it has begun finished: the session stays in memory for that. */
export async function sendCommand(
  ref: SessionRef,
  said: SaidCommand,
  message: CommandMessage,
  onFault: (error: unknown) => void,
): Promise<void> {
  await ref.control({ type: 'command', said, message });
  if (said.name === 'compact') ref.control({ type: 'compact' }).catch(onFault);
}

/** The session a frame names; the front end has checked its form. */
function sessionIn(data: unknown): string | undefined {
  return (data as { session?: string } | undefined)?.session;
}

function commandWithImages(): DhaavakError {
  const param = 'data.attachments';
  return new DhaavakError('invalid_request', `${param} is not taken by a chat command`, { param });
}

/** Throws `invalid_request` for a model that cannot be used here. */
function checkModel(models: Models, model: string): void {
  try {
    models.resolve(model);
  } catch (error) {
    if (!(error instanceof DhaavakError)) throw error;
    throw new DhaavakError(error.code, error.message, { param: 'data.model' });
  }
}

function answer<T extends RequestType>(type: T, id: string, data: Replies[T]): Buffer {
  return encodeFrame({ id, type: REPLY_TYPES[type], timestamp: Date.now(), data });
}

/** The error as a user may see it, or undefined for a fault of ours. */
export function asUserError(error: unknown): DhaavakError | undefined {
  if (error instanceof DhaavakError) return error;
  if (!(error instanceof RuntimeError)) return undefined;
  const retry = error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs };
  switch (error.code) {
    case 'busy':
      return new DhaavakError('busy', 'the mailbox of this session is full', { retryAfterMs: 500 });
    case 'full':
      return new DhaavakError('busy', 'too many sessions are at work', { retryAfterMs: 1_000 });
    case 'stopped':
      return new DhaavakError('stopped', 'this session crashed too often and is paused', retry);
    default:
      return new DhaavakError('unavailable', 'the gateway is draining', { retryAfterMs: 1_000 });
  }
}
