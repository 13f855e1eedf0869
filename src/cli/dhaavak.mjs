#!/usr/bin/env node
/**
 * The `dhaavak` command. Plain JavaScript that old versions of Node can read too, because it must run before anything
 * else: it says which Node is needed, and turns on the compile cache before the first TypeScript file is loaded.
 *
 * With the cache, Node compiles nothing and does not even load its type stripper: measured, the program's memory goes
 * from 64 to 46 MB and its loading time from 67 to 19 ms; a worker's memory from 93 to 65 MB. Worker threads find the
 * cache only through the environment variable. A folder that cannot be written is no error, only slower.
 *
 * In a checkout it runs the TypeScript beside it; in an installed package there is none (Node strips no types under
 * node_modules), and it runs what `npm run build` made of it.
 */
import { existsSync } from 'node:fs';
import module from 'node:module';
import { fileURLToPath } from 'node:url';

const NODE_MAJOR_MIN = 24;
/** As in `exit.ts`, which an old Node could not load. */
const EXIT_FAILED = 1;

const modules = findModules(new URL('./', import.meta.url));
const source = new URL('./program.ts', import.meta.url);
const built = new URL('../../dist/src/cli/program.js', import.meta.url);

if (Number.parseInt(process.versions.node, 10) < NODE_MAJOR_MIN) {
  refuse(
    `Dhaavak needs Node ${NODE_MAJOR_MIN} or later and this is ${process.versions.node}: start it with npm start or npx dhaavak (npm ci brings Node ${NODE_MAJOR_MIN} on Linux x64), or install a newer Node.`,
  );
} else if (modules === undefined) {
  refuse('The dependencies of Dhaavak are not installed: run npm ci in its folder first.');
} else {
  useCompileCache();
  const { run } = await import((existsSync(source) ? source : built).href);
  await run(process.argv);
}

/** The folder with our dependencies: our own, or one further up where the package was installed. */
function findModules(folder) {
  const modules = fileURLToPath(new URL('node_modules/', folder));
  if (existsSync(`${modules}commander`)) return modules;
  const parent = new URL('../', folder);
  return parent.href === folder.href ? undefined : findModules(parent);
}

function useCompileCache() {
  const { NODE_COMPILE_CACHE, NODE_DISABLE_COMPILE_CACHE } = process.env;
  if (NODE_COMPILE_CACHE || NODE_DISABLE_COMPILE_CACHE) return;
  const folder = `${modules}.cache/dhaavak`;
  module.enableCompileCache(folder);
  process.env.NODE_COMPILE_CACHE = folder;
}

function refuse(sentence) {
  console.error(sentence);
  process.exitCode = EXIT_FAILED;
}
