/**
 * Goal: a server is used as the protocol says, and whatever it does wrong ends in an answer to whoever called, within the
 * time-outs. Method: servers made with the SDK, and hostile ones without it, as processes of their own.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { HOSTILE_SERVER, isAlive, SDK_SERVER, testKeeper } from '../../support/mcp-keeper.ts';
import { tempFolder } from '../../support/temp-folder.ts';
import { holds, until } from '../../support/wait.ts';

const SDK = { command: process.execPath, args: [SDK_SERVER] };
const hostile = (way: string, more: object = {}) => ({
  command: process.execPath,
  args: [HOSTILE_SERVER, way],
  callTimeoutMs: 300,
  ...more,
});

describe('a server made with the SDK, on standard streams', () => {
  it('has its tools called, and its results and errors given back', async () => {
    const keeper = testKeeper(SDK);
    await keeper.becomes('ready');
    expect(keeper.offer?.tools.map(({ name }) => name)).toContain('mcp.notes.add_note');
    expect(await keeper.call('addNote', { text: 'milk' })).toEqual({
      text: 'added: milk',
      failed: false,
      foreign: true,
    });
    expect(await keeper.call('fail')).toEqual({ text: 'it went wrong', failed: true, foreign: true });
    expect((await keeper.call('addNote', { text: 7 })).failed).toBe(true);
    expect((await keeper.call('no-such-tool')).failed).toBe(true);
    expect((await keeper.call('picture')).text).toContain('[image, image/png, 300 bytes: it cannot be shown here]');
    expect((await keeper.call('long')).text).toContain('more characters were cut');
    expect(keeper.status).toMatchObject({ state: 'ready', calls: 6, failed: 3, restarts: 0 });
  });

  it('offers a tool that it gets later', async () => {
    const keeper = testKeeper(SDK);
    await keeper.becomes('ready');
    await keeper.call('grow');
    await holds(() => keeper.offer?.tools.some(({ name }) => name === 'mcp.notes.grown') === true);
    expect((await keeper.call('grown')).text).toBe('grown');
  });

  it('is told of nothing but what is listed, and what it is told in confidence is in no log or result', async () => {
    // Not named like a secret: then it would be taken out of the result, whoever was told of it.
    process.env.OF_THE_GATEWAY = 'canary-of-the-gateway';
    const keeper = testKeeper({ ...SDK, env: { NOTES_KEY: 'canary-of-the-server' } });
    await keeper.becomes('ready');
    const { text } = await keeper.call('environment');
    delete process.env.OF_THE_GATEWAY;
    expect(JSON.parse(text)).toMatchObject({ NOTES_KEY: '[redacted]' });
    expect(text).not.toContain('canary');
    await holds(() => keeper.log.some((line) => line.includes('my key is [redacted]')));
    expect(JSON.stringify(keeper.log)).not.toContain('canary');
  });

  it('is told when a call is cancelled, and the caller has its answer at once', async () => {
    const notes = join(await tempFolder(), 'notes');
    const noted = async (line: string) =>
      until(
        10_000,
        async () => ((await readFile(notes, 'utf8').catch(() => '')).includes(line) ? true : undefined),
        line,
      );
    const keeper = testKeeper({ ...SDK, env: { NOTES_FILE: notes } });
    await keeper.becomes('ready');
    const call = keeper.call('wait', {}, 'w1');
    await noted('waiting');
    keeper.cancel('w1');
    expect(await call).toMatchObject({ failed: true, text: expect.stringContaining('cancelled') });
    await noted('cancelled');
    expect(keeper.status?.state).toBe('ready');
  });

  it('that ends is started again; the call that it ended in is told so', async () => {
    const keeper = testKeeper(SDK);
    await keeper.becomes('ready');
    const { text, failed } = await keeper.call('exit');
    expect(failed).toBe(true);
    expect(text).toContain('ended with the exit code 7; whether it did anything is not known');
    await keeper.becomes('ready');
    expect((await keeper.call('addNote', { text: 'again' })).text).toBe('added: again');
    expect(keeper.states).toEqual(['connecting', 'ready', 'waiting', 'connecting', 'ready']);
  });

  it('refuses calls beyond the limits before anything is sent', async () => {
    const keeper = testKeeper(SDK);
    await keeper.becomes('ready');
    expect((await keeper.call('addNote', { text: 'x'.repeat(300_000) })).text).toContain('the input is over');
    const waiting = Array.from({ length: 32 }, (_, n) => keeper.call('wait', {}, `w${n}`));
    expect((await keeper.call('addNote', { text: 'y' })).text).toContain('busy with 32 calls');
    for (let n = 0; n < 32; n += 1) keeper.cancel(`w${n}`);
    await Promise.all(waiting);
  });
});

describe('a server that an operator has connected anew', () => {
  it('is there again, also one that was given up, as soon as it is mended', async () => {
    const folder = await tempFolder();
    const program = join(folder, 'server.mjs');
    const keeper = testKeeper({ command: process.execPath, args: [program] }, { badMax: 2 });
    await keeper.becomes('failed');
    await writeFile(program, `process.argv[2] = 'plain'; await import(${JSON.stringify(HOSTILE_SERVER)});`);
    keeper.restart();
    await keeper.becomes('ready');
    expect((await keeper.call('poke')).text).toBe('poked');
    expect(keeper.states.slice(-3)).toEqual(['failed', 'connecting', 'ready']);
  });

  it('is another process, and only one, however often that is asked for', async () => {
    const pids = join(await tempFolder(), 'pids');
    const keeper = testKeeper({ ...hostile('plain'), args: [HOSTILE_SERVER, 'plain', pids] });
    await keeper.becomes('ready');
    const { pid } = keeper;
    for (let n = 0; n < 5; n += 1) keeper.restart();
    await holds(() => keeper.status?.state === 'ready' && keeper.pid !== pid);
    expect((await keeper.call('poke')).text).toBe('poked');
    const all = (await readFile(pids, 'utf8')).trim().split('\n').map(Number);
    expect(all).toHaveLength(2);
    await holds(() => !isAlive(pid as number));
  });
});

describe('a program that cannot be used', () => {
  it.each([
    ['is not there', { command: 'no-such-program-anywhere' }, 'cannot be started: there is no such program'],
    ['has no folder', { ...SDK, cwd: '/no/such/folder' }, 'no such cwd'],
    ['ends at once', hostile('exits'), 'it ended with the exit code 9'],
    ['says nothing', hostile('silent', { connectTimeoutMs: 300 }), 'it did not answer within 300 ms'],
    ['does not say hello', hostile('no-hello', { connectTimeoutMs: 300 }), 'it did not answer within 300 ms'],
    ['lists no tools', hostile('no-list', { connectTimeoutMs: 300 }), 'it did not answer within 300 ms'],
    ['speaks another version', hostile('wrong-version'), 'protocol version is not supported'],
  ])('since it %s is given up after some tries, with the reason', async (_, settings, reason) => {
    const keeper = testKeeper(settings, { badMax: 3 });
    await keeper.becomes('failed');
    expect(keeper.status).toMatchObject({ reason: expect.stringContaining('given up after 3 starts'), restarts: 2 });
    expect(keeper.status?.reason).toContain(reason);
    expect(keeper.log.at(-1)).toContain('given up');
    const { text } = await keeper.call('poke');
    expect(text).toContain('the MCP server notes is not there');
    await holds(() => keeper.pid === undefined);
  });
});

describe('a hostile program', () => {
  it.each([
    ['never-answers', 'did not answer within 300 ms'],
    ['wrong-id', 'did not answer within 300 ms'],
    ['dies-in-call', 'ended with the exit code 3'],
    ['no-content', 'not as the protocol wants it'],
    ['huge-line', 'a message over 4194304 bytes'],
    ['endless-line', 'a message over 4194304 bytes'],
    ['flood', 'messages in a second'],
    ['odd-content', 'and a text'],
    ['asks', 'told -32601'],
    ['garbage', 'poked'],
    ['noisy', 'poked'],
  ])('%s: the call is answered', async (way, expected) => {
    const keeper = testKeeper(hostile(way, { callTimeoutMs: way.endsWith('line') || way === 'flood' ? 10_000 : 300 }));
    await keeper.becomes('ready');
    expect((await keeper.call('poke')).text).toContain(expected);
  });

  it('that neither answers calls nor pings is started again', async () => {
    const keeper = testKeeper(hostile('never-answers'));
    await keeper.becomes('ready');
    const { pid } = keeper;
    await keeper.call('poke');
    await holds(() => keeper.states.includes('waiting'));
    await keeper.becomes('ready');
    expect(keeper.pid).not.toBe(pid);
    expect(keeper.log.join()).toContain('answers neither a call nor a ping');
  });

  it('that reads nothing is not sent more than it may leave lying', async () => {
    const keeper = testKeeper(hostile('reads-nothing'));
    await keeper.becomes('ready');
    const input = { text: 'x'.repeat(200_000) };
    const texts: string[] = [];
    while (!texts.some((text) => text.includes('does not read')) && texts.length < 40) {
      texts.push((await keeper.call('poke', input)).text);
    }
    expect(texts.at(-1)).toContain('does not read what it is sent');
  });

  it('fills no log', async () => {
    const keeper = testKeeper(hostile('noisy'));
    await keeper.becomes('ready');
    await keeper.call('poke');
    await holds(() => keeper.log.length >= 50);
    await keeper.call('poke');
    expect(keeper.log.length).toBeLessThan(110);
  });

  it.each(['stays', 'children'])('%s: it and all it has started are ended with the keeper', async (way) => {
    const pids = join(await tempFolder(), 'pids');
    const keeper = testKeeper({ command: process.execPath, args: [HOSTILE_SERVER, way, pids] });
    await keeper.becomes('ready');
    const started = (await readFile(pids, 'utf8')).trim().split('\n').map(Number);
    expect(started).toHaveLength(way === 'children' ? 2 : 1);
    await keeper.stop();
    await holds(() => !started.some(isAlive));
  });
});
