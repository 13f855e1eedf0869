/**
 * `files.read`, `files.write`, `files.edit`, `files.list`, `files.search`, rooted in the agent's workspace. What does the
 * work is loaded with the first call.
 */
import { z } from 'zod';
import type { Config } from '../../config/schema.ts';
import { hasReadOutside } from '../outside.ts';
import { type CallerContext, defineTool, type Tool, type ToolRisk } from '../tool.ts';
import type { Boundary } from './folder.ts';
import { segmentsOf } from './path.ts';
import type { Searcher } from './search.ts';

const LINES_DEFAULT = 1_000;
const LINES_MAX = 10_000;
/** Where a search pattern may be no longer, in characters. */
const PATTERN_LENGTH_MAX = 1_000;
/** Above every limit of what may be written, in characters: only bounds what is parsed. */
const CONTENT_LENGTH_MAX = 4 * 1_048_576;
const LIST_DEPTH_MAX = 8;
/** What a model is told first: whoever writes these speaks to every session of the agent. */
const INSTRUCTIONS: ReadonlySet<string> = new Set(['agents.md', 'soul.md', 'tools.md', 'skills']);

const path = z.string().min(1).max(2_048).describe('Relative to the workspace, such as "notes/today.md".');
const folder = z.string().max(2_048).default('.').describe('A folder, relative to the workspace.');

export type FilesSettings = Pick<Config, 'home' | 'tools'>;

/** The tools, and the search threads they share. */
export function createFileTools({ home, tools }: FilesSettings): Tool[] {
  const { fileBytesMax } = tools.files;
  const boundaryOf = ({ caller }: CallerContext): Boundary => ({ root: caller.workspace, home });
  return [
    readTool(boundaryOf),
    skillTool(boundaryOf),
    ...changingTools(boundaryOf, fileBytesMax),
    listTool(boundaryOf),
    searchTool(boundaryOf),
  ];
}

type BoundaryOf = (context: CallerContext) => Boundary;

function readTool(boundaryOf: BoundaryOf): Tool {
  return defineTool({
    name: 'files.read',
    group: 'files',
    description:
      'Reads a text file of the workspace. Returns its lines, without numbers; for a long file a page of them and how to go on. Of a file that is no text it says what it is.',
    input: z.strictObject({
      path,
      offset: z.int().min(1).max(1e9).default(1).describe('The first line to return, from 1.'),
      limit: z.int().min(1).max(LINES_MAX).default(LINES_DEFAULT).describe('How many lines.'),
    }),
    risk: 'safe',
    safeToRepeat: true,
    returns: 'string',
    handler: async (request, context) => (await import('./read.ts')).readPage(boundaryOf(context), request),
  });
}

/** For agents that have skills and no files. */
function skillTool(boundaryOf: BoundaryOf): Tool {
  return defineTool({
    name: 'skills.read',
    group: 'skills',
    description: 'Reads a file of a skill, such as "skills/pdf/SKILL.md".',
    input: z.strictObject({
      path: z.string().min(1).max(2_048),
      offset: z.int().min(1).max(1e9).default(1).describe('The first line to return, from 1.'),
    }),
    risk: 'safe',
    safeToRepeat: true,
    returns: 'string',
    async handler({ path, offset }, context) {
      const boundary = boundaryOf(context);
      const [first, ...rest] = segmentsOf(path, boundary.root);
      if (first !== 'skills' || rest.length < 2)
        throw new Error(`${path} is no file of a skill, as skills/pdf/SKILL.md is`);
      return (await import('./read.ts')).readPage(boundary, { path, offset, limit: LINES_DEFAULT });
    },
  });
}

function changingTools(boundaryOf: BoundaryOf, fileBytesMax: number): Tool[] {
  return [
    defineTool({
      name: 'files.write',
      group: 'files',
      description:
        'Writes a text file of the workspace whole, with the folders on the way to it; a file that is there is replaced. To change a part of a file use files.edit.',
      input: z.strictObject({
        path,
        content: z.string().max(CONTENT_LENGTH_MAX).describe('All there will be in the file.'),
      }),
      risk: 'safe',
      riskOf: ({ path }, context) => riskOfChange(path, context),
      safeToRepeat: true,
      returns: 'string',
      handler: async (request, context) =>
        (await import('./write.ts')).writeWhole(boundaryOf(context), fileBytesMax, request),
    }),
    defineTool({
      name: 'files.edit',
      group: 'files',
      description:
        'Replaces text in a file of the workspace. The old text must be in the file exactly once, white space included, or all be set; take it from files.read. Returns what changed.',
      input: z.strictObject({
        path,
        old: z.string().min(1).max(CONTENT_LENGTH_MAX).describe('The text to replace, exactly as in the file.'),
        new: z.string().max(CONTENT_LENGTH_MAX).describe('What is to stand there instead.'),
        all: z.boolean().default(false).describe('Replace every occurrence.'),
      }),
      risk: 'safe',
      riskOf: ({ path }, context) => riskOfChange(path, context),
      safeToRepeat: false,
      returns: 'string',
      handler: async (request, context) =>
        (await import('./edit.ts')).editFile(boundaryOf(context), fileBytesMax, request),
    }),
  ];
}

function listTool(boundaryOf: BoundaryOf): Tool {
  return defineTool({
    name: 'files.list',
    group: 'files',
    description:
      'Lists a folder of the workspace: a line an entry, folders with a slash, files with their size in bytes. .git and node_modules are named but not entered.',
    input: z.strictObject({
      path: folder,
      depth: z.int().min(1).max(LIST_DEPTH_MAX).default(1).describe('How deep into its folders; 1: not at all.'),
    }),
    risk: 'safe',
    safeToRepeat: true,
    returns: 'string',
    handler: async (request, context) => (await import('./list.ts')).listFolder(boundaryOf(context), request),
  });
}

function searchTool(boundaryOf: BoundaryOf): Tool {
  let searcher: Promise<Searcher> | undefined;
  return defineTool({
    name: 'files.search',
    group: 'files',
    description:
      'Finds lines in the text files of the workspace. Returns path:line: text for each. .git, node_modules, links and files over 4 MiB are passed over.',
    input: z.strictObject({
      pattern: z.string().min(1).max(PATTERN_LENGTH_MAX).describe('Plain text, or a JavaScript expression with regex.'),
      path: folder,
      regex: z.boolean().default(false),
      ignoreCase: z.boolean().default(false),
      glob: z.string().min(1).max(PATTERN_LENGTH_MAX).optional().describe('Only such files: "*.ts", "src/**/*.md".'),
    }),
    risk: 'safe',
    safeToRepeat: true,
    returns: 'string',
    async handler(request, context) {
      searcher ??= import('./search.ts').then(({ Searcher }) => new Searcher());
      return (await searcher).search(boundaryOf(context), request, context.signal);
    },
    close: async () => (await searcher)?.close(),
  });
}

/**
 * What is written into the files that every session is told first speaks in all of them, and tells them what was put there. A
 * session that is kept in a sandbox may talk with anybody; and whoever wrote what the model has read may speak through it.
 */
function riskOfChange(path: string, context: CallerContext): ToolRisk {
  const { caller } = context;
  if (!caller.sandboxed && !hasReadOutside(context)) return 'safe';
  const [first] = segmentsOf(path, caller.workspace);
  return first !== undefined && INSTRUCTIONS.has(first.toLowerCase()) ? 'ask' : 'safe';
}
