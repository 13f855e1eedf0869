/** What one look of the doctor found. */
export interface Finding {
  /** What was looked at, in a word or two. */
  name: string;
  /** `warning`: it works, and somebody should look at it. `wrong`: it does not, or will not soon. */
  status: 'ok' | 'warning' | 'wrong';
  /** What is, and what to do about it. */
  text: string;
  /** What was done about it. */
  fixed?: string;
}

export const ok = (name: string, text: string): Finding => ({ name, status: 'ok', text });
export const warning = (name: string, text: string): Finding => ({ name, status: 'warning', text });
export const wrong = (name: string, text: string): Finding => ({ name, status: 'wrong', text });

/** A finding that was wrong and is not any more. */
export const fixed = (name: string, text: string, done: string): Finding => ({ name, status: 'ok', text, fixed: done });

/** A number of bytes for people. */
export function size(bytes: number): string {
  const units = ['bytes', 'KB', 'MB', 'GB', 'TB'];
  const unit = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  return `${Math.round(bytes / 1024 ** unit)} ${units[unit]}`;
}
