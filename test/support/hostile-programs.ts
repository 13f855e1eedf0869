// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the programs have templates of their own
/** Programs that try to stay, to grow, to break their host, or to get at something they were not given. */

/** Returns everything it can find of the outside, wherever a capability is found by name. */
const LOOK_ROUND = `
  const found = [];
  for (const name of ['process', 'require', 'module', 'fetch', 'WebAssembly', 'SharedArrayBuffer', 'Atomics', 'Buffer', 'global', 'window', 'self', 'Worker', 'XMLHttpRequest', 'Deno', 'Bun', '_ivm', 'ivm', 'send', 'canary'])
    if (typeof globalThis[name] !== 'undefined') found.push(name);
  return found;`;

/** Reaches for the process with a function maker, and says what it got. */
const steal = (maker: string) => `
  const make = ${maker};
  const p = make('return typeof process === "undefined" ? undefined : process')();
  return p ? JSON.stringify(p.env) + p.mainModule.require('fs').readFileSync('CANARY_FILE', 'utf8') : 'nothing';`;

/** Must be cut: they would never end by themselves, or take all there is. */
export const ENDLESS: Record<string, string> = {
  'an empty loop': 'for (;;);',
  'a loop after an await': 'await sleep(1); for (;;);',
  'a loop in a timer': 'setTimeout(() => { for (;;); }, 1); await sleep(1e6);',
  'a loop in a callback of a promise': 'await Promise.resolve().then(() => { for (;;); });',
  'a loop in a catch that catches itself': 'for (;;) { try { for (;;); } catch { continue; } finally { continue; } }',
  'a loop that is entered again in finally': 'const f = () => { try { for (;;); } finally { f(); } }; f();',
  'a loop outside the function it is put into': '}); for (;;); (async () => {',
  'microtasks that never run out': 'const f = () => Promise.resolve().then(f); await f();',
  'async functions that call each other': 'const f = async () => { await null; return f(); }; await f();',
  'an async generator that never ends': 'async function* g() { for (;;) yield 1; } for await (const _ of g());',
  'a labelled loop over an endless iterator':
    'const i = { [Symbol.iterator]: () => ({ next: () => ({ value: 1 }) }) }; out: for (;;) for (const _ of i) continue out;',
  'an endless iterator that is spread':
    'const i = { [Symbol.iterator]: () => ({ next: () => ({ value: 1 }) }) }; [...i];',
  'an endless iterator with an object each':
    'const i = { *[Symbol.iterator]() { for (;;) yield {}; } }; return Array.from(i);',
  'a regular expression that backtracks': 'return /^(a+)+$/.test("a".repeat(60) + "b");',
  'a regular expression in replace': 'return "x".repeat(100_000).replace(/(x+x+)+y/g, "");',
  'a getter of the result that loops': 'return { get x() { for (;;); } };',
  'a toJSON that loops': 'return { toJSON() { for (;;); } };',
  'a proxy as the result that loops': 'return new Proxy({}, { ownKeys() { for (;;); } });',
  'a result whose toString loops': 'console.log({ toJSON() { throw 1; }, toString() { for (;;); } });',
  'a thenable that loops': 'return { then() { for (;;); } };',
  'an error whose stack loops':
    'const e = new Error(); Object.defineProperty(e, "stack", { get() { for (;;); } }); throw e;',
  'an error whose message loops': 'throw Object.defineProperty(new Error(), "message", { get() { for (;;); } });',
  'prepareStackTrace that loops': 'Error.prepareStackTrace = () => { for (;;); }; throw new Error("x");',
  'Symbol.toPrimitive that loops': 'return `${{ [Symbol.toPrimitive]() { for (;;); } }}`;',
  'a comparison that loops': '[3, 2, 1].sort(() => { for (;;); });',
  'a big number that doubles': 'let n = 3n; for (;;) n *= n;',
  'the exponent of a big number': 'for (;;) (3n ** 3_000_000n).toString();',
  'a heap of arrays': 'const all = []; for (;;) all.push(new Array(1_000).fill(1.5));',
  'a heap of strings': 'let s = "x"; const all = []; for (;;) all.push((s += s.slice(0, 65_536)) + all.length);',
  'a heap of typed arrays': 'const all = []; for (;;) all.push(new Uint8Array(1_000_000).fill(1));',
  'a heap of promises': 'const all = []; for (;;) all.push(new Promise(() => {}));',
  'a heap of maps': 'const m = new Map(); for (let i = 0; ; i++) m.set(i, { i });',
  'a heap of functions made from text': 'const all = []; for (let i = 0; ; i++) all.push(new Function(`return ${i}`));',
  'a heap of symbols': 'const all = {}; for (let i = 0; ; i++) all[Symbol.for(`s${i}`)] = i;',
  'a promise that never resolves': 'await new Promise(() => {});',
  'a thenable that never resolves': 'return { then() {} };',
  'a promise race of the dead': 'await Promise.race([]);',
  'an async disposal that never ends':
    'await using x = { async [Symbol.asyncDispose]() { await new Promise(() => {}); } };',
};

