/**
 * Checks the import rules of `.dependency-cruiser.mjs`:
 *
 *     node scripts/check-imports.mjs [folder]      default: this project
 *
 * Prints what breaks them and exits with 1 if anything does. It runs dependency-cruiser with a stand-in for the
 * `typescript` package: version 7 has no interface it could use, and without one it would silently see no .ts file.
 */
import { registerHooks } from 'node:module';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import config from '../.dependency-cruiser.mjs';

const STAND_IN = new URL('typescript-for-cruiser.mjs', import.meta.url).href;
const STAND_IN_MANIFEST = new URL('typescript-for-cruiser.json', import.meta.url).href;

registerHooks({
  resolve(specifier, context, nextResolve) {
    if (context.parentURL?.includes('/dependency-cruiser/')) {
      if (specifier === 'typescript') return { url: STAND_IN, shortCircuit: true };
      if (specifier === 'typescript/package.json')
        return { url: STAND_IN_MANIFEST, format: 'json', shortCircuit: true };
    }
    return nextResolve(specifier, context);
  },
  load(url, context, nextLoad) {
    if (url !== STAND_IN_MANIFEST) return nextLoad(url, context);
    return { format: 'json', source: JSON.stringify({ version: '6.0.0' }), shortCircuit: true };
  },
});

const folder = resolve(process.argv[2] ?? fileURLToPath(new URL('..', import.meta.url)));
const { cruise } = await import('dependency-cruiser');
const { forbidden, options } = config;
const { output, exitCode } = await cruise(['src', 'actors'], {
  ...options,
  baseDir: folder,
  ruleSet: { forbidden },
  validate: true,
  outputType: 'err',
});
console.log(output.trim());
process.exitCode = exitCode > 0 ? 1 : 0;
