import { once } from 'node:events';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';

/** Where an export goes: standard output, or a file that is there under its name only when it is whole. */
export interface ExportFile {
  /** Resolves when there is room for more. */
  write(text: string): Promise<void>;
  /** All was written. */
  end(): Promise<void>;
}

/** Opens the file `path`, for its owner only; without one, standard output. Throws what the system says. */
export async function exportFile(path: string | undefined): Promise<ExportFile & AsyncDisposable> {
  if (path === undefined) return STANDARD_OUTPUT;
  const part = `${path}.part`;
  return new PartFile(await open(part, 'w', 0o600), part, path);
}

const STANDARD_OUTPUT: ExportFile & AsyncDisposable = {
  async write(text) {
    if (!process.stdout.write(text)) await once(process.stdout, 'drain');
  },
  async end() {},
  async [Symbol.asyncDispose]() {},
};

/** One that was not ended is removed. */
class PartFile implements ExportFile, AsyncDisposable {
  readonly #file: FileHandle;
  readonly #part: string;
  readonly #path: string;
  #isWhole = false;

  constructor(file: FileHandle, part: string, path: string) {
    this.#file = file;
    this.#part = part;
    this.#path = path;
  }

  async write(text: string): Promise<void> {
    await this.#file.writeFile(text);
  }

  async end(): Promise<void> {
    await this.#file.sync();
    await rename(this.#part, this.#path);
    this.#isWhole = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
    if (!this.#isWhole) await rm(this.#part, { force: true });
  }
}
