/** What the tools of MCP servers are called here. */

/** Tools of one server begin with it: `mcp.notes.`. */
export function prefixOf(server: string): string {
  return `mcp.${server}.`;
}

/**
 * The name under which a server's tool is in the registry: `addNote` of `notes` is `mcp.notes.add_note`. Undefined where
 * nothing is left of it that a name may have.
 */
export function toolName(server: string, tool: string): string | undefined {
  const words = tool
    .replaceAll(/(\p{Ll}|\d)(\p{Lu})/gu, '$1_$2')
    .toLowerCase()
    .replaceAll(/[^a-z0-9.-]+/g, '_')
    .replaceAll(/[._-]*([._-])[._-]*/g, (run) => (run.includes('.') ? '.' : run.includes('_') ? '_' : '-'))
    .replaceAll(/^[._-]|[._-]$/g, '');
  return words === '' ? undefined : prefixOf(server) + words;
}
