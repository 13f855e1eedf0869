import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { evaluate } from '../../src/tools/builtin/calc.ts';
import type { ToolResult } from '../../src/tools/registry.ts';
import { toolCaller } from '../support/tool-caller.ts';
import { builtinTools } from '../support/tool-registry.ts';

const tools = builtinTools().view({ tools: ['time.now', 'calc'], approve: [] }, toolCaller());

function call(name: string, input: unknown): Promise<ToolResult> {
  return tools.execute({ id: '1', name, input }, { signal: new AbortController().signal });
}

describe('time.now', () => {
  it('gives the present, in UTC and locally', async () => {
    const before = Date.now();
    const { output, failed } = await call('time.now', { timeZone: 'Asia/Kolkata' });
    const time = JSON.parse(output) as { utc: string; local: string; timeZone: string };
    expect(failed).toBe(false);
    expect(Date.parse(time.utc)).toBeGreaterThanOrEqual(before);
    expect(Date.parse(time.utc)).toBeLessThanOrEqual(Date.now());
    expect(time.timeZone).toMatch(/^Asia\/(Kolkata|Calcutta)$/);
    expect(time.local).toMatch(/day.*\d{4}.*\d\d:\d\d:\d\d/);
  });

  it('works without a time zone', async () => {
    expect((await call('time.now', {})).failed).toBe(false);
  });

  it('says what a time zone looks like when given another thing', async () => {
    expect(await call('time.now', { timeZone: 'Mars/Base' })).toEqual({
      output: '"Mars/Base" is not an IANA time zone; use one such as "Asia/Kolkata" or "UTC"',
      failed: true,
    });
  });
});

describe('calc', () => {
  it.each([
    ['2+3*4', '14'],
    ['(2+3)*4', '20'],
    ['7 % 4 - 10 / 4', '0.5'],
    ['0.1 + 0.2', '0.3'],
    ['1/3', '0.333333333333333'],
    ['2 ** 3 ** 2', '512'],
    ['-2 ** 2', '-4'],
    ['(-2) ** 2', '4'],
    ['2 ** -1', '0.5'],
    ['--3', '3'],
    ['2 - -2', '4'],
    ['2 * -3 ** 2', '-18'],
    ['1e3 + .5', '1000.5'],
    ['2 ** 53 - 1', '9007199254740991'],
    ['2 ** 64', '1.84467440737096e+19'],
    ['sqrt(2) * sqrt(2)', '2'],
    ['max(1, 2, 3) + min(4)', '7'],
    ['round(pi * 100) / 100', '3.14'],
    ['sqrt(16) ** 2', '16'],
    ['ln(e)', '1'],
  ])('%s = %s', async (expression, output) => {
    expect(await call('calc', { expression })).toEqual({ output, failed: false });
  });

  it.each([
    ['1/0', 'division by zero'],
    ['5 % 0', 'division by zero'],
    ['sqrt(-1)', 'not a real number'],
    ['10 ** 400', 'too large'],
    ['1 +', 'not arithmetic'],
    ['(1', 'not arithmetic'],
    ['-', 'not arithmetic'],
    ['2 3', 'only numbers'],
    ['1, 2', 'only numbers'],
    ['()', 'only numbers'],
    ['[1]', 'only numbers'],
    ['"a"', 'is not a number'],
    ['true', 'is not a number'],
    ['2 ^ 3', 'a power is written **'],
    ['1 < 2', 'the operator < is unknown'],
    ['!1', 'the operator ! is unknown'],
    ['1 ? 2 : 3', 'only numbers'],
    ['x', '"x" is unknown'],
    ['constructor', '"constructor" is unknown'],
    ['__proto__', '"__proto__" is unknown'],
    ['process.exit()', 'unknown'],
    ['Math.sqrt(2)', 'unknown'],
    ['sqrt.constructor("x")()', 'unknown'],
    ['this', 'only numbers'],
    ['sqrt()', 'sqrt takes 1 argument'],
    ['sqrt(1, 2)', 'sqrt takes 1 argument'],
    ['max()', 'max takes at least 1 argument'],
    [`${'('.repeat(200)}1${')'.repeat(200)} + x`, '"x" is unknown'],
    [`${'-'.repeat(200)}1`, 'nested more than'],
    ['abs('.repeat(70), 'not arithmetic'],
    [`${'abs('.repeat(70)}1${')'.repeat(70)}`, 'nested more than'],
    ['1'.repeat(501), 'expression'],
    ['', 'expression'],
  ])('refuses %s: %s', async (expression, reason) => {
    const result = await call('calc', { expression });
    expect(result.failed).toBe(true);
    expect(result.output).toContain(reason);
  });

  it('agrees with JavaScript on any sum of products', () => {
    const number = fc.integer({ min: 1, max: 999 });
    const operator = fc.constantFrom('+', '-', '*', '/', '%');
    fc.assert(
      fc.property(number, fc.array(fc.tuple(operator, number), { maxLength: 20 }), (first, rest) => {
        const expression = [first, ...rest.flat()].join(' ');
        // The expression is made of numbers and operators above, nothing else.
        expect(evaluate(expression)).toBe(new Function(`return ${expression}`)());
      }),
    );
  });

  it('ends with a number or an Error for any text', () => {
    fc.assert(
      fc.property(
        fc.string({ maxLength: 60, unit: fc.constantFrom(...'0123456789.+-*/%^()[]{}",? abepisqrt=') }),
        (text) => {
          try {
            expect(Number.isFinite(evaluate(text))).toBe(true);
          } catch (error) {
            expect((error as Error).message).not.toBe('');
          }
        },
      ),
    );
  });
});
