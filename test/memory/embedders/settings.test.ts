/**
 * Goal: the configuration's embedder is the one that is made, and no key goes where it does not belong.
 * Method: whole configurations, as a gateway loads them.
 */
import { describe, expect, test } from 'vitest';
import { configSchema } from '../../../src/config/schema.ts';
import { createEmbedder } from '../../../src/memory/embedders/create.ts';
import { embedderSettings } from '../../../src/memory/embedders/settings.ts';
import { startEmbeddingsServer } from '../../support/embeddings-server.ts';
import { OPENAI_KEY } from '../../support/openai-server.ts';

const never = new AbortController().signal;

function settings(embedder: object, openai: object = {}) {
  return embedderSettings(configSchema.parse({ memory: { embedder }, models: { openai } }));
}

describe('settings', () => {
  test('without any, the built-in one, whatever keys there are', () => {
    expect(settings({})).toEqual({ provider: 'offline' });
    expect(settings({ apiKey: 'key' }, { apiKey: 'key' })).toEqual({ provider: 'offline' });
  });

  test('address and key are those of models.openai', () => {
    const openai = { apiKey: 'vendor-key', baseUrl: 'https://proxy.example.org/v1' };
    expect(settings({ provider: 'openai' }, openai)).toEqual({
      provider: 'openai',
      model: 'text-embedding-3-small',
      ...openai,
    });
    expect(settings({ provider: 'openai', apiKey: 'own' })).toMatchObject({
      apiKey: 'own',
      baseUrl: 'https://api.openai.com/v1',
    });
  });

  test("another server is not sent the vendor's key", () => {
    const own = { provider: 'openai', model: 'nomic-embed-text', baseUrl: 'http://127.0.0.1:11434/v1' };
    expect(settings(own, { apiKey: 'vendor-key' })).not.toHaveProperty('apiKey');
    expect(settings({ ...own, apiKey: 'own', dimensions: 256 })).toEqual({ ...own, apiKey: 'own', dimensions: 256 });
  });

  test.each([
    [{ provider: 'openai' }, 'openai needs a key: set this, models.openai.apiKey or OPENAI_API_KEY'],
    [{ provider: 'openai', baseUrl: 'http://me:secret@127.0.0.1/v1' }, 'the key belongs into apiKey'],
    [{ provider: 'openai', baseUrl: 'ftp://127.0.0.1' }, 'URL'],
    [{ dimensions: 0 }, '>=8'],
  ])('%j is refused', (embedder, message) => {
    const { error } = configSchema.safeParse({ memory: { embedder } });
    expect(error?.issues[0]?.message).toContain(message);
    expect(error?.issues[0]?.path.slice(0, 2)).toEqual(['memory', 'embedder']);
  });
});

test('an embedder of each provider is made of its settings', async () => {
  const text = ['the same text'];
  const offline = await createEmbedder(settings({}), {}, never);
  expect(offline.id).toBe('offline/1');
  expect((await offline.embed(text, never))[0]).toHaveLength(offline.dimensions);

  const server = await startEmbeddingsServer();
  try {
    const own = { provider: 'openai', model: 'own-model', baseUrl: server.url, apiKey: OPENAI_KEY };
    const online = await createEmbedder(settings(own), {}, never);
    expect(online.id).toBe('openai/own-model/48');
    expect((await online.embed(text, never))[0]).toHaveLength(48);
  } finally {
    await server.close();
  }
});
