/** What is wrong with a configuration, in words. Loaded only when something is. */
import leven from 'leven';
import type { z } from 'zod';
import { dotted, keysAt, type Path } from './shape.ts';

/** Edits between a mistyped key and the one that is suggested for it. */
const DISTANCE_MAX = 3;

/**
 * @param where says where the value at a path came from, e.g. `dhaavak.yaml:3:5` or `DHAAVAK_PORT`
 * @param schema what was not kept to; default: that of the configuration
 */
export function describeIssues(
  issues: readonly z.core.$ZodIssue[],
  where: (path: Path) => string,
  schema?: z.core.$ZodType,
): string[] {
  return issues.flatMap((issue) => {
    if (issue.code !== 'unrecognized_keys') return [`${where(issue.path)}: ${sentence(issue)}`];
    return issue.keys.map((key) => `${where([...issue.path, key])}: ${unknownKey(issue.path, key, schema)}`);
  });
}

function unknownKey(parent: Path, key: string, schema: z.core.$ZodType | undefined): string {
  const full = (name: string): string => dotted([...parent, name]);
  const known = keysAt(parent, schema);
  const ranked = known
    .map((name) => ({
      name,
      distance: leven(name.toLowerCase(), key.toLowerCase(), { maxDistance: DISTANCE_MAX + 1 }),
    }))
    .sort((a, b) => a.distance - b.distance);
  const nearest = ranked[0];
  // A short word is near to everything: at least half of it must be right.
  const near = nearest && nearest.distance <= Math.min(DISTANCE_MAX, Math.ceil(key.length / 2));
  return near
    ? `unknown key ${full(key)}; did you mean ${full(nearest.name)}?`
    : `unknown key ${full(key)}; known here are ${known.join(', ')}`;
}

/** zod's messages name what is expected but never the value, except in ways that are reworded here. */
function sentence(issue: z.core.$ZodIssue): string {
  const key = dotted(issue.path) || 'the configuration';
  switch (issue.code) {
    case 'invalid_type':
      return `${key} must be ${TYPES[issue.expected] ?? issue.expected}`;
    case 'invalid_value':
      return `${key} must be one of ${issue.values.join(', ')}`;
    case 'too_small':
      return issue.origin === 'string'
        ? `${key} is too short: ${own(issue.message) ?? `at least ${issue.minimum} characters`}`
        : `${key} must be ${issue.inclusive ? 'at least' : 'more than'} ${issue.minimum}`;
    case 'too_big':
      return issue.origin === 'string'
        ? `${key} is longer than ${issue.maximum} characters`
        : `${key} must be at most ${issue.maximum}`;
    case 'invalid_key':
      return `${key}: ${issue.issues.map((inner) => inner.message).join('; ')}`;
    case 'invalid_format':
      return issue.format === 'url' ? `${key} must be a URL such as https://host/path` : `${key}: ${issue.message}`;
    default:
      return `${key}: ${issue.message}`;
  }
}

const TYPES: Partial<Record<string, string>> = {
  int: 'a whole number',
  number: 'a number',
  string: 'text',
  array: 'a list',
  object: 'a mapping of keys to values',
  record: 'a mapping of names to values',
  boolean: 'true or false',
};

/** The message the schema gives itself, not one of zod's. */
function own(message: string): string | undefined {
  return message.startsWith('Too ') ? undefined : message;
}
