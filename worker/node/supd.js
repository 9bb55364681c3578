// supd.js: the Node SDK of supd, the plugin gateway, in one file. Node 18 or
// later; it needs nothing else.
//
//   const supd = require('supd');
//   const plugin = new supd.Plugin('hello', '1.0.0');
//
//   plugin.http('GET', '/hello/{name}', (req) => ({hello: req.params.name}));
//
//   plugin.tool('add', {description: 'Adds two numbers.'},
//     (args) => args.a + args.b);
//
//   async function* ticks(req) {
//     while (!req.cancelled) {
//       yield supd.event({data: Date.now()});
//       await new Promise((done) => setTimeout(done, 1000));
//     }
//   }
//   plugin.http('GET', '/ticks', (req) => supd.events(ticks(req)));
//
//   plugin.run();
//
// with this plugin.yaml beside it:
//
//   name: hello
//   version: 1.0.0
//   exec: [node, main.js]
//
// Handlers are plain or async functions; all run on Node's one thread, so one
// that computes for long delays all others and the gateway's pings. What a
// handler returns is the answer; what it throws is the error: supd.fail(code,
// text) as it says, anything else is logged and answered with http 500, to
// others as `failed`. Every request is answered exactly once; after a cancel
// the answer goes nowhere, but is awaited: give it up. Times are
// milliseconds, sizes bytes. supd closing the socket ends the process: leave
// no work for an exit handler. What goes to stdout and stderr is in
// `supctl logs`. Source of the wire: README, chapter "The wire".
'use strict';

const crypto = require('node:crypto');
const net = require('node:net');

const PROTOCOL = 1;
const SDK = 'node/1';
const GREETING = Buffer.from([0, 0x53, 0x50, 0, 0, 0x10, 0, 0]); // SP, pair0
const FRAME_HEAD = 9; // 01, then the length in 8 bytes
const MESSAGE_MAX = 1024 * 1024; // bytes of one frame
const BATCH_BYTES = 60 * 1024; // a batch is cut after this many
const DEPTH_MAX = 32; // nesting of MessagePack values
const PIECE_BYTES = 32 * 1024; // of a streamed body
const STATE_MAX = 16 * 1024 * 1024; // bytes of exported state
const LOG_MAX = 16 * 1024; // characters of one line of the log
const LEVELS = new Map([['error', 'error'], ['warn', 'warn'],
  ['warning', 'warn'], ['info', 'info'], ['debug', 'debug']]);
const CODES = ['bad_message', 'version', 'denied', 'not_found', 'conflict',
  'busy', 'timeout', 'cancelled', 'too_large', 'failed'];

// ---- MessagePack ----

class Writer {
  constructor() {
    this.bytes = Buffer.allocUnsafe(BATCH_BYTES + 8192);
    this.at = FRAME_HEAD; // room for the head of the frame
  }

  room(count) {
    if (this.at + count <= this.bytes.length) return;
    const bigger = Buffer.allocUnsafe(
      Math.max(2 * this.bytes.length, this.at + count + 1024));
    this.bytes.copy(bigger, 0, 0, this.at);
    this.bytes = bigger;
  }

  byte(value) {
    this.room(1);
    this.bytes[this.at++] = value;
  }

  head8(tag, length) {
    this.room(2);
    this.bytes[this.at++] = tag;
    this.bytes[this.at++] = length;
  }

  head16(tag, length) {
    this.room(3);
    this.bytes[this.at++] = tag;
    this.at = this.bytes.writeUInt16BE(length, this.at);
  }

  head32(tag, length) {
    this.room(5);
    this.bytes[this.at++] = tag;
    this.at = this.bytes.writeUInt32BE(length, this.at);
  }

  array(count) {
    if (count < 16) this.byte(0x90 | count);
    else if (count < 65536) this.head16(0xdc, count);
    else this.head32(0xdd, count);
  }

  map(count) {
    if (count < 16) this.byte(0x80 | count);
    else if (count < 65536) this.head16(0xde, count);
    else this.head32(0xdf, count);
  }

  bin(bytes) {
    if (bytes.length < 256) this.head8(0xc4, bytes.length);
    else if (bytes.length < 65536) this.head16(0xc5, bytes.length);
    else this.head32(0xc6, bytes.length);
    this.room(bytes.length);
    this.bytes.set(bytes, this.at);
    this.at += bytes.length;
  }

  // A text as the bytes of a bin: what header values are. They are latin1, as
  // they are read, and UTF-8 only if that cannot say it.
  binText(text) {
    if (/[\x80-\xff]/.test(text) && !/[^\0-\xff]/.test(text))
      return this.bin(Buffer.from(text, 'latin1'));
    const length = Buffer.byteLength(text);
    if (length < 256) this.head8(0xc4, length);
    else if (length < 65536) this.head16(0xc5, length);
    else this.head32(0xc6, length);
    this.room(length);
    this.at += this.bytes.write(text, this.at);
    return undefined;
  }

  text(text) {
    const length = Buffer.byteLength(text);
    if (length < 32) this.byte(0xa0 | length);
    else if (length < 256) this.head8(0xd9, length);
    else if (length < 65536) this.head16(0xda, length);
    else this.head32(0xdb, length);
    this.room(length);
    this.at += this.bytes.write(text, this.at);
  }

