/**
 * Goal: the estimate of tokens is near enough, cheap, and corrected by what APIs report. Method: OpenAI's tokenizers over
 * texts the weights were not fitted to; `docs/context.md` has the table this makes.
 */
import { countTokens as cl100k } from 'gpt-tokenizer/encoding/cl100k_base';
import { countTokens as o200k } from 'gpt-tokenizer/encoding/o200k_base';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { Calibration } from '../../src/agent/calibration.ts';
import { CONTEXT_TOKENS_DEFAULT, contextWindowOf, sharesOf } from '../../src/agent/context-window.ts';
import { estimateTokens, tokenFamilyOf } from '../../src/agent/tokens.ts';
import { CORPUS } from './token-corpus.ts';

const TOKENIZERS = { o200k, cl100k } as const;

describe.each(Object.entries(TOKENIZERS))('the estimate for %s', (name, count) => {
  const family = name as keyof typeof TOKENIZERS;
  const rows = Object.entries(CORPUS).map(([kind, text]) => ({
    kind,
    ratio: estimateTokens(text, family) / count(text),
  }));

  it.each(rows)('is near for $kind', ({ ratio }) => {
    expect(ratio).toBeGreaterThan(0.7);
    expect(ratio).toBeLessThan(1.35);
  });

  it('is off by less than 15 % on average', () => {
    const off = rows.reduce((sum, { ratio }) => sum + Math.abs(ratio - 1), 0) / rows.length;
    expect(off).toBeLessThan(0.15);
  });

  it('counts a long text by samples, as near', () => {
    const long = Object.values(CORPUS).join('\n').repeat(8);
    const ratio = estimateTokens(long, family) / count(long);
    expect(ratio).toBeGreaterThan(0.85);
    expect(ratio).toBeLessThan(1.15);
  });
});

describe('counting', () => {
  it('looks at no more of a text than 16 Ki code units, however long that is', () => {
    const looked = vi.spyOn(String.prototype, 'charCodeAt');
    onTestFinished(() => looked.mockRestore());
    const tokens = estimateTokens('word '.repeat(200_000), 'o200k');
    // A character is looked at up to three times: by what is before it, by its kind, and by what it is part of.
    const times = looked.mock.calls.length;
    looked.mockRestore();
    expect(tokens).toBeGreaterThan(150_000);
    expect(times).toBeLessThan(4 * 16_384);
  });

  it('knows the families by the models names', () => {
    expect(['gpt-4o', 'gpt-6.1-terra', 'o3-mini', 'openai/gpt-5'].map(tokenFamilyOf)).toEqual(Array(4).fill('o200k'));
    expect(['gpt-4', 'gpt-4-turbo', 'gpt-3.5-turbo'].map(tokenFamilyOf)).toEqual(Array(3).fill('cl100k'));
    expect(['claude-sonnet-5-5', 'anthropic/claude-opus-4'].map(tokenFamilyOf)).toEqual(Array(2).fill('claude'));
    expect(['llama3.1:8b', 'qwen/qwen3-32b'].map(tokenFamilyOf)).toEqual(Array(2).fill('open'));
  });
});

describe('what APIs report', () => {
  it('corrects the estimate, for each model apart; what cannot be true does not', () => {
    const calibration = new Calibration();
    calibration.learn('a', 1_000, 1_400);
    expect(calibration.ratioOf('a')).toBe(1.4);
    calibration.learn('a', 1_000, 1_000);
    expect(calibration.ratioOf('a')).toBeCloseTo(1.2);
    // A server that cuts what is too long, one that counts nothing, a request that is mostly the vendor's own.
    for (const [estimated, actual] of [
      [30_000, 2_048],
      [30_000, 0],
      [30, 90],
    ] as const)
      calibration.learn('a', estimated, actual);
    expect(calibration.ratioOf('a')).toBeCloseTo(1.2);
    expect(calibration.ratioOf('b')).toBe(1);
  });

  it('is forgotten for the models that were not asked for longest', () => {
    const calibration = new Calibration();
    for (let model = 0; model < 20; model += 1) calibration.learn(`${model}`, 1_000, 2_000);
    expect([calibration.ratioOf('0'), calibration.ratioOf('19')]).toEqual([1, 2]);
  });

  it('makes the window smaller when a request is refused, never larger', () => {
    const window = { tokens: 8_192, source: 'known' } as const;
    const calibration = new Calibration();
    calibration.refused('a', 5_000, 1_000, { promptTokens: 5_100, limitTokens: 4_096 });
    expect(calibration.windowOf('a', window)).toEqual({ tokens: 4_096, source: 'refused' });
    expect(calibration.ratioOf('a')).toBeCloseTo(1.02);
    calibration.refused('b', 5_000, 1_000, { limitTokens: 100_000 });
    expect(calibration.windowOf('b', window).tokens).toBe(3_600);
    expect(calibration.windowOf('c', window)).toBe(window);
  });
});

describe('the window of a model', () => {
  it.each([
    ['gpt-4', 8_192],
    ['gpt-4o-mini', 128_000],
    ['gpt-4.1-nano', 1_047_576],
    ['claude-sonnet-5-5', 200_000],
    ['anthropic/claude-3-haiku', 200_000],
    ['llama3.1:8b', 131_072],
    ['meta-llama/Llama-3-70b', 8_192],
  ])('%s is known', (model, tokens) => {
    expect(contextWindowOf(model, undefined)).toEqual({ tokens, source: 'known' });
  });

  it('is a safe one where nobody knows it, and what the configuration says', () => {
    expect(contextWindowOf('home-made', undefined)).toEqual({ tokens: CONTEXT_TOKENS_DEFAULT, source: 'default' });
    expect(contextWindowOf('gpt-4', 4_096)).toEqual({ tokens: 4_096, source: 'configured' });
  });

  it('has room for the answer and the thoughts before it, and never only for them', () => {
    expect(sharesOf(200_000, 8_192, 'off')).toEqual({ room: 182_217, answer: 8_192 });
    expect(sharesOf(200_000, 8_192, 'high')).toEqual({ room: 166_652, answer: 8_192 });
    expect(sharesOf(4_096, 8_192, 'high')).toEqual({ room: 1_945, answer: 2_048 });
  });
});
