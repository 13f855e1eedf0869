/** Reads the tools a server lists: what is offered to models, and what is not and why. Whatever it says may be hostile. */
import { z } from 'zod';
import type { McpTool } from './messages.ts';
import { toolName } from './names.ts';

/** Tools of one server: each is sent to the model with every turn. */
export const TOOLS_MAX = 128;
/** As the registry has it; OpenAI's limit. */
const NAME_LENGTH_MAX = 64;
/** In UTF-16 code units; a longer one is cut. */
export const DESCRIPTION_LENGTH_MAX = 4_096;
/** Of one tool's schema as JSON. */
export const SCHEMA_LENGTH_MAX = 32_768;
/** Of all of a server's tools: some 60,000 tokens, and a millisecond of a shard to take in. */
export const LISTING_LENGTH_MAX = 262_144;
/** Objects inside each other in a schema; real ones have ten. */
const SCHEMA_DEPTH_MAX = 32;
/** Reasons that are kept of tools that are not offered. */
const REFUSALS_MAX = 16;
/** Of a name in such a reason. */
const SHOWN_NAME_LENGTH_MAX = 80;

const listed = z.object({
  name: z.string().min(1).max(256),
  title: z.string().optional(),
  description: z.string().optional(),
  inputSchema: z.looseObject({ type: z.literal('object') }),
  annotations: z
    .object({
      title: z.string().optional(),
      readOnlyHint: z.boolean().optional(),
      idempotentHint: z.boolean().optional(),
    })
    .optional(),
  execution: z.object({ taskSupport: z.string().optional() }).optional(),
});

export interface Listing {
  tools: McpTool[];
  /** A sentence for each tool that is not offered, the first 16. */
  refused: string[];
}

export function readListing(server: string, trusted: boolean, entries: readonly unknown[]): Listing {
  const tools = new Map<string, McpTool>();
  const refused: string[] = [];
  let length = 0;
  for (const entry of entries) {
    const read = readTool(server, trusted, entry);
    const why = typeof read === 'string' ? read : refusal(read, tools, length);
    if (typeof read === 'string' || why !== undefined) {
      if (refused.length < REFUSALS_MAX) refused.push(`${shown(nameIn(entry))}: ${why}`);
      continue;
    }
    length += lengthOf(read);
    tools.set(read.name, read);
  }
  return { tools: [...tools.values()], refused };
}

/** The tool, or why it cannot be one. */
function readTool(server: string, trusted: boolean, entry: unknown): McpTool | string {
  const parsed = listed.safeParse(entry);
  if (!parsed.success) return 'it is not described as the protocol wants it';
  const { name: tool, inputSchema, annotations, execution, ...texts } = parsed.data;
  if (execution?.taskSupport === 'required') return 'it can only be called as a task, which is not supported';
  const name = toolName(server, tool);
  if (name === undefined || name.length > NAME_LENGTH_MAX) {
    return `no name of at most ${NAME_LENGTH_MAX} characters can be made of it`;
  }
  if (isDeeper(inputSchema, SCHEMA_DEPTH_MAX) || JSON.stringify(inputSchema).length > SCHEMA_LENGTH_MAX) {
    return 'the schema of its input is too large';
  }
  const isRepeatable = annotations?.readOnlyHint === true || annotations?.idempotentHint === true;
  return {
    name,
    tool,
    description: described(server, texts.description ?? texts.title ?? annotations?.title ?? tool),
    inputSchema: plainSchema(inputSchema),
    risk: trusted ? 'safe' : 'ask',
    // The hints of a server that is not trusted are what it wants to be believed.
    safeToRepeat: trusted && isRepeatable,
  };
}

/** Why there is no place for it among `tools`, whose descriptions have `length` characters. */
function refusal(tool: McpTool, tools: ReadonlyMap<string, McpTool>, length: number): string | undefined {
  const namesake = tools.get(tool.name);
  if (namesake !== undefined) return `${shown(namesake.tool)} is called ${tool.name} already`;
  if (tools.size >= TOOLS_MAX) return `a server may have ${TOOLS_MAX} tools`;
  if (length + lengthOf(tool) <= LISTING_LENGTH_MAX) return undefined;
  return `the tools of a server may have ${LISTING_LENGTH_MAX} characters in all`;
}

function lengthOf({ description, inputSchema }: McpTool): number {
  return description.length + JSON.stringify(inputSchema).length;
}

/** A description is read by the model as if it were ours: it is told whose it is. */
function described(server: string, text: string): string {
  const cut = text.length > DESCRIPTION_LENGTH_MAX ? `${text.slice(0, DESCRIPTION_LENGTH_MAX)} […]` : text;
  return `[Tool of the MCP server "${server}", in its words] ${cut}`;
}

/** As it is, but for what model APIs refuse: OpenAI's wants `properties`. */
function plainSchema({ $schema: _, ...schema }: Record<string, unknown>): Record<string, unknown> {
  return schema.properties === undefined ? { ...schema, properties: {} } : schema;
}

/** Looks no deeper than that: a hostile one would be deeper than the stack. */
function isDeeper(value: unknown, depthMax: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return depthMax === 0 || Object.values(value).some((item) => isDeeper(item, depthMax - 1));
}

function nameIn(entry: unknown): string {
  const name = typeof entry === 'object' && entry !== null && 'name' in entry ? entry.name : undefined;
  return typeof name === 'string' ? name : 'a tool without a name';
}

/** On one line, and short. */
function shown(name: string): string {
  return JSON.stringify(name.slice(0, SHOWN_NAME_LENGTH_MAX)).slice(1, -1);
}
