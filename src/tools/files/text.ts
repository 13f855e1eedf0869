/** Bytes as text, and what they are when they are none. */
import { imageTypeOf } from '../../protocol/image-type.ts';

/** How much of a file tells whether it is text, in bytes. */
export const SNIFF_BYTES = 8_192;
const BOM = '\ufeff';

/** How well-known files that are not text begin, as Latin-1. */
const SIGNATURES: readonly [begins: string, what: string][] = [
  ['%PDF-', 'a PDF document'],
  ['PK\x03\x04', 'a ZIP archive (or a document that is one, such as docx, xlsx or jar)'],
  ['\x1f\x8b', 'gzip data'],
  ['\x7fELF', 'a program (ELF)'],
  ['SQLite format 3', 'an SQLite database'],
  ['\xff\xfe', 'UTF-16 text; convert it to UTF-8 first'],
  ['\xfe\xff', 'UTF-16 text; convert it to UTF-8 first'],
];

/** What a file that begins so is, in words; undefined: text, or what may pass for it. */
export function binaryKindOf(beginning: Buffer): string | undefined {
  const image = imageTypeOf(beginning);
  if (image !== undefined) return `an image (${image})`;
  const known = SIGNATURES.find(([begins]) => beginning.toString('latin1', 0, begins.length) === begins);
  if (known !== undefined) return known[1];
  return beginning.subarray(0, SNIFF_BYTES).includes(0) ? 'binary data' : undefined;
}

/** A whole text file, and how it was written, so that it can be written so again. */
export interface TextFile {
  /** Without a byte order mark, otherwise as it is. */
  text: string;
  bom: boolean;
}

/** Throws for what is not UTF-8: its bytes could not be written back. */
export function decodeText(bytes: Uint8Array, path: string): TextFile {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new Error(`${path} is not UTF-8 text: an edit would damage it`, { cause });
  }
  return text.startsWith(BOM) ? { text: text.slice(1), bom: true } : { text, bom: false };
}

export function encodeText({ text, bom }: TextFile): Buffer {
  return Buffer.from(bom ? BOM + text : text);
}

/** `1,234 bytes`. */
export function bytesInWords(bytes: number): string {
  return `${bytes.toLocaleString('en')} byte${bytes === 1 ? '' : 's'}`;
}