  integer(value) {
    if (value >= 0) {
      if (value < 128) this.byte(value);
      else if (value < 256) this.head8(0xcc, value);
      else if (value < 65536) this.head16(0xcd, value);
      else if (value < 4294967296) this.head32(0xce, value);
      else this.wide(0xcf, BigInt(value));
    } else if (value >= -32) this.byte(value & 0xff);
    else this.wide(0xd3, BigInt(value));
  }

  wide(tag, value) {
    this.room(9);
    this.bytes[this.at++] = tag;
    this.at = tag === 0xcf ? this.bytes.writeBigUInt64BE(value, this.at)
      : this.bytes.writeBigInt64BE(value, this.at);
  }

  real(value) {
    this.room(9);
    this.bytes[this.at++] = 0xcb;
    this.at = this.bytes.writeDoubleBE(value, this.at);
  }

  value(value, depth) {
    switch (typeof value) {
      case 'string': return this.text(value);
      case 'number':
        return Number.isSafeInteger(value) && !Object.is(value, -0)
          ? this.integer(value) : this.real(value);
      case 'boolean': return this.byte(value ? 0xc3 : 0xc2);
      case 'undefined': return this.byte(0xc0);
      case 'bigint':
        return value >= 0n ? this.wide(0xcf, value) : this.wide(0xd3, value);
      case 'object': return this.object(value, depth);
      default: throw new TypeError(`a ${typeof value} cannot be sent`);
    }
  }

  object(value, depth) {
    if (value === null) return this.byte(0xc0);
    if (depth >= DEPTH_MAX) throw fail('too_large', 'nested too deeply');
    if (value instanceof Uint8Array) return this.bin(value);
    if (typeof value.toJSON === 'function')
      return this.value(value.toJSON(), depth + 1);
    if (Array.isArray(value)) {
      this.array(value.length);
      for (const item of value) this.value(item, depth + 1);
      return undefined;
    }
    const entries = value instanceof Map ? [...value] : Object.entries(value);
    const said = entries.filter((entry) => entry[1] !== undefined);
    this.map(said.length);
    for (const [key, item] of said) {
      this.text(String(key));
      this.value(item, depth + 1);
    }
    return undefined;
  }
}

class Malformed extends Error {}

// Reads values out of one frame; never trusts a count.
class Reader {
  constructor(bytes, start, end) {
    this.bytes = bytes;
    this.at = start;
    this.end = end;
  }

  need(count) {
    if (count > this.end - this.at) throw new Malformed('a value is cut off');
  }

  number(size) {
    this.need(size);
    const value = this.bytes.readUIntBE(this.at, size);
    this.at += size;
    return value;
  }

  wide(signed) {
    this.need(8);
    const value = signed ? this.bytes.readBigInt64BE(this.at)
      : this.bytes.readBigUInt64BE(this.at);
    this.at += 8;
    const near = Number(value);
    return Number.isSafeInteger(near) ? near : value;
  }

  signed(size) {
    this.need(size);
    const value = this.bytes.readIntBE(this.at, size);
    this.at += size;
    return value;
  }

  real(size) {
    this.need(size);
    const value = size === 4 ? this.bytes.readFloatBE(this.at)
      : this.bytes.readDoubleBE(this.at);
    this.at += size;
    return value;
  }

  text(length) {
    this.need(length);
    const start = this.at;
    this.at += length;
    if (length > 24) return this.bytes.utf8Slice(start, this.at);
    let text = ''; // short ASCII: cheaper than a call out of JavaScript
    for (let i = start; i < this.at; i++) {
      const byte = this.bytes[i];
      if (byte >= 128) return this.bytes.utf8Slice(start, this.at);
      text += String.fromCharCode(byte);
    }
    return text;
  }

  // A copy: the frame's memory is used again.
  bin(length) {
    this.need(length);
    const start = this.at;
    this.at += length;
    return length ? Buffer.from(this.bytes.subarray(start, this.at)) : EMPTY;
  }

  array(length, depth) {
    this.need(length); // each item takes a byte at least
    const items = [];
    for (let i = 0; i < length; i++) items.push(this.value(depth + 1));
    return items;
  }

  map(length, depth) {
    this.need(2 * length);
    const map = {};
    for (let i = 0; i < length; i++) {
      const key = this.value(depth + 1);
      if (typeof key !== 'string') throw new Malformed('a key is no text');
      const value = this.value(depth + 1);
      if (key === '__proto__')
        Object.defineProperty(map, key, {value, enumerable: true,
          configurable: true, writable: true});
      else map[key] = value;
    }
    return map;
  }

  value(depth = 0) {
    if (depth > DEPTH_MAX) throw new Malformed('nested too deeply');
    this.need(1);
    const tag = this.bytes[this.at++];
    if (tag < 0x80) return tag;
    if (tag < 0x90) return this.map(tag & 15, depth);
    if (tag < 0xa0) return this.array(tag & 15, depth);
    if (tag < 0xc0) return this.text(tag & 31);
    if (tag >= 0xe0) return tag - 256;
    switch (tag) {
      case 0xc0: return null;
      case 0xc2: return false;
      case 0xc3: return true;
      case 0xc4: return this.bin(this.number(1));
      case 0xc5: return this.bin(this.number(2));
      case 0xc6: return this.bin(this.number(4));
      case 0xca: return this.real(4);
      case 0xcb: return this.real(8);
      case 0xcc: return this.number(1);
      case 0xcd: return this.number(2);
      case 0xce: return this.number(4);
      case 0xcf: return this.wide(false);
      case 0xd0: return this.signed(1);
      case 0xd1: return this.signed(2);
      case 0xd2: return this.signed(4);
      case 0xd3: return this.wide(true);
      case 0xd9: return this.text(this.number(1));
      case 0xda: return this.text(this.number(2));
      case 0xdb: return this.text(this.number(4));
      case 0xdc: return this.array(this.number(2), depth);
      case 0xdd: return this.array(this.number(4), depth);
      case 0xde: return this.map(this.number(2), depth);
      case 0xdf: return this.map(this.number(4), depth);
      default: throw new Malformed(`a value of unknown type ${tag}`);
    }
  }

