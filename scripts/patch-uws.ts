/**
 * Makes the uWebSockets.js binary load on a glibc older than 2.38 (Debian 12 has 2.36).
 *
 * The published Linux binaries are built on Ubuntu 24.04 and ask for version GLIBC_2.38 because of at most three
 * symbols: `__isoc23_strtol`, `__isoc23_strtoul` and `__isoc23_sscanf`, which C23 headers put in place of `strtol`,
 * `strtoul` and `sscanf`. They differ only in that they also read `0b` binary numbers. This renames them back and points
 * the version they ask for at the oldest one of the machine, in three places of the ELF file:
 *
 *     .dynsym          symbol → name         the name's offset moves past the prefix `__isoc23_`
 *     .gnu.version_r   version → hash, name  both become those of GLIBC_2.2.5 (x64) or GLIBC_2.17 (arm64)
 *
 * Only binaries whose sha256 is in {@link KNOWN_BINARIES} are touched, and what comes out must have the sum recorded
 * there, so an installed binary is always one of two known files. The file is chosen as uws.js chooses it: by platform,
 * architecture and `process.versions.modules` (137 is Node 24, 141 is Node 25).
 */
import { createHash } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';

/** sha256 of each Linux binary of uWebSockets.js 20.56.0 as published, and of the same file patched. */
export const KNOWN_BINARIES: Readonly<Record<string, { published: string; patched: string }>> = {
  'uws_linux_x64_137.node': {
    published: '9aa8b857ac4ab0bfb1245e948eeeacc904b13a3608c9a281d551c43c66bea66e',
    patched: '05e20677374b677476e29b660a9577e32e1948a84b26350146873e73437ebd56',
  },
  'uws_linux_x64_141.node': {
    published: '0958d6d6dd863240494539d02a34d41de24a2d7c1552c4a41efb3744ec56298e',
    patched: '02eb9f4fec4121fd9ffa2ff9933c6019755773a5c7f51586903cafedd169b04a',
  },
  'uws_linux_arm64_137.node': {
    published: 'ad0ffb42a119ee022ba1fc752d942e5a19b863ce47bfdc909cd1d5bc1363a7a6',
    patched: 'a83bf3e7969563fe9d30d5a8147f048b20719abedb8cc4b5934cb95eb0b0f5bb',
  },
  'uws_linux_arm64_141.node': {
    published: '0d5d90b098e82bdb461f276c614942b0a33d85c922e403861c0990cc961cd13f',
    patched: '2bb120db5b6f24ee92888dad71974a000c2aebbb41b9a604fdde667e5e8d6636',
  },
};

const WANTED = 'GLIBC_2.38';
const PREFIX = '__isoc23_';
/** ELF machine number → the oldest glibc version of that architecture. */
const BASE_VERSIONS = new Map([
  [62, 'GLIBC_2.2.5'],
  [183, 'GLIBC_2.17'],
]);

const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const DT_STRTAB = 5;
const DT_SYMTAB = 6;
const DT_VERSYM = 0x6ffffff0;
const DT_VERNEED = 0x6ffffffe;
const DT_VERNEEDNUM = 0x6fffffff;
const SYMBOL_BYTES = 24;

/**
 * Patches one binary in place; it is replaced in one step. Running it again changes nothing.
 *
 * @param path the file; its name is looked up in {@link KNOWN_BINARIES}
 * @throws Error with one sentence, when the file is not one of the known ones
 */
export function patchUws(path: string): 'patched' | 'already patched' {
  const bytes = readFileSync(path);
  const known = KNOWN_BINARIES[basename(path)];
  const sum = sha256(bytes);
  if (sum === known?.patched) return 'already patched';
  if (known === undefined || sum !== known.published) {
    throw new Error(
      `${path} is not a known build of uWebSockets.js (sha256 ${sum}), so it is not patched for glibc older than 2.38: ` +
        'install again with npm ci, or use a system with glibc 2.38 or later (Debian 13, Ubuntu 24.04).',
    );
  }
  renameBackIsoc23(bytes);
  if (sha256(bytes) !== known.patched)
    throw new Error(`Patching ${path} gave an unexpected result; it is left as it was.`);
  writeFileSync(`${path}.tmp`, bytes);
  renameSync(`${path}.tmp`, path);
  return 'patched';
}

