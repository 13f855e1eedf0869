/** Goal: the process starts, refuses and ends as an operator expects. Method: the command itself, by what it prints. */
import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { gatewayProcess, refusedGateway } from '../support/gateway.ts';
import { tempFolder } from '../support/temp-folder.ts';

/** One sentence, and no stack. */
const SENTENCE = /^[^\n]+\n$/;

/** A port by number: with 0 the kernel would be asked for less, and two gateways on one port would not be noticed. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

describe('dhaavak start', () => {
  it('makes a token that only its owner can read, and keeps it', async () => {
    const home = await tempFolder();
    const first = await gatewayProcess({ home });
    expect((await stat(join(home, 'token'))).mode & 0o777).toBe(0o600);
    expect(first.token).toMatch(/^[\w-]{43}$/);
    await first.connect();
    const { code, signal, stdout, stderr, tookMs } = await first.stop();
    expect([code, signal, stderr]).toEqual([0, null, '']);
    expect(tookMs).toBeLessThan(3_000);
    expect(stdout).toContain(join(home, 'token'));
    expect(stdout).not.toContain(first.token);
    expect((await gatewayProcess({ home })).token).toBe(first.token);
  });

  it('refuses a data folder that another gateway uses, in a sentence, and the other one goes on', async () => {
    const home = await tempFolder();
    const gateway = await gatewayProcess({ home });
    const client = await gateway.connect();
    const { code, stdout, stderr } = await refusedGateway({ home });
    expect(code).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toMatch(SENTENCE);
    expect(stderr).toContain(`process ${gateway.pid}`);
    expect(stderr).toContain(home);
    expect((await client.ask('status')).connections).toBe(1);
  });

  it('refuses a port that is taken, in a sentence, and gives the data folder back', async () => {
    const port = await freePort();
    const gateway = await gatewayProcess({ port });
    const home = await tempFolder();
    const { code, stdout, stderr } = await refusedGateway({ home, port });
    expect(code).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toMatch(SENTENCE);
    expect(stderr).toContain(String(port));
    await gateway.connect();
    await (await gatewayProcess({ home })).connect();
  });

  it('takes the same port and folder again right after a kill -9 with connections open', async () => {
    const home = await tempFolder();
    const port = await freePort();
    const first = await gatewayProcess({ home, port });
    await first.connect();
    await first.kill();
    const second = await gatewayProcess({ home, port });
    expect(second.url).toBe(first.url);
    await second.connect();
  });

  it('says on /ready that it is ready as soon as it has said that it listens', async () => {
    const gateway = await gatewayProcess();
    const response = await fetch(`${gateway.httpUrl}/ready`);
    expect([response.status, await response.json()]).toEqual([200, { status: 'ready' }]);
  });
});
