/**
 * What dependency-cruiser gets when it imports `typescript`. It needs the programming interface that TypeScript 7 no
 * longer has, only to turn TypeScript into JavaScript; Node does that by itself. See `check-imports.mjs`.
 */
import { stripTypeScriptTypes } from 'node:module';

/** Within the range that dependency-cruiser accepts. */
export const version = '6.0.0';

/** Type-only imports are kept, as plain ones: for the import rules a type is a dependency like any other. */
export function transpileModule(source) {
  const typesAsValues = source.replace(/^(import|export) type(?= [\w{*])/gm, '$1');
  return { outputText: stripTypeScriptTypes(typesAsValues) };
}
