// wsload: a small, reusable WebSocket load generator (Linux, epoll, plain ws://, one thread per process, --procs forks).
//   gcc -O2 -Wall -o wsload wsload.c        ./wsload --help
// Modes: load (closed loop with a window per connection, or open loop with --rate), listen (only count what arrives),
// hold (only open and hold connections, time the handshakes). Replies are matched to requests in order, per connection.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <dirent.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

typedef uint64_t u64; typedef uint32_t u32; typedef uint8_t u8;
#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif
#define MAXA 1024
#define HB 2048           // histogram: 32 sub-buckets per power of two, of nanoseconds
#define RBUF (1 << 20)

static const char *HELP =
"wsload [options]\n"
"  --host A[,A|A-B]     destination addresses, 127.0.0.1-127.0.0.4 is a range (default 127.0.0.1)\n"
"  --port P[,P|P-Q]     ports, connections spread over host x port (default 9001)\n"
"  --src A[,A|A-B]      source addresses to bind, spread round robin (default: none)\n"
"  --path S             request path; {i} = connection number, {m:K} = that mod K, {d:K} = that div K (default /)\n"
"  --token T            adds 'Authorization: Bearer T';  --token-query T adds ?token=T (or &token=T) to the path\n"
"  --header 'K: V'      extra request header (repeatable);  --subprotocol S\n"
"  --mode load|listen|hold   (default load)\n"
"  --conns N            connections in all (default 100);  --senders N  only the first N send (default all)\n"
"  --window W           messages in flight per sending connection (default 1)\n"
"  --rate R             open loop: R messages/s over all senders; latency from the intended send time; --window caps in flight\n"
"  --warmup S --duration S   seconds, fractions allowed (default 1, 5)\n"
"  --payload FILE | --size N | --text STR    what to send (default --size 64); --opcode bin|text (default bin)\n"
"  --patch-seq OFF      write a per-connection u32 BE counter at OFF of each payload; --patch-conn OFF  the connection number\n"
"                       eight '#' in the payload or the init frame become the connection number in decimal\n"
"  --init FILE          frame to send once after the handshake; --init-replies N  frames to await before starting (default 0)\n"
"  --replies N          counted frames that complete one message (default 1)\n"
"  --reply-match HEX[@OFF]   count only received frames that hold these bytes at OFF (default 0; OFF '*' = anywhere)\n"
"  --verify             check that each counted frame equals the payload sent (echo)\n"
"  --random-mask        a random mask per connection (default: masked with key 0)\n"
"  --ramp R             connections/s to open (default unlimited); --parallel N handshakes at once per process (default 128)\n"
"  --open-timeout S     give up on opening after S (default 60);  --stall S  end if nothing is received for S (default 10)\n"
"  --procs P            processes (default 1; each may hold as many connections as ulimit -n)\n"
"  --pid P[,P]          server pids: reports their CPU in the measured window, per thread, and their RSS before, open, end\n"
"  --graceful           send close frames at the end (default: reset)\n"
"  --json               one line of JSON on stdout (default: a table);  --label S  put into the output\n";

static int nhost, nsrc, nport, nhdr, npid;
static u32 hosts[MAXA], srcs[MAXA]; static int ports[MAXA]; static const char *hdrs[64]; static int pids[64];
static const char *path_ = "/", *token, *tokenq, *subproto, *mode = "load", *label = "";
static long conns = 100, senders = -1, window_ = 1, parallel = 128, replies = 1, init_replies = 0, procs = 1;
static double rate = 0, warmup = 1, duration = 5, ramp = 0, open_timeout = 60, stall = 10;
static u8 *payload; static long plen = -1; static int opcode = 2, verify, rmask, graceful, json, patch_seq = -1, patch_conn = -1;
static u8 *initp; static long initlen; static u8 match_[256]; static int matchlen, matchoff;

typedef struct { u64 n, sum, max; u64 b[HB]; } Hist;
typedef struct {
  volatile int phase;                 // 0 opening, 1 opened, 2 done
  volatile u64 opened, failed, closed, proto_err, mismatch, skipped;
  volatile u64 msgs, frames, bytes, sent;   // in the measured window
  volatile u64 tot_frames, tot_msgs;        // from the start
  volatile u64 open_ns, cpu_ns, alive;
  volatile int firsterr, firststatus;
  Hist lat, hs;
} Stat;
typedef struct { volatile int go; volatile u64 t0; } Ctl;
static Stat *stats; static Ctl *ctl;

