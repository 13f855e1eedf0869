/** What every bench returns. */
export interface BenchReport {
  name: string;
  rows: BenchRow[];
}

export interface BenchRow {
  label: string;
  value: number;
  unit: string;
  /** `value` as a fraction of the baseline's in the same run. */
  ratio?: number;
  /** What it ought to be, where an issue or decision says so. */
  aim?: string;
}

/** The report as a Markdown table. */
export function asTable({ name, rows }: BenchReport): string {
  const lines = rows.map(({ label, value, unit, ratio, aim }) =>
    ['', label, `${shown(value)} ${unit}`, ratio === undefined ? '' : ratio.toFixed(2), aim ?? '', '']
      .join(' | ')
      .trim(),
  );
  return [`### ${name}`, '| what | measured | ratio to baseline | aim |', '|---|---|---|---|', ...lines].join('\n');
}

function shown(value: number): string {
  return value.toLocaleString('en', { maximumFractionDigits: value < 10 ? 2 : value < 100 ? 1 : 0 });
}
