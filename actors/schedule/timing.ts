/** When schedules are due. The library that reads cron expressions is loaded with the first one. */
import { DhaavakError } from '../../src/protocol/errors.ts';

/** Times that are looked at to find the shortest time between two: a week of every hour, 3 ms of work at most. */
const LOOKED_AT = 24;
/** Days of each month, in a leap year. */
const DAYS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

type Croner = typeof import('croner');

/** A cron expression of five fields, and the time zone it is meant in. */
export interface CronTimes {
  cron: string;
  timeZone: string;
}

export class Timing {
  readonly #croner: Croner;

  private constructor(croner: Croner) {
    this.#croner = croner;
  }

  static async load(): Promise<Timing> {
    return new Timing(await import('croner'));
  }

  /** The first time after `after`; both in milliseconds since the epoch. Undefined: there is none. */
  next({ cron, timeZone }: CronTimes, after: number): number | undefined {
    return new this.#croner.Cron(cron, { timezone: timeZone, mode: '5-part' }).nextRun(new Date(after))?.getTime();
  }

  /**
   * Throws `invalid_request` for an expression that is none, is never due, or is due sooner than every `intervalMinMs`, and
   * for a time zone that is none.
   */
  check({ cron, timeZone }: CronTimes, after: number, intervalMinMs: number): void {
    if (!isTimeZone(timeZone)) {
      throw invalid(`"${timeZone}" is not an IANA time zone; use one such as "Asia/Kolkata" or "UTC"`, 'timeZone');
    }
    const times = this.#times(cron, timeZone, after);
    const gaps = times.slice(1).map((time, index) => time - (times[index] as number));
    const shortest = Math.min(...gaps);
    if (shortest < intervalMinMs) {
      const seconds = Math.round(intervalMinMs / 1_000);
      throw invalid(
        `"${cron}" is due more often than every ${seconds} seconds, the least there may be between`,
        'cron',
      );
    }
  }

  #times(cron: string, timezone: string, after: number): number[] {
    try {
      if (!this.#isEver(cron)) throw new Error('there is no such day');
      const job = new this.#croner.Cron(cron, { timezone, mode: '5-part' });
      const times = job.nextRuns(LOOKED_AT, new Date(after)).map((time) => time.getTime());
      if (times.length === 0) throw new Error('it is never due');
      return times;
    } catch (error) {
      const why = error instanceof Error ? error.message.replace(/^Cron\w+: /, '') : String(error);
      throw invalid(
        `"${cron}" is no cron expression: ${why}. Use five fields (minute hour day month weekday), such as "0 9 * * 1-5"`,
        'cron',
      );
    }
  }

  /** Whether there is a day the expression names: the library would look for the 31st of February for 80 ms. */
  #isEver(cron: string): boolean {
    const pattern = new this.#croner.CronPattern(cron, undefined, { mode: '5-part' });
    if (!pattern.starDOW || pattern.lastDayOfMonth || pattern.lastWeekday) return true;
    const isNamed = (day: number): boolean => pattern.day[day] === 1 || pattern.nearestWeekdays[day] === 1;
    return DAYS.some(
      (days, month) => pattern.month[month] === 1 && Array.from({ length: days }, (_, d) => d).some(isNamed),
    );
  }
}

function isTimeZone(timeZone: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

function invalid(message: string, param: string): DhaavakError {
  return new DhaavakError('invalid_request', message, { param });
}
