import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What a host is made of: no other file is readable to it, by Node's permissions. */
const MODULES = ['host.mjs', 'guest.mjs', 'lines.mjs', 'prelude.mjs'];
/** Where distributions install it. Not looked up in PATH, which a service may have been given by anybody. */
const BUBBLEWRAP = ['/usr/bin/bwrap', '/usr/local/bin/bwrap', '/bin/bwrap'];
/** What Node and the addon are linked with, and the loader; those of them that exist. */
const LIBRARIES = ['/lib', '/lib64', '/usr/lib', '/usr/lib64', '/usr/local/lib', '/etc/ld.so.cache'];
/** Address space that a host takes beside its memory, and that each of its isolates and threads does: twice what it was
 * measured to be. With the JIT it is 10 GB and more, so that it can't be limited. */
const ADDRESSES_MB = 2_048;
const ADDRESSES_PER_PROGRAM_MB = 128;

/** `auto`: with bubblewrap where that works. */
export type Fence = 'auto' | 'bubblewrap' | 'off';

export interface HostSettings {
  programsPerHost: number;
  /** Of one isolate. A guideline to V8: a guest may reach two or three times as much before it is stopped. */
  memoryMb: number;
  /** Of the process: over it, it ends. */
  rssMaxMb: number;
  /** Lets V8 compile what guests run to machine code. */
  jit: boolean;
}

export interface CommandLine {
  file: string;
  args: string[];
}

/** The path of bubblewrap, if it is installed. */
export function findBubblewrap(): string | undefined {
  return BUBBLEWRAP.find((path) => existsSync(path));
}

/**
 * How a host is started. Four fences stand round a guest: the isolate; a Node that may read five files, write none and
 * start no process; resource limits; and with `bubblewrap` namespaces without network, processes and files of others.
 * Throws where isolated-vm is not installed or has no binary for this platform.
 */
export function commandLine(settings: HostSettings, bubblewrap: string | undefined): CommandLine {
  const addon = addonPath();
  const modules = MODULES.map((name) => fileURLToPath(new URL(`./${name}`, import.meta.url)));
  const inside = bubblewrap === undefined ? modules : MODULES.map((name) => `/sandbox/${name}`);
  const insideAddon = bubblewrap === undefined ? addon : '/sandbox/isolated-vm.node';
  const node = [
    bubblewrap === undefined ? process.execPath : '/sandbox/node',
    '--no-warnings', // it warns of --allow-addons, which is meant
    '--no-node-snapshot', // isolated-vm needs it
    ...(settings.jit ? [] : ['--jitless']),
    '--permission',
    '--allow-addons',
    ...[...inside, insideAddon].map((path) => `--allow-fs-read=${path}`),
    inside[0] as string,
    insideAddon,
    String(settings.memoryMb),
    String(settings.rssMaxMb),
  ];
  const walls = bubblewrap === undefined ? [] : [bubblewrap, ...namespaces(modules, addon)];
  return { file: '/bin/sh', args: ['-c', limits(settings), ...walls, ...node] };
}

/** No core dump with what a guest had in memory, no file written, no more descriptors than Node itself needs. */
function limits({ jit, rssMaxMb, programsPerHost }: HostSettings): string {
  const addressesMb = ADDRESSES_MB + ADDRESSES_PER_PROGRAM_MB * programsPerHost + rssMaxMb;
  const memory = jit ? '' : `ulimit -v ${addressesMb * 1_024}; `;
  return `ulimit -c 0; ulimit -f 0; ulimit -n 64; ${memory}exec "$0" "$@"`;
}

function namespaces(modules: string[], addon: string): string[] {
  const readable = (from: string, to: string) => ['--ro-bind', from, to];
  return [
    ...['--unshare-all', '--die-with-parent', '--clearenv', '--cap-drop', 'ALL'],
    ...LIBRARIES.flatMap((path) => ['--ro-bind-try', path, path]),
    ...readable(process.execPath, '/sandbox/node'),
    ...readable(addon, '/sandbox/isolated-vm.node'),
    ...modules.flatMap((path, index) => readable(path, `/sandbox/${MODULES[index]}`)),
    ...['--proc', '/proc', '--dev', '/dev', '--chdir', '/sandbox', '--'],
  ];
}

/** The native part of isolated-vm, found as its own loader does, without loading it into this process. */
function addonPath(): string {
  const require = createRequire(import.meta.url);
  const folder = dirname(require.resolve('isolated-vm/package.json'));
  const build = createRequire(`${folder}/`)('node-gyp-build') as { path(folder: string): string };
  return build.path(folder);
}
