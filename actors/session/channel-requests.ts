/** What the channels' thread asks of the sessions of a shard. */
import type { ChannelReplies, ChannelRequests, ChannelRequestType } from '../../src/channels/requests.ts';
import { DhaavakError, toWireError } from '../../src/protocol/errors.ts';
import { decodeFrame, encodeFrame } from '../../src/protocol/frame.ts';
import type { KeyOwner } from '../../src/storage/idempotency.ts';
import { attachedTo } from './attachments.ts';
import { commandIn, unescaped } from './commands.ts';
import { firstUse } from './inbox.ts';
import { asUserError, type Reply, type RequestDependencies, sendCommand } from './requests.ts';
import { DuplicateMessage, newTurn } from './turn.ts';

export class SessionChannelRequests {
  readonly #shared: RequestDependencies;

  constructor(dependencies: RequestDependencies) {
    this.#shared = dependencies;
  }

  /** Handles one frame for the session `key`. Never throws. */
  handle(key: string, bytes: Uint8Array, reply: Reply): void {
    const { id, type, data } = decodeFrame(bytes);
    this.#dispatch(type as ChannelRequestType, data, key, id as string, reply).catch((error: unknown) => {
      const told = asUserError(error);
      if (told === undefined) this.#shared.onFault(error, key);
      reply.send(encodeFrame({ id, type: 'error', timestamp: Date.now(), error: toWireError(told) }));
    });
  }

  async #dispatch(type: ChannelRequestType, data: unknown, key: string, id: string, reply: Reply): Promise<void> {
    if (type === 'channel.message') return this.#message(data as ChannelRequests[typeof type], key, id, reply);
    if (type === 'channel.approve') {
      await this.#approve(data as ChannelRequests[typeof type], key);
      return reply.send(answer(type, id, {}));
    }
    const { message, entry, place, delivery } = data as ChannelRequests[typeof type];
    if (this.#exists(key)) {
      await this.#shared.session(key).control({ type: 'delivery', message, seq: entry, place, delivery });
    }
    reply.send(answer(type, id, {}));
  }

  async #message(request: ChannelRequests['channel.message'], key: string, id: string, reply: Reply): Promise<void> {
    const { said, before, images, origin, mayApprove, mayChange } = request;
    const [idempotencyKey, ...otherKeys] = request.keys as [string, ...string[]];
    this.#shared.store.checkDurable();
    const original = firstUse(this.#shared, key, idempotencyKey);
    const repeat = ({ message }: KeyOwner) => reply.send(answer('channel.message', id, { message, duplicate: true }));
    if (original !== undefined) return repeat(await original);
    // Nothing may be waited for from here to the message's arrival: the next one would come before it.
    const ref = this.#shared.session(key);
    const message = this.#shared.newId();
    const command = images.length === 0 ? commandIn(said) : undefined;
    try {
      if (command !== undefined) {
        const acknowledge = () => reply.send(answer('channel.message', id, { message, command: true }));
        const text = said;
        const told = {
          message,
          text,
          idempotencyKey,
          opens: true as const,
          origin,
          rights: { change: mayChange, approve: mayApprove },
          acknowledge,
        };
        return await sendCommand(ref, command, told, (error) => this.#shared.onFault(error, key));
      }
      const attached = images.length === 0 ? undefined : attachedTo(images);
      await ref.tell({
        ...newTurn(message, before + unescaped(said)),
        attachments: attached?.attachments,
        images: attached?.images,
        idempotencyKey,
        otherKeys,
        opens: true,
        origin,
        acknowledge: () => reply.sendAndSubscribe(key, answer('channel.message', id, { message })),
      });
    } catch (error) {
      if (!(error instanceof DuplicateMessage)) throw error;
      repeat(error.original);
    }
  }

  /** Throws `not_found`, or `conflict` with who was first, when it does not wait any more. */
  async #approve(request: ChannelRequests['channel.approve'], key: string): Promise<void> {
    // A session that is not in memory has no call that waits.
    if (!this.#shared.isActive(key)) throw new DhaavakError('not_found', 'no tool call waits in this session');
    const { approval, allow, ...decider } = request;
    await this.#shared.session(key).control({ type: 'approve', approval, allow, decider });
  }

  #exists(key: string): boolean {
    return this.#shared.isActive(key) || this.#shared.store.sessions.doesExist(key);
  }
}

function answer<T extends ChannelRequestType>(_: T, id: string, data: ChannelReplies[T]): Buffer {
  return encodeFrame({ id, type: 'ack', timestamp: Date.now(), data });
}
