/**
 * Who may import whom (docs/architecture.md tells why). Type-only imports count too. Checked by `npm run lint`, through
 * `scripts/check-imports.mjs`; a test breaks each rule once and sees it fire.
 */
const OURS = '^(src|actors)/';

/**
 * Native modules and the libraries of platforms have one home each, so that what they need and how they fail is known in one
 * place. `@scope` is all packages of one.
 */
function oneHome(name, home) {
  return {
    name: `only-${home.split('/').at(-1)}-imports-${name.replace('@', '').toLowerCase()}`,
    severity: 'error',
    from: { pathNot: `^${home}/` },
    to: { path: `(^|node_modules/)${name.replace('.', '\\.')}(/|$)` },
  };
}

export default {
  forbidden: [
    {
      name: 'foundations-stand-alone',
      comment: 'protocol, runtime and config import no other part.',
      severity: 'error',
      from: { path: '^src/(protocol|runtime|config)/' },
      to: { path: OURS, pathNot: '^src/$1/' },
    },
    {
      name: 'agents-know-no-transport',
      comment: 'agent, tools and memory emit events; they never import gateway or channels.',
      severity: 'error',
      from: { path: '^src/(agent|tools|memory)/' },
      to: { path: '^src/(gateway|channels)/' },
    },
    {
      name: 'actors-only-through-refs',
      comment:
        "gateway and channels reach actors through refs; only the names of actors (keys) may be imported. The channels' worker puts its actors together.",
      severity: 'error',
      from: { path: '^src/(gateway|channels)/', pathNot: '^src/channels/worker\\.ts$' },
      to: { path: '^actors/', pathNot: '-key\\.ts$' },
    },
    {
      name: 'what-is-sent-is-not-checked',
      comment:
        'Schemas of replies and events are for documents and tests; two files take types from them, and load none.',
      severity: 'error',
      from: {
        path: OURS,
        pathNot: '^src/protocol/((memory-|status-)?shapes|replies|events|sent-frames|messages|errors)\\.ts$',
      },
      to: { path: '^src/protocol/((memory-|status-)?shapes|replies|events|sent-frames)\\.ts$' },
    },
    {
      name: 'client-knows-only-the-protocol',
      severity: 'error',
      from: { path: '^src/client/' },
      to: { path: OURS, pathNot: '^src/(client|protocol)/' },
    },
    {
      name: 'client-runs-in-browsers',
      comment: 'No module of Node in the client.',
      severity: 'error',
      from: { path: '^src/client/' },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'cli-reaches-the-server-through-the-client',
      severity: 'error',
      from: { path: '^src/cli/', pathNot: '^src/cli/commands/(start|doctor|plugins|config)\\.ts$' },
      to: { path: OURS, pathNot: '^src/((cli|client|protocol|config)/|version\\.ts$)' },
    },
    {
      name: 'start-goes-through-main',
      comment: 'The one command that is the server starts it through the composition root.',
      severity: 'error',
      from: { path: '^src/cli/commands/start\\.ts$' },
      to: { path: OURS, pathNot: '^src/((cli|config|telemetry)/|(main|version)\\.ts$)' },
    },
    {
      name: 'config-asks-for-the-names-of-tools-only',
      comment:
        'The one command that checks names of tools asks for them where they are put together, and for nothing else.',
      severity: 'error',
      from: { path: '^src/cli/commands/config\\.ts$' },
      to: { path: OURS, pathNot: '^src/((cli|config)/|tools/known-tools\\.ts$)' },
    },
    {
      name: 'doctor-goes-through-its-part',
      comment: 'The one command that looks into the data folder does so by src/doctor, which works without a gateway.',
      severity: 'error',
      from: { path: '^src/cli/commands/doctor\\.ts$' },
      to: { path: OURS, pathNot: '^src/(cli|client|protocol|config|doctor)/' },
    },
    {
      name: 'plugins-command-reads-manifests',
      comment: 'The command that adds plugins reads what a plugin says of itself, and nothing else of the gateway.',
      severity: 'error',
      from: { path: '^src/cli/commands/plugins\\.ts$' },
      to: { path: OURS, pathNot: '^src/((cli|client|protocol|config)/|plugins/(manifest|plugin-error)\\.ts$)' },
    },
    {
      name: 'doctor-knows-only-the-store',
      severity: 'error',
      from: { path: '^src/doctor/' },
      to: { path: OURS, pathNot: '^src/(doctor|storage|protocol|config)/' },
    },
    oneHome('uWebSockets.js', 'src/gateway'),
    oneHome('lmdb', 'src/storage'),
    oneHome('isolated-vm', 'src/tools'),
    oneHome('hnswlib-node', 'src/memory/vectors'),
    oneHome('grammy', 'src/channels/telegram'),
    oneHome('@discordjs', 'src/channels/discord'),
    oneHome('discord-api-types', 'src/channels/discord'),
    oneHome('@slack', 'src/channels/slack'),
    oneHome('@whiskeysockets', 'src/channels/whatsapp'),
    {
      name: 'mcp-sdk-only-where-it-is-run',
      comment:
        "The SDK is loaded by the process that is connected to MCP servers, and by the command that is one: never by a gateway's own.",
      severity: 'error',
      from: { pathNot: '^src/(tools/mcp/(connection|keeper|stdio|http)|cli/(mcp-server|commands/mcp))\\.ts$' },
      to: { path: '(^|node_modules/)@modelcontextprotocol(/|$)' },
    },
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'no-orphans',
      comment: 'A file that imports nothing and that nobody imports.',
      severity: 'error',
      from: { orphan: true, pathNot: '\\.d\\.ts$' },
      to: {},
    },
    { name: 'imports-exist', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    // Packages with only an `import` entry are found too.
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default'] },
  },
};
