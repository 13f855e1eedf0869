import type { Client } from '../client/client.ts';
import { type ClientFlags, connectToGateway } from './connection.ts';

/** A connection to the gateway that is made when it is first needed, and again when it is needed after it was lost. */
export class GatewayLink {
  readonly #flags: ClientFlags;
  #client: Promise<Client> | undefined;

  constructor(flags: ClientFlags) {
    this.#flags = flags;
  }

  /** Throws a CliError that says what to do where no gateway answers: the next call tries again. */
  client(): Promise<Client> {
    if (this.#client === undefined) {
      const connecting = connectToGateway(this.#flags).then(({ client }) => client);
      this.#client = connecting;
      const forget = (): void => {
        if (this.#client === connecting) this.#client = undefined;
      };
      connecting.then((client) => client.closed.then(forget), forget);
    }
    return this.#client;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const client = await this.#client?.catch(() => undefined);
    await client?.close();
  }
}
