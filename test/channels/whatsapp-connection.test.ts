/**
 * Goal: an account of WhatsApp is linked, comes back after every ending as that ending deserves, and never loses or mixes up
 * its credentials. Method: the real baileys against `test/support/whatsapp-server`, which ends connections as WhatsApp does.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as baileys from '@whiskeysockets/baileys';
import { pino } from 'pino';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createAdapter } from '../../src/channels/whatsapp/adapter.ts';
import type { Timings } from '../../src/channels/whatsapp/connect.ts';
import { Credentials } from '../../src/channels/whatsapp/credentials.ts';
import { endingOf } from '../../src/channels/whatsapp/failure.ts';
import { channelsSchema } from '../../src/config/channels.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { holds } from '../support/wait.ts';
import { node } from '../support/whatsapp-server/nodes.ts';
import { WhatsAppServer } from '../support/whatsapp-server/server.ts';
import { Recorder } from './recorder.ts';
import { adapterFor, WhatsAppFixture } from './whatsapp-fixture.ts';

const silent = pino({ level: 'silent' });

/** A server without linked devices, and an account with an empty folder. */
async function unlinked(timings: Partial<Timings> = {}) {
  const server = await WhatsAppServer.start();
  const folder = join(await tempFolder(), 'whatsapp');
  const account = new Recorder();
  const adapter = adapterFor(server, folder, account.log, timings);
  onTestFinished(async () => {
    await adapter.stop();
    await server.close();
  });
  return { server, folder, account, adapter };
}

/** An account that is linked and ready. */
async function ready(timings: Partial<Timings> = {}) {
  const account = new Recorder();
  const fixture = await WhatsAppFixture.make(account.log, { retryMin: 100, ...timings });
  onTestFinished(async () => {
    await fixture.adapter.stop();
    await fixture.close();
  });
  await fixture.adapter.start(account);
  await account.reaches('ready');
  return { fixture, account, server: fixture.server };
}

function told(account: Recorder): string[] {
  return account.states.map(({ state }) => state);
}

/** For an account whose new tries would be seen within {@link aLogin}. */
const AT_ONCE = { retryMin: 1 };

/** Resolves when another account has begun to log in and is in: one that was to try again at once has by then. */
async function aLogin(): Promise<void> {
  await ready();
}

describe('linking', () => {
  it('shows a QR code, and when it was scanned logs in, with all its keys at WhatsApp', async () => {
    const { server, folder, account, adapter } = await unlinked();
    await adapter.start(account);
    await holds(() => account.codes.length > 0);
    expect(account.codes[0]).toMatch(
      /^https:\/\/wa\.me\/settings\/linked_devices#ref-\w+-0,[^,]{44},[^,]{44},[^,]{44},\d$/,
    );
    expect(account.states).toEqual([{ state: 'connecting', reason: expect.stringContaining('QR code') }]);
    server.scan(account.codes[0]!);
    await account.reaches('ready');
    expect(account.codes.at(-1)).toBeUndefined();
    expect(told(account)).not.toContain('degraded');
    expect(server.snapshot()).toMatchObject([
      { jid: `${server.owner.phone}:1@s.whatsapp.net`, preKeys: { length: 812 } },
    ]);
    await server.person('4915551111111').write(server.owner, { conversation: 'hi' });
    expect((await account.message(0)).text).toBe('hi');

    await adapter.stop();
    const codes = account.codes.length;
    await adapter.start(account);
    await account.reaches('ready');
    expect(account.codes).toHaveLength(codes);
    expect((await stat(join(folder, 'credentials.db'))).mode & 0o777).toBe(0o600);
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
  });

  it('shows code after code, and gives up when nobody scans one', async () => {
    const { server, account, adapter } = await unlinked({ code: 10, retryMin: 10 });
    await adapter.start(account);
    await account.reaches('logged-out');
    expect(account.states.at(-1)!.reason).toContain('nobody scanned the QR code');
    expect(new Set(account.codes.filter((code) => code !== undefined)).size).toBe(5 * 6);
    expect(account.codes.at(-1)).toBeUndefined();
    await holds(() => server.links.size === 0);
  });

  it('shows nothing that a server gives which is not WhatsApp’s', async () => {
    const { server, account, adapter } = await unlinked();
    server.forged = true;
    await adapter.start(account);
    await account.reaches('degraded');
    expect(account.states.at(-1)!.reason).toContain('could not prove that it is WhatsApp');
    expect(account.codes).toEqual([]);
  });
});

