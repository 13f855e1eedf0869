/** `dhaavak export`: a whole transcript, as JSON Lines or as a document, with or without its images. */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import type { Client } from '../../client/client.ts';
import { loadConfig } from '../../config/load.ts';
import { secretsIn, withoutSecrets } from '../../config/mask.ts';
import { readToken } from '../../config/token.ts';
import { DhaavakError } from '../../protocol/errors.ts';
import type { HistoryEntry, ImageType } from '../../protocol/messages.ts';
import { type ClientFlags, connectToGateway } from '../connection.ts';
import { CliError, EXIT } from '../exit.ts';
import { exportFile } from '../export-file.ts';
import { historyPages } from '../history-pages.ts';
import { markdownHead, markdownOf } from '../markdown.ts';
import { printableJson } from '../terminal.ts';

interface ExportFlags extends ClientFlags {
  format: 'jsonl' | 'markdown';
  out?: string;
  attachments?: string;
}

const ENDINGS: Record<ImageType, string> = {
  'image/png': 'png',
  'image/jpeg': 'jpg',
  'image/webp': 'webp',
  'image/gif': 'gif',
};

/** Writes the transcript of a session, oldest entry first, page by page. Returns the exit code. */
export async function exportTranscript(session: string, flags: ExportFlags): Promise<number> {
  const { format, out, attachments, ...where } = flags;
  const secrets = await secretsOf(where);
  const { client } = await connectToGateway(where);
  await using _ = client;
  const head = await client.request('session.get', { session });
  const images = attachments === undefined ? undefined : await ImageFolder.open(client, session, attachments, out);
  await using file = await opened(out);
  if (format === 'markdown') await file.write(markdownHead(withoutSecrets(head.session, secrets)));
  let [entries, damaged] = [0, 0];
  for await (const page of historyPages(client, session)) {
    damaged += page.damaged;
    for (const written of page.entries) {
      const files = images === undefined ? [] : await images.write(written);
      const entry = withoutSecrets(written, secrets);
      await file.write(
        format === 'markdown' ? markdownOf(entry, files) : `${printableJson(withFiles(entry, files))}\n`,
      );
      entries += 1;
    }
  }
  await file.end();
  if (out !== undefined) console.error(`${entries} entries are in ${out}.`);
  if (damaged > 0) console.error(`${damaged} damaged entries were left out; dhaavak doctor names them.`);
  if (images !== undefined && images.missing > 0) console.error(`${images.missing} images are not there any more.`);
  return EXIT.ok;
}

/** The secrets this machine knows of the gateway: a tool may have come by one and said it. */
async function secretsOf(flags: ClientFlags): Promise<string[]> {
  const { url: _, ...rest } = flags;
  const { config } = await loadConfig({ flags: rest, env: process.env });
  const token = config.gateway.token ?? (await readToken(config.home));
  return [...secretsIn(config), ...(token === undefined ? [] : [token])];
}

async function opened(out: string | undefined) {
  try {
    return await exportFile(out);
  } catch (error) {
    throw new CliError(`${out} cannot be written: ${(error as Error).message}`, EXIT.usage);
  }
}

/** The entry, each attachment with the file that it was written to. */
function withFiles(entry: HistoryEntry, files: readonly (string | undefined)[]): object {
  const { attachments } = entry;
  if (attachments === undefined || files.length === 0) return entry;
  return { ...entry, attachments: attachments.map((one, index) => ({ ...one, file: files[index] })) };
}

/** A folder that images are written to, named by the numbers of their entries. */
class ImageFolder {
  /** Images that entries speak of and the gateway does not have. */
  missing = 0;
  readonly #client: Client;
  readonly #session: string;
  readonly #folder: string;
  /** As the exported file names it. */
  readonly #name: string;

  private constructor(client: Client, session: string, folder: string, name: string) {
    this.#client = client;
    this.#session = session;
    this.#folder = folder;
    this.#name = name;
  }

  static async open(client: Client, session: string, folder: string, out: string | undefined): Promise<ImageFolder> {
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 });
    } catch (error) {
      throw new CliError(`${folder} cannot be made: ${(error as Error).message}`, EXIT.usage);
    }
    const name = out === undefined ? folder : relative(dirname(out), folder);
    return new ImageFolder(client, session, folder, name);
  }

  /** Writes the images of an entry; their names, undefined for one that is missing. */
  async write({ seq, attachments = [] }: HistoryEntry): Promise<(string | undefined)[]> {
    const names: (string | undefined)[] = [];
    for (const [index, { mediaType }] of attachments.entries()) {
      const name = `${seq}-${index + 1}.${ENDINGS[mediaType]}`;
      const image = await this.#read(seq, index);
      if (image === undefined) this.missing += 1;
      else await writeFile(join(this.#folder, name), image, { mode: 0o600 });
      names.push(image && join(this.#name, name));
    }
    return names;
  }

  async #read(seq: number, index: number): Promise<Buffer | undefined> {
    try {
      const { data } = await this.#client.request('session.attachment', { session: this.#session, seq, index });
      return Buffer.from(data, 'base64');
    } catch (error) {
      if (error instanceof DhaavakError && error.code === 'not_found') return undefined;
      throw error;
    }
  }
}