  // The count of an array or -1.
  arrayHead() {
    this.need(1);
    const tag = this.bytes[this.at];
    if ((tag & 0xf0) === 0x90) {
      this.at++;
      return tag & 15;
    }
    if (tag !== 0xdc && tag !== 0xdd) return -1;
    this.at++;
    return this.number(tag === 0xdc ? 2 : 4);
  }
}

const EMPTY = Buffer.alloc(0);

// ---- what handlers give and get ----

/** An error with a code of the wire ('not_found', 'busy', ...) to throw; the
 * gateway makes it an answer of the caller's kind (http: a status). */
function fail(code, message) {
  const error = new Error(message);
  error.code = CODES.includes(code) ? code : 'failed';
  error.isAnswer = true;
  return error;
}

/** An http answer with a status and headers of its own. `body` is a string,
 * bytes, anything that JSON can say, or an iterable of pieces, async or not:
 * that one is streamed. A header's value may be a list: a line each. */
class Response {
  constructor(status, body, headers) {
    if (!Number.isInteger(status) || status < 200 || status > 599)
      throw new RangeError(`a status is 200 to 599, not ${status}`);
    this.status = status;
    this.body = body;
    this.headers = headers || {};
  }
}

/** reply(status, body, headers): a Response. */
function reply(status, body, headers) {
  return new Response(status, body, headers);
}

/** A Response of server-sent events: an iterable, async or not, that gives what
 * event() made. Its head goes out before the first of them. */
function events(pieces, status = 200) {
  return new Response(status, pieces, {'Content-Type': 'text/event-stream',
    'Cache-Control': 'no-cache'});
}

/** One server-sent event as text to yield: {data, event, id, retry}; data that
 * is no string is said in JSON. */
function event({data, event: name, id, retry}) {
  const text = typeof data === 'string' ? data : JSON.stringify(data ?? null);
  let lines = '';
  for (const [key, value] of [['event', name], ['id', id], ['retry', retry]]) {
    if (value === undefined) continue;
    if (/[\r\n\0]/.test(String(value)))
      throw new TypeError(`a line break in ${key}`);
    lines += `${key}: ${value}\n`;
  }
  for (const line of text.split(/\r\n|\r|\n/)) lines += `data: ${line}\n`;
  return lines + '\n';
}

/** What every request has. */
class Request {
  constructor(plugin, id, deadlineMs) {
    this.plugin = plugin;
    this.id = id;
    this.deadline = deadlineMs ? Date.now() + deadlineMs : Infinity;
    this.cancelled = false; // nobody waits for the answer any more
    this.abort = null;
    this.answered = false;
    this.pieces = null; // a body that is still coming: Incoming
    this.outgoing = null; // a streamed answer: Outgoing
  }

  /** Milliseconds before nobody waits for the answer, never negative. */
  get timeLeft() {
    return Math.max(0, this.deadline - Date.now());
  }

  /** An AbortSignal that fires when the client leaves. */
  get signal() {
    if (!this.abort) {
      this.abort = new AbortController();
      if (this.cancelled) this.abort.abort();
    }
    return this.abort.signal;
  }

  /** Calls fn when nobody waits any more; at once if that is so already. What
   * it throws is logged. */
  onCancel(fn) {
    const tell = async () => {
      try {
        await fn();
      } catch (error) {
        this.plugin.log('error', `onCancel: ${described(error)}`);
      }
    };
    if (this.cancelled) queueMicrotask(tell);
    else this.signal.addEventListener('abort', tell, {once: true});
  }

  cancel() {
    if (this.cancelled) return;
    this.cancelled = true;
    if (this.abort) this.abort.abort();
    if (this.pieces) this.pieces.end(fail('cancelled', 'the client left'));
    if (this.outgoing) this.outgoing.stop();
  }
}

/** A tool, method or command: `name` it was called by; `caller` (tool, method)
 * and `context` (command) as the gateway says them. */
class Call extends Request {
  constructor(plugin, id, name, deadlineMs, caller, context) {
    super(plugin, id, deadlineMs);
    this.name = name;
    this.caller = caller;
    this.context = context;
  }
}

/** An http request. `path` and `query` are as the client wrote them, `params`
 * what the pattern's {names} matched, decoded ('*' for the rest). */
class HttpRequest extends Request {
  constructor(plugin, id, fields, headers) {
    super(plugin, id, fields[9]);
    this.method = fields[1];
    this.path = fields[2];
    this.params = fields[3];
    this.query = fields[4];
    this.peer = fields[8];
    this.inline = fields[6];
    this.said = headers;
    this.map = null;
  }

  /** [[name, value], ...] with lower-case names, in the order of the client;
   * values are latin1 as HTTP has it. */
  get headerList() {
    return this.said.map(([name, value]) => [name, value.latin1Slice()]);
  }

  /** By lower-case name; several lines of one name are joined by ', '. */
  get headers() {
    if (this.map) return this.map;
    const map = Object.create(null);
    for (const [name, value] of this.headerList)
      map[name] = name in map
        ? map[name] + (name === 'cookie' ? '; ' : ', ') + value : value;
    this.map = map;
    return map;
  }

