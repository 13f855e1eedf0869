/**
 * An agent's workspace: a folder whose `AGENTS.md`, `SOUL.md` and `TOOLS.md` belong to what the model is told first, in this
 * order, after the agent's `prompt` and before the list of its skills. (The names are OpenClaw's.) They may change while the
 * gateway runs. Its agent may write in it, so they are opened as its own tools open files: a link from `SOUL.md` to a
 * key would otherwise tell the key.
 */
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../config/schema.ts';
import { type Boundary, type Folder, inFolder } from '../tools/files/folder.ts';
import { Skills } from './skills.ts';

const FILES = ['AGENTS.md', 'SOUL.md', 'TOOLS.md'] as const;
/** Longest part of a file that is used, in bytes: with the prompt still less than half of the context. */
export const FILE_BYTES_MAX = 65_536;
/** How old what is known of the files may be, in milliseconds: busy agents look no more often than this. */
const FRESH_MS = 1_000;

export interface WorkspaceDependencies {
  /** Milliseconds of a clock that only grows. */
  now(): number;
  /** A file that is there and cannot be read; told once, until it changes. The agent does without it. */
  onFault(error: unknown, file: string): void;
}

interface KnownFile {
  /** Changes when the file does; '' for a file that is not there. */
  version: string;
  text: string;
}

const MISSING: KnownFile = { version: '', text: '' };

/** The workspaces of all agents. */
export class Workspaces {
  readonly #byAgent: ReadonlyMap<string, Workspace>;

  constructor({ home, agents }: Pick<Config, 'home' | 'agents'>, dependencies: WorkspaceDependencies) {
    const entries = Object.entries(agents).map(([id, { prompt, workspace, tools }]) => {
      const root = workspace ?? join(home, 'agents', id);
      return [id, new Workspace({ root, home }, prompt, skillReader(tools), dependencies)] as const;
    });
    this.#byAgent = new Map(entries);
  }

  /**
   * What the model of `agent` is told first: at once where the files were looked at within the last second, else when
   * they have been. Never rejects. Throws for an agent that is not configured.
   */
  systemPrompt(agent: string): string | Promise<string> {
    return this.#of(agent).systemPrompt();
  }

  /** The agent's folder: an absolute path. Throws as {@link systemPrompt} does. */
  folder(agent: string): string {
    return this.#of(agent).folder;
  }

  #of(agent: string): Workspace {
    const workspace = this.#byAgent.get(agent);
    if (workspace === undefined) throw new Error(`no agent is named ${agent}`);
    return workspace;
  }
}

/** The tool an agent reads its skills with; undefined: it has none, and is not told of any. */
function skillReader(tools: readonly string[]): string | undefined {
  return ['skills.read', 'files.read'].find(
    (tool) => tools.includes('*') || tools.includes(tool) || tools.includes(`group:${tool.split('.')[0]}`),
  );
}

class Workspace {
  readonly folder: string;
  readonly #boundary: Boundary;
  readonly #prompt: string;
  readonly #reader: string | undefined;
  readonly #skills: Skills;
  readonly #shared: WorkspaceDependencies;
  #files: readonly KnownFile[] = FILES.map(() => MISSING);
  #system: string;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #looking: Promise<string> | undefined;

  constructor(boundary: Boundary, prompt: string, reader: string | undefined, dependencies: WorkspaceDependencies) {
    this.folder = boundary.root;
    this.#boundary = boundary;
    this.#prompt = prompt;
    this.#reader = reader;
    this.#skills = new Skills(boundary, dependencies.onFault);
    this.#shared = dependencies;
    this.#system = prompt;
  }

  systemPrompt(): string | Promise<string> {
    if (this.#looking !== undefined) return this.#looking;
    if (this.#shared.now() - this.#lookedAt < FRESH_MS) return this.#system;
    this.#looking = this.#look();
    return this.#looking;
  }

  async #look(): Promise<string> {
    this.#lookedAt = this.#shared.now();
    const [files, otherSkills] = await Promise.all([
      this.#readFiles(),
      this.#reader === undefined ? false : this.#skills.look(),
    ]);
    if (otherSkills || files.some((file, index) => file !== this.#files[index])) {
      this.#files = files;
      const sections = files.map(({ text }, index) => (text === '' ? '' : `The file ${FILES[index]}:\n\n${text}`));
      const skills = this.#reader === undefined ? '' : this.#skills.section(this.#reader);
      this.#system = [this.#prompt, ...sections, skills].filter((part) => part !== '').join('\n\n');
    }
    this.#looking = undefined;
    return this.#system;
  }

  /** Never rejects. */
  async #readFiles(): Promise<KnownFile[]> {
    try {
      return await inFolder(this.#boundary, [], (folder) =>
        Promise.all(FILES.map((name, index) => this.#read(folder, name, this.#files[index] ?? MISSING))),
      );
    } catch {
      // There is no folder, as for agents that need none.
      return FILES.map((_, index) => (this.#files[index]?.version === '' ? this.#files[index] : MISSING));
    }
  }

  /** The file as it is now: `known` itself where nothing has changed. */
  async #read(folder: Folder, name: string, known: KnownFile): Promise<KnownFile> {
    let file: FileHandle | undefined;
    try {
      if ((await folder.look(name)) === undefined) return known.version === '' ? known : MISSING;
      const { handle, stats } = await folder.openFile(name);
      file = handle;
      const { mtimeMs, size, ino } = stats;
      const version = `${mtimeMs}-${size}-${ino}`;
      return version === known.version ? known : { version, text: await beginningOf(file) };
    } catch (error) {
      const version = `unreadable: ${error}`;
      if (version === known.version) return known;
      this.#shared.onFault(error, join(this.folder, name));
      return { version, text: '' };
    } finally {
      await file?.close().catch(() => undefined);
    }
  }
}

/** At most {@link FILE_BYTES_MAX} bytes, as text without white space around it. */
async function beginningOf(file: FileHandle): Promise<string> {
  const buffer = new Uint8Array(FILE_BYTES_MAX + 1);
  let length = 0;
  for (;;) {
    const { bytesRead } = await file.read(buffer, length, buffer.length - length, length);
    length += bytesRead;
    if (bytesRead === 0 || length === buffer.length) break;
  }
  const cut = length > FILE_BYTES_MAX;
  // As a stream: half a character at the cut is left out.
  const text = new TextDecoder().decode(buffer.subarray(0, cut ? FILE_BYTES_MAX : length), { stream: cut }).trim();
  return cut ? `${text}\n(The rest of this file is left out: it is longer than ${FILE_BYTES_MAX} bytes.)` : text;
}