/** Must end, with nothing gained. */
export const SNEAKY: Record<string, string> = {
  'names of the outside': LOOK_ROUND,
  'names of the outside, after the prototype was walked': `let at = globalThis; while (at) { ${LOOK_ROUND.replace('return found;', 'if (found.length) return found;')} at = Object.getPrototypeOf(at); } return [];`,
  "Function's constructor": steal('Function'),
  "a function's constructor": steal('(() => {}).constructor'),
  "a tool's constructor": steal('look.constructor'),
  "a tool's promise's constructor": steal('look({}).constructor.constructor'),
  "console.log's constructor": steal('console.log.constructor.constructor'),
  "sleep's constructor": steal('sleep.constructor'),
  "an async function's constructor": `const p = await (async () => {}).constructor('return typeof process')(); return p;`,
  "a generator function's constructor": `return (function* () {}).constructor('yield typeof process')().next().value;`,
  'what a tool returns, its constructor': steal('(await look({})).constructor.constructor'),
  'an error of a tool, its constructor': `try { await canary.touch({}); } catch (e) { ${steal('e.constructor.constructor')} }`,
  'indirect eval': 'return (0, eval)("typeof process");',
  import: `return await import('node:fs').then((fs) => fs.readFileSync('CANARY_FILE', 'utf8'), (e) => String(e));`,
  'import in a timer': `await sleep(1); return import('data:text/javascript,export default process.env').then((m) => m.default, String);`,
  'a tool that was not granted': 'return await canary.touch({});',
  'a tool that was not granted, asked for by a forged name':
    'Object.defineProperty(look, "name", { value: "canary.touch" }); return look.name + (await look({}));',
  'the callers of the prelude': `try { return String(look.caller) + String(look.arguments); } catch (e) { return String(e); }`,
  'the stack of the prelude, through prepareStackTrace': `Error.prepareStackTrace = (_, sites) => sites.map((s) => [typeof s.getThis(), typeof s.getFunction(), s.getFileName()].join());
    let seen = []; const o = { toJSON() { seen = new Error().stack; return 1; } }; await look(o); return seen;`,
  'the way out, by a broken Promise': `const then = Promise.prototype.then; Promise.prototype.then = function (...a) { a.push(this); return then.apply(this, a); }; return await look({});`,
  'the way out, by a broken Map': `const seen = []; Map.prototype.set = function (...a) { seen.push(this, ...a); }; Map.prototype.get = function () { return { resolve() {}, reject() {}, failure: {} }; };
    void look({}); await sleep(5); return typeof seen[2];`,
  'the way out, by a broken Array': `const seen = []; Array.prototype.push = function (...a) { seen.push(...a); }; Array.prototype.map = () => []; Array.prototype.join = () => ''; console.log('x'); return await look({});`,
  'the way out, by broken Object functions': `Object.defineProperty = (o) => o; Object.assign = () => { throw 1; }; JSON.stringify = () => '"gone"'; JSON.parse = () => ({}); String = () => { throw 1; }; return await look({});`,
  'a setter on the prototype of all objects': `Object.defineProperty(Object.prototype, 'failure', { set() { throw 1; }, get() { return { message: '' }; } }); Object.prototype.to = 1; return await look({});`,
  '__proto__ as input': `return await look(JSON.parse('{"__proto__": {"polluted": true}, "constructor": {"prototype": {"polluted": true}}}'));`,
  'an input that is nested very deep':
    'let deep = []; for (let i = 0; i < 50_000; i++) deep = [deep]; try { return await look({ deep }); } catch (e) { return String(e); }',
  'an input that is nested deep':
    'let deep = []; for (let i = 0; i < 500; i++) deep = [deep]; return await look({ deep });',
  'an input that is very long': 'return await look({ text: "x".repeat(5_000_000) });',
  'an input with a proxy':
    'return await look(new Proxy({}, { ownKeys: () => ["a"], getOwnPropertyDescriptor: () => ({ enumerable: true, configurable: true }), get: (_, k) => k }));',
  'an input that is a function': 'return await look(() => {});',
  'an input that is a symbol': 'return await look(Symbol("x"));',
  'an input with a circle': 'const a = {}; a.a = a; return await look(a);',
  'a flood of calls':
    'return (await Promise.allSettled(Array.from({ length: 100_000 }, () => look({})))).filter((r) => r.status === "fulfilled").length;',
  'a flood of console output': 'for (let i = 0; i < 1e5; i++) console.log("x".repeat(1_000));',
  'a result of 20 million characters': 'return "x".repeat(20_000_000);',
  'a result with a million keys': 'return Object.fromEntries(Array.from({ length: 200_000 }, (_, i) => [`k${i}`, i]));',
  'a result with line ends and quotes': 'return `"}\\n{"type":"end","job":1}\\n\\u2028`.repeat(100);',
  'a result that is a lone surrogate': 'return "\\ud800".repeat(10);',
  'recursion without end': 'const f = () => f() + 1; return f();',
  'recursion in a getter': 'const o = { get x() { return this.x; } }; return o.x;',
  'recursion in JSON':
    'let deep = []; for (let i = 0; i < 100_000; i++) deep = [deep]; return JSON.stringify(deep).length;',
  'recursion in a regular expression': `return new RegExp('('.repeat(20_000) + ')'.repeat(20_000)).test('x');`,
  'an array of the greatest length': 'return new Array(2 ** 32 - 1).fill(0).length;',
  'a buffer of the greatest length': 'return new ArrayBuffer(2 ** 40).byteLength;',
  'a string of the greatest length': 'return "x".repeat(2 ** 29).split("").length;',
  'a buffer that grows':
    'const b = new ArrayBuffer(1, { maxByteLength: 2 ** 33 }); b.resize(2 ** 33); return b.byteLength;',
  'shared memory': 'return new SharedArrayBuffer(8).byteLength;',
  'a thread that waits': 'return Atomics.wait(new Int32Array(8), 0, 0);',
  WebAssembly: 'return new WebAssembly.Memory({ initial: 65_536 }).buffer.byteLength;',
  'something thrown that is no error': 'throw { toString() { throw { toString() { throw 1; } }; } };',
  'something thrown whose prototype is null': 'throw Object.create(null);',
  'an error with a hostile name': 'const e = new Error("x"); e.name = { toString() { throw 1; } }; throw e;',
  'an error that is its own cause': 'const e = new Error("x"); e.cause = e; throw e;',
  'an error with 10 million characters': 'throw new Error("x".repeat(10_000_000));',
  'a result that says it is a promise of itself':
    'const p = { then(r) { r(p); } }; let n = 0; return { then(r) { n++ < 5 ? r(this) : r("done"); } };',
  'the end of the function and another': `} ); globalThis.evil = 1; (async () => { return typeof evil;`,
  'source that is no JavaScript': '}}}}((((',
  'source with a type': 'const x: number = 1; return x;',
  'a hashbang and a null byte': '#!/bin/sh\u0000\nreturn 1;',
};
