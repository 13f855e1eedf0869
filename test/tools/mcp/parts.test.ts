/** Goal: the small parts between a server's bytes and a model's text hold whatever bytes come. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { answerOf, callResult, TEXT_LENGTH_MAX } from '../../../src/tools/mcp/content.ts';
import { Lines } from '../../../src/tools/mcp/lines.ts';
import { BYTES_PER_SECOND_MAX, MESSAGES_PER_SECOND_MAX, Pace } from '../../../src/tools/mcp/pace.ts';
import { plainEnvironment } from '../../../src/tools/mcp/program-group.ts';
import { createRedactor } from '../../../src/tools/mcp/secrets.ts';
import { OUTPUT_LENGTH_MAX } from '../../../src/tools/registry.ts';
import { framed } from '../../../src/tools/untrusted.ts';

describe('lines', () => {
  it('are the same however the bytes are cut', () => {
    const line = fc.string({ unit: 'grapheme', maxLength: 20 }).filter((text) => !/[\r\n]/.test(text));
    fc.assert(
      fc.property(fc.array(line), fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }), (texts, sizes) => {
        const bytes = Buffer.from(texts.map((text) => `${text}\n`).join(''));
        const lines = new Lines(1_000, () => expect.unreachable());
        const found: string[] = [];
        for (let at = 0, n = 0; at < bytes.length; n += 1) {
          const end = at + sizes[n % sizes.length]!;
          found.push(...lines.take(bytes.subarray(at, end)));
          at = end;
        }
        expect(found).toEqual(texts);
      }),
    );
  });

  it('that are too long are told once and passed over, and the next one is whole', () => {
    let told = 0;
    const lines = new Lines(10, () => {
      told += 1;
    });
    const take = (text: string) => [...lines.take(Buffer.from(text))];
    expect(take('short\r\nxxxxxxxx')).toEqual(['short']);
    for (let n = 0; n < 100; n += 1) expect(take('xxxx')).toEqual([]);
    expect(take('\nnext\n')).toEqual(['next']);
    expect(told).toBe(1);
  });
});

describe('a result', () => {
  const textOf = (result: object) => answerOf(callResult.parse(result));

  it('is its texts, and of the rest what it is', () => {
    const content = [
      { type: 'text', text: 'one' },
      { type: 'audio', data: 'AAAA', mimeType: 'audio/wav' },
      { type: 'resource', resource: { uri: 'x://\n1', blob: 'AAAAAA==' } },
    ];
    expect(textOf({ content }).text).toBe(
      'one\n[audio, audio/wav, 3 bytes: it cannot be shown here]\n[resource x://\\n1, of an unknown type, 4 bytes: it cannot be shown here]',
    );
  });

  it('is the structured content where there is no other', () => {
    expect(textOf({ structuredContent: { n: 1 } }).text).toBe('{"n":1}');
    expect(textOf({ content: [{ type: 'text', text: 'n is 1' }], structuredContent: { n: 1 } }).text).toBe('n is 1');
    expect(textOf({ content: [] }).text).toBe('(an empty result)');
  });

  it('is bounded, and says that it was cut; with its marks it is within the limit of the registry', () => {
    const content = Array.from({ length: 50_000 }, () => ({ type: 'text', text: 'x'.repeat(10) }));
    const { text } = textOf({ content });
    expect(text).toMatch(/\[\d+ more characters and \d+ more pieces of content were cut/);
    expect(text.length).toBeLessThan(TEXT_LENGTH_MAX + 200);
    expect(framed(text, 'x'.repeat(64)).length).toBeLessThan(OUTPUT_LENGTH_MAX);
  });

  it('takes whatever JSON there is', () => {
    fc.assert(fc.property(fc.array(fc.jsonValue()), (content) => void textOf({ content })));
  });
});

describe('secrets', () => {
  it('of the configuration are taken out of any text, also without the scheme of a header', () => {
    const redact = createRedactor({
      env: { A: 'short', B: 'secret-of-env' },
      headers: { Authorization: 'Bearer abcdefgh12' },
    });
    expect(redact('short secret-of-env abcdefgh12 Bearer abcdefgh12')).not.toMatch(/secret-of-env|abcdefgh12/);
    expect(redact('short')).toBe('short');
  });

  it('of the environment are none of what programs are given', () => {
    const env = { PATH: '/bin', HOME: '/h', ANTHROPIC_API_KEY: 'k', DHAAVAK_TOKEN: 't', NODE_OPTIONS: '--x' };
    expect(plainEnvironment(env)).toEqual({ PATH: '/bin', HOME: '/h' });
  });
});

describe('the pace of a server', () => {
  it('is bounded in messages and in bytes, each second anew', () => {
    const pace = new Pace();
    pace.count(MESSAGES_PER_SECOND_MAX, 0, 0);
    expect(() => pace.count(1, 0, 999)).toThrow('messages in a second');
    pace.count(1, BYTES_PER_SECOND_MAX, 1_000);
    expect(() => pace.count(0, 1, 1_001)).toThrow('bytes in a second');
    pace.count(1, 1, 2_000);
  });
});
