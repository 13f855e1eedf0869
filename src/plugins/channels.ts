/** The channels of plugins as the gateway has them: in the channels' thread, which is started with the first of them. */
import type { Logger } from 'pino';
import type { EnabledAccount } from '../config/channels.ts';
import { DEFAULT_ACCOUNT } from '../config/default-account.ts';

/** As far as it is needed: `ChannelHost`. */
export interface AccountKeeper {
  put(account: EnabledAccount): Promise<void>;
  remove(name: { channel: string; account: string }): Promise<void>;
}

export interface PluginChannelsOptions {
  /** Resolves when accounts may connect. */
  opened: Promise<void>;
  find(): AccountKeeper | undefined;
  /** Starts the channels where {@link find} finds none. */
  open(): Promise<AccountKeeper>;
  log: Logger;
}

export class PluginChannels {
  readonly #options: PluginChannelsOptions;
  /** One change after the other. */
  #working: Promise<void>;

  constructor(options: PluginChannelsOptions) {
    this.#options = options;
    this.#working = options.opened;
  }

  put(account: EnabledAccount): void {
    const { find, open } = this.#options;
    this.#then(account.platform, async () => (find() ?? (await open())).put(account));
  }

  remove(platform: string): void {
    const name = { channel: platform, account: DEFAULT_ACCOUNT };
    this.#then(platform, async () => this.#options.find()?.remove(name));
  }

  #then(plugin: string, work: () => Promise<void>): void {
    this.#working = this.#working.then(work).catch((error: unknown) => {
      this.#options.log.error({ error, plugin }, 'the channel of a plugin could not be changed');
    });
  }
}
