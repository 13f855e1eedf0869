import { constants } from 'node:os';
import type { Flags } from '../../config/environment.ts';
import { loadConfig } from '../../config/load.ts';
import { ensureToken } from '../../config/token.ts';
import { type RunningGateway, startGateway } from '../../main.ts';
import { createLogger } from '../../telemetry/log.ts';
import { VERSION } from '../../version.ts';
import { EXIT } from '../exit.ts';

/**
 * Another signal this soon, in milliseconds, is the same Ctrl-C: the terminal sends it to the gateway and to npm, which
 * passes it on.
 */
const SAME_SIGNAL_MS = 300;

type StopSignal = 'SIGINT' | 'SIGTERM';

/** Runs the gateway until a signal. Returns the exit code; does not return when told to stop twice. */
export async function start(flags: Flags): Promise<number> {
  const { config } = await loadConfig({ flags, env: process.env });
  const stored = config.gateway.token === undefined ? await ensureToken(config.home) : undefined;
  const token = config.gateway.token ?? stored?.token;
  const log = createLogger({ level: config.log.level, name: 'gateway' });
  const readConfig = async () => (await loadConfig({ flags, env: process.env })).config;
  const gateway = await startGateway({ ...config, gateway: { ...config.gateway, token } }, log, readConfig);
  const { anthropic, openai } = config.models;
  const noKey = gateway.model === 'offline' && anthropic.apiKey === undefined && openai.apiKey === undefined;
  const model = noKey ? `${gateway.model} (no ANTHROPIC_API_KEY or OPENAI_API_KEY set)` : gateway.model;
  const stopped = stopOnSignal(gateway); // before anybody can read that it runs, and stop it
  console.log(banner({ ...gateway, model }, stored?.file ?? '(as configured)', flags));
  await stopped;
  process.exit(EXIT.ok); // whatever a library has left open
}

function banner({ url, port, model }: RunningGateway, token: string, flags: Flags): string {
  return [
    `Dhaavak ${VERSION} listens on ${url} (ready in ${Math.round(performance.now())} ms)`,
    `  model   ${model}`,
    `  token   ${token}`,
    `  next    ${`npx dhaavak chat${sameFlags(flags, port)}`.padEnd(24)}  (in another terminal)`,
  ].join('\n');
}

/** What the chat needs to be told to find this gateway. Variables it finds itself. */
function sameFlags({ config, home, host, port }: Flags, actualPort: number): string {
  const given = { config, home, host, port: port === undefined ? undefined : String(actualPort) };
  return Object.entries(given)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ` --${name} ${value}`)
    .join('');
}

/** Resolves when the gateway has stopped after a first signal. A second one makes it hurry, a third ends the process at once. */
function stopOnSignal(gateway: RunningGateway): Promise<void> {
  return new Promise((resolve, reject) => {
    let signals = 0;
    let lastAt = Number.NEGATIVE_INFINITY;
    const onSignal = (signal: StopSignal): void => {
      if (performance.now() - lastAt < SAME_SIGNAL_MS) return;
      lastAt = performance.now();
      signals += 1;
      if (signals === 1) gateway.stop().then(resolve, reject);
      else if (signals === 2) gateway.hurry();
      else process.exit(128 + constants.signals[signal]);
    };
    process.on('SIGINT', onSignal);
    process.on('SIGTERM', onSignal);
  });
}
