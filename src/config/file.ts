/** Reads a YAML configuration file and remembers where in it each key stands. Loaded only when there is such a file. */
import { open } from 'node:fs/promises';
import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml';
import { ConfigError } from './config-error.ts';
import type { Path } from './shape.ts';

/** Bytes of a configuration file; a larger one is a mistake. */
const FILE_BYTES_MAX = 1024 * 1024;
/** Nodes that aliases may add: `*a` inside `&b` inside … would double the document with every line. */
const ALIASES_MAX = 100;

export interface ConfigFile {
  /** The document as plain values; a key without a value (its children commented out) is undefined. */
  value: unknown;
  /** `file:line:column` of the key at `path`, or of the nearest key around it that is written down. */
  locate(path: Path): string;
}

/** @throws ConfigError when the file cannot be read, is too large or is not one YAML document */
export async function readConfigFile(path: string): Promise<ConfigFile> {
  const text = await readText(path);
  const lines = new LineCounter();
  // Without prettyErrors, since those quote the source, which may hold secrets.
  const document = parse(path, () =>
    parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true }),
  );
  const place = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${path}:${line}:${col}`;
  };
  const faults = [...document.errors, ...document.warnings];
  if (faults.length > 0) {
    throw new ConfigError(
      faults.map((fault) => `${place(fault.pos[0])}: not valid YAML: ${withoutDetail(fault.message)}`),
    );
  }
  return {
    value: parse(path, () => withoutNull(document.toJS({ maxAliasCount: ALIASES_MAX }))),
    locate: (keys) => place(offsetOf(document, keys)),
  };
}

async function readText(path: string): Promise<string> {
  try {
    await using file = await open(path, 'r');
    const stats = await file.stat();
    if (!stats.isFile()) throw new ConfigError([`${path} is not a file`]);
    if (stats.size > FILE_BYTES_MAX) throw new ConfigError([`${path} is larger than ${FILE_BYTES_MAX} bytes`]);
    return new TextDecoder('utf-8', { fatal: true }).decode(await file.readFile());
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError([`the configuration file ${path} ${reason(error)}`]);
  }
}

function reason(error: unknown): string {
  if (error instanceof TypeError) return 'is not UTF-8 text';
  const code = (error as NodeJS.ErrnoException).code;
  return code === 'ENOENT' ? 'does not exist' : `cannot be read (${code})`;
}

/** yaml throws, instead of collecting, when aliases expand too far (ReferenceError) or nesting too deep (RangeError). */
function parse<Result>(path: string, work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    if (error instanceof ReferenceError) throw new ConfigError([`${path}: aliases expand to too much`]);
    if (error instanceof RangeError) throw new ConfigError([`${path}: nested too deep`]);
    throw error;
  }
}

/** After a colon, yaml's messages quote the source. */
function withoutDetail(message: string): string {
  return message.replace(/:.*$/s, '');
}

function withoutNull(value: unknown): unknown {
  if (value === null) return undefined;
  if (Array.isArray(value)) return value.map((item) => (item === null ? null : withoutNull(item)));
  if (typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withoutNull(item)]));
}

function offsetOf(document: Document.Parsed, path: Path): number {
  let offset = 0;
  let node: unknown = document.contents;
  for (const step of path) {
    if (isAlias(node)) node = node.resolve(document);
    let found: Node | undefined;
    if (isMap<Node, unknown>(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === step);
      found = pair?.key;
      node = pair?.value;
    } else if (isSeq<Node>(node)) {
      found = node.items[Number(step)];
      node = found;
    }
    if (!found?.range) break;
    offset = found.range[0];
  }
  return offset;
}
