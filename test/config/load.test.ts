// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables in configuration files look like this
/**
 * Goal: every source of configuration counts in its order, and every mistake is one sentence that says where it is.
 * Method: real files in a temporary home; the environment is passed in, never the process's own.
 */
import { writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ConfigError } from '../../src/config/config-error.ts';
import type { Environment, Flags } from '../../src/config/environment.ts';
import { type Loaded, loadConfig } from '../../src/config/load.ts';
import { configSchema } from '../../src/config/schema.ts';
import { tempFolder } from '../support/temp-folder.ts';

/** Loads `yaml`, written as the file in a fresh home. */
async function load(yaml: string | Buffer, env: Environment = {}, flags: Flags = {}): Promise<Loaded> {
  const home = await tempFolder();
  await writeFile(join(home, 'dhaavak.yaml'), yaml);
  return loadConfig({ flags, env: { DHAAVAK_HOME: home, ...env } });
}

/** The problems found in `yaml`, with the file's changing path cut down to its name. */
async function problems(yaml: string | Buffer, env: Environment = {}, flags: Flags = {}): Promise<string[]> {
  const error = await load(yaml, env, flags).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(ConfigError);
  return (error as ConfigError).problems.map((problem) => problem.replaceAll(/\S*(?=dhaavak\.yaml)/g, ''));
}

describe('sources', () => {
  test('the workspace of an agent becomes absolute', async () => {
    const { config } = await load('agents:\n  main:\n    workspace: ~/asha\n');
    expect(config.agents.main?.workspace).toBe(join(homedir(), 'asha'));
  });

  test('a binding to an agent that is not there is a mistake, with its place', async () => {
    const [problem] = await problems('bindings:\n  - match: {}\n    agent: nobody\n');
    expect(problem).toMatch(/^dhaavak\.yaml:3:.*bindings.*no agent is named "nobody"/);
  });

  test('without any source the defaults of the schema hold, and home is absolute', async () => {
    const home = await tempFolder();
    const { config, file } = await loadConfig({ flags: { home }, env: {} });
    expect(config).toEqual({ ...configSchema.parse({}), home });
    expect(file).toBeUndefined();
  });

  test('a variable wins over the file, a flag over the variable', async () => {
    const yaml = 'gateway:\n  host: from-file\n  port: 1\nlog:\n  level: warn\n';
    const { config } = await load(yaml, { DHAAVAK_PORT: '2', DHAAVAK_HOST: 'from-env' }, { port: '3' });
    expect(config.gateway).toMatchObject({ host: 'from-env', port: 3 });
    expect(config.log.level).toBe('warn');
  });

  test('each override has a variable and a flag', async () => {
    const home = await tempFolder();
    const token = 't'.repeat(16);
    const env = {
      DHAAVAK_HOME: home,
      DHAAVAK_HOST: '::1',
      DHAAVAK_PORT: '0',
      DHAAVAK_TOKEN: token,
      DHAAVAK_LOG_LEVEL: 'silent',
    };
    const flags = { home, host: '::1', port: '0', token, logLevel: 'silent' };
    const expected = {
      ...configSchema.parse({}),
      home,
      gateway: { ...configSchema.parse({}).gateway, host: '::1', port: 0, token },
      log: { level: 'silent' },
    };
    expect((await loadConfig({ flags: {}, env })).config).toEqual(expected);
    expect((await loadConfig({ flags, env: {} })).config).toEqual(expected);
  });

  test('an empty variable counts as not set', async () => {
    const { config } = await load('gateway: { port: 7 }', { DHAAVAK_PORT: '', DHAAVAK_CONFIG: '', OPENAI_API_KEY: '' });
    expect(config.gateway.port).toBe(7);
    expect(config.models.openai).toEqual({});
  });

  test("the vendors' variables fill only what the file leaves open", async () => {
    const { config } = await load('models: { anthropic: { apiKey: from-file } }', {
      ANTHROPIC_API_KEY: 'from-env',
      ANTHROPIC_BASE_URL: 'http://127.0.0.1:1',
      OPENAI_API_KEY: 'openai-key',
      OPENAI_BASE_URL: 'http://127.0.0.1:2/v1',
    });
    expect(config.models.anthropic).toEqual({ apiKey: 'from-file', baseUrl: 'http://127.0.0.1:1' });
    expect(config.models.openai).toEqual({ apiKey: 'openai-key', baseUrl: 'http://127.0.0.1:2/v1' });
  });

  test('a file named by flag or variable is read instead of the one in the home folder', async () => {
    const folder = await tempFolder();
    const other = join(folder, 'other.yaml');
    await writeFile(other, 'log: { level: error }');
    for (const [env, flags] of [
      [{ DHAAVAK_CONFIG: other }, {}],
      [{}, { config: other }],
    ] as const) {
      const { config, file } = await load('log: { level: trace }', env, flags);
      expect([config.log.level, file]).toEqual(['error', other]);
    }
  });

  test('a named file that does not exist is an error, a missing default one is not', async () => {
    const missing = join(await tempFolder(), 'dhaavak.yaml');
    await expect(loadConfig({ flags: { config: missing }, env: {} })).rejects.toThrow(`${missing} does not exist`);
  });

  test('a tilde stands for the home folder of the user', async () => {
    expect((await load('home: ~/data', { DHAAVAK_HOME: '' }, {})).config.home).not.toContain('~');
    const { config } = await loadConfig({ flags: { home: '~/nowhere-dhaavak' }, env: {} });
    expect(config.home).toBe(join(homedir(), 'nowhere-dhaavak'));
  });

  test('an empty file and keys whose children are commented out are as good as none', async () => {
    expect((await load('')).config.gateway.port).toBe(18_789);
    expect((await load('gateway:\n  # port: 1\nmodels:\n')).config.gateway.port).toBe(18_789);
  });
});

