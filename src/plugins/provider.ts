/** A model provider of a plugin as the agent loop wants it: what it yields is checked, what it throws made an error of ours. */
import { z } from 'zod';
import type { ModelEvent, ModelProvider, ModelRequest } from '../agent/provider.ts';
import { type Blamed, blame } from '../channels/blame.ts';
import { DhaavakError } from '../protocol/errors.ts';
import { PluginError } from './plugin-error.ts';
import { messageOf } from './trusted.ts';

const count = z.int().nonnegative();
/** `model_rejected` ends the run; with `model_unavailable` another model may be asked. */
const ERRORS = { rejected: 'model_rejected', unavailable: 'model_unavailable' } as const;

const modelEvent = z.discriminatedUnion('type', [
  z.object({ type: z.literal('text'), text: z.string() }),
  z.object({
    type: z.literal('toolCall'),
    call: z.object({ id: z.string().min(1).max(256), name: z.string().min(1).max(128), input: z.unknown() }),
  }),
  z.object({
    type: z.literal('end'),
    reason: z.enum(['stop', 'toolCalls', 'length', 'refused']),
    usage: z
      .object({ inputTokens: count, outputTokens: count, estimated: z.boolean().exactOptional() })
      .nullable()
      .default(null),
  }),
]);

interface Streaming {
  stream(request: ModelRequest, signal: AbortSignal): AsyncIterable<unknown>;
}

export class PluginProvider implements ModelProvider {
  readonly name: string;
  readonly #inner: Streaming;
  readonly #blamed: Blamed;
  readonly #redact: (text: string) => string;

  /** Throws a PluginError where `made` is no provider. */
  constructor(name: string, made: unknown, blamed: Blamed, redact: (text: string) => string) {
    const inner = made as Partial<Streaming> | null | undefined;
    if (typeof inner?.stream !== 'function') throw new PluginError('what its createProvider returns has no stream()');
    this.name = name;
    this.#inner = inner as Streaming;
    this.#blamed = blamed;
    this.#redact = redact;
  }

  async *stream(request: ModelRequest, signal: AbortSignal): AsyncIterable<ModelEvent> {
    let iterator: AsyncIterator<unknown> | undefined;
    let ended = false;
    try {
      iterator = blame(this.#blamed, () => this.#inner.stream(request, signal)[Symbol.asyncIterator]());
      while (!ended) {
        const step = await blame(this.#blamed, () => (iterator as AsyncIterator<unknown>).next());
        if (step.done) break;
        const event = modelEvent.safeParse(step.value);
        if (!event.success) throw this.#failure('unavailable', 'it sent something that is no event of a model');
        ended = event.data.type === 'end';
        yield event.data as ModelEvent;
      }
    } catch (error) {
      throw this.#error(error);
    } finally {
      if (!ended) void Promise.resolve(iterator?.return?.()).catch(() => undefined);
    }
    if (!ended) throw this.#failure('unavailable', 'its answer has no end');
  }

  #error(error: unknown): DhaavakError {
    if (error instanceof DhaavakError) return error;
    const { kind, retryAfterMs } = Object(error) as { kind?: unknown; retryAfterMs?: unknown };
    const code = kind === 'rejected' ? 'rejected' : 'unavailable';
    return this.#failure(code, messageOf(error), typeof retryAfterMs === 'number' ? retryAfterMs : undefined);
  }

  #failure(kind: keyof typeof ERRORS, why: string, retryAfterMs?: number): DhaavakError {
    const message = `the plugin ${this.name}: ${this.#redact(why)}`;
    return new DhaavakError(ERRORS[kind], message, retryAfterMs === undefined ? {} : { retryAfterMs });
  }
}
