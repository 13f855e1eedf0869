import type { ToolCall } from '../../src/agent/provider.ts';
import type { CallWatch, TypedResult } from '../../src/tools/tool.ts';
import { boundedInput } from './bounds.ts';
import type { EventStream } from './event-stream.ts';

/** Calls of one program that are shown; of the others only how many there were. */
export const SHOWN_MAX = 100;
/** Of what one of them was given and gave back, in UTF-16 code units: nobody but an onlooker reads it. */
const SHOWN_LENGTH_MAX = 4_096;
const ABANDONED = 'The program ended before this call did: its outcome is unknown.';

/** A call of the model that makes calls itself. */
interface Program {
  made: number;
  open: Map<string, string>;
}

/** Shows the calls that programs make as events of the run, each with the call it belongs to as `parent`. */
export class InnerCalls implements CallWatch {
  readonly #stream: EventStream;
  readonly #run: string;
  readonly #programs = new Map<string, Program>();

  constructor(stream: EventStream, run: string) {
    this.#stream = stream;
    this.#run = run;
  }

  /** A call of the model begins, which may be a program's. */
  opened(call: string): void {
    this.#programs.set(call, { made: 0, open: new Map() });
  }

  started({ id: call, name, input }: ToolCall, parent: string): void {
    const program = this.#programs.get(parent);
    if (program === undefined) return;
    program.made += 1;
    if (program.made > SHOWN_MAX) return;
    program.open.set(call, name);
    const shown = boundedInput(input, SHOWN_LENGTH_MAX);
    this.#stream.publish('tool.start', { run: this.#run, call, parent, name, input: shown });
  }

  ended({ id: call, name }: ToolCall, parent: string, { output, failed }: TypedResult): void {
    if (this.#programs.get(parent)?.open.delete(call) !== true) return;
    const rest = output.length - SHOWN_LENGTH_MAX;
    const shown = rest > 0 ? `${output.slice(0, SHOWN_LENGTH_MAX)}\n[${rest} more characters]` : output;
    this.#stream.publish('tool.end', { run: this.#run, call, parent, name, output: shown, failed });
  }

  /** The call of the model is about to end: nothing of it may come later. Returns how many it has made. */
  closed(parent: string): number {
    const program = this.#programs.get(parent);
    this.#programs.delete(parent);
    for (const [call, name] of program?.open ?? []) {
      const end = { run: this.#run, call, parent, name, output: ABANDONED, failed: true, unknown: true as const };
      this.#stream.publish('tool.end', end);
    }
    return program?.made ?? 0;
  }
}
