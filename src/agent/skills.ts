/**
 * Skills: folders `skills/<name>/` of a workspace, each with a `SKILL.md` that tells how to do something. Its front matter
 * (`name`, `description`) is listed to the model, which reads the rest when a task fits. (The format is Anthropic's.)
 */
import { opendir } from 'node:fs/promises';
import { z } from 'zod';
import { type Boundary, type Folder, inFolder } from '../tools/files/folder.ts';

export const SKILLS_FOLDER = 'skills';
export const SKILL_FILE = 'SKILL.md';
/** Listed; further ones, by name, are only counted. */
export const SKILLS_MAX = 50;
/** Front matter must end within so many bytes. */
const FRONT_MATTER_BYTES_MAX = 4_096;
/** Of a description, in characters: with all of them less than a fifth of what the files may have. */
const DESCRIPTION_LENGTH_MAX = 240;
/** Folders that are looked at. */
const FOLDERS_MAX = 1_000;
const FRONT_MATTER = /^\ufeff?---[ \t]*\r?\n([\s\S]*?)\r?\n---[ \t]*(?:\r?\n|$)/;

const frontMatter = z.object({
  name: z
    .string()
    .max(64)
    .regex(/^[\p{L}\p{N}][\p{L}\p{N} ._-]*$/u, 'must be a word'),
  description: z.string().trim().min(1).max(4_096),
});

/** One as it is listed. */
interface Skill {
  name: string;
  description: string;
}

interface KnownSkill {
  /** Changes when the file does. */
  version: string;
  /** Undefined: it is broken. */
  skill: Skill | undefined;
}

/** The skills of one workspace, looked at again and again. */
export class Skills {
  readonly #boundary: Boundary;
  readonly #onFault: (error: unknown, file: string) => void;
  #known = new Map<string, KnownSkill>();
  #left = 0;

  /** `onFault` hears of one that cannot be used, once until its file changes. */
  constructor(boundary: Boundary, onFault: (error: unknown, file: string) => void) {
    this.#boundary = boundary;
    this.#onFault = onFault;
  }

  /** Looks at the folders. Returns whether something is not as it was. Never rejects. */
  async look(): Promise<boolean> {
    const before = this.#known;
    const leftBefore = this.#left;
    const known = new Map<string, KnownSkill>();
    try {
      await inFolder(this.#boundary, [SKILLS_FOLDER], async (folder) => {
        const names = await folderNames(folder);
        this.#left = Math.max(0, names.length - SKILLS_MAX);
        for (const name of names.slice(0, SKILLS_MAX)) {
          const skill = await this.#lookAt(folder, name, before.get(name));
          if (skill !== undefined) known.set(name, skill);
        }
      });
    } catch {
      // There is no such folder, as in most workspaces.
      this.#left = 0;
    }
    this.#known = known;
    return (
      this.#left !== leftBefore ||
      known.size !== before.size ||
      [...known].some(([name, { version }]) => before.get(name)?.version !== version)
    );
  }

  /** What a model is told that reads them with the tool `reader`; '' where there are none. */
  section(reader: string): string {
    const lines = [...this.#known].flatMap(([folder, { skill }]) =>
      skill === undefined ? [] : [`- ${skill.name} (${SKILLS_FOLDER}/${folder}/${SKILL_FILE}): ${skill.description}`],
    );
    if (lines.length === 0) return '';
    const left = this.#left > 0 ? [`(${this.#left} more are not listed.)`] : [];
    const use = `Skills, which tell how to do something. Before a task that one is for, read its file with ${reader}:`;
    return [use, '', ...lines, ...left].join('\n');
  }

  /** The skill in `name` as it is now: `known` itself where nothing has changed, undefined where there is none. */
  async #lookAt(skills: Folder, name: string, known: KnownSkill | undefined): Promise<KnownSkill | undefined> {
    let folder: Folder | undefined;
    try {
      folder = await skills.enter(name);
      if ((await folder.look(SKILL_FILE)) === undefined) return undefined;
      const { handle, stats } = await folder.openFile(SKILL_FILE);
      try {
        const version = `${stats.mtimeMs}-${stats.size}-${stats.ino}`;
        if (version === known?.version) return known;
        const { buffer, bytesRead } = await handle.read({ buffer: Buffer.alloc(FRONT_MATTER_BYTES_MAX), position: 0 });
        return { version, skill: await this.#parse(buffer.subarray(0, bytesRead).toString(), name) };
      } finally {
        await handle.close();
      }
    } catch (error) {
      const version = `unreadable: ${error}`;
      if (version !== known?.version) this.#tell(error, name);
      return { version, skill: undefined };
    } finally {
      await folder?.close();
    }
  }

  async #parse(text: string, name: string): Promise<Skill | undefined> {
    try {
      return await parseSkill(text);
    } catch (error) {
      this.#tell(error, name);
      return undefined;
    }
  }

  #tell(error: unknown, name: string): void {
    this.#onFault(error, `${this.#boundary.root}/${SKILLS_FOLDER}/${name}/${SKILL_FILE}`);
  }
}

/** What the beginning of a SKILL.md says. Throws an Error that says what is wrong with it. */
async function parseSkill(text: string): Promise<Skill> {
  const matter = FRONT_MATTER.exec(text)?.[1];
  if (matter === undefined) {
    throw new Error(
      `it has no front matter: lines between two lines of --- in its first ${FRONT_MATTER_BYTES_MAX} bytes`,
    );
  }
  // Loaded with the first skill. Aliases could make a small text a huge value.
  const { parse } = await import('yaml');
  const parsed = frontMatter.safeParse(parse(matter, { maxAliasCount: 0 }));
  if (!parsed.success) {
    const issues = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'front matter'}: ${message}`);
    throw new Error(issues.join('; '));
  }
  const { name, description } = parsed.data;
  const line = description.replaceAll(/\s+/g, ' ');
  const cut = line.length > DESCRIPTION_LENGTH_MAX;
  return { name, description: cut ? `${line.slice(0, DESCRIPTION_LENGTH_MAX)}…` : line };
}

/** Folders only, by name. */
async function folderNames(folder: Folder): Promise<string[]> {
  const names: string[] = [];
  for await (const entry of await opendir(folder.place)) {
    if (entry.isDirectory()) names.push(entry.name);
    if (names.length === FOLDERS_MAX) break;
  }
  return names.sort();
}
