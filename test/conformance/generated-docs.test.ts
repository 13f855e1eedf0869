/**
 * Goal: the files made from the code are those of this code, and say what it does.
 * Method: each is made again and compared; the schemas are read back and asked about frames and configurations.
 */
import { readFile } from 'node:fs/promises';
import { describe, expect, it, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { GENERATED } from '../../scripts/generated-docs.ts';
import { localGateway } from '../support/gateway.ts';
import { MAIN, VALID_REQUESTS } from '../support/valid-requests.ts';

const read = (path: string) => readFile(new URL(`../../${path}`, import.meta.url), 'utf8');
const schemaAt = async (path: string) => z.fromJSONSchema(JSON.parse(await read(path)));

test.each(Object.keys(GENERATED))('%s is what npm run docs makes of the code', async (path) => {
  expect(await read(path)).toBe(GENERATED[path]?.());
});

describe('docs/protocol.schema.json', () => {
  const kind = async (name: string) => {
    const { $schema, $defs } = JSON.parse(await read('docs/protocol.schema.json'));
    const schema = z.fromJSONSchema({ $schema, $defs, $ref: `#/$defs/${name}` });
    return (frame: object) => schema.safeParse(frame).success;
  };

  it('takes every valid request, and none with a field too many or a wrong type', async () => {
    const takes = await kind('request');
    for (const [type, data] of Object.entries(VALID_REQUESTS)) {
      expect([type, takes({ id: '1', type, data })]).toEqual([type, true]);
      expect([type, takes({ id: '1', type, data: { ...data, more: 1 } })]).toEqual([type, false]);
      expect([type, takes({ id: 1, type, data })]).toEqual([type, false]);
    }
    expect(takes({ id: '1', type: 'no.such' })).toBe(false);
  });

  it('takes replies, events and errors as they come, those of a newer gateway too, and none with a field too few', async () => {
    const gateway = await localGateway();
    const client = await gateway.connect();
    await client.ask('presence.list', { watch: true });
    await client.ask('status');
    await client.refusal('session.get', { session: 'nobody' });
    await client.runEnd((await client.ask('message.send', { text: 'what is 2+3*4' })).message);
    await client.ask('session.history', { session: MAIN });
    await gateway.connect();
    await client.when(() => client.frames.find(({ type }) => type === 'presence'));
    const kinds = { reply: await kind('reply'), event: await kind('event'), error: await kind('error') };
    const frames = client.frames.map(({ json: _, ...frame }) => frame);
    expect(frames.length).toBeGreaterThan(12);
    for (const frame of frames) {
      const [name] = Object.entries(kinds).find(([, takes]) => takes(frame)) ?? [];
      expect([frame, name]).toEqual([frame, expect.any(String)]);
      const takes = kinds[name as keyof typeof kinds];
      const body = frame.type === 'error' ? 'error' : 'data';
      expect(takes({ ...frame, newer: 1, [body]: { ...frame[body], newer: 1 } })).toBe(true);
      for (const field of Object.keys(frame)) expect(takes({ ...frame, [field]: undefined })).toBe(false);
    }
  });
});

describe('config/dhaavak.schema.json', () => {
  it('takes the example, references to variables and keys without a value', async () => {
    const schema = await schemaAt('config/dhaavak.schema.json');
    // biome-ignore lint/suspicious/noTemplateCurlyInString: that is how the file refers to variables
    for (const text of [await read('config/dhaavak.example.yaml'), '{ gateway: { port: "${PORT}" }, models: }']) {
      expect(schema.safeParse(parse(text)).error?.issues).toBeUndefined();
    }
  });

  it('refuses an unknown key and a value of another type, as the gateway does', async () => {
    const schema = await schemaAt('config/dhaavak.schema.json');
    for (const wrong of [{ gatway: {} }, { gateway: { port: 70_000 } }, { gateway: { port: 'high' } }]) {
      expect(schema.safeParse(wrong).success).toBe(false);
    }
  });

  it('is named in the example, so that editors find it', async () => {
    expect(await read('config/dhaavak.example.yaml')).toMatch(
      /^# yaml-language-server: \$schema=\.\/dhaavak\.schema\.json\n/,
    );
  });
});
