/**
 * Makes lmdb survive a full disk.
 *
 * When a page cannot be written, lmdb 3.5.6 (the newest) prints why into 100 bytes of memory, and the sentence is up to 130
 * long, since it ends in three numbers that are not even set: the heap is damaged, and the process dies at some later
 * moment with "malloc(): invalid next size". This ends the sentence before those numbers, in the string the sentence is
 * made from: it then has at most 83 bytes.
 *
 * On Linux only: a changed binary is not loaded on macOS, where it is signed.
 */
import { readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';

const KEPT = 'Attempting to write page at position %u, size %u, blocks %u';
const CUT = ', buffer sizes %i %i %i';

/**
 * Patches one binary in place; it is replaced in one step. Running it again changes nothing.
 *
 * @throws Error with one sentence, when the file does not hold that string once
 */
export function patchLmdb(path: string): 'patched' | 'already patched' {
  const bytes = readFileSync(path);
  const at = bytes.indexOf(KEPT, 0, 'latin1');
  const end = at + KEPT.length;
  if (at < 0 || bytes.indexOf(KEPT, end, 'latin1') >= 0) {
    throw new Error(`${path} is not a known build of lmdb: a full disk may end the gateway.`);
  }
  if (bytes[end] === 0) return 'already patched';
  if (bytes.toString('latin1', end, end + CUT.length + 1) !== `${CUT}\0`) {
    throw new Error(`${path} is not a known build of lmdb: a full disk may end the gateway.`);
  }
  bytes.fill(0, end, end + CUT.length);
  writeFileSync(`${path}.tmp`, bytes, { mode: statSync(path).mode });
  renameSync(`${path}.tmp`, path);
  return 'patched';
}
