/**
 * Goal: the client needs nothing of Node.
 * Method: a process that resolves packages as a bundler for browsers does, and has neither Buffer nor process.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { localGateway } from '../support/gateway.ts';

const CLIENT = new URL('../../src/client/client.ts', import.meta.url).href;

const PAGE = `
  const [url, token, log] = [process.argv[1], process.argv[2], console.log];
  for (const name of ['Buffer', 'process', 'global', 'setImmediate']) {
    const value = globalThis[name];
    // Node's own WebSocket takes them from here too.
    const get = () => (new Error().stack.split('\\n')[2].includes('node:internal') ? value : undefined);
    Object.defineProperty(globalThis, name, { get });
  }
  const { connect } = await import('${CLIENT}');
  const client = await connect({ url, token });
  for await (const { type, data } of client.run({ text: 'calc 6*7' })) {
    if (type === 'message.outbound') log(data.text, typeof Buffer, typeof process);
  }
  await client.close();`;

test('a page without Buffer, process and modules of Node gets an answer', async () => {
  const gateway = await localGateway();
  const args = ['--conditions=browser', '--input-type=module', '--eval', PAGE, gateway.url, gateway.token];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  expect(stdout).toBe('6*7 = 42 undefined undefined\n');
});
