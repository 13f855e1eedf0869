import type { ToolDescription } from '../provider.ts';

/** Longest name both vendors take; OpenAI's limit. */
const NAME_LENGTH_MAX = 64;

/**
 * Our tool names have dots (`time.now`), the vendors allow only `[a-zA-Z0-9_-]`. The two directions of one set of tools,
 * without collisions: where `time_now` is a tool of its own, `time.now` becomes `time_now_2`.
 */
export class ToolNames {
  readonly #toApi = new Map<string, string>();
  readonly #fromApi = new Map<string, string>();

  constructor(tools: readonly ToolDescription[]) {
    // Names that need no change first: they keep themselves, whatever the order.
    const plainFirst = tools.toSorted((a, b) => Number(plain(a.name) !== a.name) - Number(plain(b.name) !== b.name));
    for (const { name } of plainFirst) {
      const base = plain(name);
      let candidate = base;
      for (let n = 2; this.#fromApi.has(candidate); n += 1) {
        const suffix = `_${n}`;
        candidate = base.slice(0, NAME_LENGTH_MAX - suffix.length) + suffix;
      }
      this.#toApi.set(name, candidate);
      this.#fromApi.set(candidate, name);
    }
  }

  /** A tool of an earlier turn may not be offered any more; its name must still be one the vendor accepts. */
  toApi(name: string): string {
    return this.#toApi.get(name) ?? plain(name);
  }

  /** A name the model made up stays as it is: the registry refuses it with a helpful text. */
  fromApi(name: string): string {
    return this.#fromApi.get(name) ?? name;
  }
}

function plain(name: string): string {
  return name.replace(/[^a-zA-Z0-9_-]/g, '_').slice(0, NAME_LENGTH_MAX) || '_';
}