  get searchParams() {
    return new URLSearchParams(this.query);
  }

  /** The body in pieces as it comes; what is not taken yet holds the client
   * back. Once per request. */
  async* stream() {
    if (this.inline.length) yield this.inline;
    if (this.pieces) yield* this.pieces;
  }

  /** The whole body: a Buffer. */
  async body() {
    if (!this.pieces) return this.inline;
    const pieces = [];
    for await (const piece of this.stream()) pieces.push(piece);
    this.inline = Buffer.concat(pieces);
    this.pieces = null;
    return this.inline;
  }

  async text() {
    return (await this.body()).toString();
  }

  async json() {
    try {
      return JSON.parse(await this.text());
    } catch (error) {
      if (error instanceof SyntaxError)
        throw fail('bad_message', `malformed JSON: ${error.message}`);
      throw error;
    }
  }
}

// Pieces of a body that comes; credit goes back as they are taken.
class Incoming {
  constructor(plugin, id) {
    this.plugin = plugin;
    this.id = id;
    this.queue = [];
    this.ended = false;
    this.error = null;
    this.waiting = null;
  }

  push(piece, more) {
    if (this.ended) return;
    if (piece.length) this.queue.push(piece);
    if (!more) this.ended = true;
    this.wake();
  }

  end(error) {
    if (this.ended) return;
    this.ended = true;
    this.error = error;
    this.wake();
  }

  wake() {
    const waiting = this.waiting;
    this.waiting = null;
    if (waiting) waiting();
  }

  async* [Symbol.asyncIterator]() {
    for (;;) {
      while (this.queue.length) {
        const piece = this.queue.shift();
        if (!this.ended)
          this.plugin.notify('credit', [this.id, piece.length]);
        yield piece;
      }
      if (this.error) throw this.error;
      if (this.ended) return;
      await new Promise((done) => { this.waiting = done; });
    }
  }
}

// Pieces of a body that goes, never more than the other side has room for.
class Outgoing {
  constructor(plugin, id) {
    this.plugin = plugin;
    this.id = id;
    this.room = plugin.limits.credit;
    this.waiting = null; // for room
    this.stepping = null; // for the next piece
  }

  wake() {
    const waiting = this.waiting;
    this.waiting = null;
    if (waiting) waiting();
  }

  // Nobody waits any more.
  stop() {
    this.wake();
    if (this.stepping) this.stepping(null);
  }

  // The iterator's next step, or null when nobody waits any more before it.
  step(pieces) {
    return new Promise((done, failed) => {
      this.stepping = done;
      Promise.resolve(pieces.next()).then(done, failed);
    });
  }

  credit(bytes) {
    this.room += bytes;
    this.wake();
  }

  // False: nobody waits any more. stopped() says so.
  async write(bytes, stopped) {
    for (let at = 0; at < bytes.length;) {
      if (stopped()) return false;
      if (this.room <= 0) {
        await new Promise((done) => { this.waiting = done; });
        continue;
      }
      const size = Math.min(bytes.length - at, PIECE_BYTES, this.room);
      this.room -= size;
      this.plugin.chunk(this.id, bytes.subarray(at, at + size), true);
      at += size;
    }
    return !stopped();
  }
}

function isIterable(value) {
  return value !== null && typeof value === 'object' &&
    (typeof value[Symbol.asyncIterator] === 'function' ||
     (typeof value[Symbol.iterator] === 'function' &&
      typeof value.next === 'function'));
}

function pieceOf(value) {
  if (value instanceof Uint8Array) return value;
  if (typeof value === 'string') return Buffer.from(value);
  throw new TypeError('a piece of a body is a string or bytes');
}

// ---- the plugin ----

class Plugin {
  constructor(name, version) {
    this.name = name;
    this.version = version;
    /** Known in onStart handlers and after. */
    this.id = process.env.SUPD_PLUGIN || name;
    this.generation = Number(process.env.SUPD_GENERATION || 0);
    this.settings = {};
    this.limits = {credit: 262144, inline_body: 65536, message: MESSAGE_MAX};
    /** A folder of this plugin's own that lasts over generations. */
    this.dataDir = process.env.SUPD_DATA_DIR;
    this.offers = [];
    this.handlers = {http: [], tool: new Map(), command: new Map(),
      method: new Map()};
    this.onHealth = this.exporter = this.importer = this.onSettings = null;
    this.starters = [];
    this.calls = new Map(); // our own, by id
    this.requests = new Map(); // theirs that outlived their handler's call
    this.imports = new Map(); // state that is still coming, by request id
    this.nextId = 1;
    this.inFlight = 0;
    this.draining = this.drained = this.running = this.offered = false;
    this.spares = [];
    this.out = new Writer();
    this.flushing = false;
    this.inbox = EMPTY;
    this.greeted = 0;
  }

  // ---- offering something, before it is ready ----

  offer(kind, key, fields, handler) {
    if (this.offered)
      throw new Error(`${kind} ${key}: registering ends when the plugin is ` +
        'ready');
    if (typeof handler !== 'function')
      throw new TypeError(`${kind} ${key}: the handler is no function`);
    if (kind !== 'http' && this.handlers[kind].has(key))
      throw new Error(`${kind} ${key} is there twice`);
    this.offers.push({kind, ...fields});
    if (kind === 'http') this.handlers.http[this.offers.length - 1] = handler;
    else this.handlers[kind].set(key, handler);
    return this;
  }

