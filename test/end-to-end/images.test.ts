/**
 * Goal: images of a message reach the model as they were sent, outlive the process, and are told about by size only; what
 * is no image is refused by name. Method: a model server that records what it is sent, and whole gateways.
 */
import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { ATTACHMENTS_BYTES_MAX } from '../../src/protocol/limits.ts';
import type { ImageType } from '../../src/protocol/messages.ts';
import { Store } from '../../src/storage/store.ts';
import { gatewayProcess, localGateway } from '../support/gateway.ts';
import { STALLS, scriptedModel } from '../support/model.ts';
import { OPENAI_TEXT_MODEL } from '../support/openai-server.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { MAIN } from '../support/valid-requests.ts';
import { until } from '../support/wait.ts';

const HEADS: Record<ImageType, string> = {
  'image/png': '\x89PNG\r\n\x1a\n',
  'image/jpeg': '\xff\xd8\xff\xe0',
  'image/webp': 'RIFF\x10\x00\x00\x00WEBP',
  'image/gif': 'GIF89a',
};

/** An image of `bytes` bytes whose beginning is right. */
function imageOf(mediaType: ImageType, bytes = 100) {
  const head = Buffer.from(HEADS[mediaType], 'latin1');
  const data: Uint8Array = Buffer.concat([head, randomBytes(bytes - head.length)]);
  return { type: 'image' as const, mediaType, data };
}

/** The images of each user's message in a request to the model. */
function imagesIn(body: Record<string, unknown>): string[][] {
  const messages = body.messages as { role: string; content: string | { image_url?: { url: string } }[] }[];
  return messages
    .filter(({ role }) => role === 'user')
    .map(({ content }) =>
      typeof content === 'string' ? [] : content.flatMap(({ image_url }) => (image_url ? [image_url.url] : [])),
    );
}

const urlOf = ({ mediaType, data }: { mediaType: string; data: Uint8Array }) =>
  `data:${mediaType};base64,${Buffer.from(data).toString('base64')}`;
const told = ({ mediaType, data }: { mediaType: ImageType; data: Uint8Array }) => ({
  type: 'image',
  mediaType,
  bytes: data.length,
});