it.each(['ws://example.org/ws', 'http://localhost/ws'])('is not sent over %s', async (serverUrl) => {
  const account = new Recorder();
  const context = { account: 'main', folder: '/nowhere', log: silent, signal: new AbortController().signal };
  const { main } = channelsSchema.parse({ whatsapp: { main: { serverUrl } } }).whatsapp;
  expect(await account.failure(createAdapter(main!, context).start(account))).toMatchObject({ kind: 'rejected' });
});

describe('endings', () => {
  it('comes back at once when WhatsApp wants a new connection', async () => {
    const { account, server } = await ready({ retryMin: 60_000 });
    server.end(node('stream:error', { code: '515' }));
    await holds(() => server.logins === 2);
    expect(told(account)).not.toContain('degraded');
  });

  it('waits before it comes back when WhatsApp is not available', async () => {
    const { account, server } = await ready();
    server.end(node('stream:error', { code: '503' }));
    await account.reaches('degraded');
    expect(account.states.at(-1)!.reason).toMatch(/^WhatsApp is not available; the next try is in \d s$/);
    await account.reaches('ready');
  });

  it('stops when another connection took over', async () => {
    const { account, server } = await ready(AT_ONCE);
    server.end(node('stream:error', {}, [node('conflict', { type: 'replaced' })]));
    await account.reaches('stopped');
    expect(account.states.at(-1)!.reason).toContain('another connection');
    await aLogin();
    expect(server.logins).toBe(1);
  });

  it('is logged out when the owner removes the device: the credentials are put aside, and nothing is tried', async () => {
    const { account, server, fixture } = await ready(AT_ONCE);
    server.unlink(fixture.device);
    await account.reaches('logged-out');
    expect(account.states.at(-1)!.reason).toMatch(/unlinked this device.*credentials\.db\.logged-out-/);
    await aLogin();
    expect(server.refused).toBe(0);
    expect(account.codes).toEqual([]);
    const files = await readdir(fixture.folder);
    expect(files).toEqual([expect.stringMatching(/^credentials\.db\.logged-out-/)]);
    await fixture.adapter.stop();
    await fixture.adapter.start(account);
    await holds(() => account.codes.length > 0);
  });

  it.each([
    ['405', 'stopped', /update/],
    ['411', 'stopped', /phone/],
    ['403', 'logged-out', /banned/],
  ] as const)('is told by a login that fails with %s: %s', async (reason, state, says) => {
    const account = new Recorder();
    const fixture = await WhatsAppFixture.make(account.log, AT_ONCE);
    onTestFinished(async () => {
      await fixture.adapter.stop();
      await fixture.close();
    });
    fixture.server.refusal = { reason };
    await fixture.adapter.start(account);
    await account.reaches(state);
    expect(account.states.at(-1)!.reason).toMatch(says);
    await aLogin();
    expect(fixture.server.refused).toBe(1);
  });

  it('waits for the end of a ban', () => {
    expect(endingOf({ output: { statusCode: 402 }, data: { reason: '402', expire: '7200' } })).toMatchObject({
      act: 'retry',
      waitMs: 7_200_000,
    });
  });

  it('does not take a proxy’s refusal for WhatsApp’s', async () => {
    const { account, server, fixture } = await ready();
    server.upgradeStatus = 401;
    server.end(node('stream:error', { code: '503' }));
    await holds(() => /401/.test(account.states.at(-1)?.reason ?? ''));
    server.upgradeStatus = undefined;
    await account.reaches('ready');
    expect(await readdir(fixture.folder)).toContain('credentials.db');
  });

  it('begins a connection anew that is dead inwards, though pings are answered', async () => {
    const { account, server, fixture } = await ready({ quiet: 1_000, keepAlive: 100 });
    server.pushes = false;
    await fixture.dm('is anybody there?');
    await holds(() => server.queries.some(({ attrs }) => attrs.xmlns === 'w:p'));
    await holds(() => told(account).at(-1) === 'connecting' || server.logins > 1);
    server.pushes = true;
    expect((await account.message(0)).text).toBe('is anybody there?');
    expect(told(account)).not.toContain('degraded');
  });

  it('outlives a frame that cannot be decrypted', async () => {
    const { account, server } = await ready();
    for (const link of server.links) link.sendGarbage();
    await account.reaches('degraded');
    await account.reaches('ready');
  });
});

