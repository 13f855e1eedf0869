import { DhaavakError } from '../protocol/errors.ts';
import type { FactRecord } from '../storage/facts.ts';
import type { Batch } from '../storage/journal.ts';
import type { Store } from '../storage/store.ts';
import { FACT_LENGTH_MAX, type MemoryReader, mayRecall } from './entry.ts';
import { defaultReach, isOperators, maySave } from './reader.ts';
import { hasSecret } from './secrets.ts';

/** Facts of one owner, and of one agent. All of an agent's are looked at when it is counted how many there are. */
export const FACTS_PER_OWNER_MAX = 1_000;
export const FACTS_PER_AGENT_MAX = 20_000;

export interface FactsParts {
  store: Store;
  newId(): string;
  /** Milliseconds since the epoch. */
  now(): number;
  /** The facts of an agent are others than before, on the disk. */
  onChange(agent: string): void;
}

/** Something to be remembered, and where it comes from. */
export interface NewFact {
  text: string;
  /** Undefined: as far as the owner, or only the session where no more is allowed. */
  reach?: FactRecord['reach'] | undefined;
  trusted: boolean;
  channel: string;
  sender: string;
  /** '' where an operator saves it. */
  message: string;
  /** Under which the same request is made again, such as after a crash; undefined: it is not. */
  key?: string | undefined;
}

export interface SavedFact {
  id: string;
  fact: FactRecord;
  /** It was there already. */
  known: boolean;
}

/** What a shard does with facts. What it throws are DhaavakErrors whose messages a model can act on. */
export class Facts {
  readonly #parts: FactsParts;
  /** The save that goes on: they are one after the other, so that each knows what those before it have kept. */
  #saving: Promise<unknown> = Promise.resolve();

  constructor(parts: FactsParts) {
    this.#parts = parts;
  }

  /**
   * Keeps a fact for a session; it is on the disk when this resolves. The same said by the same owner is kept once, and counts as
   * trusted once somebody trusted has said it. Rejects with `invalid_request`, `conflict` where there are too many,
   * `storage_failed`.
   */
  save(reader: MemoryReader, fact: NewFact): Promise<SavedFact> {
    const saved = this.#saving.then(() => this.#save(reader, fact));
    this.#saving = saved.catch(() => {});
    return saved;
  }

  async #save(reader: MemoryReader, { key, ...said }: NewFact): Promise<SavedFact> {
    const { store, now, newId } = this.#parts;
    const { agent } = reader;
    const fact = checked(reader, said, now());
    const scope = `memory:${agent}`;
    const used = key === undefined ? undefined : store.keys.owner(scope, key, now())?.message;
    const same = used ?? store.factOwners.find(agent, fact);
    const before = same === undefined ? undefined : store.facts.get(agent, same);
    if (same !== undefined && before !== undefined && (before.trusted || !fact.trusted || used !== undefined)) {
      return { id: same, fact: before, known: true };
    }
    if (before === undefined) this.#checkRoom(agent, fact.owner);
    const id = newId();
    await this.#commit(agent, (batch) => {
      if (same !== undefined && before !== undefined) removeFact(store, batch, agent, same, before, now());
      store.facts.put(batch, agent, id, fact);
      store.factOwners.put(batch, agent, fact, id);
      if (key !== undefined) store.keys.put(batch, scope, key, { message: id, seq: 0 }, fact.timestamp);
    });
    return { id, fact, known: false };
  }

  /**
   * Forgets a fact that the reader has saved, or any of its agent where it is an operator. False: there is none that it may forget.
   * Rejects with `storage_failed`.
   */
  async forget(reader: MemoryReader, id: string): Promise<boolean> {
    const { agent } = reader;
    const { now, store } = this.#parts;
    const fact = store.facts.get(agent, id);
    if (fact === undefined) return false;
    const isOwn = fact.owner === reader.owner && mayRecall(reader, { ...fact, agent });
    if (!isOwn && !isOperators(reader)) return false;
    await this.#commit(agent, (batch) => removeFact(store, batch, agent, id, fact, now()));
    return true;
  }

  async #commit(agent: string, write: (batch: Batch) => void): Promise<void> {
    const { onChange, store } = this.#parts;
    await store.journal.commit(write);
    onChange(agent);
  }

  #checkRoom(agent: string, owner: string): void {
    const { facts, factOwners } = this.#parts.store;
    const isFull = factOwners.count(agent, owner) >= FACTS_PER_OWNER_MAX || facts.count(agent) >= FACTS_PER_AGENT_MAX;
    if (!isFull) return;
    throw new DhaavakError(
      'conflict',
      `nothing more can be saved: there are as many facts as there may be (${FACTS_PER_OWNER_MAX} of an owner, ` +
        `${FACTS_PER_AGENT_MAX} of an agent). Forget some that are of no use any more: memory.search with kinds ["fact"] finds them`,
    );
  }
}

/** Removes a fact, in a commit. `now`: milliseconds since the epoch. */
export function removeFact(
  store: Pick<Store, 'facts' | 'factOwners' | 'unlearn'>,
  batch: Batch,
  agent: string,
  id: string,
  fact: FactRecord,
  now: number,
): void {
  store.facts.remove(batch, agent, id);
  store.factOwners.remove(batch, agent, fact);
  store.unlearn.add(batch, agent, { fact: id }, now);
}

/** The facts that only the session could recall: they go with it, those of its owner and agent stay. */
export function factsOfSession(
  { facts, factOwners }: Pick<Store, 'facts' | 'factOwners'>,
  agent: string,
  owner: string,
  session: string,
): { id: string; fact: FactRecord }[] {
  return factOwners.ids(agent, owner).flatMap((id) => {
    const fact = facts.get(agent, id);
    return fact?.reach === 'session' && fact.session === session ? [{ id, fact }] : [];
  });
}

/** The fact as it is kept. Throws `invalid_request`. */
function checked(reader: MemoryReader, said: Omit<NewFact, 'key'>, timestamp: number): FactRecord {
  const text = said.text.trim();
  const reach = said.reach ?? defaultReach(reader);
  if (text === '') throw invalid('text', 'there is nothing in the text to remember');
  if (text.length > FACT_LENGTH_MAX) {
    throw invalid('text', `a fact has at most ${FACT_LENGTH_MAX} characters: say what matters in a sentence or two`);
  }
  if (hasSecret(text)) {
    throw invalid(
      'text',
      'the text looks like a key, a token or a password, which are not remembered: save it without the secret',
    );
  }
  if (!maySave(reader, reach)) throw invalid('reach', refusal(reader, reach));
  const { trusted, channel, sender, message } = said;
  return { text, reach, trusted, session: reader.session, owner: reader.owner, channel, sender, message, timestamp };
}

function refusal({ scope }: MemoryReader, reach: FactRecord['reach']): string {
  if (reach === 'session') return 'a sub-agent is gone when its task is done: report what is to be remembered instead';
  return `the reach "${reach}" is too far: what is saved here may be recalled as far as "${scope}"`;
}

function invalid(field: string, why: string): DhaavakError {
  return new DhaavakError('invalid_request', why, { param: `data.${field}` });
}
