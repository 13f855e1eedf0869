/**
 * Goal: the files made from the code are those of this code, and say what it does.
 * Method: each is made again and compared; the schemas are read back and asked about requests and configurations.
 */
import { readFile } from 'node:fs/promises';
import { describe, expect, it, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { GENERATED } from '../../scripts/generated-docs.ts';
import { VALID_REQUESTS } from '../support/valid-requests.ts';

const read = (path: string) => readFile(new URL(`../../${path}`, import.meta.url), 'utf8');
const schemaAt = async (path: string) => z.fromJSONSchema(JSON.parse(await read(path)));

test.each(Object.keys(GENERATED))('%s is what npm run docs makes of the code', async (path) => {
  expect(await read(path)).toBe(GENERATED[path]?.());
});

describe('docs/protocol.schema.json', () => {
  it('takes every valid request, and none with a field too many or a wrong type', async () => {
    const schema = await schemaAt('docs/protocol.schema.json');
    for (const [type, data] of Object.entries(VALID_REQUESTS)) {
      const takes = (request: object) => schema.safeParse(request).success;
      expect([type, takes({ id: '1', type, data })]).toEqual([type, true]);
      expect([type, takes({ id: '1', type, data: { ...data, more: 1 } })]).toEqual([type, false]);
      expect([type, takes({ id: 1, type, data })]).toEqual([type, false]);
    }
    expect(schema.safeParse({ id: '1', type: 'no.such' }).success).toBe(false);
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
