/** Goal: named tokens live and die as they should, on the disk and on the wire. Method: a gateway, its file, its clients. */
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { NamedTokens } from '../../src/gateway/named-tokens.ts';
import { localGateway, refusedGateway } from '../support/gateway.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { connectWire } from '../support/wire-client.ts';

describe('a named token', () => {
  it('lets in until it is revoked; its connections are closed with 4401 within a second, and no other', async () => {
    const gateway = await localGateway();
    const admin = await gateway.connect();
    const { token } = await admin.ask('token.create', { name: 'phone', scopes: ['write'] });
    const other = await admin.ask('token.create', { name: 'other', scopes: ['read'] });
    const [one, two] = [await connectWire({ url: gateway.url, token }), await connectWire({ url: gateway.url, token })];
    const staying = await connectWire({ url: gateway.url, token: other.token });
    const start = performance.now();
    expect(await admin.ask('token.revoke', { name: 'phone' })).toEqual({ name: 'phone', closed: 2 });
    expect([(await one.closed).code, (await two.closed).code]).toEqual([4401, 4401]);
    expect(performance.now() - start).toBeLessThan(1_000);
    const again = connectWire({ url: gateway.url, token });
    await expect(again).rejects.toThrow('unauthorized');
    expect(await staying.ask('ping')).toEqual({});
    expect((await admin.ask('status')).counters).toMatchObject({ tokensClosed: 2, loginsFailed: 1 });
    await staying.close();
  });

  it('that is rotated is another one with the same scopes; the old one is out', async () => {
    const gateway = await localGateway();
    const admin = await gateway.connect();
    const { token } = await admin.ask('token.create', { name: 'phone', scopes: ['read'] });
    const client = await connectWire({ url: gateway.url, token });
    const rotated = await admin.ask('token.rotate', { name: 'phone' });
    expect((await client.closed).code).toBe(4401);
    await expect(connectWire({ url: gateway.url, token })).rejects.toThrow('unauthorized');
    const next = await connectWire({ url: gateway.url, token: rotated.token });
    expect((await next.refusal('message.send', { text: 'x' })).code).toBe('forbidden');
    await next.close();
  });

  it('that rotates itself gets the new one before its connection is closed', async () => {
    const gateway = await localGateway();
    const admin = await gateway.connect();
    const { token } = await admin.ask('token.create', { name: 'second', scopes: ['admin'] });
    const client = await connectWire({ url: gateway.url, token });
    const rotated = await client.ask('token.rotate', { name: 'second' });
    expect((await client.closed).code).toBe(4401);
    const next = await connectWire({ url: gateway.url, token: rotated.token });
    await next.close();
  });

  it('outlives a restart, and the file holds its hash only, for the owner only', async () => {
    const home = await tempFolder();
    const first = await localGateway({ home });
    const admin = await first.connect();
    const { token } = await admin.ask('token.create', { name: 'phone', scopes: ['read', 'write'] });
    const file = join(home, 'tokens.json');
    expect(await readFile(file, 'utf8')).not.toContain(token);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(JSON.stringify(await admin.ask('token.list'))).not.toMatch(/sha256|hash/);
    await first.stop();
    const second = await localGateway({ home });
    const client = await connectWire({ url: second.url, token });
    expect(await client.ask('ping')).toEqual({});
    await client.close();
  });

  it('has a name of its own, and those of other credentials are taken', async () => {
    const gateway = await localGateway();
    const admin = await gateway.connect();
    const made = await Promise.all(
      Array.from({ length: 5 }, async () => admin.reply(admin.send('token.create', { name: 'one', scopes: ['read'] }))),
    );
    expect(made.filter(({ error }) => error === undefined)).toHaveLength(1);
    for (const name of ['one', 'admin', 'none', 'password']) {
      expect((await admin.refusal('token.create', { name, scopes: ['read'] })).code).toBe('conflict');
    }
    for (const type of ['token.revoke', 'token.rotate']) {
      expect((await admin.refusal(type, { name: 'admin' })).code).toBe('not_found');
    }
    for (let i = 1; i < 100; i += 1) await admin.ask('token.create', { name: `t${i}`, scopes: ['read'] });
    expect((await admin.refusal('token.create', { name: 'one-more', scopes: ['read'] })).code).toBe('conflict');
  });

  it('is not changed by what could not be written', async () => {
    const home = await tempFolder();
    await writeFile(join(home, 'file'), '');
    const tokens = await NamedTokens.open(join(home, 'not-yet'));
    await writeFile(join(home, 'not-yet'), ''); // where the folder should be made
    await expect(tokens.create('phone', ['read'])).rejects.toMatchObject({ code: 'storage_failed' });
    expect(tokens.list()).toEqual([]);
  });
});

describe('a file of tokens', () => {
  it('that is damaged, of an unknown form or open to others keeps the gateway from starting', async () => {
    const home = await tempFolder();
    const file = join(home, 'tokens.json');
    for (const [text, mode] of [
      ['{"version":1,"tokens":[', 0o600],
      ['{"version":1,"tokens":[{"name":"x"}]}', 0o600],
      ['{"version":2,"tokens":[]}', 0o600],
      ['', 0o600],
    ] as const) {
      await writeFile(file, text, { mode });
      await expect(NamedTokens.open(home)).rejects.toThrow('is damaged');
    }
    const open = await tempFolder();
    await writeFile(join(open, 'tokens.json'), '{"version":1,"tokens":[]}', { mode: 0o644 });
    const { code, stderr } = await refusedGateway({ home: open });
    expect([code, stderr]).toEqual([2, expect.stringContaining('is open to other users')]);
  });
});
