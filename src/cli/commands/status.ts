import type { GatewayStatus } from '../../protocol/messages.ts';
import { type ClientFlags, connectToGateway } from '../connection.ts';
import { EXIT } from '../exit.ts';
import { pluginRows } from '../plugin-rows.ts';
import { table } from '../table.ts';
import { printable, printableLine } from '../terminal.ts';
import { channelRows } from './channels.ts';
import { memoryRows } from './memory.ts';

interface StatusFlags extends ClientFlags {
  json?: true;
}

const COLUMNS = ['shard', 'state', 'sessions', 'running', 'queued', 'restarts'] as const;

/** Prints how the gateway is doing. Returns the exit code. */
export async function status({ json, ...flags }: StatusFlags): Promise<number> {
  const { client, url } = await connectToGateway(flags);
  await using _ = client;
  const answer = await client.request('status', {});
  console.log(json ? JSON.stringify(answer) : printable(page(answer, url)));
  return EXIT.ok;
}

function page(
  {
    version,
    uptimeMs,
    model,
    connections,
    rssBytes,
    shards,
    channels,
    mcp,
    memory,
    plugins,
    storage,
    trouble,
  }: GatewayStatus,
  url: string,
): string {
  const rows = shards.map(({ index, ...shard }) => {
    const { state, sessions, running, queued, restarts } = shard;
    return [index, state, sessions, running, queued, restarts].map(String);
  });
  return [
    `Dhaavak ${version} at ${url}`,
    `  up           ${duration(uptimeMs)}`,
    `  model        ${model}`,
    `  connections  ${connections}`,
    `  memory       ${Math.round(rssBytes / 1024 / 1024)} MB`,
    `  store        ${Math.round(storage.bytes / 1024 / 1024)} MB; ${Math.round(storage.diskFreeBytes / 1024 / 1024)} MB left on its disk`,
    ...(trouble === null ? [] : [`  NOT READY    ${trouble}`]),
    '',
    ...table([[...COLUMNS], ...rows]),
    ...(channels.length === 0 ? [] : ['', ...channelRows(channels)]),
    ...(mcp.length === 0 ? [] : ['', ...mcpRows(mcp)]),
    ...(plugins.length === 0 ? [] : ['', ...pluginRows(plugins)]),
    ...(memory.length === 0 ? [] : ['', ...memoryRows(memory)]),
  ].join('\n');
}

const REASON_LENGTH_MAX = 80;

function mcpRows(servers: GatewayStatus['mcp']): string[] {
  const rows = servers.map(({ server, state, tools, refused, calls, failed, reason }) => {
    const left = refused.length === 0 ? '' : `${refused.length} tools are not offered: ${refused[0]}`;
    return [
      server,
      state,
      String(tools),
      String(calls),
      String(failed),
      printableLine(reason ?? left, REASON_LENGTH_MAX),
    ];
  });
  return table([['mcp server', 'state', 'tools', 'calls', 'failed', 'reason'], ...rows]);
}

/** `3 d 4 h`, `5 min 6 s`: the two largest units. */
function duration(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1_000);
  const units = [
    { name: 'd', value: Math.floor(seconds / 86_400) },
    { name: 'h', value: Math.floor(seconds / 3_600) % 24 },
    { name: 'min', value: Math.floor(seconds / 60) % 60 },
    { name: 's', value: seconds % 60 },
  ];
  const first = units.findIndex(({ value }) => value > 0);
  if (first < 0) return '0 s';
  return units
    .slice(first, first + 2)
    .map(({ name, value }) => `${value} ${name}`)
    .join(' ');
}
