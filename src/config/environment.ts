/** What the environment adds to a configuration file: `${NAME}` in its values, and the variables that override keys. */
import { coerce, type Path } from './shape.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Flags of the command line, as they were typed. */
export interface Flags {
  config?: string;
  home?: string;
  host?: string;
  port?: string;
  token?: string;
  logLevel?: string;
}

/** A value for one key from outside of the file. `origin` names it to the user, e.g. `DHAAVAK_PORT` or `--port`. */
export interface Override {
  path: Path;
  value: string | number;
  origin: string;
}

/** Keys that a flag or a variable sets whatever the file says. */
const OVERRIDES = [
  { path: ['home'], flag: 'home', option: '--home', variable: 'DHAAVAK_HOME' },
  { path: ['gateway', 'host'], flag: 'host', option: '--host', variable: 'DHAAVAK_HOST' },
  { path: ['gateway', 'port'], flag: 'port', option: '--port', variable: 'DHAAVAK_PORT' },
  { path: ['gateway', 'token'], flag: 'token', option: '--token', variable: 'DHAAVAK_TOKEN' },
  { path: ['log', 'level'], flag: 'logLevel', option: '--log-level', variable: 'DHAAVAK_LOG_LEVEL' },
] as const;

/** The vendors' own variables, used where the file says nothing. */
const FALLBACKS = [
  { path: ['models', 'anthropic', 'apiKey'], variable: 'ANTHROPIC_API_KEY' },
  { path: ['models', 'anthropic', 'baseUrl'], variable: 'ANTHROPIC_BASE_URL' },
  { path: ['models', 'openai', 'apiKey'], variable: 'OPENAI_API_KEY' },
  { path: ['models', 'openai', 'baseUrl'], variable: 'OPENAI_BASE_URL' },
  { path: ['tools', 'web', 'search', 'braveApiKey'], variable: 'BRAVE_API_KEY' },
] as const;

/** Flags before variables. An empty variable counts as not set; an empty flag does not, since somebody typed it. */
export function overrides(flags: Flags, env: Environment): Override[] {
  return OVERRIDES.flatMap(({ path, flag, option, variable }) => {
    const typed = flags[flag];
    const text = typed ?? (env[variable] || undefined);
    if (text === undefined) return [];
    return [{ path, value: coerce(path, text), origin: typed === undefined ? variable : option }];
  });
}

export function fallbacks(env: Environment): Override[] {
  return FALLBACKS.flatMap(({ path, variable }) => {
    const text = env[variable];
    return text ? [{ path, value: coerce(path, text), origin: variable }] : [];
  });
}

/** A `$$` before the brace (first alternative) writes a literal one. */
const REFERENCE = /\$\$\{|\$\{([A-Za-z_]\w*)(?::-([^}]*))?\}/g;
const WHOLE_REFERENCE = /^\$\{[A-Za-z_]\w*(?::-[^}]*)?\}$/;

/**
 * `value` with every `${NAME}` and `${NAME:-default}` in its strings replaced. A string that is nothing but one reference
 * becomes a number where the schema wants one, and counts as not set (undefined) when the replacement is empty. As in a
 * shell, the default of `:-` also stands for an empty variable.
 *
 * @param missing called for each variable that is not set and has no default
 */
export function substitute(
  value: unknown,
  env: Environment,
  missing: (path: Path, variable: string) => void,
  path: Path = [],
): unknown {
  if (typeof value === 'string') return substituteText(value, env, (variable) => missing(path, variable), path);
  if (Array.isArray(value)) return value.map((item, index) => substitute(item, env, missing, [...path, index]));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, substitute(item, env, missing, [...path, key])]),
  );
}

function substituteText(text: string, env: Environment, missing: (variable: string) => void, path: Path) {
  const replaced = text.replace(REFERENCE, (reference, variable: string | undefined, fallback: string | undefined) => {
    if (variable === undefined) return reference.slice(1);
    const set = env[variable];
    if (fallback !== undefined) return set || fallback;
    if (set === undefined) missing(variable);
    return set ?? '';
  });
  if (!WHOLE_REFERENCE.test(text)) return replaced;
  return replaced === '' ? undefined : coerce(path, replaced);
}
