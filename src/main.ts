/**
 * The composition root: the one file that knows every part. Read it from top to bottom to see what a gateway is made of
 * and how it starts and stops; the parts themselves are in the folders.
 */
import { availableParallelism } from 'node:os';
import type { Logger } from 'pino';
import { describeModel } from './agent/models.ts';
import type { ChannelHost } from './channels/host.ts';
import { enabledAccounts } from './config/channels.ts';
import { ConfigError } from './config/config-error.ts';
import { readPasswordHash } from './config/password.ts';
import type { Config } from './config/schema.ts';
import { Access } from './gateway/access.ts';
import type { CertificateFiles, CertificateWatch } from './gateway/certificate.ts';
import { ChannelDesk } from './gateway/channels.ts';
import { Clients } from './gateway/clients.ts';
import { newCounters } from './gateway/counters.ts';
import { HostCheck } from './gateway/host-check.ts';
import { NamedTokens } from './gateway/named-tokens.ts';
import { Pace } from './gateway/pace.ts';
import { PluginDesk } from './gateway/plugins.ts';
import { Topics } from './gateway/topics.ts';
import { createRoute } from './inbound/route.ts';
import { MemoryHost } from './memory/host.ts';
import type { PluginHost } from './plugins/host.ts';
import { DhaavakError } from './protocol/errors.ts';
import type { ChannelStatus, PairingEvent } from './protocol/messages.ts';
import { ComputePool } from './shards/compute.ts';
import { Maintenance } from './shards/maintenance.ts';
import { ShardPool } from './shards/pool.ts';
import { lockFolder } from './storage/lock.ts';
import { prepareStore } from './storage/prepare.ts';
import { storageSpace } from './storage/space.ts';
import { Starts } from './storage/starts.ts';
import { LoopLag } from './telemetry/loop-lag.ts';
import { ToolHosts } from './tools/hosts.ts';
import type { McpHost } from './tools/mcp/host.ts';
import type { McpOffer } from './tools/mcp/messages.ts';
import { VERSION } from './version.ts';

/** How long runs may go on after the gateway was told to stop. */
const DRAIN_MS = 10_000;
/** How long answers may then go out to channels; what does not is in the outbox for the next start. */
const CHANNELS_DRAIN_MS = 5_000;

export interface RunningGateway {
  /** Where clients connect. */
  url: string;
  port: number;
  /** The model that answers where a session names none, e.g. `anthropic/…`. */
  model: string;
  /** Takes nothing new, lets runs end for up to 10 s, closes connections and threads. */
  stop(): Promise<void>;
  /** While it stops: waits for runs no longer. What they were about is in the journal, for the next start. */
  hurry(): void;
}

/**
 * Starts a gateway. Throws, with nothing left running, when the data folder or the port is taken, or a file is bad.
 *
 * @param readConfig reads the configuration anew, for what can change without a restart; default: it does not change
 */
