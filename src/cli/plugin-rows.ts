/** Plugins as people read them. */
import type { PluginStatus } from '../protocol/messages.ts';
import { table } from './table.ts';
import { printableLine } from './terminal.ts';

const TEXT_LENGTH_MAX = 300;
const COLUMNS = ['plugin', 'version', 'state', 'trusted', 'offers', 'faults'];

/** The plugins as a table, and below it the reasons there are. */
export function pluginRows(plugins: readonly PluginStatus[]): string[] {
  const rows = plugins.map(({ plugin, version, state, trusted, kinds, tools, faults }) => {
    const offers = kinds.map((kind) => (kind === 'tools' ? `${tools} tools` : kind)).join(', ');
    return [plugin, version ?? '-', state, trusted ? 'yes' : 'no', offers || '-', String(faults)];
  });
  const remarks = plugins.flatMap(({ plugin, reason, notes, lastFault }) =>
    [reason, ...notes, lastFault === null ? null : `last fault: ${lastFault}`]
      .filter((remark) => remark !== null)
      .map((remark) => `  ${plugin}: ${printableLine(remark, TEXT_LENGTH_MAX)}`),
  );
  return [...table([COLUMNS, ...rows]), ...remarks];
}
