/**
 * Goal: every import rule fires on what it forbids, and on nothing else.
 * Method: one small project in a temporary folder that keeps the rules, and the same with one file for each way to break
 * one, checked by the same script as ours.
 */
import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { tempFolder } from '../support/temp-folder.ts';

const ROOT = new URL('../../', import.meta.url);
const SCRIPT = fileURLToPath(new URL('scripts/check-imports.mjs', ROOT));

/** Breaks no rule, and uses every kind of import there is. */
const CLEAN = {
  'src/protocol/errors.ts': 'export class Fault extends Error {}',
  'src/protocol/frame.ts': "import { Fault } from './errors.ts'; export const decode = () => { throw new Fault(); };",
  'src/protocol/shapes.ts': 'export const session = {};',
  'src/protocol/messages.ts': "import type { session } from './shapes.ts'; export type S = typeof session;",
  'src/client/client.ts': "import { decode } from '../protocol/frame.ts'; export type Client = typeof decode;",
  'src/cli/program.ts':
    "import type { Client } from '../client/client.ts'; export const run = (_: Client) => import('./commands/start.ts');",
  'src/cli/commands/start.ts': "import { main } from '../../main.ts'; export const start = main;",
  'src/cli/commands/doctor.ts': "import { examine } from '../../doctor/doctor.ts'; export const doctor = examine;",
  'src/doctor/doctor.ts': "import { Fault } from '../protocol/errors.ts'; export const examine = Fault;",
  'src/main.ts': "import { open } from './gateway/server.ts'; export const main = open;",
  'src/gateway/server.ts':
    "import uws from 'uWebSockets.js'; import { key } from '../../actors/session/session-key.ts'; export const open = [uws, key];",
  'src/channels/telegram/telegram.ts':
    "import { open } from 'grammy'; open(); export type { Fault } from '../../protocol/errors.ts';",
  'actors/session/session-key.ts': "export { decode as key } from '../../src/protocol/frame.ts';",
  'actors/session/session.ts': "import { open } from './store.ts'; export * from './session-key.ts'; open();",
  'actors/session/store.ts': 'export const open = () => {};',
  'actors/types.d.ts': 'declare const nothing: unknown;',
};