describe('images in a message', () => {
  it('reach the model with it and with the next one; clients are told their sizes', async () => {
    const { server, models } = await scriptedModel();
    const client = await (await localGateway({ models })).connect();
    const images = (Object.keys(HEADS) as ImageType[]).map((type) => imageOf(type));
    const { message } = await client.ask('message.send', { text: 'what is this?', attachments: images });
    expect((await client.runEnd(message)).data.status).toBe('ok');
    const next = await client.ask('message.send', { text: 'and now?' });
    await client.runEnd(next.message);
    expect(server.requests.map(({ body }) => imagesIn(body))).toEqual([[images.map(urlOf)], [images.map(urlOf), []]]);
    expect(client.events('message.inbound').map(({ data }) => data.attachments)).toEqual([images.map(told), undefined]);
    const { entries } = await client.ask('session.history', { session: MAIN });
    expect(entries.map(({ attachments }) => attachments)).toEqual([images.map(told), undefined, undefined, undefined]);
  });

  it('outlive kill -9: the run after it, and the one after that, are sent them', async () => {
    const { server, models } = await scriptedModel(STALLS);
    const home = await tempFolder();
    const first = await gatewayProcess({ home, config: { models } });
    const client = await first.connect();
    const image = imageOf('image/png', ATTACHMENTS_BYTES_MAX);
    await client.ask('message.send', { text: 'look', attachments: [image] });
    await server.request(0);
    await first.kill();
    const again = await (await gatewayProcess({ home, config: { models } })).connect();
    await until(
      15_000,
      async () => (await again.ask('session.history', { session: MAIN })).entries.length === 2 || undefined,
      'the answer',
    );
    const { message } = await again.ask('message.send', { text: 'again' });
    await again.runEnd(message);
    expect(server.requests.map(({ body }) => imagesIn(body))).toEqual([
      [[urlOf(image)]],
      [[urlOf(image)]],
      [[urlOf(image)], []],
    ]);
  });

  it('stay with their messages when these are answered together or enter a run', async () => {
    const { server, models } = await scriptedModel(STALLS);
    const client = await (await localGateway({ models, sessions: { debounceMs: 0 } })).connect();
    await client.ask('message.send', { text: 'first' });
    await server.request(0);
    const images = [imageOf('image/gif'), imageOf('image/webp')];
    for (const image of images) {
      await client.ask('message.send', { text: 'see', attachments: [image], mode: 'collect' });
    }
    const run = client.events('run.start')[0]!.data.run;
    await client.ask('message.cancel', { session: MAIN, run });
    const { body } = await server.request(1);
    expect(imagesIn(body).slice(-2)).toEqual(images.map((image) => [urlOf(image)]));
  });

  it('enter the run that goes on with the message that steers it', async () => {
    const { server, models } = await scriptedModel(
      { toolCalls: [{ name: 'calc', input: { expression: '1+1' } }], eventDelayMs: 150 },
      {},
    );
    const client = await (await localGateway({ models })).connect();
    const { message } = await client.ask('message.send', { text: 'first' });
    await server.request(0);
    const image = imageOf('image/jpeg');
    await client.ask('message.send', { text: 'see', attachments: [image], mode: 'steer' });
    await client.runEnd(message);
    expect(imagesIn(server.requests[1]!.body)).toEqual([[], [urlOf(image)]]);
    const next = await client.ask('message.send', { text: 'and now?' });
    await client.runEnd(next.message);
    expect(imagesIn(server.requests[2]!.body)).toEqual([[], [urlOf(image)], []]);
  });

  it('are gone with their session, from the disk too', async () => {
    const { server, models } = await scriptedModel();
    const gateway = await localGateway({ models });
    const client = await gateway.connect();
    const session = (await client.ask('session.create', { user: 'ada' })).session.id;
    const sent = { session, text: 'look', attachments: [imageOf('image/png')] };
    await client.runEnd((await client.ask('message.send', sent)).message);
    await client.ask('session.delete', { session });
    await client.ask('session.create', { user: 'ada' });
    await client.runEnd((await client.ask('message.send', { session, text: 'what was it?' })).message);
    expect(imagesIn(server.requests[1]!.body)).toEqual([[]]);
    const kept = await client.ask('message.send', { text: 'look', attachments: [imageOf('image/png', 50)] });
    await client.runEnd(kept.message);
    await gateway.stop();
    const store = new Store(gateway.home);
    const onDisk = Array.from(store.images.getRange(), ({ key, value }) => [...key, value.length]);
    await store.close();
    expect(onDisk).toEqual([[MAIN, 1, 0, 50]]);
  });

  it('end the run with the reason of the API where the model takes none', async () => {
    const { models } = await scriptedModel();
    const config = { ...models, default: `openai/${OPENAI_TEXT_MODEL}` };
    const client = await (await localGateway({ models: config })).connect();
    const { message } = await client.ask('message.send', { text: 'look', attachments: [imageOf('image/png')] });
    expect((await client.runEnd(message)).data).toMatchObject({
      status: 'failed',
      error: { code: 'model_rejected', message: expect.stringContaining('only supported by certain models') },
    });
  });

  it('are counted by the offline model, which cannot see them; in JSON they are base64', async () => {
    const client = await (await localGateway()).connect({ json: true });
    const image = { ...imageOf('image/jpeg'), data: Buffer.from('\xff\xd8\xff\xe0', 'latin1').toString('base64') };
    const { message } = await client.ask('message.send', { text: 'look', attachments: [image, image] });
    await client.runEnd(message);
    expect(client.events('message.outbound')[0]?.data.text).toMatch(/^I cannot see images, and you sent 2\./);
    expect(client.events('message.inbound')[0]?.data.attachments?.[0]).toEqual({
      type: 'image',
      mediaType: 'image/jpeg',
      bytes: 4,
    });
  });

  it('are refused by name where something is wrong with them, and nothing is accepted', async () => {
    const client = await (await localGateway()).connect();
    const png = imageOf('image/png');
    const cases: [unknown, string][] = [
      [[], 'data.attachments'],
      [[png, png, png, png, png], 'data.attachments'],
      [[{ ...png, type: 'video' }], 'data.attachments.0.type'],
      [[{ ...png, mediaType: 'image/svg+xml' }], 'data.attachments.0.mediaType'],
      [[{ ...png, name: 'x' }], 'data.attachments.0.name'],
      [[{ ...png, data: 7 }], 'data.attachments.0.data'],
      [[{ ...png, data: null }], 'data.attachments.0.data'],
      [[{ type: 'image', mediaType: 'image/png' }], 'data.attachments.0.data'],
      [[png, { ...png, data: new Uint8Array(0) }], 'data.attachments.1.data'],
      [[{ ...png, data: '' }], 'data.attachments.0.data'],
      [[{ ...png, data: 'no base64!' }], 'data.attachments.0.data'],
      [[{ ...png, data: 'iVBORw0KGgo' }], 'data.attachments.0.data'],
      [[imageOf('image/png', ATTACHMENTS_BYTES_MAX + 1)], 'data.attachments'],
      [[imageOf('image/png', ATTACHMENTS_BYTES_MAX), png], 'data.attachments'],
      ...(Object.keys(HEADS) as ImageType[]).flatMap((mediaType) =>
        (Object.keys(HEADS) as ImageType[])
          .filter((other) => other !== mediaType)
          .map((other): [unknown, string] => [[{ ...imageOf(other), mediaType }], 'data.attachments.0.data']),
      ),
    ];
    for (const [attachments, param] of cases) {
      const error = await client.refusal('message.send', { text: 'look', attachments });
      expect([error.code, error.param]).toEqual(['invalid_request', param]);
    }
    const error = await client.refusal('message.send', { text: '/status', attachments: [png] });
    expect([error.code, error.param]).toEqual(['invalid_request', 'data.attachments']);
    expect((await client.ask('session.history', { session: MAIN })).entries).toEqual([]);
  });

  it('may have the bytes of the limit together', async () => {
    const client = await (await localGateway()).connect();
    const quarter = imageOf('image/png', ATTACHMENTS_BYTES_MAX / 4);
    const { message } = await client.ask('message.send', { text: 'look', attachments: Array(4).fill(quarter) });
    expect((await client.runEnd(message)).data.status).toBe('ok');
  });
});
