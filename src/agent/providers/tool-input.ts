/**
 * Maps and arrays inside each other in a tool's input. The input travels in events, whose frames have a limit of their
 * own (32), and through recursive serializers: a model must not be able to overflow a stack.
 */
const DEPTH_MAX = 16;

/** The input of a tool call from the JSON the API sent; no text means no arguments. Throws for anything unusable. */
export function parseToolInput(json: string): unknown {
  if (json.trim() === '') return {};
  const input: unknown = JSON.parse(json);
  if (deeperThan(DEPTH_MAX, input)) throw new RangeError(`nested more than ${DEPTH_MAX} deep`);
  return input;
}

function deeperThan(depth: number, value: unknown): boolean {
  if (value === null || typeof value !== 'object') return false;
  return depth === 0 || Object.values(value).some((inner) => deeperThan(depth - 1, inner));
}