static u64 now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return (u64)t.tv_sec * 1000000000ull + t.tv_nsec; }
static void hadd(Hist *h, u64 v) {
  h->n++; h->sum += v; if (v > h->max) h->max = v;
  int e = v < 32 ? 0 : 63 - __builtin_clzll(v) - 4;
  u64 i = v < 32 ? v : (u64)e * 32 + ((v >> e) - 0) - 0;     // (v>>e) is in 16..31 for e>=1
  if (v >= 32) i = 32 + (u64)(e - 1) * 16 + ((v >> e) - 16);
  if (i >= HB) i = HB - 1;
  h->b[i]++;
}
static u64 hval(int i) { if (i < 32) return i; int e = (i - 32) / 16 + 1; u64 m = (i - 32) % 16 + 16; return (m << e) + (1ull << e) / 2; }
static double hpct(Hist *h, double p) { if (!h->n) return 0; u64 want = (u64)(p / 100 * h->n), c = 0; if (want >= h->n) want = h->n - 1;
  for (int i = 0; i < HB; i++) { c += h->b[i]; if (c > want) { u64 v = hval(i); return (v > h->max ? h->max : v) / 1000.0; } } return h->max / 1000.0; }
static void hmerge(Hist *a, Hist *b) { a->n += b->n; a->sum += b->sum; if (b->max > a->max) a->max = b->max; for (int i = 0; i < HB; i++) a->b[i] += b->b[i]; }

typedef struct {
  int fd; u8 state;          // 0 unused, 1 connecting, 2 handshake, 3 init, 4 running, 5 dead
  u8 want_out; u32 idx; u32 key; u32 inflight, head, rcount, initleft; u32 seq, vseq;
  u64 *ts; u64 hs0;
  u8 *carry; u32 clen; u8 *pend; u32 plen_, poff;
} Conn;

static Conn *C; static long nc; static int ep; static Stat *st; static u8 *rb, *wb; static long base; static u64 tstart, tm0, tm1;
static u8 hdr_[14]; static int hlen; static long flen; static long nsend;

