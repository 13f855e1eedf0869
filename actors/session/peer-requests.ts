/** What other sessions ask of the sessions of a shard. */
import { toWireError } from '../../src/protocol/errors.ts';
import { decodeFrame, encodeFrame } from '../../src/protocol/frame.ts';
import type { MessageSource } from '../../src/protocol/messages.ts';
import type { PeerReplies, PeerRequests, PeerRequestType, SpawnOrder } from '../../src/shards/peer-requests.ts';
import type { KeyOwner } from '../../src/storage/idempotency.ts';
import type { Batch } from '../../src/storage/journal.ts';
import { boundedText } from './bounds.ts';
import { firstUse } from './inbox.ts';
import { REPORT_LENGTH_MAX } from './kin.ts';
import { outcomeOf } from './outcome.ts';
import { noSuchSession } from './record.ts';
import { isAtWork } from './reports.ts';
import { asUserError, isKept, type Reply, type RequestDependencies, type SessionRef } from './requests.ts';
import { DuplicateMessage, newTurn } from './turn.ts';
import type { TurnWaiters } from './turn-waiters.ts';

export interface PeerDependencies extends RequestDependencies {
  waiters: TurnWaiters;
}

export class SessionPeerRequests {
  readonly #shared: PeerDependencies;

  constructor(dependencies: PeerDependencies) {
    this.#shared = dependencies;
  }

  /** Handles one frame for the session `key`. Never throws. */
  handle(key: string, bytes: Uint8Array, reply: Pick<Reply, 'send'>): void {
    const { id, type, data } = decodeFrame(bytes);
    this.#dispatch(type as PeerRequestType, data, key)
      .then((answer) => reply.send(encodeFrame({ id, type: 'ack', timestamp: Date.now(), data: answer })))
      .catch((error: unknown) => {
        const told = asUserError(error);
        if (told === undefined) this.#shared.onFault(error, key);
        reply.send(encodeFrame({ id, type: 'error', timestamp: Date.now(), error: toWireError(told) }));
      });
  }

  #dispatch(type: PeerRequestType, data: unknown, key: string): Promise<PeerReplies[PeerRequestType]> {
    switch (type) {
      case 'peer.message':
        return this.#message(data as PeerRequests[typeof type], key);
      case 'peer.end':
        return this.#end(data as PeerRequests[typeof type], key);
    }
  }

  async #message(request: PeerRequests['peer.message'], key: string): Promise<PeerReplies['peer.message']> {
    const { text, source, origin, key: idempotencyKey, spawn } = request;
    const original = firstUse(this.#shared, key, idempotencyKey);
    if (original !== undefined) return this.#repeat(request, key, await original);
    const ref = await this.#session(key, spawn);
    const message = this.#shared.newId();
    // Before there is anything to end: whoever waits is known by then, and is not told in another way too.
    const ended = this.#ended(request, message);
    try {
      await ref.tell({
        ...newTurn(message, text),
        idempotencyKey,
        source,
        origin,
        followUp: 'followup',
        also: this.#alsoWritten(message, key, source, spawn),
      });
    } catch (error) {
      this.#shared.waiters.ended(message);
      if (!(error instanceof DuplicateMessage)) throw error;
      return this.#repeat(request, key, error.original);
    }
    if (ended === undefined) return { message };
    await ended;
    return { message, ...this.#outcome(key, { message, seq: 0 }, idempotencyKey) };
  }

  /** The key was used before: it is the same message. */
  async #repeat(
    request: PeerRequests['peer.message'],
    key: string,
    owner: KeyOwner,
  ): Promise<PeerReplies['peer.message']> {
    const { message } = owner;
    const reply = { message, duplicate: true as const };
    if (request.waitMs === undefined) return reply;
    let found = this.#outcome(key, owner, request.key);
    if (found.outcome === undefined) {
      await this.#ended(request, message);
      found = this.#outcome(key, owner, request.key);
    }
    // Who gets it here is not to be told in a message as well.
    if (found.outcome !== undefined && request.spawn !== undefined) await this.#forgetReport(request.spawn, key);
    return { ...reply, ...found };
  }

  #ended({ waitMs }: PeerRequests['peer.message'], message: string): Promise<void> | undefined {
    return waitMs === undefined ? undefined : this.#shared.waiters.wait(message, waitMs);
  }

  #outcome(key: string, owner: KeyOwner, used: string): Pick<PeerReplies['peer.message'], 'outcome'> {
    const { now, store } = this.#shared;
    const known = store.keys.owner(key, used, now()) ?? owner;
    const outcome = outcomeOf(store, key, known);
    if (outcome === undefined) return {};
    const { text, truncated } = boundedText(outcome.text, REPORT_LENGTH_MAX);
    return { outcome: { ...outcome, text, ...(truncated && { truncated }) } };
  }

  async #forgetReport({ session: { spawned } }: SpawnOrder, key: string): Promise<void> {
    const { store } = this.#shared;
    if (store.spawns.get(spawned.by, key)?.report === undefined) return;
    await store.journal.commit((batch) => store.spawns.remove(batch, spawned.by, key));
  }

  /** A task is at work from the commit on that accepts it; a report is told by the commit that accepts it at the parent. */
  #alsoWritten(message: string, key: string, source: MessageSource, spawn: SpawnOrder | undefined) {
    const { spawns } = this.#shared.store;
    if (spawn !== undefined) {
      const { by } = spawn.session.spawned;
      return (batch: Batch) => spawns.put(batch, by, key, { ...spawn.record, task: message });
    }
    const { type, session: child } = source;
    return type === 'report' && child !== undefined ? (batch: Batch) => spawns.remove(batch, key, child) : undefined;
  }

  /** Throws `not_found` for one that is not there and is not to be made. */
  async #session(key: string, spawn: SpawnOrder | undefined): Promise<SessionRef> {
    const { isActive, now, session, store } = this.#shared;
    const ref = session(key);
    if (spawn !== undefined) {
      const { by } = spawn.session.spawned;
      const also = (batch: Batch) => store.spawns.keep(batch, by, key, now());
      await ref.control({ type: 'create', fields: spawn.session, also });
    } else if (!isActive(key) && !isKept(this.#shared, key)) throw noSuchSession(key);
    return ref;
  }

  /** Its task had ended when it was called off: its end could not take the record away. */
  async #forgetEnded(key: string): Promise<void> {
    const { store } = this.#shared;
    const parent = store.sessions.get(key)?.spawned?.by;
    const record = parent === undefined ? undefined : store.spawns.get(parent, key);
    if (parent === undefined || record?.end === undefined || isAtWork(store, key, record)) return;
    await store.journal.commit((batch) => store.spawns.remove(batch, parent, key));
  }

  async #end({ how }: PeerRequests['peer.end'], key: string): Promise<PeerReplies['peer.end']> {
    const { isActive, session } = this.#shared;
    if (!isActive(key) && !isKept(this.#shared, key)) return {};
    if (how === 'delete') await session(key).control({ type: 'delete' });
    else {
      await session(key).control({ type: 'cancel', run: undefined });
      await this.#forgetEnded(key);
    }
    return {};
  }
}