  /** handler(req: HttpRequest) returns a Response, bytes
   * (application/octet-stream), a string (text/plain), undefined (204), an
   * iterable of pieces (streamed as application/octet-stream; events() makes
   * another), or anything else: JSON. options: {idempotent, bodyLimit} */
  http(method, path, ...rest) {
    const [options, handler] = optionsOf(rest);
    return this.offer('http', `${method} ${path}`, {method, path,
      idempotent: options.idempotent, body_limit: options.bodyLimit}, handler);
  }

  /** handler(args, call: Call) returns the result. options: {description,
   * schema (of args, JSON Schema), idempotent} */
  tool(name, ...rest) {
    const [options, handler] = optionsOf(rest);
    return this.offer('tool', name, {name, description: options.description,
      schema: options.schema, idempotent: options.idempotent}, handler);
  }

  /** handler(text, call: Call) returns text. options: {help} */
  command(name, ...rest) {
    const [options, handler] = optionsOf(rest);
    return this.offer('command', name, {name, help: options.help}, handler);
  }

  /** handler(args, call: Call) returns the result. options: {idempotent} */
  method(name, ...rest) {
    const [options, handler] = optionsOf(rest);
    return this.offer('method', name,
      {name, idempotent: options.idempotent}, handler);
  }

  /** Asked before this generation takes over; throw to say no. */
  health(handler) {
    this.onHealth = handler;
    return this;
  }

  /** State that outlives a reload (plugin.yaml: `state: {export: true}`).
   * exporter() returns bytes, or anything that JSON can say; importer(version,
   * blob: Buffer) takes what the generation before said, or throws: then the
   * reload fails unless the state is optional. At most 16 MiB. */
  state(version, exporter, importer) {
    this.stateVersion = version;
    this.exporter = exporter;
    this.importer = importer;
    return this;
  }

  /** handler(settings) is told new settings (plugin.yaml: `configure: true`);
   * throw to refuse them: then supd reloads the plugin. `plugin.settings`
   * has them after the handler is done. */
  onConfigure(handler) {
    this.onSettings = handler;
    return this;
  }

  /** handler(plugin) runs when settings are known and before the plugin is
   * ready; it may offer more. If it throws, the start fails. */
  onStart(handler) {
    this.starters.push(handler);
    return this;
  }

  // ---- the gateway ----

  /** A setting by path ('server.port'); the fallback if there is none or its
   * type is not the fallback's. */
  setting(path, fallback) {
    let value = this.settings;
    for (const name of path.split('.')) {
      if (value === null || typeof value !== 'object' ||
          !Object.hasOwn(value, name)) return fallback;
      value = value[name];
    }
    if (value === null) return fallback;
    const fits = fallback === undefined || fallback === null ||
      (typeof value === typeof fallback &&
       Array.isArray(value) === Array.isArray(fallback));
    return fits ? value : fallback;
  }

  /** Into the gateway's log: level 'error', 'warn', 'info' or 'debug', any
   * other is info. Before run() it is written to stderr. */
  log(level, text) {
    const line = String(text).slice(0, LOG_MAX);
    if (this.socket)
      this.notify('log', [LEVELS.get(level) || 'info', line]);
    else console.error(`${level}: ${line}`);
  }

  /** An event for all who follow the gateway's events. */
  emit(name, data) {
    checkName(name);
    this.notify('emit', [name, data]);
  }

  /** Calls what another plugin registered: kind 'tool', 'method' or 'command'.
   * A promise of the result; it fails with an Error whose code is of the wire.
   * options: {timeout (ms; the gateway's if not given)} */
  call(kind, name, args, options = {}) {
    return new Promise((done, failed) => {
      checkName(kind);
      checkName(name);
      this.request('call', [kind, name, args, wholeMs(options.timeout)],
        {done, failed});
    });
  }

  /** Connects and serves until supd closes the socket. */
  run() {
    if (this.running) throw new Error('run() was called already');
    this.running = true;
    const path = process.env.SUPD_SOCKET;
    if (!path) {
      console.error('this is a plugin of supd, which starts it: ' +
        'SUPD_SOCKET is not set');
      process.exit(64);
    }
    this.socket = net.createConnection({path, onread: {
      buffer: Buffer.allocUnsafe(64 * 1024),
      callback: (count, bytes) => this.receive(bytes.subarray(0, count)),
    }});
    this.socket.on('error', (error) => {
      if (error.code === 'ECONNRESET' || error.code === 'EPIPE') return;
      console.error(`cannot talk to supd: ${error.message}`);
      process.exit(67);
    });
    this.socket.on('close', () => process.exit(0));
    this.socket.write(GREETING);
    this.request('hello', [PROTOCOL, process.env.SUPD_NONCE || '', SDK], {
      done: (result) => this.begin(result),
      failed: (error) => {
        console.error(`supd refused hello: ${error.message}`);
        process.exit(68);
      },
    });
  }

  async begin([id, generation, settings, limits]) {
    this.id = id;
    this.generation = generation;
    this.settings = settings;
    Object.assign(this.limits, limits);
    try {
      for (const starter of this.starters) await starter(this);
    } catch (error) {
      console.error(`cannot start: ${error.stack || error}`);
      process.exit(66);
    }
    this.offered = true;
    this.request('ready', [this.version, this.offers], {
      done: () => {},
      failed: (error) => {
        console.error(`supd refused ready: ${error.message}`);
        process.exit(68);
      },
    });
  }

