/** Goal: every auth mode lets in whom it should, and none is open by accident. Method: gateways of each mode. */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { writePassword } from '../../src/config/password.ts';
import { configSchema } from '../../src/config/schema.ts';
import { Access } from '../../src/gateway/access.ts';
import { NamedTokens } from '../../src/gateway/named-tokens.ts';
import { localGateway, refusedGateway } from '../support/gateway.ts';
import { openRaw } from '../support/raw-socket.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { helloData } from '../support/wire-client.ts';

const PASSWORD = 'correct horse battery staple';
const helloWith = (auth: unknown) => ({ ...helloData(''), auth });

async function passwordGateway() {
  const home = await tempFolder();
  await writePassword(home, PASSWORD);
  return localGateway({ home, gateway: { auth: { mode: 'password' } } });
}

describe('the mode password', () => {
  it('lets in with the password, as admin, and with tokens; a wrong one is refused', async () => {
    const gateway = await passwordGateway();
    const client = await gateway.connectSilent();
    expect((await client.ask('hello', helloWith({ password: PASSWORD }))).scopes).toEqual(['admin']);
    expect(await client.ask('token.list')).toEqual({ tokens: [] });
    for (const password of ['x', `${PASSWORD} `, PASSWORD.toUpperCase(), gateway.token]) {
      const wrong = await gateway.connectSilent();
      const error = await wrong.refusal('hello', helloWith({ password }));
      expect(error).toMatchObject({ code: 'unauthorized', param: 'data.auth.password' });
      expect((await wrong.closed).code).toBe(4401);
    }
    await gateway.connect();
  });

  it('keeps a salted hash of it, for the owner only', async () => {
    const [one, two] = [await tempFolder(), await tempFolder()];
    const files = [await writePassword(one, PASSWORD), await writePassword(two, PASSWORD)];
    const [first, second] = await Promise.all(files.map((file) => readFile(file, 'utf8')));
    expect(first).toMatch(/^scrypt\$16384\$8\$5\$[\w-]{22}\$[\w-]{43}\n$/);
    expect(first).not.toBe(second);
    expect((await stat(join(one, 'password'))).mode & 0o777).toBe(0o600);
    await expect(writePassword(one, 'short')).rejects.toThrow('a password has 8 to 1024 characters');
  });

  it('checks passwords beside the main thread: others are answered meanwhile; what was sent ahead is refused', async () => {
    const gateway = await passwordGateway();
    const other = await gateway.connect();
    const raw = await openRaw(gateway.url);
    raw.write([{ id: 'h', type: 'hello', data: helloWith({ password: PASSWORD }) }]);
    await other.ask('ping');
    expect(raw.frames).toEqual([]);
    await raw.when((frames) => frames[0]?.type === 'welcome');
    const hasty = await openRaw(gateway.url);
    hasty.write([
      { id: 'h', type: 'hello', data: helloWith({ password: PASSWORD }) },
      { id: 'q', type: 'token.list' },
    ]);
    expect(await hasty.closed).toBe(4401);
    expect(hasty.frames.map(({ id, error }) => [id, error?.code])).toEqual([['q', 'hello_required']]);
  });

  it('checks two at a time, lets 16 wait, and refuses one more at once', async () => {
    const gateway = await passwordGateway();
    const tries = await Promise.all(
      Array.from({ length: 24 }, async (_, i) => {
        const raw = await openRaw(gateway.url, undefined, `127.0.4.${i + 1}`);
        raw.write([{ id: 'h', type: 'hello', data: helloWith({ password: 'wrong password' }) }]);
        return raw;
      }),
    );
    const codes = await Promise.all(tries.map(({ closed }) => closed));
    expect(codes.every((code) => code === 4401 || code === 4430)).toBe(true);
    expect(codes.filter((code) => code === 4401).length).toBe(18);
  });

  it('without a password, or with a damaged hash, refuses to start', async () => {
    const home = await tempFolder();
    const config = { gateway: { auth: { mode: 'password' as const } } };
    const { code, stderr } = await refusedGateway({ home, config });
    expect([code, stderr]).toEqual([2, expect.stringContaining('dhaavak tokens password')]);
  });
});

describe('the mode none', () => {
  it('lets everybody in, and is taken on a loopback address only', async () => {
    const gateway = await localGateway({ gateway: { auth: { mode: 'none' } } });
    for (const auth of [{}, { token: 'anything' }, { password: 'x' }]) {
      const client = await gateway.connectSilent();
      expect((await client.ask('hello', helloWith(auth))).scopes).toEqual(['admin']);
    }
    const parse = (host: string) => configSchema.safeParse({ gateway: { host, auth: { mode: 'none' } } }).success;
    for (const host of ['127.0.0.1', '127.255.0.9', '::1', 'localhost'])
      expect([host, parse(host)]).toEqual([host, true]);
    for (const host of [
      '0.0.0.0',
      '::',
      '10.0.0.1',
      '127.0.0.1.evil.example',
      '127.0.0.256',
      'gateway',
      '1127.0.0.1',
    ]) {
      expect([host, parse(host)]).toEqual([host, false]);
    }
    const home = await tempFolder();
    const refused = await refusedGateway({ home, config: { gateway: { host: '0.0.0.0', auth: { mode: 'none' } } } });
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('loopback')]);
  });
});

describe('a missing secret', () => {
  it('refuses to start in every mode that needs one', async () => {
    const named = await NamedTokens.open(await tempFolder());
    for (const token of [undefined, '']) expect(() => new Access({ mode: 'token', token, named })).toThrow();
    expect(() => new Access({ mode: 'password', token: 'x'.repeat(16), named })).toThrow();
  });
});
