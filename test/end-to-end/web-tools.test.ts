/**
 * Goal: the web tools through the whole way: a client's message, a model that calls them, the threads and processes they work in.
 * Method: a scripted model, a local site that the configuration allows, a search engine's stand-in, the machine's Chromium.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { chromiumNote, missingChromium } from '../support/chromium.ts';
import { childrenOf, chromiumPids } from '../support/chromium-pids.ts';
import { type ConfigInput, gatewayProcess, localGateway } from '../support/gateway.ts';
import { scriptedModel } from '../support/model.ts';
import { searxngServer } from '../support/search-engines.ts';
import { localSite } from '../support/sentinel.ts';
import type { Reply } from '../support/sse.ts';
import { until } from '../support/wait.ts';

const TOOLS = ['web.fetch', 'web.search', 'browser.open', 'browser.click', 'browser.close'];

const calls = (name: string, input: object): Reply => ({ toolCalls: [{ name: name.replace('.', '_'), input }] });

async function configFor(web: NonNullable<NonNullable<ConfigInput['tools']>['web']>, ...script: Reply[]) {
  const { server, models } = await scriptedModel(...script);
  const config: ConfigInput = { models, agents: { main: { tools: TOOLS } }, tools: { web } };
  return { server, config };
}

const page = () =>
  localSite((_asked, reply) =>
    reply.setHeader('content-type', 'text/html').end('<title>Local</title><h1>A local page</h1><button>Press</button>'),
  );

describe('a model that calls the web tools', { timeout: 60_000 }, () => {
  it('is given a page that the configuration allows, framed as untrusted, and not one it does not', async () => {
    const [open, inside] = [await page(), await localSite()];
    const { server, config } = await configFor(
      { allow: [`127.0.0.1:${open.port}`] },
      calls('web.fetch', { url: `${open.url}/page` }),
      calls('web.fetch', { url: `${inside.url}/page` }),
      { text: ['done'] },
    );
    const client = await (await localGateway(config)).connect();
    const { message } = await client.ask('message.send', { text: `read ${open.url}/page and ${inside.url}/page` });
    expect((await client.runEnd(message)).data.status).toBe('ok');
    const [good, bad] = client.events('tool.end').map(({ data }) => data);
    expect(good).toMatchObject({ name: 'web.fetch', failed: false });
    expect(good?.output).toMatch(
      /^\[untrusted content from web\.fetch, from here to the mark (\w+): .*\]\nhttp:.*# A local page.*\n\[\1: end of untrusted content\]$/s,
    );
    expect(bad).toMatchObject({ failed: true, output: expect.stringContaining('127.0.0.1 is this machine') });
    expect([open.requests.length, inside.connections]).toEqual([1, 0]);
    expect(JSON.stringify(server.requests.at(-1)?.body)).toContain('A local page');
  });

  it('searches where an engine is configured, and is not offered to where none is', async () => {
    const engine = await searxngServer();
    const { config } = await configFor(
      { search: { searxngUrl: engine.url } },
      calls('web.search', { query: 'actors' }),
      { text: ['done'] },
    );
    const client = await (await localGateway(config)).connect();
    const { message } = await client.ask('message.send', { text: 'search' });
    await client.runEnd(message);
    expect(client.events('tool.end')[0]?.data.output).toContain(
      '1. actors 1 (2026-05-01T00:00:00)\nhttps://example.org/1/0',
    );

    const without = await configFor({}, { text: ['done'] });
    const other = await (await localGateway(without.config)).connect();
    await other.runEnd((await other.ask('message.send', { text: 'x' })).message);
    const offered = JSON.stringify(without.server.requests[0]?.body.tools);
    expect(offered).toContain('web_fetch');
    expect(offered).not.toContain('web_search');
  });

  it('reads on in the same page', async () => {
    let served = 0;
    const site = await localSite((_asked, reply) => {
      served += 1;
      reply.setHeader('content-type', 'text/plain').end(`${served}: ${'x'.repeat(300)}END`);
    });
    const { config } = await configFor(
      { allow: [`127.0.0.1:${site.port}`] },
      calls('web.fetch', { url: site.url, length: 100 }),
      calls('web.fetch', { url: site.url, length: 1_000, offset: 100 }),
      { text: ['done'] },
    );
    const client = await (await localGateway(config)).connect();
    await client.runEnd((await client.ask('message.send', { text: 'x' })).message);
    const [first, second] = client.events('tool.end').map(({ data }) => data.output);
    expect(first).toContain('Characters 0 to 100 of 306; go on with offset 100.');
    expect(second).toContain('xEND');
    expect(served).toBe(1);
  });

  it('can be cancelled while it waits for a page', async () => {
    const silent = await localSite(() => {});
    const { config } = await configFor(
      { allow: [`127.0.0.1:${silent.port}`] },
      calls('web.fetch', { url: silent.url }),
    );
    const client = await (await localGateway(config)).connect();
    const { message, session } = await client.ask('message.send', { text: 'x' });
    await until(15_000, async () => (silent.requests.length > 0 ? true : undefined), 'the request');
    const { run } = (await client.event('run.start')).data;
    await client.ask('message.cancel', { session, run });
    expect((await client.runEnd(message)).data.status).toBe('cancelled');
  });
});

/** A model that opens the site, and may. */
const opening = (site: Awaited<ReturnType<typeof page>>) =>
  configFor({ allow: [`127.0.0.1:${site.port}`] }, calls('browser.open', { url: site.url }), { text: ['done'] });

