/**
 * What dependency-cruiser gets when it imports `typescript`. It needs the programming interface that TypeScript 7 no
 * longer has, only to turn TypeScript into JavaScript; Node does that by itself. See `check-imports.mjs`.
 */
import { stripTypeScriptTypes } from 'node:module';

/** Within the range that dependency-cruiser accepts. */
export const version = '6.0.0';

/** `import type X from`, `import type { X } from`, `export type { X } from`; not `export type X =`. */
const TYPE_ONLY = /^(import|export(?= type (?:\{[^}]*\}|\*[^;]*?) from)) type(?= [\w{*])/gm;

/** Type-only imports are kept, as plain ones: for the import rules a type is a dependency like any other. */
export function transpileModule(source) {
  return { outputText: stripTypeScriptTypes(source.replace(TYPE_ONLY, '$1')) };
}

/** Only looked at while dependency-cruiser loads its own TypeScript reader, which is not used. */
export const SyntaxKind = {};
