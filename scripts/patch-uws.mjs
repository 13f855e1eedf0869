// uWebSockets.js binaries are built on Ubuntu 24.04 and ask for GLIBC_2.38, for three symbols only:
// __isoc23_strtol, __isoc23_strtoul and __isoc23_sscanf. On an older glibc (Debian 12 has 2.36) the loader
// refuses them. This points those three at strtol, strtoul and sscanf of the base version instead.
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const WANT = 'GLIBC_2.38';
const PREFIX = '__isoc23_';

export function patchElf(buf) {
  if (buf.readUInt32BE(0) !== 0x7f454c46 || buf[4] !== 2 || buf[5] !== 1)
    return { changed: false, why: 'not ELF64 LE' };
  const machine = buf.readUInt16LE(18);
  const base = machine === 62 ? 'GLIBC_2.2.5' : machine === 183 ? 'GLIBC_2.17' : null;
  if (!base) return { changed: false, why: `machine ${machine}` };
  const n64 = (o) => Number(buf.readBigUInt64LE(o));
  const phoff = n64(32),
    phentsize = buf.readUInt16LE(54),
    phnum = buf.readUInt16LE(56);
  const loads = [];
  let dyn;
  for (let i = 0; i < phnum; i++) {
    const o = phoff + i * phentsize,
      type = buf.readUInt32LE(o);
    if (type === 1) loads.push({ off: n64(o + 8), va: n64(o + 16), size: n64(o + 32) });
    if (type === 2) dyn = { off: n64(o + 8), size: n64(o + 32) };
  }
  const file = (va) => {
    const s = loads.find((l) => va >= l.va && va < l.va + l.size);
    return va - s.va + s.off;
  };
  const tags = new Map();
  for (let o = dyn.off; o < dyn.off + dyn.size; o += 16) {
    const t = n64(o);
    if (t === 0) break;
    tags.set(t, n64(o + 8));
  }
  const strtab = file(tags.get(5)),
    symtab = file(tags.get(6));
  const str = (i) => buf.toString('latin1', strtab + i, buf.indexOf(0, strtab + i));
  const verneed = file(tags.get(0x6ffffffe)),
    verneednum = tags.get(0x6fffffff),
    versym = file(tags.get(0x6ffffff0));
  let want, to;
  for (let i = 0, o = verneed; i < verneednum; i++) {
    if (str(buf.readUInt32LE(o + 4)) === 'libc.so.6') {
      for (let j = 0, a = o + buf.readUInt32LE(o + 8); j < buf.readUInt16LE(o + 2); j++) {
        const name = str(buf.readUInt32LE(a + 8));
        if (name === WANT) want = a;
        if (name === base) to = a;
        a += buf.readUInt32LE(a + 12);
      }
    }
    o += buf.readUInt32LE(o + 12);
  }
  if (want === undefined) return { changed: false, why: `asks for no ${WANT}` };
  if (to === undefined) throw new Error(`no ${base} to point at`);
  const wantIdx = buf.readUInt16LE(want + 6);
  const count = (strtab - symtab) / 24; // .dynstr follows .dynsym in what ld and lld write
  const renamed = [];
  for (let i = 1; i < count; i++) {
    if ((buf.readUInt16LE(versym + 2 * i) & 0x7fff) !== wantIdx) continue;
    const s = symtab + 24 * i,
      nameIdx = buf.readUInt32LE(s),
      name = str(nameIdx);
    if (!name.startsWith(PREFIX)) throw new Error(`${name} needs ${WANT}: not known how to do without`);
    buf.writeUInt32LE(nameIdx + PREFIX.length, s); // the tail of the string is the older name
    renamed.push(name);
  }
  buf.writeUInt32LE(buf.readUInt32LE(to), want); // vna_hash
  buf.writeUInt32LE(buf.readUInt32LE(to + 8), want + 8); // vna_name
  return { changed: true, renamed };
}

export function glibcOlderThan238() {
  const v = process.platform === 'linux' ? process.report.getReport().header.glibcVersionRuntime : undefined;
  if (!v) return false;
  const [maj, min] = v.split('.').map(Number);
  return maj === 2 && min < 38;
}

export function patchInstalled(dir = dirname(createRequire(import.meta.url).resolve('uWebSockets.js'))) {
  if (!glibcOlderThan238()) return;
  const f = join(dir, `uws_linux_${process.arch}_${process.versions.modules}.node`);
  const buf = readFileSync(f),
    r = patchElf(buf);
  if (r.changed) {
    writeFileSync(f + '.tmp', buf);
    renameSync(f + '.tmp', f);
  }
  console.log(
    `uWebSockets.js: ${r.changed ? `glibc is older than 2.38: ${r.renamed} -> ${r.renamed.map((n) => n.slice(PREFIX.length))}` : r.why}`,
  );
}
