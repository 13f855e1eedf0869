/** Model providers that come and go while sessions name their models: those of plugins. */
import { DhaavakError } from '../protocol/errors.ts';
import type { ModelProvider } from './provider.ts';

export class LateProviders {
  readonly #places = new Map<string, Place>();

  /** @param names those that may be named although they are not there yet */
  constructor(names: readonly string[]) {
    for (const name of names) this.#places.set(name, new Place(name));
  }

  /** Always the same for a name; its models are unavailable while there is no provider. Undefined: nobody has that name. */
  named(name: string): ModelProvider | undefined {
    return this.#places.get(name);
  }

  /** Puts a provider in the place of another, for requests from now on; undefined: there is none, because of `why`. */
  set(name: string, provider: ModelProvider | undefined, why: string): void {
    let place = this.#places.get(name);
    if (place === undefined) {
      if (provider === undefined) return;
      place = new Place(name);
      this.#places.set(name, place);
    }
    place.provider = provider;
    place.why = why;
  }
}

class Place implements ModelProvider {
  readonly name: string;
  provider: ModelProvider | undefined;
  why = 'it is being loaded';

  constructor(name: string) {
    this.name = name;
  }

  stream(...request: Parameters<ModelProvider['stream']>): ReturnType<ModelProvider['stream']> {
    if (this.provider !== undefined) return this.provider.stream(...request);
    throw new DhaavakError('model_unavailable', `the plugin ${this.name} has no model now: ${this.why}`);
  }
}