describe('variables inside the file', () => {
  test('are replaced anywhere in a text, with defaults', async () => {
    const yaml = 'models: { openai: { baseUrl: "http://${HOST}:${PORT:-8080}/v1" } }';
    expect((await load(yaml, { HOST: 'example.org' })).config.models.openai.baseUrl).toBe('http://example.org:8080/v1');
  });

  test.each([
    ['gateway: { port: "${PORT}" }', { PORT: '4711' }, { port: 4711 }],
    ['gateway: { port: "${PORT:-12}" }', {}, { port: 12 }],
    ['gateway: { token: "${TOKEN}" }', { TOKEN: '1234567890123456' }, { token: '1234567890123456' }],
    ['gateway: { token: "${TOKEN:-}" }', {}, {}],
  ])('%s takes the type its key wants', async (yaml, env, expected) => {
    expect((await load(yaml, env)).config.gateway).toMatchObject(expected);
  });

  test('a doubled dollar writes the reference itself', async () => {
    const { config } = await load('agents: { main: { prompt: "write $${NAME}" } }');
    expect(config.agents.main?.prompt).toBe('write ${NAME}');
  });

  test('one that is not set is an error with key, variable and place', async () => {
    const yaml = 'models:\n  openai:\n    apiKey: ${NOT_SET}\n';
    expect(await problems(yaml)).toEqual([
      'dhaavak.yaml:3:5: models.openai.apiKey uses ${NOT_SET}, and the variable NOT_SET is not set; ' +
        '${NOT_SET:-} would leave the key unset instead',
    ]);
  });
});

