/**
 * Goal: Slack all the way: from an event to the message that is shown, through the gateway. Method: a gateway of its own
 * process, the adapter as it is configured, and the local Slack. What only the adapter does is in the other files.
 */
import { describe, expect, it, onTestFinished } from 'vitest';
import { type ConfigInput, type GatewayProcess, gatewayProcess } from '../support/gateway.ts';
import { APP_TOKEN, BOT_TOKEN, type SlackServer, startSlackServer } from '../support/slack-server.ts';
import type { Channel, Message, User } from '../support/slack-world.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { until } from '../support/wait.ts';

type Settings = Omit<NonNullable<NonNullable<ConfigInput['channels']>['slack']>[string], 'botToken'>;

/** A local Slack with two people in a channel, and a gateway's configuration for it. */
async function slack(settings: Settings = {}) {
  const server = await startSlackServer();
  onTestFinished(() => server.close());
  server.deliveries.courier = (parcel) => server.socket.carry(parcel);
  const account = { botToken: BOT_TOKEN, appToken: APP_TOKEN, apiUrl: server.url, dm: 'open' as const, ...settings };
  const config: ConfigInput = { channels: { slack: { default: account } } };
  const [asha, ben] = [server.world.user('Asha'), server.world.user('Ben')];
  return { server, config, asha, ben, kitchen: server.world.channel('kitchen') };
}

async function started(server: SlackServer, config: ConfigInput, home: string): Promise<GatewayProcess> {
  const greeted = server.socket.greeted;
  const gateway = await gatewayProcess({ home, config });
  await until(15_000, async () => server.socket.greeted > greeted || undefined, 'a connection');
  return gateway;
}

function shown({ world }: SlackServer, find: (message: Message) => boolean): Promise<Message> {
  const own = ({ user }: Message): boolean => user === world.bot.id;
  return until(15_000, async () => world.messages.filter(own).find(find), 'the answer to be shown');
}

/** What people said in a session. */
async function said(gateway: GatewayProcess, session: string): Promise<string[]> {
  const client = await gateway.connect();
  const { entries } = await client.ask('session.history', { session });
  await client.close();
  return entries.filter(({ role }) => role === 'user').map(({ text }) => text);
}

/** Somebody writes, and the gateway has it. */
async function told(server: SlackServer, channel: Channel, author: User, text: string): Promise<Message> {
  const { message, parcels } = server.post(channel, author, text);
  await until(10_000, async () => parcels.every(({ arrived }) => arrived) || undefined, 'it to be taken');
  return message;
}

/** Somebody writes to a gateway that is not there, until Slack gives it up. */
async function unheard(server: SlackServer, channel: Channel, author: User, text: string): Promise<Message> {
  const { message, parcels } = server.post(channel, author, text);
  const givenUp = () => parcels.every(({ tries }) => tries > server.deliveries.retriesMax);
  await until(10_000, async () => givenUp() || undefined, 'Slack to give it up');
  return message;
}

describe('a gateway with a Slack account', () => {
  it('tells each thread that a mention begins what was said in the channel before, and not to it', async () => {
    const { server, config, asha, ben, kitchen } = await slack();
    const gateway = await started(server, config, await tempFolder());
    await told(server, kitchen, ben, 'the soup is ready');
    await told(server, kitchen, asha, 'and the bread is cut');
    const first = await told(server, kitchen, asha, `<@${server.world.bot.id}> what is 2+2`);
    await shown(server, ({ thread_ts }) => thread_ts === first.ts);
    const second = await told(server, kitchen, ben, `<@${server.world.bot.id}> what is 3+3`);
    await shown(server, ({ thread_ts }) => thread_ts === second.ts);
    const lines = [
      'Said in the group before, and not to you:',
      '> Ben: the soup is ready',
      '> Asha: and the bread is cut',
    ];
    const session = (ts: string): string => `agent:main:group:slack:${kitchen.id}%2F${ts}`;
    expect(await said(gateway, session(first.ts))).toEqual([[...lines, '', 'Asha: what is 2+2'].join('\n')]);
    expect(await said(gateway, session(second.ts))).toEqual([[...lines, '', 'Ben: what is 3+3'].join('\n')]);
  });

  it('answers what was said while it was away, once, and by the same rules', async () => {
    const { server, config, asha, ben, kitchen } = await slack({ dm: 'allowlist', users: ['asha'] });
    const home = await tempFolder();
    const [direct, other] = [server.world.channel(asha.id, 'im'), server.world.channel(ben.id, 'im')];
    const first = await started(server, config, home);
    await told(server, direct, asha, 'what is 1+1');
    await shown(server, ({ text }) => text.includes('1+1 = 2'));
    await first.kill();
    await unheard(server, direct, asha, 'what is 2+2');
    await unheard(server, other, ben, 'what is 3+3');
    await unheard(server, kitchen, asha, 'nobody is asked');
    const mention = await unheard(server, kitchen, asha, `<@${server.world.bot.id}> what is 4+4`);
    const second = await started(server, config, home);
    await shown(server, ({ text }) => text.includes('2+2 = 4'));
    const inThread = await shown(server, ({ thread_ts }) => thread_ts === mention.ts);
    expect(inThread.text).toContain('nobody is asked');
    expect(await said(second, `agent:main:dm:slack:${direct.id}`)).toEqual(['what is 1+1', 'what is 2+2']);
    const own = server.world.messages.filter(({ user }) => user === server.world.bot.id).map(({ text }) => text);
    expect(own.filter((text) => text.includes('1+1'))).toHaveLength(1);
    expect(own.some((text) => text.includes('3+3'))).toBe(false);
    expect(second.output.stdout + second.output.stderr).not.toContain(BOT_TOKEN);
  });
});
