/** `dhaavak config …`: what a gateway would run with. */
import { ConfigError } from '../../config/config-error.ts';
import type { Flags } from '../../config/environment.ts';
import { loadConfig } from '../../config/load.ts';
import { masked } from '../../config/mask.ts';
import { EXIT } from '../exit.ts';
import { printable } from '../terminal.ts';

interface ConfigFlags extends Flags {
  json?: true;
}

/** Says whether the configuration can be used, and lists every problem. Returns the exit code. */
export async function check({ json, ...flags }: ConfigFlags): Promise<number> {
  try {
    const { config, file } = await loadConfig({ flags, env: process.env });
    const { knownTools } = await import('../../tools/known-tools.ts');
    const wrong = [...knownTools(config).wrongNames(config)];
    if (wrong.length > 0) throw new ConfigError(wrong.map(({ message }) => `${file ?? 'configuration'}: ${message}`));
    if (json) console.log(JSON.stringify({ ok: true, file: file ?? null, problems: [] }));
    else console.log(`${file ?? 'No configuration file: the defaults'}: good`);
    return EXIT.ok;
  } catch (error) {
    if (!json || !(error instanceof ConfigError)) throw error;
    console.log(JSON.stringify({ ok: false, problems: error.problems }));
    return EXIT.usage;
  }
}

/** Prints the configuration with every default, variable and flag in it, and without its secrets. Returns the exit code. */
export async function show({ json, ...flags }: ConfigFlags): Promise<number> {
  const { config, file } = await loadConfig({ flags, env: process.env });
  const shown = masked(config);
  if (json) {
    console.log(JSON.stringify(shown));
    return EXIT.ok;
  }
  const { stringify } = await import('yaml');
  console.log(printable(`# ${file ?? 'defaults; there is no file'}\n${stringify(shown)}`).trimEnd());
  return EXIT.ok;
}
