/** One life of the channels' thread, as the main thread sees it. */
import { MessageChannel, Worker } from 'node:worker_threads';
import * as comlink from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import type { EnabledAccount } from '../config/channels.ts';
import type { Config } from '../config/schema.ts';
import { Link } from '../shards/link.ts';
import { createRing, type RingReader } from '../shards/ring.ts';
import { sibling } from '../shards/sibling.ts';
import type { ChannelsControl, ChannelsData, ChannelsMain } from './control.ts';

/**
 * Memory of the thread for what has just been made, in MB; Node's own limit is 48. Loading a library fills it, and nobody
 * clears it away for long: 8 MB less for WhatsApp, 100 MB less under load, and no slower (`bench/load/channels.load.ts`).
 */
const YOUNG_MB_MAX = 12;

export interface ThreadOptions {
  config: Config;
  accounts: readonly EnabledAccount[];
  generation: number;
  /** Resolves when accounts may connect. */
  opened: Promise<void>;
  onRecords(reader: RingReader): void;
  update: ChannelsMain['update'];
  qr: ChannelsMain['qr'];
  pairingRequested: ChannelsMain['pairingRequested'];
}

export class ChannelsThread {
  readonly link: Link;
  readonly control: comlink.Remote<ChannelsControl>;
  /** Resolves when it takes calls; never rejects. */
  readonly ready: Promise<void>;
  isReady = false;
  /** Resolves when the thread has ended, with what ended it. */
  readonly ended: Promise<Error>;
  readonly #worker: Worker;
  readonly #heartbeat: Int32Array;
  #lastBeat = 0;
  #silentLooks = 0;

  constructor({ config, accounts, generation, opened, onRecords, ...tells }: ThreadOptions) {
    const bell = new MessageChannel();
    const control = new MessageChannel();
    const toMain = createRing();
    const toChannels = createRing();
    const heartbeat = new SharedArrayBuffer(4);
    const workerData: ChannelsData = {
      config,
      accounts,
      generation,
      link: { outgoing: toMain, incoming: toChannels, bell: bell.port2 },
      control: control.port2,
      heartbeat,
    };
    this.#heartbeat = new Int32Array(heartbeat);
    this.#worker = new Worker(sibling('worker', import.meta.url), {
      workerData,
      transferList: [bell.port2, control.port2],
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB_MAX },
    });
    const ready = Promise.withResolvers<void>();
    this.ready = ready.promise.then(() => {
      this.isReady = true;
    });
    this.ended = new Promise((resolve) => {
      let cause: Error | undefined;
      this.#worker.once('error', (error: Error) => {
        cause = error;
      });
      this.#worker.once('exit', (code) => {
        this.link.close();
        control.port1.close();
        resolve(cause ?? new Error(`it ended with code ${code}`));
      });
    });
    this.control = comlink.wrap<ChannelsControl>(nodeEndpoint(control.port1));
    const onReady = (): Promise<void> => {
      ready.resolve();
      return opened;
    };
    const services: ChannelsMain = { ready: onReady, ...tells };
    comlink.expose(services, nodeEndpoint(control.port1));
    this.link = new Link({ outgoing: toChannels, incoming: toMain, bell: bell.port1 }, onRecords);
  }

  /** How many times in a row, this one included, the heartbeat was looked at and had not moved. */
  silentLooks(): number {
    const beat = Atomics.load(this.#heartbeat, 0);
    this.#silentLooks = beat === this.#lastBeat ? this.#silentLooks + 1 : 0;
    this.#lastBeat = beat;
    return this.#silentLooks;
  }

  async terminate(): Promise<void> {
    await this.#worker.terminate();
  }
}