describe.skipIf(missingChromium !== undefined)(
  `the browser behind a gateway${chromiumNote}`,
  { timeout: 60_000 },
  () => {
    it('opens pages, keeps a profile in the home, and is gone when the gateway is killed', async () => {
      const site = await page();
      const { config } = await opening(site);
      const gateway = await gatewayProcess({ config });
      const client = await gateway.connect();
      await client.runEnd((await client.ask('message.send', { text: 'open it' })).message);
      expect(client.events('tool.end')[0]?.data.output).toContain('button "Press" [ref=');
      expect(await readdir(join(gateway.home, 'browser'))).toHaveLength(1);
      const [host] = await childrenOf(gateway.pid);
      const browsers = await chromiumPids(host ?? 0);
      expect(browsers.length).toBeGreaterThan(0);
      await gateway.kill();
      await until(
        15_000,
        async () => ([host ?? 0, ...browsers].every((pid) => !isAlive(pid)) ? true : undefined),
        'host and Chromium to end',
      );
    });

    it('forgets what pages have kept with the session', async () => {
      const site = await page();
      const { config } = await opening(site);
      const types = { dm: { deny: [] } };
      const gateway = await localGateway({ ...config, tools: { ...config.tools, types } });
      const client = await gateway.connect();
      const { session } = await client.ask('session.create', { type: 'dm', channel: 'api', user: 'ada' });
      await client.runEnd((await client.ask('message.send', { session: session.id, text: 'open it' })).message);
      expect(client.events('tool.end')[0]?.data).toMatchObject({ failed: false });
      const profiles = () => readdir(join(gateway.home, 'browser'));
      expect(await profiles()).toHaveLength(1);
      await client.ask('session.delete', { session: session.id });
      await until(
        15_000,
        async () => ((await profiles()).length === 0 ? true : undefined),
        'the profile to be removed',
      );
    });

    it('ends with the gateway, in good order', async () => {
      const site = await page();
      const { config } = await opening(site);
      const gateway = await gatewayProcess({ config });
      const client = await gateway.connect();
      await client.runEnd((await client.ask('message.send', { text: 'open it' })).message);
      const [host] = await childrenOf(gateway.pid);
      const browsers = await chromiumPids(host ?? 0);
      expect((await gateway.stop()).code).toBe(0);
      expect([host ?? 0, ...browsers].filter(isAlive)).toEqual([]);
    });

    it('says so when its host is killed, and works again with the next call', async () => {
      const site = await page();
      const { config } = await configFor(
        { allow: [`127.0.0.1:${site.port}`] },
        calls('browser.open', { url: site.url }),
        { text: ['one'] },
        calls('browser.click', { ref: 'e3' }),
        calls('browser.open', { url: site.url }),
        { text: ['two'] },
      );
      const gateway = await gatewayProcess({ config });
      const client = await gateway.connect();
      await client.runEnd((await client.ask('message.send', { text: 'open it' })).message);
      for (const pid of await childrenOf(gateway.pid)) process.kill(pid, 'SIGKILL');
      await client.runEnd((await client.ask('message.send', { text: 'click' })).message);
      const [, clicked, opened] = client.events('tool.end').map(({ data }) => data);
      expect(clicked).toMatchObject({ failed: true, output: expect.stringContaining('open') });
      expect(opened).toMatchObject({ failed: false, output: expect.stringContaining('button "Press"') });
      await gateway.stop();
    });
  },
);

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
