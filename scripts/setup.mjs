/**
 * The postinstall step of this project. npm runs it with the Node of `node_modules/.bin` where there is one, else with
 * the machine's. In order:
 *
 * 1. says in one sentence when Node or the platform cannot run Dhaavak, and fails the install;
 * 2. patches the uWebSockets.js binary on a glibc older than 2.38 (`patch-uws.ts`);
 * 3. patches the lmdb binary on Linux (`patch-lmdb.ts`);
 * 4. compiles the vector index of the memory, hnswlib-node, which has no binary in the registry, against the headers that
 *    come with the Node of `node_modules`. Where there is no compiler that is no error: the memory searches exactly then,
 *    which is slow from some 10,000 entries an agent on, and says so;
 * 5. fills the compile cache that `src/cli/dhaavak.mjs` uses, so that the first start is as fast as the next ones.
 *    Failing at this is no error: the cache fills itself at the first start.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = new URL('../', import.meta.url);
/** In a checkout the TypeScript is run as it is; an installed package has what `npm run build` made of it instead. */
const IS_CHECKOUT = existsSync(new URL('src/main.ts', ROOT));
const NODE_MAJOR_MIN = 24;
/**
 * What the first start loads, and what it loads where a channel is on. A worker's modules are compiled from the same cache as
 * the main thread's. The threads' own modules fail as soon as they look for what a thread is given: they are loaded by then.
 */
const WARMED = [
  'src/cli/program',
  'src/cli/commands/start',
  'src/main',
  'src/shards/worker',
  'src/channels/host',
  'src/channels/worker',
  'src/channels/telegram/adapter',
  'src/channels/discord/adapter',
  'src/channels/slack/adapter',
  'src/channels/slack/connect',
  'src/channels/whatsapp/adapter',
  'src/channels/whatsapp/connect',
];
/** The library that an adapter loads by itself. Not there: passed over. */
const WARMED_PACKAGES = ['@whiskeysockets/baileys'];
const WARM_TIMEOUT_MS = 20_000;
/** It takes 11 to 25 s on two cores. */
const COMPILE_TIMEOUT_MS = 300_000;

try {
  checkNode();
  await patchBinary(findBinary());
  await patchStore();
  compileVectorIndex();
  warmCompileCache();
} catch (error) {
  console.error(`Dhaavak: ${error.message}`);
  process.exitCode = 1;
}

function checkNode() {
  if (Number.parseInt(process.versions.node, 10) >= NODE_MAJOR_MIN) return;
  throw new Error(
    `Node ${NODE_MAJOR_MIN} or later is needed and this is ${process.versions.node}; install it from https://nodejs.org ` +
      '(on Linux x64 npm ci brings its own, unless optional dependencies are left out).',
  );
}

/** Path of the uWebSockets.js binary for this platform and Node. */
function findBinary() {
  const name = `uws_${process.platform}_${process.arch}_${process.versions.modules}.node`;
  const path = join(findUws(), name);
  const musl = process.platform === 'linux' && glibcVersion() === undefined;
  if (existsSync(path) && !musl) return path;
  throw new Error(
    `uWebSockets.js has no binary for ${process.platform} ${process.arch}${musl ? ' without glibc' : ''} and Node ` +
      `${process.versions.node}; there are some for Node 24 and 25 on Linux x64 and arm64 (glibc), macOS and Windows x64.`,
  );
}

/** The folder of uWebSockets.js: below this one, or beside it where npm put Dhaavak into another project. */
function findUws() {
  try {
    return dirname(createRequire(import.meta.url).resolve('uWebSockets.js'));
  } catch {
    return fileURLToPath(new URL('node_modules/uWebSockets.js', ROOT));
  }
}

/** The folder all dependencies are in. */
function findModules() {
  return dirname(findUws());
}

async function patchBinary(path) {
  if (process.platform !== 'linux') return;
  const [major, minor] = glibcVersion().split('.').map(Number);
  if (major > 2 || minor >= 38) return;
  const { patchUws } = await import(moduleUrl('scripts/patch-uws').href);
  console.log(`Dhaavak: glibc ${major}.${minor} is older than 2.38, uWebSockets.js is ${patchUws(path)}`);
}

/** One that cannot be patched is no reason to fail: it does its work until a disk is full. */
async function patchStore() {
  if (process.platform !== 'linux') return;
  const { patchLmdb } = await import(moduleUrl('scripts/patch-lmdb').href);
  const folder = join(findModules(), `@lmdb/lmdb-linux-${process.arch}`);
  try {
    for (const name of readdirSync(folder)) if (name.endsWith('.node')) patchLmdb(join(folder, name));
  } catch (error) {
    console.warn(`Dhaavak: ${error.message}`);
  }
}

/** Its own install script is denied in `allowScripts`: it would load headers from nodejs.org. */
function compileVectorIndex() {
  const folder = join(findModules(), 'hnswlib-node');
  const isThere = () => existsSync(join(folder, 'build/Release/addon.node'));
  if (!existsSync(folder) || isThere()) return;
  const platform = process.platform === 'win32' ? 'win' : process.platform;
  const headers = join(findModules(), `node-${platform}-${process.arch}`);
  const env = { ...process.env };
  if (existsSync(join(headers, 'include/node/node_api.h'))) env.npm_config_nodedir = headers;
  const options = { cwd: folder, env, shell: true, encoding: 'utf8', timeout: COMPILE_TIMEOUT_MS };
  const { stderr } = spawnSync('node-gyp rebuild', options);
  if (isThere()) return;
  console.warn(
    'Dhaavak: the vector index of the memory could not be compiled, so searches compare with every entry: install g++, make ' +
      `and python3, then run \`npm rebuild\` here.\n${stderr?.trim().split('\n').slice(-3).join('\n') ?? ''}`,
  );
}

/** For example '2.36'; undefined where the C library is not glibc. */
function glibcVersion() {
  return process.report.getReport().header.glibcVersionRuntime;
}

function moduleUrl(path) {
  return new URL(IS_CHECKOUT ? `${path}.ts` : `dist/${path}.js`, ROOT);
}

/** In a process of its own: a module that throws, waits or exits when it is imported does no harm to the install. */
function warmCompileCache() {
  const urls = [...WARMED.map(moduleUrl).filter((url) => existsSync(url)), ...WARMED_PACKAGES];
  const script = `
    const { flushCompileCache } = require('node:module');
    Promise.allSettled(${JSON.stringify(urls)}.map((url) => import(url))).then(() => {
      flushCompileCache();
      process.exit();
    });`;
  spawnSync(process.execPath, ['--eval', script], {
    stdio: 'ignore',
    cwd: fileURLToPath(ROOT),
    timeout: WARM_TIMEOUT_MS,
    env: {
      NODE_COMPILE_CACHE: fileURLToPath(
        new URL(IS_CHECKOUT ? 'node_modules/.cache/dhaavak' : '../.cache/dhaavak', ROOT),
      ),
      ...process.env,
    },
  });
}