static int mkhdr(u8 *h, int op, long n) {
  int k = 0; h[k++] = 0x80 | op;
  if (n < 126) h[k++] = 0x80 | n; else if (n < 65536) { h[k++] = 0x80 | 126; h[k++] = n >> 8; h[k++] = n; }
  else { h[k++] = 0x80 | 127; for (int i = 7; i >= 0; i--) h[k++] = (u64)n >> (i * 8); }
  return k;
}
// Where the payload (0) and the init frame (1) hold eight '#': the connection's number in decimal goes there.
static int hashes[2][8], nhashes[2];
static void findhashes(int which, u8 *p, long n) { for (long i = 0; i + 8 <= n && nhashes[which] < 8; i++) if (!memcmp(p + i, "########", 8)) { hashes[which][nhashes[which]++] = (int)i; i += 7; } }
static void puthashes(int which, u8 *w, u32 v) { char d[16]; if (!nhashes[which]) return; snprintf(d, sizeof d, "%08u", v % 100000000u); for (int i = 0; i < nhashes[which]; i++) memcpy(w + hashes[which][i], d, 8); }
static void be32(u8 *p, u32 v) { p[0] = v >> 24; p[1] = v >> 16; p[2] = v >> 8; p[3] = v; }
static u8 *putframe(u8 *w, Conn *c, const u8 *p, long n, int op, int patch) {
  int k = mkhdr(w, op, n); w += k; memcpy(w, &c->key, 4); w += 4; memcpy(w, p, n);
  puthashes(!patch, w, c->idx);
  if (patch) { if (patch_seq >= 0) be32(w + patch_seq, c->seq); if (patch_conn >= 0) be32(w + patch_conn, c->idx); c->seq++; }
  if (c->key) { u8 *m = (u8 *)&c->key; for (long i = 0; i < n; i++) w[i] ^= m[i & 3]; }
  return w + n;
}
static void mod(Conn *c, int out) { if (c->want_out == out) return; c->want_out = out; struct epoll_event e = {.events = EPOLLIN | (out ? EPOLLOUT : 0), .data.u64 = c - C}; epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &e); }
static void kill_(Conn *c, int opened) { if (c->state == 5) return; if (c->state < 3) st->failed++; else { st->closed++; st->alive--; } close(c->fd); c->state = 5; c->fd = -1; (void)opened; }
static int wr(Conn *c, u8 *p, long n) {   // 0 ok
  if (c->plen_ > c->poff) { u32 left = c->plen_ - c->poff; u8 *q = malloc(left + n); memcpy(q, c->pend + c->poff, left); memcpy(q + left, p, n); free(c->pend); c->pend = q; c->plen_ = left + n; c->poff = 0; return 0; }
  ssize_t r = send(c->fd, p, n, MSG_NOSIGNAL);
  if (r < 0) { if (errno != EAGAIN) { kill_(c, 1); return -1; } r = 0; }
  if (r < n) { free(c->pend); c->pend = malloc(n - r); memcpy(c->pend, p + r, n - r); c->plen_ = n - r; c->poff = 0; mod(c, 1); }
  return 0;
}
static void sendmsgs(Conn *c, int k, u64 t) {
  while (k > 0) { u8 *w = wb; int m = 0;
    while (k > 0 && (w - wb) + flen <= RBUF) { w = putframe(w, c, payload, plen, opcode, 1); c->ts[(c->head + c->inflight) % window_] = t; c->inflight++; k--; m++; }
    if (t >= tm0 && t < tm1) st->sent += m;
    if (wr(c, wb, w - wb)) return; }
}
static void expand(char *out, size_t cap, const char *tpl, long i) {
  size_t o = 0;
  for (const char *p = tpl; *p && o + 24 < cap;) { long K; int n = 0;
    if (!strncmp(p, "{i}", 3)) { o += sprintf(out + o, "%ld", i); p += 3; }
    else if (sscanf(p, "{m:%ld}%n", &K, &n) == 1 && n && K > 0) { o += sprintf(out + o, "%ld", i % K); p += n; }
    else if (sscanf(p, "{d:%ld}%n", &K, &n) == 1 && n && K > 0) { o += sprintf(out + o, "%ld", i / K); p += n; }
    else out[o++] = *p++; }
  out[o] = 0;
}
static void startconn(Conn *c) {
  long i = c->idx; c->state = 1; c->hs0 = now();
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (c->fd < 0) { st->failed++; if (!st->firsterr) st->firsterr = errno; c->state = 5; return; }
  int one = 1; setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (!graceful) { struct linger l = {1, 0}; setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &l, sizeof l); }
  if (nsrc) { setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one); struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = srcs[i % nsrc]};
    if (bind(c->fd, (void *)&a, sizeof a)) { if (!st->firsterr) st->firsterr = errno; close(c->fd); st->failed++; c->state = 5; return; } }
  struct sockaddr_in d = {.sin_family = AF_INET, .sin_addr.s_addr = hosts[(i / nport) % nhost], .sin_port = htons(ports[i % nport])};
  int r = connect(c->fd, (void *)&d, sizeof d);
  if (r && errno != EINPROGRESS) { if (!st->firsterr) st->firsterr = errno; close(c->fd); st->failed++; c->state = 5; return; }
  struct epoll_event e = {.events = EPOLLIN | EPOLLOUT, .data.u64 = c - C}; c->want_out = 1; epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &e);
}
static void sendhs(Conn *c) {
  char p[2048], b[8192]; expand(p, sizeof p, path_, c->idx); if (tokenq) { strcat(p, strchr(p, '?') ? "&token=" : "?token="); strncat(p, tokenq, 1024); }
  int n = snprintf(b, sizeof b, "GET %s HTTP/1.1\r\nHost: localhost:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", p, ports[c->idx % nport]);
  if (token) n += snprintf(b + n, sizeof b - n, "Authorization: Bearer %s\r\n", token);
  if (subproto) n += snprintf(b + n, sizeof b - n, "Sec-WebSocket-Protocol: %s\r\n", subproto);
  for (int i = 0; i < nhdr; i++) n += snprintf(b + n, sizeof b - n, "%s\r\n", hdrs[i]);
  n += snprintf(b + n, sizeof b - n, "\r\n");
  c->state = 2; mod(c, 0); wr(c, (u8 *)b, n);
}
static void begin(Conn *c) { c->state = 4; if (!strcmp(mode, "load") && !rate && (long)c->idx < senders && ctl->go) sendmsgs(c, window_ - c->inflight, now()); }
// returns bytes used, or -1 if dead
static long onbytes(Conn *c, u8 *b, long n, u64 t) {
  long o = 0;
  if (c->state == 2) {
    u8 *e = memmem(b, n, "\r\n\r\n", 4); if (!e) { if (n > 16384) { kill_(c, 0); return -1; } return 0; }
    int code = 0; sscanf((char *)b, "HTTP/1.1 %d", &code);
    if (code != 101 || !memmem(b, e - b, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", 28)) { if (!st->firststatus) st->firststatus = code; kill_(c, 0); return -1; }
    o = e - b + 4; hadd(&st->hs, t - c->hs0); st->opened++; st->alive++; c->state = 3; c->initleft = init_replies;
    if (initp) { u8 *w = putframe(wb, c, initp, initlen, opcode, 0); if (wr(c, wb, w - wb)) return -1; }
    if (!c->initleft) begin(c);
  }
  int done = 0;
  while (n - o >= 2) {
    u8 *p = b + o; u64 L = p[1] & 127; int h = 2;
    if (L == 126) { if (n - o < 4) break; L = p[2] << 8 | p[3]; h = 4; }
    else if (L == 127) { if (n - o < 10) break; L = 0; for (int i = 0; i < 8; i++) L = L << 8 | p[2 + i]; h = 10; }
    if (p[1] & 128 || L > RBUF - 16) { st->proto_err++; kill_(c, 1); return -1; }
    if ((u64)(n - o) < h + L) break;
    int op = p[0] & 15; u8 *d = p + h; o += h + L;
    if (op == 8) { kill_(c, 1); return -1; }
    if (op == 9) { u8 *w = putframe(wb, c, d, L, 10, 0); if (wr(c, wb, w - wb)) return -1; continue; }
    if (op == 10) continue;
    st->tot_frames++; if (t >= tm0 && t < tm1) { st->frames++; st->bytes += L; }
    if (c->state == 3) { if (c->initleft && !--c->initleft) begin(c); continue; }
    if (matchlen) { if (matchoff < 0 ? !memmem(d, L, match_, matchlen) : (L < (u64)(matchoff + matchlen) || memcmp(d + matchoff, match_, matchlen))) continue; }
    if (verify) { int bad = L != (u64)plen; if (!bad) { puthashes(0, payload, c->idx); if (patch_seq >= 0) be32(payload + patch_seq, c->vseq); if (patch_conn >= 0) be32(payload + patch_conn, c->idx); bad = memcmp(d, payload, plen) != 0; } c->vseq++; if (bad) st->mismatch++; }
    if (c->inflight && ++c->rcount >= replies) { c->rcount = 0; u64 s = c->ts[c->head]; c->head = (c->head + 1) % window_; c->inflight--; done++; st->tot_msgs++;
      if (t >= tm0 && t < tm1) { st->msgs++; hadd(&st->lat, t > s ? t - s : 0); } }
  }
  if (done && !rate && c->state == 4 && t < tm1) sendmsgs(c, window_ - c->inflight, t);
  return c->state == 5 ? -1 : o;
}
static void onread(Conn *c, u64 t) {
  u32 k = c->clen; if (k) memcpy(rb, c->carry, k);
  ssize_t r = recv(c->fd, rb + k, RBUF * 2 - k, 0);
  if (r == 0 || (r < 0 && errno != EAGAIN)) { if (c->state < 3 && !st->firsterr) st->firsterr = r ? errno : ECONNRESET; kill_(c, 1); return; }
  if (r < 0) return;
  long n = k + r, u = onbytes(c, rb, n, t); if (u < 0) return;
  c->clen = n - u; if (c->clen) { c->carry = realloc(c->carry, c->clen); memcpy(c->carry, rb + u, c->clen); }
}
static u64 cpu_self(void) { struct rusage r; getrusage(RUSAGE_SELF, &r); return (r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000000000ull + (r.ru_utime.tv_usec + r.ru_stime.tv_usec) * 1000ull; }

static void child(int ci) {
  alarm((unsigned)(open_timeout + warmup + duration + stall + 30)); // never outlive the run
  st = &stats[ci]; nc = conns / procs + (ci < conns % procs); base = 0; for (int i = 0; i < ci; i++) base += conns / procs + (i < conns % procs);
  nsend = senders < base ? 0 : senders - base > nc ? nc : senders - base;
  C = calloc(nc ? nc : 1, sizeof *C); rb = malloc(RBUF * 2 + 64); wb = malloc(RBUF + 65536 + plen + initlen); ep = epoll_create1(0);
  hlen = mkhdr(hdr_, opcode, plen); flen = hlen + 4 + plen; srand(ci + 1);
  for (long i = 0; i < nc; i++) { C[i].idx = base + i; C[i].fd = -1; if (rmask) C[i].key = ((u32)rand() << 16) ^ rand(); if ((long)C[i].idx < senders) C[i].ts = calloc(window_, 8); }
  u64 t0 = now(); long next = 0; tm0 = tm1 = ~0ull; int opened = 0, started = 0; u64 lastrx = t0, lastframes = 0, k = 0; u64 cpu0 = 0; int cpus = 0;
  struct epoll_event ev[512];
  for (;;) {
    u64 t = now();
    if (!opened) {
      long done = st->opened + st->failed, infl = next - done;
      while (next < nc && infl < parallel && (!ramp || next < (t - t0) / 1e9 * (ramp / procs) + 1)) { startconn(&C[next++]); infl = next - (long)(st->opened + st->failed); }
      long ready = 0; if (st->opened + st->failed >= (u64)nc) { for (long i = 0; i < nc; i++) ready += C[i].state != 3; }
      if (ready == nc || t - t0 > open_timeout * 1e9) { opened = 1; st->open_ns = t - t0; st->phase = 1; }
    } else if (!started) {
      if (ctl->go) { started = 1; tstart = ctl->t0; tm0 = tstart + (u64)(warmup * 1e9); tm1 = tm0 + (u64)(duration * 1e9); lastrx = t;
        if (!strcmp(mode, "load") && !rate) for (long i = 0; i < nc; i++) if (C[i].state == 4 && (long)C[i].idx < senders) sendmsgs(&C[i], window_ - C[i].inflight, now()); }
    } else {
      if (!cpus && t >= tm0) { cpus = 1; cpu0 = cpu_self(); }
      if (cpus == 1 && t >= tm1) { cpus = 2; st->cpu_ns = cpu_self() - cpu0; }
      if (t >= tm1) break;
      if (st->tot_frames != lastframes) { lastframes = st->tot_frames; lastrx = t; }
      if (!strcmp(mode, "load") && t - lastrx > stall * 1e9) { st->cpu_ns = cpu_self() - cpu0; break; }
      if (!strcmp(mode, "load") && rate && nsend && t > tstart) {
        double per = rate * nsend / senders; // this process's share
        u64 want = (u64)((t - tstart) / 1e9 * per);
        for (; k < want; k++) { Conn *c = &C[k % nsend]; if (c->state != 4) continue; if (c->inflight >= window_) { st->skipped++; continue; } sendmsgs(c, 1, tstart + (u64)(k / per * 1e9)); } }
    }
    struct timespec ts = {0, !started ? 1000000 : rate ? 200000 : 20000000};
    int n = epoll_pwait2(ep, ev, 512, &ts, NULL); t = now();
    for (int i = 0; i < n; i++) {
      Conn *c = &C[ev[i].data.u64]; if (c->state == 5) continue;
      if (c->state == 1) { int e = 0; socklen_t l = sizeof e; getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &e, &l); if (e) { if (!st->firsterr) st->firsterr = e; kill_(c, 0); continue; } if (ev[i].events & EPOLLOUT) sendhs(c); continue; }
      if (ev[i].events & EPOLLOUT && c->plen_ > c->poff) { ssize_t r = send(c->fd, c->pend + c->poff, c->plen_ - c->poff, MSG_NOSIGNAL); if (r > 0) c->poff += r; else if (r < 0 && errno != EAGAIN) { kill_(c, 1); continue; } if (c->poff == c->plen_) { free(c->pend); c->pend = NULL; c->plen_ = c->poff = 0; mod(c, 0); } }
      if (ev[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) { onread(c, t); if (n > 64) t = now(); }
    }
  }
  st->phase = 2;
  for (long i = 0; i < nc; i++) if (C[i].fd >= 0) { if (graceful && C[i].state >= 3) { u8 b[8] = {0x88, 0x82, 0, 0, 0, 0, 3, 0xe8}; send(C[i].fd, b, 8, MSG_NOSIGNAL); } }
  if (graceful) usleep(300000);
  for (long i = 0; i < nc; i++) if (C[i].fd >= 0) close(C[i].fd);
  _exit(0);
}

typedef struct { int pid, tid; char comm[32]; u64 ns; } Th;
static int threads_(Th *out, int cap) {
  int n = 0;
  for (int i = 0; i < npid; i++) { char p[128]; snprintf(p, sizeof p, "/proc/%d/task", pids[i]); DIR *d = opendir(p); if (!d) continue; struct dirent *e;
    while ((e = readdir(d)) && n < cap) { if (e->d_name[0] == '.') continue; char q[512]; snprintf(q, sizeof q, "%s/%s/schedstat", p, e->d_name); FILE *f = fopen(q, "r"); if (!f) continue; unsigned long long v = 0; if (fscanf(f, "%llu", &v) != 1) v = 0; fclose(f);
      snprintf(q, sizeof q, "%s/%s/comm", p, e->d_name); out[n].comm[0] = 0; f = fopen(q, "r"); if (f) { if (fgets(out[n].comm, 32, f)) out[n].comm[strcspn(out[n].comm, "\n")] = 0; fclose(f); }
      out[n].pid = pids[i]; out[n].tid = atoi(e->d_name); out[n].ns = v; n++; }
    closedir(d); }
  return n;
}
static long rss_kb(void) { long s = 0; for (int i = 0; i < npid; i++) { char p[64], l[256]; snprintf(p, sizeof p, "/proc/%d/status", pids[i]); FILE *f = fopen(p, "r"); if (!f) continue; while (fgets(l, 256, f)) if (!strncmp(l, "VmRSS:", 6)) s += atol(l + 6); fclose(f); } return s; }
static long meminfo(const char *k) { char l[256]; long v = 0; FILE *f = fopen("/proc/meminfo", "r"); size_t n = strlen(k); while (f && fgets(l, 256, f)) if (!strncmp(l, k, n) && l[n] == ':') v = atol(l + n + 1); if (f) fclose(f); return v; }
static double busy(void) { unsigned long long u = 0, n = 0, y = 0, id, io, q = 0, sq = 0; FILE *f = fopen("/proc/stat", "r"); if (!f) return 0; if (fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu", &u, &n, &y, &id, &io, &q, &sq) != 7) u = 0; fclose(f); return (u + n + y + q + sq) / (double)sysconf(_SC_CLK_TCK); }
static int addrs(const char *s, u32 *out) { char b[4096]; int n = 0; snprintf(b, sizeof b, "%s", s);
  for (char *t = strtok(b, ","); t; t = strtok(NULL, ",")) { char *d = strchr(t, '-'); if (d) *d = 0; u32 a = ntohl(inet_addr(t)), z = d ? ntohl(inet_addr(d + 1)) : a; if ((a >> 24) != 127) { fprintf(stderr, "wsload: loopback addresses only (%s)\n", t); exit(2); } for (; a <= z && n < MAXA; a++) out[n++] = htonl(a); } return n; }
static u8 *slurp(const char *f, long *n) { FILE *h = fopen(f, "rb"); if (!h) { perror(f); exit(2); } fseek(h, 0, SEEK_END); *n = ftell(h); rewind(h); u8 *b = malloc(*n + 1); if (fread(b, 1, *n, h) != (size_t)*n) exit(2); fclose(h); return b; }

int main(int ac, char **av) {
  const char *host = "127.0.0.1", *src = NULL, *port = "9001"; long size = 64;
  for (int i = 1; i < ac; i++) { char *a = av[i];
#define V (i + 1 < ac ? av[++i] : (fprintf(stderr, "%s needs a value\n", a), exit(2), ""))
#define IS(s) (!strcmp(a, s))
    if (IS("--help") || IS("-h")) { fputs(HELP, stdout); return 0; }
    else if (IS("--host")) host = V; else if (IS("--port")) port = V; else if (IS("--src")) src = V; else if (IS("--path")) path_ = V;
    else if (IS("--token")) token = V; else if (IS("--token-query")) tokenq = V; else if (IS("--header")) hdrs[nhdr++ % 64] = V; else if (IS("--subprotocol")) subproto = V;
    else if (IS("--mode")) mode = V; else if (IS("--conns")) conns = atol(V); else if (IS("--senders")) senders = atol(V); else if (IS("--window")) window_ = atol(V); else if (IS("--rate")) rate = atof(V);
    else if (IS("--warmup")) warmup = atof(V); else if (IS("--duration")) duration = atof(V); else if (IS("--payload")) payload = slurp(V, &plen); else if (IS("--size")) size = atol(V);
    else if (IS("--text")) { payload = (u8 *)strdup(V); plen = strlen((char *)payload); } else if (IS("--opcode")) opcode = !strcmp(V, "text") ? 1 : 2;
    else if (IS("--patch-seq")) patch_seq = atoi(V); else if (IS("--patch-conn")) patch_conn = atoi(V); else if (IS("--init")) initp = slurp(V, &initlen); else if (IS("--init-replies")) init_replies = atol(V);
    else if (IS("--replies")) replies = atol(V); else if (IS("--verify")) verify = 1; else if (IS("--random-mask")) rmask = 1; else if (IS("--ramp")) ramp = atof(V); else if (IS("--parallel")) parallel = atol(V);
    else if (IS("--reply-match")) { char *m = strdup(V), *at = strchr(m, '@'); if (at) { *at = 0; matchoff = at[1] == '*' ? -1 : atoi(at + 1); } for (char *p = m; p[0] && p[1] && matchlen < 256; p += 2) { unsigned x; sscanf(p, "%2x", &x); match_[matchlen++] = x; } }
    else if (IS("--open-timeout")) open_timeout = atof(V); else if (IS("--stall")) stall = atof(V); else if (IS("--procs")) procs = atol(V); else if (IS("--graceful")) graceful = 1; else if (IS("--json")) json = 1; else if (IS("--label")) label = V;
    else if (IS("--pid")) { char *b = strdup(V); for (char *t = strtok(b, ","); t && npid < 64; t = strtok(NULL, ",")) pids[npid++] = atoi(t); }
    else { fprintf(stderr, "unknown option %s (--help)\n", a); return 2; } }
  nhost = addrs(host, hosts); if (src) nsrc = addrs(src, srcs);
  { char b[1024]; snprintf(b, sizeof b, "%s", port); for (char *t = strtok(b, ","); t; t = strtok(NULL, ",")) { int x, y; int k = sscanf(t, "%d-%d", &x, &y); if (k == 1) y = x; for (; x <= y && nport < MAXA; x++) ports[nport++] = x; } }
  if (plen < 0) { plen = size; payload = malloc(plen + 8); for (long i = 0; i < plen; i++) payload[i] = i * 7 + 13; }
  findhashes(0, payload, plen); if (initp) findhashes(1, initp, initlen);
  if (senders < 0 || senders > conns) senders = conns;
  if (strcmp(mode, "load")) senders = 0;
  if (!strcmp(mode, "hold")) warmup = 0;
  if (window_ < 1) window_ = 1;
  if (plen > RBUF / 2) { fprintf(stderr, "payload too large\n"); return 2; }
  if (procs < 1) procs = 1;
  stats = mmap(0, sizeof(Stat) * procs, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0); ctl = mmap(0, sizeof(Ctl), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  long rss0 = rss_kb(), slab0 = meminfo("Slab"), avail0 = meminfo("MemAvailable");
  pid_t kids[256]; signal(SIGPIPE, SIG_IGN); alarm((unsigned)(open_timeout + warmup + duration + stall + 60));
  for (int i = 0; i < procs && i < 256; i++) { kids[i] = fork(); if (!kids[i]) child(i); }
  for (;;) { int r = 0; for (int i = 0; i < procs; i++) r += stats[i].phase >= 1; if (r == procs) break; usleep(500); int s; for (int i = 0; i < procs; i++) if (waitpid(kids[i], &s, WNOHANG) == kids[i]) { fprintf(stderr, "child died\n"); return 1; } }
  if (!strcmp(mode, "hold")) usleep(300000);
  long rss1 = rss_kb(), slab1 = meminfo("Slab"), avail1 = meminfo("MemAvailable"); u64 openns = 0; for (int i = 0; i < procs; i++) if (stats[i].open_ns > openns) openns = stats[i].open_ns;
  ctl->t0 = now() + 5000000; __sync_synchronize(); ctl->go = 1;
  static Th a[4096], b[4096]; int na, nb; u64 s0, s1;
  usleep((useconds_t)(warmup * 1e6) + 5000); double by0 = busy(); s0 = now(); na = threads_(a, 4096);
  { u64 end = s0 + (u64)(duration * 1e9); for (;;) { u64 t = now(); if (t >= end) break; u64 left = (end - t) / 1000; usleep(left > 50000 ? 50000 : left); int d = 0; for (int i = 0; i < procs; i++) d += stats[i].phase == 2; if (d == procs) break; } }
  s1 = now(); double by1 = busy(); nb = threads_(b, 4096); long rss2 = rss_kb();
  u64 alive = 0; for (int i = 0; i < procs; i++) alive += stats[i].alive;
  for (int i = 0; i < procs; i++) { int s; waitpid(kids[i], &s, 0); }
  Stat *T = calloc(1, sizeof *T);
  for (int i = 0; i < procs; i++) { Stat *s = &stats[i]; T->opened += s->opened; T->failed += s->failed; T->closed += s->closed; T->proto_err += s->proto_err; T->mismatch += s->mismatch; T->skipped += s->skipped; T->msgs += s->msgs; T->frames += s->frames; T->bytes += s->bytes; T->sent += s->sent; T->cpu_ns += s->cpu_ns; if (s->firsterr) T->firsterr = s->firsterr; if (s->firststatus) T->firststatus = s->firststatus; hmerge(&T->lat, &s->lat); hmerge(&T->hs, &s->hs); }
  double secs = duration, ssec = (s1 - s0) / 1e9; u64 scpu = 0; char th[4096] = ""; int to = 0;
  for (int i = 0; i < nb; i++) { u64 o = 0; for (int j = 0; j < na; j++) if (a[j].tid == b[i].tid) o = a[j].ns; u64 d = b[i].ns - o; scpu += d; if (d > ssec * 1e9 * 0.01 && to < 3900) to += snprintf(th + to, sizeof th - to, "%s\"%s:%d\":%.2f", to ? "," : "", b[i].comm, b[i].tid, d / 1e9 / ssec); }
  u64 per = T->msgs ? T->msgs : T->frames;
  if (json) printf("{\"label\":\"%s\",\"mode\":\"%s\",\"conns\":%ld,\"window\":%ld,\"payload\":%ld,\"opened\":%lu,\"failed\":%lu,\"closed\":%lu,\"alive\":%lu,\"proto_err\":%lu,\"mismatch\":%lu,\"skipped\":%lu,\"errno\":%d,\"status\":%d,"
    "\"secs\":%.2f,\"msgs\":%lu,\"msg_s\":%.0f,\"frames\":%lu,\"frame_s\":%.0f,\"mb_s\":%.2f,\"lat_us\":{\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,\"p999\":%.1f,\"max\":%.1f,\"mean\":%.1f},"
    "\"open_s\":%.3f,\"hs_s\":%.0f,\"hs_us\":{\"p50\":%.1f,\"p99\":%.1f,\"max\":%.1f},\"gen_cpu\":%.2f,\"srv_cpu\":%.2f,\"srv_us_per\":%.3f,\"busy\":%.2f,\"srv_threads\":{%s},\"rss_kb\":[%ld,%ld,%ld],\"slab_kb\":[%ld,%ld],\"avail_kb\":[%ld,%ld]}\n",
    label, mode, conns, window_, plen, T->opened, T->failed, T->closed, alive, T->proto_err, T->mismatch, T->skipped, T->firsterr, T->firststatus, secs, T->msgs, T->msgs / secs, T->frames, T->frames / secs, T->bytes / secs / 1e6,
    hpct(&T->lat, 50), hpct(&T->lat, 90), hpct(&T->lat, 99), hpct(&T->lat, 99.9), T->lat.max / 1000.0, T->lat.n ? T->lat.sum / 1000.0 / T->lat.n : 0,
    openns / 1e9, T->opened / (openns / 1e9), hpct(&T->hs, 50), hpct(&T->hs, 99), T->hs.max / 1000.0, T->cpu_ns / 1e9 / secs, scpu / 1e9 / ssec, per ? scpu / 1000.0 / (per * ssec / secs) : 0, (by1 - by0) / ssec, th, rss0, rss1, rss2, slab0, slab1, avail0, avail1);
  else {
    printf("%s %s: %lu opened, %lu failed (errno %d, status %d), %lu closed, %lu alive at the end; opened in %.2f s = %.0f/s, handshake p50 %.0f p99 %.0f max %.0f us\n", label, mode, T->opened, T->failed, T->firsterr, T->firststatus, T->closed, alive, openns / 1e9, T->opened / (openns / 1e9), hpct(&T->hs, 50), hpct(&T->hs, 99), T->hs.max / 1000.0);
    printf("  %.0f msg/s, %.0f frames/s, %.2f MB/s; latency us p50 %.0f p90 %.0f p99 %.0f p99.9 %.0f max %.0f; mismatches %lu, protocol errors %lu, skipped %lu\n", T->msgs / secs, T->frames / secs, T->bytes / secs / 1e6, hpct(&T->lat, 50), hpct(&T->lat, 90), hpct(&T->lat, 99), hpct(&T->lat, 99.9), T->lat.max / 1000.0, T->mismatch, T->proto_err, T->skipped);
    printf("  cores: machine busy %.2f, generator %.2f, server %.2f {%s}; server %.2f us per message; server RSS KiB %ld -> %ld -> %ld; slab KiB %ld -> %ld\n", (by1 - by0) / ssec, T->cpu_ns / 1e9 / secs, scpu / 1e9 / ssec, th, per ? scpu / 1000.0 / (per * ssec / secs) : 0, rss0, rss1, rss2, slab0, slab1);
  }
  return T->failed || T->closed || T->proto_err || T->mismatch ? 3 : 0;
}
