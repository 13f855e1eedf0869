/** Gateways with the line channel of docs/extending.md, and what is looked at there. */
import { expect } from 'vitest';
import { type ConfigInput, type LocalGateway, localGateway } from './gateway.ts';
import { freePort, Line, lineConfig, writeLineChannel } from './line-channel.ts';
import { tempFolder } from './temp-folder.ts';
import { until } from './wait.ts';
import type { WireClient } from './wire-client.ts';

export const KITCHEN = 'agent:main:dm:line:kitchen';

interface Started {
  gateway: LocalGateway;
  client: WireClient;
  port: number;
  line: Line;
}

/** A gateway with the line channel, whose page is changed by `change`, and somebody on it. */
export async function lineGateway(
  change?: (source: string) => string,
  { account = {}, ...config }: ConfigInput & { account?: Parameters<typeof lineConfig>[2] } = {},
): Promise<Started> {
  const port = await freePort();
  const module = await writeLineChannel(await tempFolder(), change);
  const gateway = await localGateway({ ...config, channels: { custom: { line: lineConfig(module, port, account) } } });
  return { gateway, port, client: await gateway.connect(), line: await Line.open(port) };
}

/** The page with `send` beginning with `code`, which sees `chat`, `text` and `key`. */
export const sending = (code: string) => (source: string) =>
  source.replace('async send({ chat, text }) {', `async send({ chat, text, key }) {\n${code}`);

export async function said(client: WireClient, session: string) {
  const { entries } = await client.ask('session.history', { session });
  return entries.filter(({ role }) => role === 'user').map(({ text }) => text);
}

export async function channelState(client: WireClient, channel = 'line') {
  return (await client.ask('channel.list')).channels.find((one) => one.channel === channel);
}

export function becomes(client: WireClient, channel: string, state: string) {
  const find = async () => {
    const found = await channelState(client, channel);
    return found?.state === state ? found : undefined;
  };
  return until(15_000, find, `${channel} to be ${state}`);
}

/** Waits until the counters of the line channel are these. */
export async function counts(client: WireClient, expected: object) {
  let last: unknown;
  const find = async () => {
    last = await channelState(client);
    return Object.entries(expected).every(([name, value]) => (last as never)[name] === value) || undefined;
  };
  await until(10_000, find, JSON.stringify(expected)).catch(() => expect(last).toMatchObject(expected));
}