/** Rule, the file that breaks it, and how. */
const VIOLATIONS: [rule: string, path: string, source: string][] = [
  ['foundations-stand-alone', 'src/protocol/bad.ts', "import '../client/client.ts';"],
  ['foundations-stand-alone', 'src/config/bad.ts', "import { Fault } from '../protocol/errors.ts'; throw new Fault();"],
  ['foundations-stand-alone', 'src/runtime/bad-actor.ts', "import '../../actors/session/session.ts';"],
  [
    'foundations-stand-alone',
    'src/runtime/bad-type.ts',
    "import type { Client } from '../client/client.ts'; export type C = Client;",
  ],
  [
    'foundations-stand-alone',
    'src/runtime/bad-inline.ts',
    "import { type Client } from '../client/client.ts'; export type C = Client;",
  ],
  ['foundations-stand-alone', 'src/runtime/bad-export.ts', "export type { Client } from '../client/client.ts';"],
  ['foundations-stand-alone', 'src/runtime/bad-dynamic.ts', "export const load = () => import('../client/client.ts');"],
  ['plugins-command-reads-manifests', 'src/cli/commands/plugins.ts', "import '../../gateway/server.ts';"],
  ['agents-know-no-transport', 'src/agent/bad.ts', "import '../gateway/server.ts';"],
  ['agents-know-no-transport', 'src/tools/deep/bad.ts', "import '../../gateway/server.ts';"],
  ['agents-know-no-transport', 'src/memory/bad.ts', "import '../channels/telegram/telegram.ts';"],
  ['actors-only-through-refs', 'src/gateway/bad.ts', "import '../../actors/session/session.ts';"],
  ['actors-only-through-refs', 'src/channels/bad.ts', "import '../../actors/session/session.ts';"],
  [
    'what-is-sent-is-not-checked',
    'src/gateway/bad-check.ts',
    "import { session } from '../protocol/shapes.ts'; session;",
  ],
  ['client-knows-only-the-protocol', 'src/client/bad.ts', "import '../main.ts';"],
  ['client-runs-in-browsers', 'src/client/bad-core.ts', "import { join } from 'node:path'; export const j = join;"],
  ['cli-reaches-the-server-through-the-client', 'src/cli/bad.ts', "import '../main.ts';"],
  ['cli-reaches-the-server-through-the-client', 'src/cli/commands/bad.ts', "import '../../gateway/server.ts';"],
  ['start-goes-through-main', 'src/cli/commands/start.ts', "import '../../gateway/server.ts';"],
  ['doctor-goes-through-its-part', 'src/cli/commands/doctor.ts', "import '../../main.ts';"],
  ['config-asks-for-the-names-of-tools-only', 'src/cli/commands/config.ts', "import '../../gateway/server.ts';"],
  ['doctor-knows-only-the-store', 'src/doctor/bad.ts', "import '../gateway/server.ts';"],
  ['only-gateway-imports-uwebsockets.js', 'src/shards/bad.ts', "import uws from 'uWebSockets.js'; uws.App();"],
  ['only-storage-imports-lmdb', 'actors/session/bad.ts', "import { open } from 'lmdb'; open();"],
  ['only-tools-imports-isolated-vm', 'src/agent/bad-vm.ts', "import vm from 'isolated-vm'; vm();"],
  ['only-vectors-imports-hnswlib-node', 'src/memory/bad-hnsw.ts', "import hnsw from 'hnswlib-node'; hnsw();"],
  ['only-telegram-imports-grammy', 'src/channels/bad-grammy.ts', "import { open } from 'grammy'; open();"],
  [
    'only-discord-imports-discordjs',
    'src/channels/telegram/bad-discord.ts',
    "import type { open } from '@discordjs/rest'; export type O = typeof open;",
  ],
  [
    'only-discord-imports-discord-api-types',
    'actors/bad-discord.ts',
    "import { open } from 'discord-api-types/v10'; open();",
  ],
  ['only-slack-imports-slack', 'src/delivery/bad-slack.ts', "export const load = () => import('@slack/bolt');"],
  ['only-whatsapp-imports-whiskeysockets', 'src/channels/bad-whatsapp.ts', "import '@whiskeysockets/baileys';"],
  [
    'mcp-sdk-only-where-it-is-run',
    'src/tools/mcp/tools.ts',
    "import { open } from '@modelcontextprotocol/sdk'; open();",
  ],
  ['no-cycles', 'src/agent/circle.ts', "import './circle.ts';"],
  ['no-cycles', 'src/agent/type-circle.ts', "import type { A } from './type-circle.ts'; export type A = A[];"],
  ['no-orphans', 'src/agent/bad-orphan.ts', 'export const alone = true;'],
  ['imports-exist', 'src/agent/bad-path.ts', "import './nowhere.ts';"],
];

async function check(files: Record<string, string>): Promise<{ exitCode: number; output: string }> {
  const folder = await tempFolder();
  const packages = [
    'uWebSockets.js',
    'lmdb',
    'isolated-vm',
    'hnswlib-node',
    'grammy',
    '@discordjs/rest',
    'discord-api-types/v10',
    '@slack/bolt',
    '@whiskeysockets/baileys',
    '@modelcontextprotocol/sdk',
  ];
  const installed = Object.fromEntries(packages.map((name) => [`node_modules/${name}/index.js`, 'exports.open = 1;']));
  for (const [path, source] of Object.entries({ ...installed, ...files })) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), `${source}\n`);
  }
  return new Promise((resolve) => {
    execFile(process.execPath, ['--no-warnings', SCRIPT, folder], (error, stdout, stderr) => {
      resolve({ exitCode: error ? Number(error.code) : 0, output: stdout + stderr });
    });
  });
}

test('a project that keeps the rules passes', async () => {
  const { exitCode, output } = await check(CLEAN);
  expect(output).toContain('no dependency violations found');
  expect(exitCode).toBe(0);
});

test('each violation is found, and nothing else', async () => {
  const violating = Object.fromEntries(VIOLATIONS.map(([, path, source]) => [path, source]));
  const { exitCode, output } = await check({ ...CLEAN, ...violating });
  const found = [...output.matchAll(/error (\S+): (\S+)/g)].map(([, rule, path]) => `${rule}: ${path}`);
  expect(found.sort()).toEqual(VIOLATIONS.map(([rule, path]) => `${rule}: ${path}`).sort());
  expect(exitCode).toBe(1);
});

test('every rule is broken by one of these', async () => {
  const { default: config } = (await import(new URL('.dependency-cruiser.mjs', ROOT).href)) as {
    default: { forbidden: { name: string }[] };
  };
  const broken = new Set(VIOLATIONS.map(([rule]) => rule));
  expect(config.forbidden.map(({ name }) => name).filter((name) => !broken.has(name))).toEqual([]);
});