  // ---- sending ----

  // One object into the batch; as if nothing was written if that fails.
  pack(write) {
    const out = this.out, start = out.at;
    try {
      write(out);
      if (out.at - start > this.limits.message)
        throw fail('too_large', 'larger than a message may be');
    } catch (error) {
      out.at = start;
      throw error;
    }
    if (start > FRAME_HEAD && out.at - FRAME_HEAD > this.limits.message)
      this.split(start);
    else if (out.at - FRAME_HEAD >= BATCH_BYTES) this.flush();
    else this.flushSoon();
  }

  // What was there before goes out; the object begins the next batch.
  split(start) {
    const last = Buffer.from(this.out.bytes.subarray(start, this.out.at));
    this.out.at = start;
    this.flush();
    this.out.room(last.length);
    last.copy(this.out.bytes, this.out.at);
    this.out.at += last.length;
    this.flush();
  }

  flushSoon() {
    if (this.flushing) return;
    this.flushing = true;
    setImmediate(() => {
      this.flushing = false;
      this.flush();
    });
  }

  flush() {
    const out = this.out;
    if (out.at === FRAME_HEAD) return;
    out.bytes[0] = 1;
    out.bytes.writeUInt32BE(0, 1);
    out.bytes.writeUInt32BE(out.at - FRAME_HEAD, 5);
    this.out = this.spares.pop() || new Writer();
    this.socket.write(out.bytes.subarray(0, out.at), () => {
      out.at = FRAME_HEAD;
      if (this.spares.length < 4 && out.bytes.length < 4 * BATCH_BYTES)
        this.spares.push(out);
    });
  }

  request(name, params, waiter) {
    const id = this.nextId;
    this.nextId = id === 0xffffffff ? 1 : id + 1;
    try {
      this.pack((out) => {
        out.array(4);
        out.byte(0);
        out.integer(id);
        out.text(name);
        out.value(params, 1);
      });
    } catch (error) {
      waiter.failed(error);
      return;
    }
    this.calls.set(id, waiter);
  }

  notify(name, params) {
    if (!this.socket) return;
    this.pack((out) => {
      out.array(3);
      out.byte(2);
      out.text(name);
      out.value(params, 1);
    });
  }

  chunk(id, bytes, more) {
    this.notify('chunk', [id, bytes, more]);
  }

  respond(id, result) {
    this.pack((out) => {
      out.array(4);
      out.byte(1);
      out.integer(id);
      out.byte(0xc0);
      out.value(result, 1);
    });
  }

  refuse(id, error) {
    const code = error && error.isAnswer ? error.code : 'failed';
    const text = (error instanceof Error ? String(error.message)
      : described(error)).slice(0, 500);
    this.pack((out) => {
      out.array(4);
      out.byte(1);
      out.integer(id);
      out.array(2);
      out.text(code);
      out.text(text);
      out.byte(0xc0);
    });
  }

  // ---- receiving ----

  receive(bytes) {
    if (this.greeted < GREETING.length) {
      const take = Math.min(bytes.length, GREETING.length - this.greeted);
      if (bytes.compare(GREETING, this.greeted, this.greeted + take,
        0, take)) this.give_up('supd does not greet as pair0');
      this.greeted += take;
      bytes = bytes.subarray(take);
    }
    if (this.inbox.length) bytes = Buffer.concat([this.inbox, bytes]);
    let at = 0;
    try {
      while (bytes.length - at >= FRAME_HEAD) {
        const length = this.frameLength(bytes, at);
        if (bytes.length - at - FRAME_HEAD < length) break;
        at += FRAME_HEAD;
        this.objects(new Reader(bytes, at, at + length));
        at += length;
      }
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      this.give_up(error.message);
    }
    this.inbox = at < bytes.length ? Buffer.from(bytes.subarray(at)) : EMPTY;
    return true;
  }

  give_up(why) {
    console.error(`supd cannot be understood: ${why}`);
    process.exit(67);
  }

  frameLength(bytes, at) {
    const length = bytes.readUInt32BE(at + 1) * 4294967296 +
      bytes.readUInt32BE(at + 5);
    if (bytes[at] !== 1 || length > this.limits.message)
      throw new Malformed('that is no frame');
    return length;
  }

  objects(reader) {
    while (reader.at < reader.end) {
      const count = reader.arrayHead(), kind = reader.value();
      if (kind === 0 && count === 4)
        this.onRequest(reader.value(), reader.value(), reader);
      else if (kind === 1 && count === 4)
        this.onResponse(reader.value(), reader.value(1), reader.value(1));
      else if (kind === 2 && count === 3)
        this.onNotification(reader.value(), reader.value(1));
      else throw new Malformed('that is no message');
    }
  }

  onResponse(id, error, result) {
    const waiter = this.calls.get(id);
    if (!waiter) return;
    this.calls.delete(id);
    if (error) waiter.failed(fail(error[0], error[1]));
    else waiter.done(result);
  }

  onNotification(name, params) {
    const [id] = params;
    const req = this.requests.get(id);
    if (name === 'chunk') {
      const incoming = req ? req.pieces : this.imports.get(id);
      if (incoming) incoming.push(params[1], params[2]);
    } else if (name === 'credit') {
      if (req && req.outgoing) req.outgoing.credit(params[1]);
    } else if (name === 'cancel') {
      if (req) req.cancel();
    } else if (name === 'drain') {
      this.draining = true;
      this.checkDrained();
    } else if (name === 'resume') {
      this.draining = this.drained = false;
    }
  }

