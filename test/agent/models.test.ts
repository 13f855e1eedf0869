import { describe, expect, it } from 'vitest';
import { createModels, describeModel } from '../../src/agent/models.ts';
import { type Config, configSchema } from '../../src/config/schema.ts';

function config(models: Record<string, unknown> = {}): Config {
  return configSchema.parse({ models });
}

const anthropic = { apiKey: 'sk-ant-1' };
const openai = { apiKey: 'sk-1' };

describe('the default model', () => {
  it.each([
    ['what is configured', { default: 'openai/mine', anthropic, openai }, 'openai/mine'],
    ['anthropic where a key is', { anthropic, openai }, 'anthropic/claude-sonnet-5-5'],
    ['else openai where a key is', { openai }, 'openai/gpt-6.1-terra'],
    ['else offline', {}, 'offline'],
    [
      'offline where only an address is known, not what runs there',
      { openai: { baseUrl: 'http://a.test' } },
      'offline',
    ],
  ])('is %s', (_, models, expected) => {
    expect(describeModel(config(models))).toBe(expected);
  });

  it('that cannot be used is an error when the gateway starts', () => {
    expect(() => describeModel(config({ default: 'openai/gpt-6.1-terra' }))).toThrow(
      /no key for openai.*OPENAI_API_KEY/,
    );
  });
});

describe('a model reference', () => {
  const models = createModels(config({ anthropic, openai: { baseUrl: 'http://127.0.0.1:11434/v1' } }));

  it('names a provider and its model', () => {
    expect(models.resolve('anthropic/claude-x')).toMatchObject({
      provider: { name: 'anthropic' },
      name: 'claude-x',
      reference: 'anthropic/claude-x',
    });
  });

  it('may have slashes in the model, and needs no key for a server of one’s own', () => {
    expect(models.resolve('openai/meta/llama:8b')).toMatchObject({
      provider: { name: 'openai' },
      name: 'meta/llama:8b',
    });
  });

  it('gives the same provider every time, so that connections are reused', () => {
    expect(models.resolve('anthropic/a').provider).toBe(models.resolve('anthropic/b').provider);
    expect(models.resolve('offline').provider).toBe(models.resolve('offline').provider);
  });

  it.each(['gemini/x', 'anthropic', 'anthropic/', '/x', '', 'Offline'])(
    '"%s" is refused with what there is',
    (reference) => {
      expect(() => models.resolve(reference)).toThrow(
        expect.objectContaining({
          code: 'invalid_request',
          param: 'model',
          message: expect.stringContaining('anthropic/<name>, openai/<name> or offline'),
        }),
      );
    },
  );
});
