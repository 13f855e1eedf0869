/**
 * Goal: images reach the agent from the command line, and what cannot be sent is refused before anything is.
 * Method: real processes, files of every kind, and a stand-in for the OpenAI API that shows what it was sent.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { ATTACHMENTS_BYTES_MAX } from '../../src/protocol/limits.ts';
import { OPENAI_KEY, OPENAI_MODEL, startOpenAiServer } from '../support/openai-server.ts';
import type { ModelServer } from '../support/sse.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { type GatewayProcess, runCli, startGatewayProcess } from './processes.ts';

const PNG = Buffer.from('\x89PNG\r\n\x1a\nand so on', 'latin1');
const GIF = Buffer.from('GIF89a and so on', 'latin1');

let gateway: GatewayProcess;
let models: ModelServer;
let there: string[];

beforeAll(async () => {
  models = await startOpenAiServer();
  const env = { OPENAI_API_KEY: OPENAI_KEY, OPENAI_BASE_URL: models.url };
  gateway = await startGatewayProcess({ yaml: `models: { default: openai/${OPENAI_MODEL} }`, env });
  there = ['--url', gateway.url, '--home', gateway.home];
});

beforeEach(() => models.reset());

afterAll(async () => {
  await gateway.stop();
  await models.close();
});

/** A folder with these files; returns the path of each. */
async function files<Names extends string>(contents: Record<Names, Buffer>): Promise<Record<Names, string>> {
  const folder = await tempFolder();
  const paths = Object.keys(contents).map((name) => [name, join(folder, name)]) as [Names, string][];
  for (const [name, path] of paths) await writeFile(path, contents[name]);
  return Object.fromEntries(paths) as Record<Names, string>;
}

/** The text and the images of the newest message the model was sent. */
function asked(): [text: string, ...images: string[]] {
  const messages = models.requests.at(-1)?.body.messages as { role: string; content: unknown }[];
  const content = messages.findLast(({ role }) => role === 'user')?.content;
  const parts = content as { text?: string; image_url?: { url: string } }[];
  return typeof content === 'string'
    ? [content]
    : [parts.find(({ text }) => text)?.text ?? '', ...parts.flatMap(({ image_url }) => image_url?.url ?? [])];
}

const url = (type: string, image: Buffer) => `data:image/${type};base64,${image.toString('base64')}`;

test('send takes images, each by what is in the file', async () => {
  const { before, after } = await files({ before: PNG, after: GIF });
  models.script({ text: ['a line'] });
  const sent = await runCli(['send', ...there, '--image', before, 'What has', '--image', after, 'changed?']);
  expect(sent).toEqual({ exitCode: 0, stdout: 'a line\n', stderr: '' });
  expect(asked()).toEqual(['What has changed?', url('png', PNG), url('gif', GIF)]);
});

test('chat sends images with the next message and no other', async () => {
  const { picture } = await files({ picture: PNG });
  models.script({ text: ['nice'] }, { text: ['thanks'] });
  const said = await runCli(['chat', ...there], {}, `/image ${picture}\nlook\n`);
  expect(said).toEqual({ exitCode: 0, stdout: 'nice\n', stderr: '' });
  expect(asked()).toEqual(['look', url('png', PNG)]);
  await runCli(['chat', ...there], {}, 'and now?\n');
  expect(asked()).toEqual(['and now?']);
});

test.each([
  ['that is not there', [], /nowhere\.png cannot be read: ENOENT/],
  ['that is a folder', ['folder.png'], /folder\.png cannot be read: EISDIR/],
  ['that is no image, whatever its name', ['text.png'], /text\.png is not an image that can be sent; .* PNG, JPEG/],
  ['that is empty', ['empty.png'], /empty\.png is not an image that can be sent/],
  ['that is too large', ['large.png'], /large\.png is too large: it has 524289 bytes, and 524288 are left; .* 512 KiB/],
  ['that is too large with the one before', ['good.png', 'full.png'], /full\.png is too large: it has 524288 bytes/],
  ['too many', Array(5).fill('good.png'), /5 images are too many; a message may come with up to 4/],
])('an image %s is refused as wrong usage, and nothing is sent', async (_what, names, says) => {
  const large = Buffer.concat([PNG, Buffer.alloc(ATTACHMENTS_BYTES_MAX + 1 - PNG.length)]);
  const all = { 'text.png': Buffer.from('no'), 'empty.png': Buffer.alloc(0), 'large.png': large, 'good.png': PNG };
  const { 'good.png': good } = await files({ ...all, 'full.png': large.subarray(1).fill(PNG, 0, PNG.length) });
  const folder = join(good, '..');
  await mkdir(join(folder, 'folder.png'));
  const images = (names.length === 0 ? ['nowhere.png'] : names).flatMap((name) => ['--image', join(folder, name)]);
  const refused = await runCli(['send', ...there, ...images, 'look']);
  expect(refused).toMatchObject({ exitCode: 2, stdout: '' });
  expect(refused.stderr).toMatch(says);
  expect(refused.stderr.trim().split('\n')).toHaveLength(1);
  expect(models.requests).toEqual([]);
});

test('an image for a chat of a channel is refused as wrong usage', async () => {
  const refused = await runCli(['send', ...there, '--to', 'telegram:1', '--image', 'a.png', 'look']);
  expect(refused).toMatchObject({ exitCode: 2, stdout: '' });
  expect(refused.stderr).toContain("'--image <file>' cannot be used with option '--to <chat>'");
});

test('a chat goes on after an image that cannot be sent, and says so at its end', async () => {
  models.script({ text: ['fine'] });
  const said = await runCli(['chat', ...there], {}, '/image nowhere.png\nhello\n');
  expect(said).toMatchObject({ exitCode: 1, stdout: 'fine\n' });
  expect(said.stderr).toMatch(/nowhere\.png cannot be read: ENOENT/);
  expect(asked()).toEqual(['hello']);
});

test('the help of both says so', async () => {
  expect((await runCli(['send', '--help'])).stdout).toMatch(/--image <file>[\s\S]*dhaavak send --image before\.png/);
  expect((await runCli(['chat', ...there], {}, '/help\n')).stdout).toContain('/image');
});