  onRequest(id, name, reader) {
    const params = reader.value(1);
    switch (name) {
      case 'http': return this.onHttp(id, params);
      case 'tool':
      case 'method':
        return this.onCall(id, name, params[0], params[1],
          new Call(this, id, params[0], params[2], params[3], null));
      case 'command':
        return this.onCall(id, name, params[0], params[1],
          new Call(this, id, params[0], params[3], null, params[2]));
      case 'ping': return this.respond(id, null);
      case 'health': return this.answerWith(id, this.onHealth, []);
      case 'configure': return this.answerWith(id, async (settings) => {
        if (!this.onSettings)
          throw fail('not_found', 'the plugin takes no new settings');
        await this.onSettings(settings);
        this.settings = settings;
      }, params);
      case 'export': return this.onExport(id);
      case 'import': return this.onImport(id, params);
      default: return this.refuse(id, fail('not_found',
        `there is no request '${name}' here`));
    }
  }

  // health and configure: nil or an error.
  async answerWith(id, handler, params) {
    try {
      if (handler) await handler(...params);
      this.respond(id, null);
    } catch (error) {
      this.refuse(id, error);
    }
  }

  // ---- requests of clients ----

  begun(req) {
    this.inFlight++;
    this.requests.set(req.id, req);
  }

  ended(req) {
    if (req.answered) return;
    req.answered = true;
    this.requests.delete(req.id);
    this.inFlight--;
    this.checkDrained();
  }

  checkDrained() {
    if (!this.draining || this.drained || this.inFlight) return;
    this.drained = true;
    this.notify('drained', []);
  }

  // What the handler did wrong, unless it meant to say it.
  blame(req, what, error) {
    if (error && error.isAnswer) return;
    if (req.cancelled && error && error.name === 'AbortError') return;
    this.log('error', `${what}: ${described(error)}`);
  }

  failed(req, what, error) {
    this.blame(req, what, error);
    if (req.cancelled) this.refuse(req.id, fail('cancelled', 'the client left'));
    else if (req instanceof HttpRequest && !(error && error.isAnswer))
      this.head(req.id, 500, FAILED_HEADERS, FAILED_BODY, false);
    else this.refuse(req.id, error);
    this.ended(req);
  }

  onCall(id, kind, name, args, call) {
    const handler = this.handlers[kind].get(name);
    if (!handler) {
      this.refuse(id, fail('not_found', `there is no ${kind} '${name}'`));
      return;
    }
    this.begun(call);
    const what = `${kind} ${name}`;
    const done = (result) => {
      try {
        this.respond(id, kind === 'command' && typeof result !== 'string'
          ? textOf(result) : result);
      } catch (error) {
        this.failed(call, what, error);
        return;
      }
      this.ended(call);
    };
    let result;
    try {
      result = handler(args, call);
    } catch (error) {
      this.failed(call, what, error);
      return;
    }
    if (isPromise(result))
      result.then(done, (error) => this.failed(call, what, error));
    else done(result);
  }

  onHttp(id, params) {
    const req = new HttpRequest(this, id, params, params[5]);
    const handler = this.handlers.http[params[0]];
    if (!handler) {
      this.refuse(id, fail('not_found', 'there is no such registration'));
      return;
    }
    if (params[7]) req.pieces = new Incoming(this, id);
    this.begun(req);
    let result;
    try {
      result = handler(req);
    } catch (error) {
      this.failed(req, `${req.method} ${req.path}`, error);
      return;
    }
    if (isPromise(result))
      result.then((value) => this.answer(req, value),
        (error) => this.failed(req, `${req.method} ${req.path}`, error));
    else this.answer(req, result);
  }

  answer(req, result) {
    try {
      const [status, body, headers] = answerOf(result);
      if (isIterable(body)) {
        this.streamed(req, status, headers, body);
        return;
      }
      if (body.length > this.limits.inline_body) {
        this.streamed(req, status, headers, [body][Symbol.iterator]());
        return;
      }
      this.head(req.id, status, headers, body, false);
    } catch (error) {
      this.failed(req, `${req.method} ${req.path}`, error);
      return;
    }
    this.ended(req);
  }

  head(id, status, headers, body, more) {
    this.pack((out) => {
      out.array(4);
      out.byte(1);
      out.integer(id);
      out.byte(0xc0);
      out.array(4);
      out.integer(status);
      out.array(headers.length);
      for (const [name, value] of headers) {
        out.array(2);
        out.text(name);
        out.binText(value);
      }
      out.bin(body);
      out.byte(more ? 0xc3 : 0xc2);
    });
  }

  async streamed(req, status, headers, body) {
    const out = new Outgoing(this, req.id);
    const stopped = () => req.cancelled;
    try {
      this.head(req.id, status, headers, EMPTY, true);
    } catch (error) {
      this.failed(req, `${req.method} ${req.path}`, error);
      return;
    }
    req.outgoing = out;
    const pieces = stepsOf(body);
    let done = false;
    try {
      for (;;) {
        done = true; // if next() fails there is nothing to close
        const step = await out.step(pieces);
        done = step !== null && step.done === true;
        if (!step || step.done ||
            !await out.write(pieceOf(step.value), stopped)) break;
      }
      if (!done) this.close(req, pieces);
    } catch (error) {
      if (!done) this.close(req, pieces);
      // The head is out: the only way to say that it is not whole.
      this.blame(req, `${req.method} ${req.path}`, error);
      if (!req.cancelled) {
        this.notify('cancel', [req.id]);
        this.ended(req);
        return;
      }
    }
    this.chunk(req.id, EMPTY, false);
    this.ended(req);
  }

