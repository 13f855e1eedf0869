/**
 * A page that tries to reach `target` (a host with a port) in every way a page has. Each way is told to `/tried?…` of its own
 * site before, so that a test knows that it was tried.
 */
export function hostilePage(target: string, udpPort: number): string {
  const inside = `http://${target}`;
  return `<!doctype html><title>Hostile</title>
<link rel="dns-prefetch" href="//${target}"><link rel="preconnect" href="${inside}"><link rel="prefetch" href="${inside}/prefetch">
<link rel="preload" as="image" href="${inside}/preload"><link rel="modulepreload" href="${inside}/module"><link rel="icon" href="${inside}/icon">
<link rel="stylesheet" href="${inside}/style.css"><link rel="manifest" href="${inside}/manifest">
<style>@import "${inside}/import.css"; @font-face { font-family: x; src: url(${inside}/font) } body { font-family: x; background: url(${inside}/background) }</style>
<body><h1>A page</h1>
<img src="${inside}/img"><img src="/redirect?to=${inside}/redirected"><script src="${inside}/script.js"></script><video src="${inside}/video" autoplay></video>
<iframe src="${inside}/frame"></iframe><iframe src="/redirect?to=${inside}/frame-redirected"></iframe><iframe src="file:///etc/passwd"></iframe>
<iframe src="data:text/html,<img src='${inside}/data-image'>"></iframe><iframe srcdoc="<img src='${inside}/srcdoc-image'>"></iframe>
<object data="${inside}/object"></object><embed src="${inside}/embed"><form method="post" action="${inside}/form" target="formed"><input name="a"></form><iframe name="formed"></iframe>
<iframe src="/refresh?to=${inside}/refreshed"></iframe><a id="ping" href="#x" ping="${inside}/ping">ping</a>
<script>
const inside = '${inside}', socket = 'ws://${target}';
const ways = {
  fetch: () => fetch(inside + '/fetch', { mode: 'no-cors' }),
  redirectedFetch: () => fetch('/redirect?to=' + inside + '/fetch-redirected', { mode: 'no-cors' }),
  post: () => fetch(inside + '/post', { method: 'POST', mode: 'no-cors', body: 'x' }),
  request: () => { const request = new XMLHttpRequest(); request.open('GET', inside + '/xhr'); request.send(); },
  webSocket: () => { new WebSocket(socket + '/socket'); },
  secureSocket: () => { new WebSocket(socket.replace('ws:', 'wss:') + '/secure-socket'); },
  events: () => { new EventSource(inside + '/events'); },
  beacon: () => navigator.sendBeacon(inside + '/beacon', 'x'),
  ping: () => document.querySelector('#ping').click(),
  form: () => document.forms[0].submit(),
  window: () => { window.open(inside + '/window'); },
  worker: () => { new Worker(URL.createObjectURL(new Blob(["importScripts('" + inside + "/worker.js')"]))); },
  workerFetch: () => { new Worker(URL.createObjectURL(new Blob(["fetch('" + inside + "/worker-fetch', { mode: 'no-cors' })"]))); },
  serviceWorker: () => navigator.serviceWorker.register('/worker.js'),
  import: () => import(inside + '/import.js'),
  secure: () => fetch('https://${target}/secure', { mode: 'no-cors' }),
  names: () => Promise.all(['localhost', '127.1', '2130706433', '0x7f.1', '0', '[::ffff:127.0.0.1]', '[::1]', 'x.localhost'].map(
    (name) => fetch('http://' + name + ':' + inside.split(':').at(-1) + '/name', { mode: 'no-cors' }).catch(() => {}))),
  stun: () => peer('stun:127.0.0.1:${udpPort}'),
  turn: () => peer('turn:127.0.0.1:${udpPort}?transport=udp'),
  turnOverTcp: () => peer('turn:${target}?transport=tcp'),
  candidate: async () => {
    const one = new RTCPeerConnection();
    one.createDataChannel('x');
    await one.setLocalDescription();
    const sdp = one.localDescription.sdp.replace('a=setup:actpass', 'a=setup:active').replace(/a=candidate.*\\r\\n/g, '')
    await one.setRemoteDescription({ type: 'answer', sdp: sdp });
    for (const port of [${udpPort}, Number(inside.split(':').at(-1))]) for (const kind of ['udp', 'tcp'])
      await one.addIceCandidate({ sdpMid: '0', candidate: 'candidate:1 1 ' + kind + ' 2122260223 127.0.0.1 ' + port + ' typ host' + (kind === 'tcp' ? ' tcptype passive' : '') });
  },
  transport: () => new WebTransport('https://127.0.0.1:${udpPort}/transport').ready,
  file: () => fetch('file:///etc/passwd'),
  fileWindow: () => { window.open('file:///etc/passwd'); },
};
async function peer(urls) {
  const one = new RTCPeerConnection({ iceServers: [{ urls, username: 'u', credential: 'p' }] });
  one.createDataChannel('x');
  await one.setLocalDescription();
}
(async () => {
  for (const [name, way] of Object.entries(ways)) {
    await fetch('/tried?' + name);
    Promise.resolve().then(way).catch(() => {});
  }
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  document.querySelector('h1').textContent = 'All was tried';
})();
</script>`;
}

/** How many ways of `hostilePage` are told to `/tried`. */
export const WAYS_TOLD = 24;

export const HOSTILE_WORKER = `self.addEventListener('install', (event) => event.waitUntil(fetch('INSIDE/service-worker', { mode: 'no-cors' }).catch(() => {})));`;