export async function startGateway(
  config: Config,
  log: Logger,
  readConfig = async (): Promise<Config> => config,
): Promise<RunningGateway> {
  const { host, hosts, origins, limits, tls } = config.gateway;
  const access = await openAccess(config);
  const certificate = tls && (await watchCertificate(tls, log));
  const model = describeModel(config);
  const startedAt = performance.now();

  const unlockFolder = lockFolder(config.home);
  const starts = await Starts.begin(config.home, {
    rule: config.recovery,
    now: Date.now,
    onFault: (error) => log.error({ error }, 'starts and stops are not recorded'),
  });
  const maintenance = new Maintenance(config.home);
  const compute = new ComputePool();
  const toolHosts = new ToolHosts(config);
  const memory = config.memory.enabled ? new MemoryHost({ config, log }) : undefined;
  const lag = new LoopLag();
  const topics = new Topics();
  const counters = newCounters();
  const clients = new Clients(limits, counters);
  const mcp = await openMcp(config, (offer) => shards.offerMcp(offer), log);
  let plugins: PluginHost | undefined;
  const shards: ShardPool = new ShardPool({
    config,
    count: config.shards.count ?? Math.max(1, availableParallelism() - 1),
    subscribers: topics,
    countTokens: (texts) => compute.countTokens(texts),
    onOutbox: (account, record) => channels?.outbox(account, record),
    mcp,
    plugins: () => plugins,
    tellPairing: (event) => clients.tellPairing(event),
    tools: toolHosts,
    memory,
    paused: starts.pausedBecause !== undefined,
    log,
  });
  // Loaded while the shards load their modules.
  const { Server } = await import('./gateway/server.ts').catch(async (error: unknown) => {
    await shards.stop(0);
    unlockFolder();
    throw error;
  });
  const hasChannels = enabledAccounts(config.channels).length > 0;
  let channels = hasChannels ? await createChannels(config, shards, topics, clients, log) : undefined;
  const listening = Promise.withResolvers<void>();
  const openPlugins = async (): Promise<PluginHost> => {
    const { PluginHost, PluginChannels } = await loadPlugins();
    const theirs = new PluginChannels({
      opened: listening.promise,
      find: () => channels,
      open: async () => {
        channels = await createChannels(config, shards, topics, clients, log);
        channels.start();
        channels.open();
        return channels;
      },
      log,
    });
    plugins ??= new PluginHost({
      config,
      readConfig,
      onOffer: (offer) => shards.offerPlugin(offer),
      channels: theirs,
      memoryChanged: (others) => {
        memory?.renew(others).catch((error: unknown) => log.error({ error }, 'the memory could not be begun anew'));
      },
      log,
    });
    return plugins;
  };
  if (Object.keys(config.plugins).length > 0) await openPlugins();
  const pluginDesk = new PluginDesk(plugins, openPlugins);
  const trouble = () => starts.pausedBecause ?? shards.trouble;
  const server = new Server({
    version: VERSION,
    route: createRoute(config.bindings),
    access,
    channels: new ChannelDesk(clients, () => channels),
    plugins: pluginDesk,
    clients,
    counters,
    pace: new Pace(limits.requestsPerSecond),
    hosts: new HostCheck({ host, hosts, origins, tls: tls !== undefined }),
    idleSeconds: limits.idleSeconds,
    tls,
    topics,
    trouble,
    shards,
    maintenance,
    memory: memory ?? noMemory,
    resumeRuns: async () => {
      const resumed = await shards.resumeRuns();
      await starts.resumed();
      if (resumed) log.warn('runs go on');
      return resumed;
    },
    restartMcp(server) {
      if (mcp === undefined) throw new DhaavakError('not_found', 'no MCP server is configured');
      mcp.restart(server);
    },
    status: async () => ({
      version: VERSION,
      uptimeMs: Math.round(performance.now() - startedAt),
      connections: clients.size,
      rssBytes: process.memoryUsage.rss(),
      loopLagMs: lag.read(),
      shards: await shards.stats(),
      model,
      trouble: trouble() ?? null,
      runsPaused: starts.pausedBecause !== undefined,
      storage: await storageSpace(config.home),
      counters,
      channels: (await channels?.list())?.channels ?? [],
      mcp: mcp?.statuses ?? [],
      plugins: pluginDesk.list().plugins,
      memory: (await memory?.status()) ?? [],
    }),
  });

  const stop = async (drainMs: number) => {
    certificate?.stop();
    server.stopIntake();
    channels?.stopIntake();
    await shards.stop(drainMs);
    await channels?.stop(Math.min(drainMs, CHANNELS_DRAIN_MS));
    server.close();
    await maintenance.stop();
    await compute.stop();
    await toolHosts.stop();
    await memory?.stop();
    await mcp?.stop();
    await plugins?.stop();
    lag.stop();
    await starts.ended();
    unlockFolder();
  };

  try {
    if (starts.pausedBecause !== undefined) {
      log.error(`${starts.pausedBecause}; messages are kept; see dhaavak doctor, then dhaavak resume`);
    }
    // While the shards load their modules, as the channels do then.
    const { migratedFrom, salvaged } = await prepareStore(config.home, { unclean: starts.wasUnclean });
    if (salvaged !== undefined)
      log.error(salvaged, 'the store was damaged: this goes on with what could be read of it');
    if (migratedFrom !== undefined) log.info({ from: migratedFrom }, 'the store was migrated');
    channels?.start();
    plugins?.start();
    await shards.start();
    await starts.written();
    const port = await server.listen(host, config.gateway.port);
    certificate?.start(() => server.renewCertificate());
    channels?.open();
    listening.resolve();
    mcp?.start();
    log.info({ host, port, model }, 'listening');
    return {
      url: `${tls === undefined ? 'ws' : 'wss'}://${host}:${port}/ws`,
      port,
      model,
      stop: () => stop(DRAIN_MS),
      hurry: () => shards.hurry(),
    };
  } catch (error) {
    await stop(0);
    throw error;
  }
}

/** What is asked of a memory that is switched off. */
const noMemory = {
  inspect: () => memoryIsOff(),
  rebuild: () => memoryIsOff(),
};

async function memoryIsOff(): Promise<never> {
  throw new DhaavakError('unavailable', 'the memory is switched off: set memory.enabled');
}

async function watchCertificate(files: CertificateFiles, log: Logger): Promise<CertificateWatch> {
  const { CertificateWatch } = await import('./gateway/certificate.ts');
  return CertificateWatch.open(files, log);
}

/** The channels; where no account is on, nothing of theirs is loaded. */
async function createChannels(
  config: Config,
  shards: ShardPool,
  topics: Topics,
  clients: Clients,
  log: Logger,
): Promise<ChannelHost> {
  const { ChannelHost } = await import('./channels/host.ts');
  const tell = {
    update: (status: ChannelStatus) => clients.tellChannel(status),
    qr: (name: { channel: string; account: string }, code: string | null) => clients.tellQr({ ...name, code }),
    pairing: (event: PairingEvent) => clients.tellPairing(event),
  };
  return new ChannelHost({ config, shards, topics, tell, log });
}

/** The MCP servers, if there are any; without one nothing of theirs is loaded. */
async function openMcp(
  { tools, log: { level } }: Config,
  onOffer: (offer: McpOffer) => void,
  log: Logger,
): Promise<McpHost | undefined> {
  const { servers } = tools.mcp;
  if (Object.keys(servers).length === 0) return undefined;
  const { McpHost } = await import('./tools/mcp/host.ts');
  return new McpHost({ servers, logLevel: level, onOffer, log });
}

/** What there is of plugins here; without one nothing of it is loaded. */
async function loadPlugins() {
  const [{ PluginHost }, { PluginChannels }] = await Promise.all([
    import('./plugins/host.ts'),
    import('./plugins/channels.ts'),
  ]);
  return { PluginHost, PluginChannels };
}

/** Everything that lets clients in. Throws when the secret that the mode needs is missing, or a file of them damaged. */
async function openAccess({ home, gateway: { auth, token } }: Config): Promise<Access> {
  const password = auth.mode === 'password' ? await readPasswordHash(home) : undefined;
  if (auth.mode === 'password' && password === undefined) {
    throw new ConfigError(['gateway.auth.mode is password and none is set: set one with `dhaavak tokens password`']);
  }
  if (auth.mode === 'token' && token === undefined) throw new DhaavakError('internal', 'a gateway needs a token');
  return new Access({ mode: auth.mode, token, password, named: await NamedTokens.open(home) });
}