describe('credentials', () => {
  it.each([
    ['cut short', (path: string) => truncate(path, 6_000)],
    ['emptied', (path: string) => truncate(path, 0)],
    ['overwritten', (path: string) => writeFile(path, 'not a database at all, but long enough to look like one')],
  ])('that were %s are put aside and said, and no new device is linked', async (_, damage) => {
    const { account, server, fixture } = await ready();
    await fixture.adapter.stop();
    const path = join(fixture.folder, 'credentials.db');
    await damage(path);
    const damaged = await readFile(path);
    const error = await account.failure(fixture.adapter.start(account));
    expect(error).toMatchObject({ kind: 'unauthorized' });
    expect(error.message).toMatch(/damaged.*credentials\.db\.damaged-/);
    const [aside] = await readdir(fixture.folder);
    expect((await readFile(join(fixture.folder, aside!))).equals(damaged)).toBe(true);
    expect(account.codes).toEqual([]);
    expect(server.links.size).toBe(0);
  });

  it('keep what was written through a kill at any moment', async () => {
    const folder = await tempFolder();
    const program = `
      const { Credentials } = await import(${JSON.stringify(new URL('../../src/channels/whatsapp/credentials.ts', import.meta.url).href)});
      const baileys = await import('@whiskeysockets/baileys');
      const credentials = Credentials.open(${JSON.stringify(folder)}, baileys, console);
      for (let n = 1; ; n++) {
        const value = Buffer.alloc(20_000, n);
        value.writeUInt32BE(n);
        await credentials.keys.set({ session: { a: value, b: value }, 'lid-mapping': { n: String(n) } });
        process.stdout.write(n + '\\n');
      }`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    child.stdout.on('data', (data) => {
      said += data;
      if (said.split('\n').length > 50) child.kill('SIGKILL');
    });
    await once(child, 'close');
    const written = Number(said.trim().split('\n').at(-1));
    const credentials = Credentials.open(folder, baileys, silent);
    const { a, b } = await credentials.keys.get('session', ['a', 'b']);
    const { n } = await credentials.keys.get('lid-mapping', ['n']);
    credentials.close();
    expect(Buffer.compare(a!, b!)).toBe(0);
    expect(Buffer.from(a!).readUInt32BE()).toBe(Number(n));
    expect(Number(n)).toBeGreaterThanOrEqual(written);
  });

  it('are used by one process at a time', async () => {
    const folder = await tempFolder();
    const credentials = Credentials.open(folder, baileys, silent);
    expect(() => Credentials.open(folder, baileys, silent)).toThrow('another process uses these credentials');
    credentials.close();
    Credentials.open(folder, baileys, silent).close();
  });

  it('come back as they were, whatever kind of key', async () => {
    const folder = await tempFolder();
    const credentials = Credentials.open(folder, baileys, silent);
    const keys = {
      'pre-key': { '1': baileys.Curve.generateKeyPair() },
      session: { 'a.0': Buffer.from('{"a":1}') },
      'sender-key-memory': { g: { 'a@lid': true } },
      'app-state-sync-key': { k: { keyData: Buffer.from([1, 2]), timestamp: 7 } },
      'lid-mapping': { '49': '123' },
      'device-list': { '49': ['0', '5'] },
    };
    await credentials.keys.set(keys);
    await credentials.keys.set({ session: { 'b.0': Buffer.from('b') } });
    await credentials.keys.set({ session: { 'b.0': null } });
    credentials.creds.me = { id: '49:1@s.whatsapp.net' };
    credentials.save();
    credentials.close();
    const later = Credentials.open(folder, baileys, silent);
    expect(later.creds).toEqual(credentials.creds);
    expect(later.linked).toBe(true);
    expect(await later.keys.get('pre-key', ['1', '2'])).toEqual(keys['pre-key']);
    expect(await later.keys.get('session', ['a.0', 'b.0'])).toEqual(keys.session);
    expect(await later.keys.get('sender-key-memory', ['g'])).toEqual(keys['sender-key-memory']);
    expect(await later.keys.get('lid-mapping', ['49'])).toEqual(keys['lid-mapping']);
    expect(await later.keys.get('device-list', ['49'])).toEqual(keys['device-list']);
    const { k } = await later.keys.get('app-state-sync-key', ['k']);
    expect(k).toBeInstanceOf(baileys.proto.Message.AppStateSyncKeyData);
    expect(Buffer.from(k!.keyData!)).toEqual(Buffer.from([1, 2]));
    later.close();
  });

  it('are bounded: the keys of the longest unused chats go, the identity stays', async () => {
    const folder = await tempFolder();
    const credentials = Credentials.open(folder, baileys, silent);
    const key = Buffer.from('key');
    await credentials.keys.set({ session: { old: key } });
    await new Promise((resolve) => setTimeout(resolve, 5));
    const many = Array.from({ length: 50_000 }, (_, index) => [`many.${index}`, key] as const);
    await credentials.keys.set({ session: Object.fromEntries(many) });
    credentials.close();
    const later = Credentials.open(folder, baileys, silent);
    expect(await later.keys.get('session', ['old'])).toEqual({});
    expect(later.creds).toEqual(credentials.creds);
    const left = await later.keys.get(
      'session',
      many.map(([id]) => id),
    );
    expect(Object.keys(left).length).toBeGreaterThan(44_000);
    expect(Object.keys(left).length).toBeLessThanOrEqual(45_000);
    later.close();
  });

  it('that were put aside are kept for the last three times', async () => {
    const folder = await tempFolder();
    await mkdir(folder, { recursive: true });
    for (let times = 0; times < 5; times += 1) Credentials.open(folder, baileys, silent).setAside('logged-out');
    expect(await readdir(folder)).toHaveLength(3);
  });
});

describe('without the package', () => {
  it('says in one sentence how to install it', async () => {
    const hook = `
      import { registerHooks } from 'node:module';
      registerHooks({ resolve(specifier, context, next) {
        if (specifier !== '@whiskeysockets/baileys') return next(specifier, context);
        throw Object.assign(new Error('Cannot find package'), { code: 'ERR_MODULE_NOT_FOUND' });
      } });
      const { createAdapter } = await import(${JSON.stringify(new URL('../../src/channels/whatsapp/adapter.ts', import.meta.url).href)});
      await createAdapter({}, { folder: '/nowhere' }).start({}).catch(({ kind, message }) => console.log(kind + ': ' + message));`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', hook], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    child.stdout.on('data', (data) => {
      said += data;
    });
    await once(child, 'close');
    expect(said).toMatch(
      /^rejected: WhatsApp needs a package .* npm install @whiskeysockets\/baileys@7\.0\.0-rc14.*\n$/,
    );
  });
});
