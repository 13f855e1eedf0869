import type { RunEvent } from '../client/client.ts';
import type { EventData } from '../protocol/messages.ts';
import { dim, printable, printableLine } from './terminal.ts';

/** Characters of a tool's input or output that are shown. */
const TOOL_TEXT_MAX = 200;

/** Prints the events of one run as they come: text on `out`, everything about it on `notes`. */
export class RunPrinter {
  readonly #out: NodeJS.WriteStream;
  readonly #notes: NodeJS.WriteStream;
  /** What the model has written since its last tool call, as it arrived. */
  #text = '';
  #inLine = false;
  readonly #inputs = new Map<string, unknown>();

  constructor(out: NodeJS.WriteStream, notes: NodeJS.WriteStream) {
    this.#out = out;
    this.#notes = notes;
  }

  print(event: RunEvent): void {
    switch (event.type) {
      case 'message.delta':
        this.#write(event.data.text);
        break;
      case 'tool.start':
        this.#inputs.set(event.data.call, event.data.input);
        break;
      case 'tool.end':
        this.#tool(event.data);
        break;
      case 'approval.requested':
        this.#approval(event.data);
        break;
      case 'message.outbound':
        this.#complete(event.data.text);
        break;
      case 'run.end':
        this.#end(event.data);
        break;
    }
  }

  #write(text: string): void {
    const safe = printable(text);
    this.#text += text;
    if (safe === '') return;
    this.#out.write(safe);
    this.#inLine = !safe.endsWith('\n');
  }

  /** The final text counts: for a slow reader deltas may have been left out. */
  #complete(text: string): void {
    if (text.startsWith(this.#text)) {
      this.#write(text.slice(this.#text.length));
    } else {
      this.#endLine();
      this.#write(text);
    }
  }

  #tool({ call, parent, name, output, failed }: EventData<'tool.end'>): void {
    this.#endLine();
    this.#text = '';
    const input = printableLine(JSON.stringify(this.#inputs.get(call)) ?? '', TOOL_TEXT_MAX);
    this.#inputs.delete(call);
    const result = `${failed ? 'failed: ' : ''}${printableLine(output, TOOL_TEXT_MAX)}`;
    this.#note(`${parent === undefined ? '' : '  '}${printableLine(name, TOOL_TEXT_MAX)} ${input} → ${result}`);
  }

  #approval({ approval, name, input }: EventData<'approval.requested'>): void {
    this.#endLine();
    const call = `${printableLine(name, TOOL_TEXT_MAX)} ${printableLine(JSON.stringify(input) ?? '', TOOL_TEXT_MAX)}`;
    this.#note(`${call} waits for an operator: dhaavak approvals allow ${approval} (or deny)`);
  }

  #end({ status, error }: EventData<'run.end'>): void {
    this.#endLine();
    if (status === 'cancelled') this.#note('cancelled');
    if (status === 'failed') this.#note(`failed: ${printableLine(error?.message ?? 'no reason given', TOOL_TEXT_MAX)}`);
  }

  #note(text: string): void {
    this.#notes.write(`${dim(`· ${text}`, this.#notes)}\n`);
  }

  #endLine(): void {
    if (this.#inLine) this.#out.write('\n');
    this.#inLine = false;
  }
}