/** Changes `bytes`, a 64-bit little-endian ELF file that asks for {@link WANTED}, as described at the top. */
function renameBackIsoc23(bytes: Buffer): void {
  const { strings, symbols, versions, needs } = dynamicTables(bytes);
  const nameAt = (offset: number): string =>
    bytes.toString('latin1', strings + offset, bytes.indexOf(0, strings + offset));
  const libc = versionsOfLibc(bytes, needs, nameAt);
  const wanted = found(libc, WANTED);
  const target = found(libc, found(BASE_VERSIONS, bytes.readUInt16LE(18)));
  const wantedIndex = bytes.readUInt16LE(wanted + 6);

  const count = (strings - symbols) / SYMBOL_BYTES; // linkers write .dynstr right after .dynsym
  for (let index = 1; index < count; index += 1) {
    if ((bytes.readUInt16LE(versions + 2 * index) & 0x7fff) !== wantedIndex) continue;
    const symbol = symbols + SYMBOL_BYTES * index;
    const name = bytes.readUInt32LE(symbol);
    if (!nameAt(name).startsWith(PREFIX)) throw new Error(`${nameAt(name)} asks for ${WANTED} and has no older name`);
    bytes.writeUInt32LE(name + PREFIX.length, symbol); // the tail of the string is the older name
  }
  bytes.writeUInt32LE(bytes.readUInt32LE(target), wanted); // vna_hash
  bytes.writeUInt32LE(bytes.readUInt32LE(target + 8), wanted + 8); // vna_name
}

/** File offsets of the tables that the dynamic section names. */
interface DynamicTables {
  strings: number;
  symbols: number;
  versions: number;
  needs: { offset: number; count: number };
}

function dynamicTables(bytes: Buffer): DynamicTables {
  const segments: { type: number; offset: number; address: number; size: number }[] = [];
  const tableOffset = readOffset(bytes, 32);
  const entryBytes = bytes.readUInt16LE(54);
  for (let index = 0; index < bytes.readUInt16LE(56); index += 1) {
    const at = tableOffset + index * entryBytes;
    segments.push({
      type: bytes.readUInt32LE(at),
      offset: readOffset(bytes, at + 8),
      address: readOffset(bytes, at + 16),
      size: readOffset(bytes, at + 32),
    });
  }
  const dynamic = segments.find((segment) => segment.type === PT_DYNAMIC);
  if (!dynamic) throw new Error('no dynamic section');
  const tags = new Map<number, number>();
  for (let at = dynamic.offset; at < dynamic.offset + dynamic.size; at += 16) {
    tags.set(readOffset(bytes, at), readOffset(bytes, at + 8));
  }
  const fileOffset = (tag: number): number => {
    const address = found(tags, tag);
    const segment = segments.find((s) => s.type === PT_LOAD && address >= s.address && address < s.address + s.size);
    if (!segment) throw new Error(`no segment holds address ${address}`);
    return address - segment.address + segment.offset;
  };
  return {
    strings: fileOffset(DT_STRTAB),
    symbols: fileOffset(DT_SYMTAB),
    versions: fileOffset(DT_VERSYM),
    needs: { offset: fileOffset(DT_VERNEED), count: found(tags, DT_VERNEEDNUM) },
  };
}

/** Version name → file offset of its `Elf64_Vernaux`, for the versions asked of libc.so.6. */
function versionsOfLibc(
  bytes: Buffer,
  needs: DynamicTables['needs'],
  nameAt: (offset: number) => string,
): Map<string, number> {
  const versions = new Map<string, number>();
  let need = needs.offset;
  for (let index = 0; index < needs.count; index += 1) {
    if (nameAt(bytes.readUInt32LE(need + 4)) === 'libc.so.6') {
      let version = need + bytes.readUInt32LE(need + 8);
      for (let left = bytes.readUInt16LE(need + 2); left > 0; left -= 1) {
        versions.set(nameAt(bytes.readUInt32LE(version + 8)), version);
        version += bytes.readUInt32LE(version + 12);
      }
    }
    need += bytes.readUInt32LE(need + 12);
  }
  return versions;
}

function found<Key, Value>(map: ReadonlyMap<Key, Value>, key: Key): Value {
  const value = map.get(key);
  if (value === undefined) throw new Error(`the file has no ${key}`);
  return value;
}

function readOffset(bytes: Buffer, at: number): number {
  return Number(bytes.readBigUInt64LE(at));
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
