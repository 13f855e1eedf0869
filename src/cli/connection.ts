import { type Client, connect } from '../client/client.ts';
import type { Flags } from '../config/environment.ts';
import { loadConfig } from '../config/load.ts';
import { readToken } from '../config/token.ts';
import { DhaavakError } from '../protocol/errors.ts';
import { VERSION } from '../version.ts';
import { CliError, EXIT } from './exit.ts';

/** Flags that say which gateway is meant. */
export interface ClientFlags extends Flags {
  url?: string;
}

/** Sent when there is none: whether a gateway answers at all is to be told first. */
const NO_TOKEN = 'none';

/**
 * Connects to the gateway that flags, environment and configuration name.
 *
 * @throws CliError with what to do when nobody answers or the token is wrong; ConfigError
 */
export async function connectToGateway(flags: ClientFlags): Promise<{ client: Client; url: string }> {
  const { url, token, home } = await target(flags);
  try {
    const client = await connect({
      url,
      token: token ?? NO_TOKEN,
      client: { name: 'dhaavak-cli', version: VERSION },
      reconnect: false, // a person sees at once that the gateway is gone
    });
    return { client, url };
  } catch (error) {
    throw error instanceof DhaavakError ? worded(error, url, token, home) : error;
  }
}

interface Target {
  url: string;
  token: string | undefined;
  home: string;
}

async function target({ url, ...flags }: ClientFlags): Promise<Target> {
  const { config } = await loadConfig({ flags, env: process.env });
  const { host, port, token, tls } = config.gateway;
  return {
    url: url ?? `${tls === undefined ? 'ws' : 'wss'}://${reachable(host)}:${port}/ws`,
    token: token ?? (await readToken(config.home)),
    home: config.home,
  };
}

/** Where to connect to a gateway that listens on `host`: "any address" is reached at the loopback one. */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}

function worded(error: DhaavakError, url: string, token: string | undefined, home: string): CliError {
  if (error.code === 'unavailable') {
    return new CliError(`No gateway answers at ${url}: start one with \`npm start\``, EXIT.unreachable);
  }
  if (error.code === 'unauthorized') {
    const problem = token === undefined ? `there is no token in ${home}` : 'the gateway refuses the token';
    return new CliError(`${url}: ${problem}; give its own with --token, DHAAVAK_TOKEN or --home`, EXIT.unreachable);
  }
  if (error.param === 'url') return new CliError(error.message, EXIT.usage);
  return new CliError(`${url}: ${error.message}`, EXIT.unreachable);
}
