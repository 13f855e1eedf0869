import { Cooldowns, ModelLine, type ResolvedModel } from '../../src/agent/failover.ts';
import type { Models } from '../../src/agent/models.ts';
import type { ModelEvent, ModelMessage, ModelProvider, ModelRequest } from '../../src/agent/provider.ts';
import { DhaavakError } from '../../src/protocol/errors.ts';
import type { ProcessClock } from './clock.ts';
import type { ModelRequests } from './invariants/models.ts';
import { pause } from './pause.ts';
import type { Random } from './random.ts';
import { LETHAL, tokenIn } from './token.ts';
import type { Trace } from './trace.ts';

export interface ModelParts {
  clock: ProcessClock;
  random: Random;
  trace: Trace;
  requests: ModelRequests;
  /** What the models are like; the weights of what they do. */
  moods: Moods;
  newId(): string;
  /** The process ends with what it was asked. */
  die(): void;
}

/**
 * What a model does with a request: answers, calls tools, fails before it said anything, is cut off in the middle, says
 * nothing for long, declines.
 */
export type Moods = Record<'answers' | 'calls' | 'fails' | 'cut' | 'stalls' | 'declines', number>;

/** Most calls a model makes for one message: then it answers. */
const CALLS_MAX = 4;
/** Pieces of an answer, and the longest pause before one, in milliseconds. */
const PIECES_MAX = 4;
const PIECE_MS_MAX = 400;
/** How long a model that stalls is silent. */
const STALL_MS = 60_000;
/** How often a model takes no notice of being told to stop. */
const DEAF_CHANCE = 0.3;

/** A model that does what the seed says. */
class SimulatedModel implements ModelProvider {
  readonly name = 'simulated';
  readonly #parts: ModelParts;
  /** Requests that are going on. */
  open = 0;

  constructor(parts: ModelParts) {
    this.#parts = parts;
  }

  async *stream(request: ModelRequest, signal: AbortSignal): AsyncGenerator<ModelEvent> {
    const { random, requests, trace, moods } = this.#parts;
    const heard = random.chance(DEAF_CHANCE) ? undefined : signal;
    const mood = random.weighted(moods);
    requests.asked(request.messages);
    const asked = request.messages.findLast(({ role }) => role === 'user');
    if (asked?.text.includes(LETHAL)) this.#parts.die();
    trace.note(`model ${request.model} ${mood}: ${request.messages.map(inShort).join(' ')}`);
    this.open += 1;
    try {
      if (mood === 'stalls') await this.#pause(STALL_MS, heard);
      if (mood === 'fails') throw await this.#failure(heard);
      const calls = mood === 'calls' ? this.#calls(request) : [];
      for (let left = random.between(calls.length > 0 ? 0 : 1, PIECES_MAX); left > 0; left--) {
        await this.#pause(random.between(0, PIECE_MS_MAX), heard);
        yield { type: 'text', text: 'word ' };
        if (mood === 'cut' && random.chance(0.5)) throw new DhaavakError('model_unavailable', 'cut');
      }
      yield* calls;
      const reason = calls.length > 0 ? 'toolCalls' : mood === 'declines' ? 'refused' : 'stop';
      yield { type: 'end', reason, usage: random.chance(0.1) ? null : { inputTokens: 10, outputTokens: 5 } };
    } finally {
      this.open -= 1;
    }
  }

  /** Calls for what was asked last, each with an item of its own, numbered on from what the request says was called. */
  #calls({ messages, tools }: ModelRequest): ModelEvent[] {
    const { random, newId } = this.#parts;
    const asked = messages.findLastIndex(({ role }) => role === 'user');
    const token = tokenIn(messages[asked]?.text ?? '')?.token;
    const called = messages.slice(asked).flatMap((message) => (message.role === 'assistant' ? message.toolCalls : []));
    const count = Math.min(random.between(1, 2), CALLS_MAX - called.length);
    return Array.from({ length: Math.max(0, count) }, (_, index) => {
      const id = newId();
      const input = { item: `${token}/${called.length + index + 1}`, call: id };
      return { type: 'toolCall', call: { id, name: random.pick(tools).name, input } };
    });
  }

  async #failure(signal: AbortSignal | undefined): Promise<DhaavakError> {
    const { random } = this.#parts;
    await this.#pause(random.between(0, 1_000), signal);
    if (random.chance(0.3)) return new DhaavakError('model_rejected', 'no such model');
    return new DhaavakError('model_unavailable', 'overloaded', random.chance(0.5) ? { retryAfterMs: 3_000 } : {});
  }

  #pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
    return pause(this.#parts.clock, `model ${this.#parts.newId()}`, ms, signal);
  }
}

/** Two models, the second for when the first fails; as one process knows them. */
export class SimulatedModels implements Models {
  readonly #model: SimulatedModel;
  readonly #cooldowns: Cooldowns;

  constructor(parts: ModelParts) {
    this.#model = new SimulatedModel(parts);
    this.#cooldowns = new Cooldowns(() => parts.clock.now());
  }

  /** Requests that are going on. */
  get open(): number {
    return this.#model.open;
  }

  resolve(reference?: string | null): ResolvedModel {
    const full = reference ?? 'sim/first';
    if (full !== 'sim/first' && full !== 'sim/second') {
      throw new DhaavakError('invalid_request', `there is no model ${full}`, { param: 'model' });
    }
    return { provider: this.#model, name: full.slice(4), reference: full };
  }

  line(reference: string | null | undefined): ModelLine {
    return new ModelLine([this.resolve(reference), this.resolve('sim/second')], this.#cooldowns);
  }
}

/** A message of a request, as the trace shows it. */
function inShort(message: ModelMessage): string {
  switch (message.role) {
    case 'user':
      return tokenIn(message.text)?.token ?? message.text;
    case 'assistant':
      return `[${message.toolCalls.map(({ id }) => id).join(' ')}]`;
    case 'tool':
      return `=${message.call}`;
  }
}
