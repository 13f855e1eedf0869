/** Whether what the configuration names are tools. */
import leven from 'leven';
import type { Config } from '../config/schema.ts';
import { DhaavakError } from '../protocol/errors.ts';
import { GROUP_PREFIX } from './policy.ts';
import type { Tool, ToolSource } from './tool.ts';

/** Groups that may be named also while no tool is in them: a list that denies one must not depend on what is loaded. */
const GROUPS = [
  'files',
  'skills',
  'exec',
  'code',
  'web',
  'browser',
  'sessions',
  'message',
  'schedule',
  'memory',
  'time',
  'math',
  'mcp',
  'plugin',
];
/** A name is suggested for a mistyped one up to this many edits away. */
const SUGGESTION_EDITS_MAX = 4;
const CHANNEL_EDITS_MAX = 2;

type NamingConfig = Pick<Config, 'tools' | 'agents' | 'channels'>;

/** An `invalid_request` for each name in the configuration that is no tool's and no group's, with the nearest. */
export function* wrongToolNames(
  { tools, agents, channels }: NamingConfig,
  known: readonly Tool[],
  sources: readonly Pick<ToolSource, 'prefix'>[],
): Generator<DhaavakError, void, undefined> {
  const names = new Set(['*', ...known.map(({ name }) => name)]);
  for (const group of [...GROUPS, ...known.map(({ group }) => group)]) names.add(GROUP_PREFIX + group);
  for (const [key, list] of lists(tools, agents)) {
    // What a source has is not known before it is there.
    for (const [at, name] of list.entries()) {
      if (names.has(name) || sources.some(({ prefix }) => name.startsWith(prefix))) continue;
      yield unknown(`${key}.${at}`, name, [...names]);
    }
  }
  const { custom, ...platforms } = channels;
  const there = [...Object.keys(platforms), ...Object.keys(custom), 'api', 'person'];
  for (const name of Object.keys(tools.channels)) yield* wrongChannel(`tools.channels.${name}`, name, there);
  for (const name of Object.keys(tools.senders)) {
    yield* wrongChannel(`tools.senders.${name}`, name.split(':')[0] as string, there);
  }
}

/** Clients name channels of their own, so that only what looks like a slip is refused. */
function* wrongChannel(key: string, name: string, known: readonly string[]): Generator<DhaavakError> {
  const meant = known.includes(name) ? undefined : known.find((one) => leven(one, name) <= CHANNEL_EDITS_MAX);
  if (meant === undefined) return;
  const message = `${key}: there is no channel "${name}"; did you mean "${meant}"?`;
  yield new DhaavakError('invalid_request', message, { param: key });
}

function* lists(tools: Config['tools'], agents: Config['agents']): Generator<[key: string, list: readonly string[]]> {
  for (const [id, { tools, deny, approve }] of Object.entries(agents)) {
    yield [`agents.${id}.tools`, tools];
    yield [`agents.${id}.deny`, deny];
    yield [`agents.${id}.approve`, approve];
  }
  const levels = Object.entries({ types: tools.types, channels: tools.channels, senders: tools.senders }).flatMap(
    ([kind, byName]) => Object.entries(byName).map(([name, level]) => [`tools.${kind}.${name}`, level] as const),
  );
  for (const [key, { allow, deny }] of [['tools', tools] as const, ...levels]) {
    yield [`${key}.allow`, allow];
    yield [`${key}.deny`, deny];
  }
  for (const [index, rule] of tools.rules.entries()) yield [`tools.rules.${index}.tools`, rule.tools];
}

function unknown(key: string, name: string, known: readonly string[]): DhaavakError {
  const nearest = known.includes(GROUP_PREFIX + name)
    ? GROUP_PREFIX + name
    : (known.toSorted((a, b) => leven(a, name) - leven(b, name))[0] as string);
  const isNear = leven(nearest, name) <= Math.min(SUGGESTION_EDITS_MAX, name.length / 2);
  const hint =
    isNear || nearest === GROUP_PREFIX + name
      ? `did you mean "${nearest}"?`
      : `there are: ${known.filter((one) => !one.startsWith(GROUP_PREFIX)).join(', ')}, and groups such as group:files`;
  return new DhaavakError('invalid_request', `${key}: there is no tool or group "${name}"; ${hint}`, { param: key });
}
