/**
 * `calc`: arithmetic that a model would otherwise guess. jsep parses; what may stand in an expression, and what it
 * means, is decided here: there is no property access, no name but those listed, nothing that could reach the process.
 */
import jsep from 'jsep';
import { z } from 'zod';
import { defineTool } from '../tool.ts';

/** In characters. It also bounds the parser's recursion, which jsep doesn't. */
const EXPRESSION_LENGTH_MAX = 500;
/** Operations and parentheses inside each other. */
const DEPTH_MAX = 64;
/** Digits a double really has; more would show 0.1 + 0.2 as 0.30000000000000004. */
const SIGNIFICANT_DIGITS = 15;

const OPERATORS = new Map<string, (a: number, b: number) => number>([
  ['+', (a, b) => a + b],
  ['-', (a, b) => a - b],
  ['*', (a, b) => a * b],
  ['/', (a, b) => a / nonZero(b)],
  ['%', (a, b) => a % nonZero(b)],
  ['**', (a, b) => a ** b],
]);

const CONSTANTS = new Map([
  ['pi', Math.PI],
  ['e', Math.E],
]);

/** Each with the number of its arguments; Infinity: one or more. */
const FUNCTIONS = new Map<string, [arity: number, apply: (...values: number[]) => number]>([
  ['abs', [1, Math.abs]],
  ['sqrt', [1, Math.sqrt]],
  ['cbrt', [1, Math.cbrt]],
  ['exp', [1, Math.exp]],
  ['ln', [1, Math.log]],
  ['log2', [1, Math.log2]],
  ['log10', [1, Math.log10]],
  ['sin', [1, Math.sin]],
  ['cos', [1, Math.cos]],
  ['tan', [1, Math.tan]],
  ['asin', [1, Math.asin]],
  ['acos', [1, Math.acos]],
  ['atan', [1, Math.atan]],
  ['floor', [1, Math.floor]],
  ['ceil', [1, Math.ceil]],
  ['round', [1, Math.round]],
  ['trunc', [1, Math.trunc]],
  ['min', [Number.POSITIVE_INFINITY, Math.min]],
  ['max', [Number.POSITIVE_INFINITY, Math.max]],
]);

const NAMES = [...CONSTANTS.keys(), ...FUNCTIONS.keys()].join(', ');

export const calc = defineTool({
  name: 'calc',
  group: 'math',
  description: `Evaluates an arithmetic expression: numbers, + - * / % **, parentheses, ${NAMES}. Angles are in radians.`,
  input: z.strictObject({
    expression: z.string().min(1).max(EXPRESSION_LENGTH_MAX).describe('For example "2 * (3 + 4) ** 2" or "sqrt(2)".'),
  }),
  risk: 'safe',
  safeToRepeat: true,
  returns: 'string',
  handler: ({ expression }) => formatNumber(evaluate(expression)),
});

/** The value of `expression`. Throws an Error that says what is wrong with it. */
export function evaluate(expression: string): number {
  const value = evaluateNode(parse(expression) as jsep.CoreExpression, 0);
  if (Number.isFinite(value)) return value;
  throw new Error(Number.isNaN(value) ? 'the result is not a real number' : 'the result is too large');
}

/** The part of jsep's parser class that is needed here; its types leave the class out. */
interface Parser {
  index: number;
  readonly expr: string;
  readonly code: number;
  parse(): jsep.Expression;
  gobbleSpaces(): void;
  gobbleToken(): jsep.Expression | false;
  throwError(message: string): never;
}
const { Jsep } = jsep as unknown as { Jsep: new (expression: string) => Parser };

/**
 * jsep binds a sign tighter than `**`, so that -2 ** 2 would be 4, and drops parentheses, so that afterwards nobody can
 * tell. Here a power is part of the operand that a sign applies to. A subclass, because jsep's own settings are global.
 */
class CalcParser extends Jsep {
  override gobbleToken(): jsep.Expression | false {
    this.gobbleSpaces();
    const sign = this.expr[this.index];
    if (sign === '-' || sign === '+') {
      this.index += 1;
      return { type: 'UnaryExpression', operator: sign, prefix: true, argument: this.#operandAfter(sign) };
    }
    const base = super.gobbleToken();
    this.gobbleSpaces();
    if (!base || !this.expr.startsWith('**', this.index)) return base;
    this.index += 2;
    return { type: 'BinaryExpression', operator: '**', left: base, right: this.#operandAfter('**') };
  }

  #operandAfter(operator: string): jsep.Expression {
    return this.gobbleToken() || this.throwError(`Expected a number after ${operator}`);
  }
}

function parse(expression: string): jsep.Expression {
  try {
    return new CalcParser(expression).parse();
  } catch (cause) {
    throw new Error(`the expression is not arithmetic: ${(cause as Error).message}`, { cause });
  }
}

function evaluateNode(node: jsep.CoreExpression, depth: number): number {
  if (depth > DEPTH_MAX) throw new Error(`the expression is nested more than ${DEPTH_MAX} deep`);
  const operand = (child: jsep.Expression): number => evaluateNode(child as jsep.CoreExpression, depth + 1);
  switch (node.type) {
    case 'Literal':
      if (typeof node.value === 'number') return node.value;
      throw new Error(`${node.raw} is not a number`);
    case 'Identifier': {
      const value = CONSTANTS.get(node.name);
      if (value === undefined) throw unknownName(node.name);
      return value;
    }
    case 'UnaryExpression':
      if (node.operator === '-') return -operand(node.argument);
      if (node.operator === '+') return operand(node.argument);
      throw unknownOperator(node.operator);
    case 'BinaryExpression': {
      const apply = OPERATORS.get(node.operator);
      if (!apply) throw unknownOperator(node.operator);
      return apply(operand(node.left), operand(node.right));
    }
    case 'CallExpression':
      return callFunction(node.callee, node.arguments.map(operand));
    default:
      throw new Error('only numbers, + - * / % **, parentheses and calls such as sqrt(2) are allowed');
  }
}

function callFunction(callee: jsep.Expression, values: number[]): number {
  const name = callee.type === 'Identifier' ? String(callee.name) : '';
  const [arity, apply] = FUNCTIONS.get(name) ?? [];
  if (arity === undefined || !apply) throw unknownName(name || 'that');
  const fits = arity === Number.POSITIVE_INFINITY ? values.length > 0 : values.length === arity;
  if (!fits) throw new Error(`${name} takes ${Number.isFinite(arity) ? arity : 'at least 1'} argument`);
  return apply(...values);
}

function nonZero(divisor: number): number {
  if (divisor === 0) throw new Error('division by zero');
  return divisor;
}

function unknownName(name: string): Error {
  return new Error(`"${name}" is unknown; the names are: ${NAMES}`);
}

function unknownOperator(operator: string): Error {
  const hint = operator === '^' ? '; a power is written **' : '; the operators are + - * / % **';
  return new Error(`the operator ${operator} is unknown${hint}`);
}

/** Whole numbers in full as long as they are exact, everything else with the digits that mean something. */
function formatNumber(value: number): string {
  if (Number.isSafeInteger(value)) return String(value);
  const rounded = Number(value.toPrecision(SIGNIFICANT_DIGITS));
  return Math.abs(rounded) < 1e15 ? String(rounded) : rounded.toExponential();
}
