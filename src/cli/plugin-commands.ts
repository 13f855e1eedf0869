/** `dhaavak plugins …` with its flags and help. */
import type { Command } from 'commander';
import { examples, withClientFlags, withGatewayFlags, withJson } from './command-flags.ts';

export function addPlugins(program: Command): void {
  const plugins = program.command('plugins').description('what others have written for the gateway: docs/plugins.md');
  const load = () => import('./commands/plugins.ts');
  withJson(withClientFlags(plugins.command('list')))
    .description('show how each plugin is')
    .addHelpText('after', examples('dhaavak plugins list', 'dhaavak plugins list --json | jq .plugins'))
    .action(async (flags) => {
      process.exitCode = await (await load()).list(flags);
    });
  withJson(withClientFlags(plugins.command('add')))
    .description('write a plugin into the configuration file of this machine, and load it where the gateway runs')
    .argument('<plugin>', 'its folder, or an npm package that is installed beside the configuration file')
    .option('--grant', 'allow it the hosts, tools and variables that its manifest asks for')
    .option('--trust', "run its code in the gateway's own process, with all the gateway may do")
    .addHelpText('after', examples('dhaavak plugins add ./plugins/words', 'dhaavak plugins add dhaavak-words --grant'))
    .action(async (plugin: string, flags) => {
      process.exitCode = await (await load()).add(plugin, flags);
    });
  withJson(withClientFlags(plugins.command('remove')))
    .description('take a plugin out of the configuration file of this machine, and out of use where the gateway runs')
    .argument('<name>', 'its name')
    .addHelpText('after', examples('dhaavak plugins remove words'))
    .action(async (name: string, flags) => {
      process.exitCode = await (await load()).remove(name, flags);
    });
  withJson(withClientFlags(plugins.command('reload')))
    .description('read the configuration of plugins again, and load one of them anew, or all')
    .argument('[name]', 'one of them')
    .addHelpText('after', examples('dhaavak plugins reload words'))
    .action(async (name: string | undefined, flags) => {
      process.exitCode = await (await load()).reload(name, flags);
    });
  withJson(withGatewayFlags(plugins.command('check')))
    .description('say whether the manifest of a plugin is in order, and what it asks for; no code of it is run')
    .argument('<folder>', 'its folder')
    .addHelpText('after', examples('dhaavak plugins check ./plugins/words'))
    .action(async (folder: string, { json: asJson }) => {
      process.exitCode = await (await load()).check(folder, asJson);
    });
}
