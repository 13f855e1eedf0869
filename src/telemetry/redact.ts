/**
 * Takes secrets out of what is logged: by the name of the key they stand under, by how they look inside texts, and those this
 * thread was told of.
 */

const REDACTED = '[redacted]';
/** Objects inside each other; anything deeper, and so every circle, is cut off. */
const DEPTH_MAX = 8;
/** Keys of one object and items of one list. */
const ENTRIES_MAX = 200;

/** Compared in lower case without `-` and `_`, so `api_key`, `X-Api-Key` and `apiKey` are one. */
const SECRET_KEY = /(?:token|apikey|password|passwd|secret|authorization|cookie|credentials?|privatekey)$/;

/** Each keeps what tells a reader where it was: the scheme, the parameter's name, the vendor's prefix. */
const SECRET_TEXTS: readonly [RegExp, string][] = [
  [/\b(bearer|basic) +[\w.~+/=-]{8,}/gi, `$1 ${REDACTED}`],
  [/\b(sk|xox[a-z]|ghp|gho|glpat)([-_])[\w-]{8,}/g, `$1$2${REDACTED}`],
  [/([\w-]*(?:token|api[-_]?key|password|secret)\\*["']?\s*[=:]\s*\\*["']?)[^\s"'\\&,;}]{4,}/gi, `$1${REDACTED}`],
  [/(\w:\/\/[^\s"'/:@]*:)[^\s"'/@]+@/g, `$1${REDACTED}@`],
];

/** A shorter value is a word (`1`, `true`, `debug`), and would be taken out of every sentence. */
const KNOWN_LENGTH_MIN = 8;
/** By whose they are, the longest first. */
const known = new Map<string, readonly string[]>();

/** From now on these are taken out of every text of this thread; what `owner` had before is forgotten. */
export function knowSecrets(owner: string, secrets: readonly string[]): void {
  const forms = formsOf(secrets);
  if (forms.length === 0) known.delete(owner);
  else known.set(owner, forms);
}

/** A function that takes exactly these out of a text, and what looks like a secret. */
export function createRedactor(secrets: readonly string[]): (text: string) => string {
  const forms = formsOf(secrets);
  return (text) => redactText(without(text, forms));
}

/** A secret as it is, and as JSON or a URL would have it. */
function formsOf(secrets: readonly string[]): readonly string[] {
  const forms = secrets
    .filter(({ length }) => length >= KNOWN_LENGTH_MIN)
    .flatMap((secret) => [secret, JSON.stringify(secret).slice(1, -1), encodeURIComponent(secret)]);
  return [...new Set(forms)].toSorted((a, b) => b.length - a.length);
}

function without(text: string, forms: readonly string[]): string {
  return forms.reduce((left, form) => left.replaceAll(form, REDACTED), text);
}

/** `text` without what looks like a secret in it. */
export function redactText(text: string): string {
  let result = text;
  for (const forms of known.values()) result = without(result, forms);
  for (const [pattern, replacement] of SECRET_TEXTS) result = result.replace(pattern, replacement);
  return result;
}

/** A copy of `fields` that is safe to write: secrets replaced, errors as plain objects, depth and size bounded. */
export function redactFields(fields: object): Record<string, unknown> {
  return redactObject(fields, 0);
}

function redactObject(object: object, depth: number): Record<string, unknown> {
  const entries = Object.entries(object).slice(0, ENTRIES_MAX);
  return Object.fromEntries(
    entries.map(([key, value]) => [key, isSecretKey(key, value) ? REDACTED : redactValue(value, depth + 1)]),
  );
}

/** Numbers stay: `maxTokens`, or a count under `token`, is no secret. */
function isSecretKey(key: string, value: unknown): boolean {
  if (value === undefined || typeof value === 'number' || typeof value === 'boolean') return false;
  return SECRET_KEY.test(key.toLowerCase().replaceAll(/[-_]/g, ''));
}

function redactValue(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return redactText(value);
  if (typeof value !== 'object' || value === null) return value;
  if (depth > DEPTH_MAX) return '[deep]';
  if (value instanceof Error) return redactError(value, depth);
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return `[${value.byteLength} bytes]`;
  if (Array.isArray(value)) return value.slice(0, ENTRIES_MAX).map((item) => redactValue(item, depth + 1));
  if (value instanceof Map) return redactObject(Object.fromEntries(value), depth);
  if (value instanceof Set || value instanceof Headers) return redactValue([...value], depth);
  if (hasToJson(value)) return redactValue(value.toJSON(), depth + 1);
  return redactObject(value, depth);
}

/** The fields of an error that do not show up by themselves, and those it adds, such as `code`. */
function redactError(error: Error, depth: number): Record<string, unknown> {
  const { name, message, stack, cause } = error;
  return redactObject({ ...error, name, message, stack, ...(cause === undefined ? {} : { cause }) }, depth);
}

function hasToJson(value: object): value is { toJSON(): unknown } {
  return 'toJSON' in value && typeof value.toJSON === 'function';
}