describe('mistakes', () => {
  test.each([
    ['gateway:\n  prot: 1', 'dhaavak.yaml:2:3: unknown key gateway.prot; did you mean gateway.port?'],
    ['gatway: {}', 'dhaavak.yaml:1:1: unknown key gatway; did you mean gateway?'],
    ['gatway:', 'dhaavak.yaml:1:1: unknown key gatway; did you mean gateway?'],
    ['models: { openai: { apikey: x } }', /unknown key models.openai.apikey; did you mean models.openai.apiKey\?$/],
    ['log: { colour: x }', /unknown key log.colour; known here are level$/],
    ['"__proto__": { a: 1 }', /^dhaavak.yaml:1:1: unknown key __proto__; known here are/],
    ['constructor: 1', /^dhaavak.yaml:1:1: unknown key constructor; known here are/],
    ['gateway: { port: 70000 }', 'dhaavak.yaml:1:12: gateway.port must be at most 65535'],
    ['gateway: { port: many }', 'dhaavak.yaml:1:12: gateway.port must be a number'],
    ['gateway: { port: 1.5 }', 'dhaavak.yaml:1:12: gateway.port must be a whole number'],
    ['gateway: 5', 'dhaavak.yaml:1:1: gateway must be a mapping of keys to values'],
    ['- a list', /the configuration must be a mapping of keys to values$/],
    ['log: { level: loud }', /log.level must be one of trace, debug, info, warn, error, silent$/],
    ['gateway: { token: short }', /gateway.token is too short: a token has at least 16 characters$/],
    ['models: { openai: { baseUrl: nonsense } }', /models.openai.baseUrl must be a URL/],
    ['agents: { Main: {} }', /agents.Main: an agent id is a lower-case word$/],
    ['agents: { other: {} }', /there must be an agent named "main"$/],
    ['agents: { main: { tools: [calc, 5] } }', 'dhaavak.yaml:1:33: agents.main.tools.1 must be text'],
    ['log: {}\nlog: {}', /^dhaavak.yaml:2:1: not valid YAML: Map keys must be unique/],
    ['log: {\n', /^dhaavak.yaml:2:1: not valid YAML/],
    ['log: !include x', /not valid YAML: Unresolved tag$/],
    ['a: 1\n---\nb: 2', /not valid YAML/],
  ])('%j is refused', async (yaml, expected) => {
    const found = await problems(yaml);
    if (typeof expected === 'string') expect(found).toEqual([expected]);
    else expect(found.join('\n')).toMatch(expected);
  });

  test('several are listed at once', async () => {
    expect(await problems('gateway:\n  prot: 1\n  host: 5\nshards: { count: 0 }\n')).toEqual([
      'dhaavak.yaml:3:3: gateway.host must be text',
      'dhaavak.yaml:2:3: unknown key gateway.prot; did you mean gateway.port?',
      'dhaavak.yaml:4:11: shards.count must be at least 1',
    ]);
  });

  test('one that came from a variable or a flag is named by it', async () => {
    expect(await problems('', { DHAAVAK_PORT: 'http' })).toEqual(['DHAAVAK_PORT: gateway.port must be a number']);
    expect(await problems('', {}, { port: '' })).toEqual(['--port: gateway.port must be a number']);
  });

  test('an override cannot hide that its parent is no object', async () => {
    expect(await problems('gateway: text', { DHAAVAK_PORT: '5' })).toEqual([
      'dhaavak.yaml:1:1: gateway must be a mapping of keys to values',
    ]);
  });

  test('a key behind an alias is found', async () => {
    expect((await problems('shards: &a { wrong: 1 }\nsessions: *a\n'))[1]).toMatch(/^dhaavak.yaml:1:14: unknown key/);
  });
});

describe('hostile files', () => {
  test('one over 1 MiB is refused unread', async () => {
    expect(await problems('#'.repeat(1024 * 1024 + 1))).toEqual(['dhaavak.yaml is larger than 1048576 bytes']);
  });

  test('an alias bomb is refused', async () => {
    const levels = 'abcdefghi'.split('');
    const bomb = levels.map((name, index) => `${name}: &${name} [${index ? `*${levels[index - 1]},`.repeat(9) : 'x'}]`);
    expect(await problems(bomb.join('\n'))).toEqual(['dhaavak.yaml: aliases expand to too much']);
  });

  test('nesting without end is refused', async () => {
    expect((await problems('['.repeat(50_000)))[0]).toMatch(/nested too deep|not valid YAML/);
  });

  test('bytes that are not UTF-8 are refused', async () => {
    expect(await problems(Buffer.from([0x61, 0x3a, 0xff]))).toEqual([
      'the configuration file dhaavak.yaml is not UTF-8 text',
    ]);
  });

  test('a folder in place of the file is refused', async () => {
    const folder = await tempFolder();
    await expect(loadConfig({ flags: { config: folder }, env: {} })).rejects.toThrow(`${folder} is not a file`);
  });

  test.each([
    'gateway: { token: 5canary5 }',
    'gateway: { token: [canary] }',
    'gateway: { token: "canary" }\nextra: canary',
    'models: { openai: { apiKey: canary, baseUrl: canary } }',
    'models:\n  openai:\n    apiKey: *canary\n',
    'models:\n  openai:\n    apiKey: canary: canary\n',
    'models:\n  openai:\n    apiKey: "canary\n',
    'models:\n  openai:\n    apiKey: @canary\n',
    'models:\n  openai:\n    apiKey: !canary canary\n',
    'log: { level: canary }',
    'gateway: { port: canary }',
  ])('no error quotes the value in %j', async (yaml) => {
    expect((await problems(yaml)).join('\n')).not.toContain('canary');
  });
});