  // What gave the pieces may tidy up; nobody waits for it.
  async close(req, pieces) {
    try {
      if (pieces.return) await pieces.return();
    } catch (error) {
      this.blame(req, `${req.method} ${req.path}`, error);
    }
  }

  // ---- state ----

  async onExport(id) {
    try {
      if (!this.exporter)
        throw fail('not_found', 'the plugin exports no state');
      const said = await this.exporter();
      const blob = said instanceof Uint8Array ? said
        : Buffer.from(JSON.stringify(said === undefined ? null : said));
      if (blob.length > STATE_MAX)
        throw fail('too_large', `state of ${blob.length} bytes, ` +
          `at most ${STATE_MAX}`);
      await this.sendState(id, blob);
    } catch (error) {
      this.refuse(id, error);
    }
  }

  async sendState(id, blob) {
    const sum = crypto.createHash('sha256').update(blob).digest('hex');
    const inline = blob.length <= this.limits.inline_body;
    const req = new Request(this, id, 0);
    if (!inline) {
      req.outgoing = new Outgoing(this, id);
      this.requests.set(id, req);
    }
    this.respond(id, [this.stateVersion, inline ? blob : EMPTY, !inline, sum]);
    if (inline) return;
    await req.outgoing.write(blob, () => req.cancelled);
    this.requests.delete(id);
    this.chunk(id, EMPTY, false);
  }

  async onImport(id, [version, first, more, sum]) {
    try {
      if (!this.importer)
        throw fail('not_found', 'the plugin imports no state');
      const blob = more ? await this.restOfState(id, first) : first;
      if (sum && sum !==
          crypto.createHash('sha256').update(blob).digest('hex'))
        throw fail('bad_message', 'the checksum of the state is wrong');
      await this.importer(version, blob);
      this.respond(id, null);
    } catch (error) {
      this.refuse(id, error);
    }
  }

  async restOfState(id, first) {
    const incoming = new Incoming(this, id);
    const pieces = [first];
    let bytes = first.length;
    this.imports.set(id, incoming);
    try {
      for await (const piece of incoming) {
        pieces.push(piece);
        bytes += piece.length;
        if (bytes > STATE_MAX)
          throw fail('too_large', `state above ${STATE_MAX} bytes`);
      }
    } finally {
      this.imports.delete(id);
    }
    return Buffer.concat(pieces);
  }
}

function checkName(name) {
  if (typeof name !== 'string') // supd would end the worker
    throw new TypeError(`a name is a string, not ${typeof name}`);
}

// Milliseconds for the wire, 0 the gateway's.
function wholeMs(timeout) {
  return !timeout || !Number.isFinite(timeout) ? 0
    : Math.max(1, Math.ceil(timeout));
}

// Whatever was thrown, as text.
function described(error) {
  try {
    return String((error && error.stack) || error);
  } catch {
    return 'something that has no text';
  }
}

// The iterator of an iterable; next() of one that is not async may give a
// promise as value, as `for await` takes it.
function stepsOf(body) {
  if (typeof body[Symbol.asyncIterator] === 'function')
    return body[Symbol.asyncIterator]();
  return (async function* () {
    yield* body;
  })();
}

function optionsOf(rest) {
  return rest.length > 1 ? rest : [{}, rest[0]];
}

function isPromise(value) {
  return value !== null && typeof value === 'object' &&
    typeof value.then === 'function';
}

function textOf(value) {
  return value === undefined || value === null ? ''
    : typeof value === 'object' ? JSON.stringify(value) : String(value);
}

// [[name, value], ...]; what could be read as two headers is refused here,
// where the plugin's author sees it.
function headersOf(headers, type) {
  const list = [];
  let typed = false;
  for (const [name, values] of Object.entries(headers)) {
    for (const value of Array.isArray(values) ? values : [values]) {
      const text = String(value);
      if (/[\r\n\0]/.test(name + text))
        throw new TypeError(`header ${JSON.stringify(name)}: a line break`);
      list.push([name, text]);
    }
    typed = typed || name.toLowerCase() === 'content-type';
  }
  if (type && !typed) list.push(['Content-Type', type]);
  return list;
}

const NO_HEADERS = {};
const FAILED_HEADERS = [['Content-Type', 'text/plain; charset=utf-8']];
const FAILED_BODY = Buffer.from('the plugin failed\n');

// [status, body, headers] of what a handler returned.
function answerOf(result) {
  const response = result instanceof Response ? result : null;
  const body = response ? response.body : result;
  const headers = response ? response.headers : NO_HEADERS;
  if (body === undefined || (response && body === null))
    return [response ? response.status : 204, EMPTY, headersOf(headers, null)];
  const [bytes, type] = bodyOf(body);
  return [response ? response.status : 200, bytes, headersOf(headers, type)];
}

function bodyOf(body) {
  if (body instanceof Uint8Array) return [body, 'application/octet-stream'];
  if (typeof body === 'string')
    return [Buffer.from(body), 'text/plain; charset=utf-8'];
  if (isIterable(body)) return [body, 'application/octet-stream'];
  return [Buffer.from(JSON.stringify(body)), 'application/json'];
}

module.exports = {Plugin, Request, HttpRequest, Call, Response, reply, fail,
  event, events, Writer, Reader, Malformed};
