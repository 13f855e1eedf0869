/** The machine's Chromium: where it is, and how it is started so that it can do nothing but show pages through the proxy. */
import { access, constants, mkdir, rm, writeFile } from 'node:fs/promises';
import { delimiter, isAbsolute, join } from 'node:path';
import { type BrowserContext, chromium } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome', 'chrome'];
const PLACES = [
  '/usr/bin/chromium',
  '/usr/lib/chromium/chromium',
  '/snap/bin/chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
];
/** How long it may take to start, in milliseconds: about 1 s on an idle machine. */
const START_MS = 30_000;
/** Of the JavaScript heap of one page, in MB. */
const PAGE_HEAP_MB = 512;
const VIEWPORT = { width: 1280, height: 800 };

const MISSING =
  'there is no Chromium on this machine: an operator must install it (Debian and Ubuntu: apt-get install chromium) or name it in tools.browser.executable';

/** @throws Error that says what to install, or that what is configured cannot be run */
export async function findChromium(configured: string | undefined): Promise<string> {
  if (configured !== undefined) {
    if (isAbsolute(configured) && (await isExecutable(configured))) return configured;
    throw new Error(`tools.browser.executable names ${configured}, which is not a program that can be run`);
  }
  const folders = (process.env.PATH ?? '').split(delimiter).filter(isAbsolute);
  for (const path of [...NAMES.flatMap((name) => folders.map((folder) => join(folder, name))), ...PLACES]) {
    if (await isExecutable(path)) return path;
  }
  throw new Error(MISSING);
}

function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

/** Starts it with the profile in `folder`; its connections go to `proxyUrl`, all of them. */
export async function startChromium(executable: string, folder: string, proxyUrl: string): Promise<BrowserContext> {
  await writePreferences(folder);
  // What a Chromium that was killed has left, which another machine's would not dare to take over. The gateway has locked its home.
  for (const name of ['Lock', 'Socket', 'Cookie']) await rm(join(folder, `Singleton${name}`), { force: true });
  try {
    return await chromium.launchPersistentContext(folder, {
      executablePath: executable,
      headless: true,
      // Its own sandbox needs user namespaces, which root's Chromium refuses to use.
      chromiumSandbox: process.getuid?.() !== 0,
      acceptDownloads: false,
      viewport: VIEWPORT,
      timeout: START_MS,
      handleSIGINT: false,
      handleSIGTERM: false,
      handleSIGHUP: false,
      args: switches(proxyUrl),
      // None of the gateway's variables: no key, no proxy, no home.
      env: { PATH: process.env.PATH ?? '', HOME: folder, LANG: 'C.UTF-8' },
    });
  } catch (cause) {
    const reason = firstLine(cause);
    throw new Error(`Chromium (${executable}) does not start: ${reason}`, { cause });
  }
}

/** Each closes a way past the proxy, or one to do more than look at pages. */
function switches(proxyUrl: string): string[] {
  return [
    `--proxy-server=${proxyUrl}`,
    // Without it Chromium goes to loopback addresses by itself.
    '--proxy-bypass-list=<-loopback>',
    // No name is looked up, be it to prefetch it: names could carry data out.
    '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1',
    '--dns-prefetch-disable',
    // UDP, which a proxy for TCP does not see. No --disable-features: Playwright has one, and Chromium heeds the last.
    '--disable-quic',
    '--force-webrtc-ip-handling-policy=disable_non_proxied_udp',
    '--webrtc-ip-handling-policy=disable_non_proxied_udp',
    '--disable-blink-features=WebTransport,DirectSockets',
    '--disable-domain-reliability',
    '--disable-client-side-phishing-detection',
    '--disable-extensions',
    '--disable-notifications',
    '--disable-gpu',
    '--mute-audio',
    '--no-pings',
    `--js-flags=--max-old-space-size=${PAGE_HEAP_MB}`,
  ];
}

/** For what has no switch. */
const PREFERENCES = {
  webrtc: {
    ip_handling_policy: 'disable_non_proxied_udp',
    multiple_routes_enabled: false,
    nonproxied_udp_enabled: false,
  },
  net: { network_prediction_options: 2 },
  dns_over_https: { mode: 'off' },
  safebrowsing: { enabled: false },
  search: { suggest_enabled: false },
  autofill: { profile_enabled: false, credit_card_enabled: false },
  credentials_enable_service: false,
  // Everything a page may ask for is refused: 2 is block.
  profile: {
    default_content_setting_values: Object.fromEntries(
      [
        'geolocation',
        'notifications',
        'media_stream',
        'midi_sysex',
        'usb_guard',
        'serial_guard',
        'hid_guard',
        'bluetooth_guard',
        'sensors',
        'file_system_write_guard',
        'local_fonts',
        'automatic_downloads',
      ].map((name) => [name, 2]),
    ),
    password_manager_enabled: false,
  },
};

/** Only for a new profile: Chromium keeps the file from then on. */
async function writePreferences(folder: string): Promise<void> {
  await mkdir(join(folder, 'Default'), { recursive: true, mode: 0o700 });
  await writeFile(join(folder, 'Default', 'Preferences'), JSON.stringify(PREFERENCES), {
    flag: 'wx',
    mode: 0o600,
  }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
}

/** Of an error of Playwright, which quotes a log of many lines, in colours. */
export function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours of a terminal begin with one
  return (text.replace(/\x1b\[\d+m/g, '').split('\n')[0] ?? '').slice(0, 300);
}
