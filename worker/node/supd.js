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
//   plugin.websocket('/chat/{room}', {protocols: ['chat']}, {
//     open(ws) { ws.count = Number(ws.moved?.blob ?? 0); },
//     message(ws, data) { ws.count++; return ws.send(data); },
//     move(ws) { return String(ws.count); }, // for the next worker
//   });
//
//   plugin.run();
//
// with this plugin.yaml beside it:
//
//   name: hello
//   version: 1.0.0
//   exec: [node, main.js]
//
// Handlers are plain or async functions. All run on Node's one thread, so a
// long computation delays all others, and the answers to supd's pings. The
// value that a handler returns is the answer. supd.fail(code, text) is an error
// to throw; anything else that is thrown is logged, and the answer is 500 for
// http, `failed` for others. Every request is answered exactly once, also a
// cancelled one: its answer is discarded. Times are milliseconds, sizes bytes.
// When supd closes the socket the process ends: leave no work for an exit
// handler. stdout and stderr go to `supctl logs`. Source of the wire: proto/README.md.
//
// Values. A value (a JSON answer, the result of a tool or method, the data of
// an event, the arguments of a call) consists of arrays, plain objects, Maps
// with string keys, strings, booleans, null, finite numbers and signed 64-bit
// BigInts; toJSON() is used. NaN, Infinity, undefined within a value, bytes,
// functions, symbols and cyclic values throw NotJson, which names the path
// ('$.a[2]: NaN is not JSON'). Integers beyond 2^53 arrive as BigInt, so that
// no digit is lost, also from req.json(), which is as strict: a duplicate key,
// or anything else that is not JSON, is bad_message with line and column.
'use strict';

const {AsyncLocalStorage} = require('node:async_hooks');
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

// ---- JSON ----

/** A value that JSON cannot hold; its message names the place. */
class NotJson extends TypeError {
  constructor(text) {
    super(text);
    this.text = text;
    this.path = '';
  }

  // One step further out.
  within(step) {
    this.path = (typeof step === 'number' ? `[${step}]`
      : /^[A-Za-z_]\w*$/.test(step) ? `.${step}`
        : `[${JSON.stringify(step.slice(0, 40))}]`) + this.path.slice(0, 200);
    this.message = `$${this.path}: ${this.text}`;
    return this;
  }
}

function notJson(text) {
  const error = new NotJson(text);
  error.message = `$: ${text}`;
  return error;
}

const JSON_DEPTH_MAX = 500; // where the wire does not bound it
const INT_MAX = 2n ** 63n - 1n, INT_MIN = -(2n ** 63n);
const isWellFormed = String.prototype.isWellFormed
  ? (text) => text.isWellFormed() : (text) => !/\p{Surrogate}/u.test(text);

// The members of an object or Map as [[key, value], ...].
function entriesOf(value) {
  return value instanceof Map ? [...value] : Object.entries(value);
}

function checkScalar(value) {
  switch (typeof value) {
    case 'string':
      if (isWellFormed(value)) return false;
      throw notJson('a string with unpaired surrogate');
    case 'number':
      if (Number.isFinite(value)) return Object.is(value, -0);
      throw notJson(`${value} is not JSON`);
    case 'boolean': return false;
    case 'bigint':
      if (value >= INT_MIN && value <= INT_MAX) return true;
      throw notJson('a BigInt must be from -2^63 to 2^63 - 1; send larger ' +
        'ones as strings');
    default: throw notJson(`${typeof value} is not JSON`);
  }
}

function checkKey(key) {
  if (typeof key !== 'string')
    throw notJson(`a key must be a string, not ${typeof key}`);
  if (key.includes('\0')) throw notJson('a key must not contain NUL');
  checkScalar(key);
}

// NotJson if JSON cannot represent it; true if JSON.stringify() would not write
// all of it as it is: a BigInt, -0, a Map.
function checkJson(value, depthMax, around = []) {
  if (value === null) return false;
  if (typeof value !== 'object') return checkScalar(value);
  if (around.includes(value)) throw notJson('a value that contains itself');
  if (around.length >= depthMax)
    throw notJson(`nested too deeply, at most ${depthMax}`);
  if (value instanceof Uint8Array) throw notJson('bytes are not JSON');
  around.push(value);
  let step = '', special = value instanceof Map;
  try {
    if (typeof value.toJSON === 'function') {
      special = checkJson(value.toJSON(), depthMax, around);
    } else if (Array.isArray(value)) {
      for (step = 0; step < value.length; step++)
        special = checkJson(value[step], depthMax, around) || special;
    } else {
      for (const [key, item] of entriesOf(value)) {
        step = String(key);
        checkKey(key);
        special = checkJson(item, depthMax, around) || special;
      }
    }
  } catch (error) {
    throw error instanceof NotJson && step !== '' ? error.within(step) : error;
  }
  around.pop();
  return special;
}

// Like JSON.stringify(), also for what that cannot write.
function writeJson(value) {
  if (typeof value === 'bigint') return String(value);
  if (Object.is(value, -0)) return '-0.0';
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (typeof value.toJSON === 'function') return writeJson(value.toJSON());
  if (Array.isArray(value)) return `[${value.map(writeJson).join(',')}]`;
  return `{${entriesOf(value).map(([key, item]) =>
    `${JSON.stringify(key)}:${writeJson(item)}`).join(',')}}`;
}

/** JSON text of a value; throws NotJson. */
function toJson(value) {
  return checkJson(value, JSON_DEPTH_MAX) ? writeJson(value)
    : JSON.stringify(value);
}

// Reads JSON text, as strictly as supd does.
class JsonReader {
  constructor(text) {
    this.text = text;
    this.at = 0;
  }

  fail(what, at = this.at) {
    const before = this.text.slice(0, at).split('\n');
    throw new SyntaxError(`${what} at line ${before.length}, ` +
      `column ${before[before.length - 1].length + 1}`);
  }

  // The match of the sticky pattern at this position, or null.
  match(pattern) {
    pattern.lastIndex = this.at;
    const match = pattern.exec(this.text);
    if (match) this.at = pattern.lastIndex;
    return match;
  }

  skip() {
    this.match(/[ \t\r\n]*/y);
  }

  take(mark) {
    this.skip();
    if (this.text[this.at] !== mark) return false;
    this.at++;
    return true;
  }

  whole() {
    const value = this.value(0);
    this.skip();
    if (this.at < this.text.length) this.fail('more than one value');
    return value;
  }

  value(depth) {
    if (depth > JSON_DEPTH_MAX) this.fail('nested too deeply');
    if (this.take('{')) return this.object(depth);
    if (this.take('[')) return this.array(depth);
    if (this.text[this.at] === '"') return this.string();
    const number = this.match(/-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y);
    if (number) return this.number(number);
    const word = this.match(/true|false|null/y);
    if (word) return JSON.parse(word[0]);
    return this.fail('unexpected token');
  }

  number([text, fraction, exponent]) {
    const near = Number(text);
    if (!Number.isFinite(near))
      this.fail('a number is too large', this.at - text.length);
    if (fraction || exponent || Number.isSafeInteger(near))
      return Object.is(near, -0) && !fraction && !exponent ? 0 : near;
    const exact = BigInt(text);
    if (exact < INT_MIN || exact > INT_MAX)
      this.fail('an integer is too large', this.at - text.length);
    return exact;
  }

  string() {
    const start = this.at;
    // eslint-disable-next-line no-control-regex
    const match = this.match(/"(?:[^"\\\0-\x1f]|\\(?:["\\/bfnrt]|u[\da-fA-F]{4}))*"/y);
    if (!match) this.fail('malformed string');
    const plain = !match[0].includes('\\');
    const text = plain ? match[0].slice(1, -1) : JSON.parse(match[0]);
    if (!plain && !isWellFormed(text))
      this.fail('unpaired surrogate', start);
    return text;
  }

  array(depth) {
    const items = [];
    if (this.take(']')) return items;
    do items.push(this.value(depth + 1));
    while (this.take(','));
    if (!this.take(']')) this.fail("',' or ']' expected");
    return items;
  }

  object(depth) {
    const object = {};
    if (this.take('}')) return object;
    do this.member(object, depth);
    while (this.take(','));
    if (!this.take('}')) this.fail("',' or '}' expected");
    return object;
  }

  member(object, depth) {
    this.skip();
    const start = this.at;
    if (this.text[start] !== '"') this.fail('a key expected');
    const key = this.string();
    if (Object.hasOwn(object, key)) this.fail('duplicate key', start);
    if (key.includes('\0')) this.fail('NUL in a key', start);
    if (!this.take(':')) this.fail("':' expected");
    setOwn(object, key, this.value(depth + 1));
  }
}

// Keys in a value, or Infinity if it is nested too deeply.
function countKeys(value, depth = 0) {
  if (value === null || typeof value !== 'object') return 0;
  if (depth > JSON_DEPTH_MAX) return Infinity;
  const items = Object.values(value);
  let count = Array.isArray(value) ? 0 : items.length;
  for (const item of items) count += countKeys(item, depth + 1);
  return count;
}

// What JSON.parse() makes of text that it reads as JsonReader does, which is
// ten times slower; undefined if that is not certain: numbers that may lose
// digits, escapes, duplicate keys.
function quickFromJson(text) {
  if (/[0-9]{16}|[eE]\+?[0-9]{3}|-0|\\u/.test(text)) return undefined;
  try {
    const value = JSON.parse(text);
    const marks = text.replace(/"(?:[^"\\]|\\.)*"/g, '').match(/:/g);
    return countKeys(value) === (marks ? marks.length : 0) ? value : undefined;
  } catch {
    return undefined; // JsonReader says where it is wrong
  }
}

/** The value of JSON text: integers beyond 2^53 are BigInts. Throws a
 * SyntaxError with line and column. */
function fromJson(text) {
  const value = quickFromJson(text);
  return value === undefined ? new JsonReader(text).whole() : value;
}

// A key from elsewhere, of any kind.
function setOwn(object, key, value) {
  if (key === '__proto__')
    Object.defineProperty(object, key, {value, enumerable: true,
      configurable: true, writable: true});
  else object[key] = value;
}

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

  // Values that are packed already.
  raw(bytes) {
    this.room(bytes.length);
    this.bytes.set(bytes, this.at);
    this.at += bytes.length;
  }

  // A string as the bytes of a bin, as header values are: latin1, as they are
  // read, or UTF-8 if latin1 cannot represent it.
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
    if (depth >= DEPTH_MAX) throw fail('failed', 'nested too deeply');
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
      if (typeof key !== 'string')
        throw new Malformed('a key that is not a string');
      setOwn(map, key, this.value(depth + 1));
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
const utf8 = new TextDecoder('utf-8', {fatal: true, ignoreBOM: true});

// ---- requests and answers ----

/** An error with a code of the wire ('not_found', 'busy', ...) to throw; the
 * gateway makes it an answer of the caller's kind (http: a status). */
function fail(code, message) {
  const error = new Error(message);
  error.code = CODES.includes(code) ? code : 'failed';
  error.isAnswer = true;
  return error;
}

/** An http answer with a status and headers of its own. `body` is a string,
 * bytes, any JSON value, or an iterable of pieces, async or not, which is
 * streamed. A header's value may be a list, with one line for each element. */
class Response {
  constructor(status, body, headers) {
    if (!Number.isInteger(status) || status < 200 || status > 599)
      throw new RangeError(`a status must be from 200 to 599, not ${status}`);
    this.status = status;
    this.body = body;
    this.headers = headers || {};
  }
}

/** reply(status, body, headers): a Response. */
function reply(status, body, headers) {
  return new Response(status, body, headers);
}

/** A Response of server-sent events: an iterable, async or not, of results of
 * event(). Its head is sent before the first event. */
function events(pieces, status = 200) {
  return new Response(status, pieces, {'Content-Type': 'text/event-stream',
    'Cache-Control': 'no-cache'});
}

/** One server-sent event as a string to yield: {data, event, id, retry}; data
 * other than a string is sent as JSON. */
function event({data, event: name, id, retry}) {
  const text = typeof data === 'string' ? data : toJson(data ?? null);
  let lines = '';
  for (const [key, value] of [['event', name], ['id', id], ['retry', retry]]) {
    if (value === undefined) continue;
    if (/[\r\n\0]/.test(String(value)))
      throw new TypeError(`${key} contains a line break`);
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
    this.traced = plugin.takeTrace(id);
  }

  /** Its place in a trace: a `traceparent` of W3C Trace Context, for a tracing
   * library; null: it is not traced. */
  get traceparent() {
    return this.traced ?? this.headers?.traceparent ?? null;
  }

  /** Milliseconds until the deadline, never negative. */
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

  /** Calls fn when the request is cancelled, or at once if it already is. An
   * exception of fn is logged. */
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

/** A call of a tool, method or command: `name` that it was called by; `caller`
 * (tool, method) and `context` (command) as supd sends them. */
class Call extends Request {
  constructor(plugin, id, name, deadlineMs, caller, context) {
    super(plugin, id, deadlineMs);
    this.name = name;
    this.caller = caller;
    this.context = context;
  }
}

/** A call of the hook `name`: `event` (its name), `data`, and `context`: {id, at,
 * plugin, chain}. */
class HookCall extends Request {
  constructor(plugin, id, [name, event, data, context, deadlineMs]) {
    super(plugin, id, deadlineMs);
    this.name = name;
    this.event = event;
    this.data = data;
    this.context = context;
  }
}

/** What a filter returns; see change(), stop() and claim(). */
class Verdict {
  constructor(fields) {
    this.fields = fields;
  }
}

/** A filter's verdict: the event goes on with this data, the whole of it. */
function change(data) {
  return new Verdict({verdict: 'change', data});
}

/** A filter's verdict: the event does not go on. */
function stop(reason = '') {
  return new Verdict({verdict: 'stop', reason: String(reason)});
}

/** A filter's verdict: the event is handled, and the data is its answer. */
function claim(data = null) {
  return new Verdict({verdict: 'claim', data});
}

// The handler of a hook, whose value is what supd is told.
function plainHook(handler, isFilter) {
  if (typeof handler !== 'function') return handler;
  return (call) => {
    const value = handler(call.data, call);
    return typeof value?.then === 'function'
      ? value.then((result) => verdictOf(isFilter, result))
      : verdictOf(isFilter, value);
  };
}

// What supd is told; an observer has no say.
function verdictOf(isFilter, value) {
  if (!isFilter || value === undefined || value === null) return null;
  if (!(value instanceof Verdict))
    throw new TypeError('a filter returns nothing, change(), stop() or claim()');
  return value.fields;
}

/** A command line: `argv`, `context` ({door, caller, stdin}), stdin() in pieces
 * (none if it is a terminal), and write() and writeError(), which take a string
 * or bytes and resolve once they are on their way, no faster than the user
 * reads. */
class Cli extends Request {
  constructor(plugin, id, [name, argv, context, deadlineMs]) {
    super(plugin, id, deadlineMs);
    this.name = name;
    this.argv = argv;
    this.context = context;
    if (context.stdin === true) this.pieces = new Incoming(plugin, id);
    this.outgoing = new Outgoing(plugin, id);
    this.writing = null; // what was written last, until it is on its way
  }

  async* stdin() {
    if (this.pieces) yield* this.pieces;
  }

  write(data) {
    return this.put(1, data);
  }

  writeError(data) {
    return this.put(2, data);
  }

  // One write after the other, in the order of the calls.
  put(fd, data) {
    const bytes = pieceOf(data);
    const written = (this.writing ?? Promise.resolve()).then(async () => {
      if (!await this.outgoing.write(bytes, () => this.cancelled, fd))
        throw fail('cancelled', 'the user left');
    });
    this.writing = written.catch(() => {});
    return written;
  }
}

/** A due time of the schedule `name`: `tickId` (the same if supd sends it again
 * after it was killed), `due` (milliseconds since 1970), and `missed`: 0, or for
 * how many due times it stands that could not be delivered in time. */
class Tick extends Request {
  constructor(plugin, id, [name, tickId, due, missed, deadlineMs]) {
    super(plugin, id, deadlineMs);
    this.name = name;
    this.tickId = tickId;
    this.due = due;
    this.missed = missed;
  }
}

/** An http request. `path` and `query` are as the client wrote them; `params`
 * has what the pattern's {names} matched, decoded ('*' for the rest). */
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

  /** The body in pieces as it arrives, no faster than they are consumed. Once
   * per request. */
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
      return fromJson(utf8.decode(await this.body()));
    } catch (error) {
      if (error instanceof SyntaxError)
        throw fail('bad_message', `malformed JSON: ${error.message}`);
      if (error.code === 'ERR_ENCODING_INVALID_ENCODED_DATA')
        throw fail('bad_message', 'malformed JSON: not UTF-8');
      throw error;
    }
  }
}

// Pieces of an incoming body; credit is sent as they are consumed.
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

// Pieces of an outgoing body, never more than there is credit for.
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

  // The request was cancelled.
  stop() {
    this.wake();
    if (this.stepping) this.stepping(null);
  }

  // The iterator's next step, or null if the request is cancelled before it.
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

  // False: the request was cancelled, see stopped().
  async write(bytes, stopped, fd = 0) {
    for (let at = 0; at < bytes.length;) {
      if (stopped()) return false;
      if (this.room <= 0) {
        await new Promise((done) => { this.waiting = done; });
        continue;
      }
      const size = Math.min(bytes.length - at, PIECE_BYTES, this.room);
      this.room -= size;
      const piece = bytes.subarray(at, at + size);
      if (fd) this.plugin.notify('cli.output', [this.id, fd, piece]);
      else this.plugin.chunk(this.id, piece, true);
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
  throw new TypeError('a piece of a body must be a string or bytes');
}

// ---- WebSocket connections ----

const TEXT = 1, BINARY = 2;
const WS_PIECE = 64 * 1024; // bytes of a message that are sent at once
const WS_CREDIT = 32 * 1024; // bytes that are confirmed together
const WS_BLOB_MAX = 64 * 1024; // bytes for the next worker
const WS_HANDLERS = ['open', 'message', 'close', 'move'];

// RFC 6455, section 7.4.
function checkCloseCode(code) {
  if (Number.isInteger(code) && ((code >= 1000 && code <= 1003) ||
      (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999)))
    return;
  throw new RangeError(`close code ${code} must be 1000 to 1003, ` +
    '1007 to 1014 or 3000 to 4999');
}

/** A client's connection. path, query (raw), params, headers and peer as in
 * HttpRequest; protocol; moved: null, or {how: 'move' or 'crash', blob: a
 * Buffer or null} when it comes from an earlier worker; isOpen. open() may set
 * replyHeaders, an object: headers of the answer that accepts. */
class WebSocket {
  constructor(plugin, conn, params, offer) {
    this.plugin = plugin;
    this.id = conn;
    this.path = params[2];
    this.params = params[3];
    this.query = params[4];
    this.said = params[5];
    this.peer = params[6];
    this.moved = params[7];
    this.protocol = null;
    this.replyHeaders = {};
    this.isOpen = true;
    this.map = null;
    this.offer = offer;
    this.ask = null; // the id of a ws.open without an answer
    this.lost = false; // while open() ran
    this.moving = false; // move() was called
    this.credit = plugin.limits.credit;
    this.inbox = []; // {data, cost}, {move: its id}, or {code, reason}
    this.busy = true; // a handler is running
    this.pieces = []; // of the message that is arriving
    this.cost = 0;
    this.owed = 0; // bytes received, not confirmed
    this.outbox = []; // {opcode, bytes, at, done}
  }

  /** Sends a string or bytes. The promise is true once supd may have all of it:
   * wait for it where the client may be slow. false: it is closed. */
  send(data) {
    const text = typeof data === 'string';
    if (!text && !(data instanceof Uint8Array))
      throw new TypeError('a message must be a string or bytes');
    if (!this.isOpen) return Promise.resolve(false);
    const bytes = text ? Buffer.from(data) : data;
    if (!this.outbox.length && this.ask === null &&
        bytes.length <= Math.min(this.credit, WS_PIECE)) {
      this.piece(text ? TEXT : BINARY, bytes, false);
      return SENT;
    }
    return new Promise((done) => {
      this.outbox.push({opcode: text ? TEXT : BINARY, bytes, at: 0, done});
      this.pump();
    });
  }

  piece(opcode, bytes, more) {
    this.credit -= bytes.length || 1;
    this.plugin.notify('ws.message', [this.id, opcode, bytes, more]);
  }

  pump() {
    while (this.outbox.length && this.credit > 0 && this.ask === null) {
      const out = this.outbox[0];
      const size = Math.min(out.bytes.length - out.at, WS_PIECE, this.credit);
      const piece = out.bytes.subarray(out.at, out.at + size);
      out.at += size;
      this.piece(out.opcode, piece, out.at < out.bytes.length);
      if (out.at < out.bytes.length) continue;
      this.outbox.shift();
      out.done(true);
    }
  }

  /** Closes the connection; the handler close() is not called. In open() it
   * refuses the connection with the status 403. code: 1000 to 1003, 1007 to
   * 1014 or 3000 to 4999. */
  close(code = 1000, reason = '') {
    checkCloseCode(code);
    if (!this.isOpen) return;
    if (this.ask === null)
      this.plugin.notify('ws.close',
        [this.id, code, String(reason).slice(0, 123)]);
    this.end();
  }

  // Nothing more comes and nothing can be sent.
  end() {
    this.isOpen = false;
    if (this.plugin.conns.get(this.id) === this)
      this.plugin.conns.delete(this.id);
    for (const out of this.outbox) out.done(false);
    this.outbox = [];
    this.inbox = [];
  }

  // Runs a handler; the next one begins when it is done.
  run(name, args, then) {
    const handler = this.offer.handlers[name];
    let inside = true;
    const ended = (value, error) => {
      this.busy = false;
      then(value, error);
      if (!inside) this.next();
    };
    this.busy = true;
    settle(() => handler && handler(this, ...args),
      (value) => ended(value, null), (error) => {
        if (!isAnswer(error)) this.plugin.log('error',
          `websocket ${this.path}: ${described(error)}`);
        ended(null, error);
      });
    inside = false;
  }

  next() {
    while (this.inbox.length && !this.busy) {
      const item = this.inbox.shift();
      if (item.move !== undefined) this.leave(item.move);
      else if (item.code !== undefined)
        this.run('close', [item.code, item.reason], () => {});
      else this.run('message', [item.data], (value, error) => {
        this.confirm(item.cost);
        if (error) this.close(1011);
      });
    }
  }

  confirm(cost) {
    this.owed += cost;
    if (!this.inbox.length) { // a long message must not wait for credit
      this.owed += this.cost;
      this.cost = 0;
    }
    if (this.owed < WS_CREDIT || !this.isOpen) return;
    this.plugin.notify('credit', [this.id, this.owed]);
    this.owed = 0;
  }

  arrive(opcode, piece, more) {
    this.pieces.push(piece);
    this.cost += piece.length || 1;
    if (more) {
      if (!this.inbox.length && !this.busy) this.confirm(0);
      return;
    }
    const whole = this.pieces.length === 1 ? piece : Buffer.concat(this.pieces);
    this.inbox.push({data: opcode === TEXT ? whole.toString() : whole,
      cost: this.cost});
    this.pieces = [];
    this.cost = 0;
    this.next();
  }

  // close() is called after the handlers of the messages that came before.
  closed(code, reason) {
    const messages = this.inbox.filter(
      (item) => item.move === undefined);
    this.end();
    this.inbox = [...messages, {code, reason}];
    this.next();
  }

  // Another worker gets it.
  leave(id) {
    this.moving = true;
    this.run('move', [], (value) => {
      if (this.plugin.moves.delete(id)) {
        const blob = this.movable(value);
        this.plugin.respond(id, blob && [blob]);
      }
      this.end();
    });
  }

  // The bytes, or null and a warning if they cannot be moved.
  movable(value) {
    if (value === undefined || value === null) return null;
    const blob = typeof value === 'string' ? Buffer.from(value) : value;
    const why = !(blob instanceof Uint8Array)
      ? `must be bytes, a string or nothing, not a ${typeof value}`
      : blob.length > WS_BLOB_MAX
        ? `has ${blob.length} bytes; at most ${WS_BLOB_MAX} can be moved` : '';
    if (!why) return blob;
    this.plugin.log('warn',
      `websocket ${this.path} moves without its state, which ${why}`);
    return null;
  }

  // What open() returned is the answer to supd. Throws if it cannot be sent.
  answer(id, value) {
    const status = typeof value === 'number' ? new Response(value)
      : value instanceof Response ? value
        : this.isOpen ? null : new Response(403);
    const headers = headersOf(status ? status.headers : this.replyHeaders, null)
      .map(([name, text]) => [name, Buffer.from(text)]);
    const protocol = status ? null : protocolOf(this);
    this.plugin.respond(id, [status ? status.status : 101, headers, protocol]);
    this.ask = null;
    this.protocol = protocol;
    if (status) this.end();
    else this.pump();
  }

  // open() has ended.
  opened(id, value, error) {
    const plugin = this.plugin, cancelled = !plugin.opens.delete(id);
    const accepts = !error && (this.isOpen || this.lost) &&
      typeof value !== 'number' && !(value instanceof Response);
    try {
      if (!cancelled && !error) {
        this.answer(id, value);
        return;
      }
    } catch (fault) {
      plugin.log('error', `websocket ${this.path}: ${described(fault)}`);
      error = fault;
    }
    if (!cancelled) plugin.refuse(id, error);
    // open() accepted it, so close() must hear that it is lost.
    if (accepts) this.closed(1006, 'the client did not get the connection');
    else this.end();
  }
}

for (const name of ['headerList', 'headers', 'searchParams'])
  Object.defineProperty(WebSocket.prototype, name,
    Object.getOwnPropertyDescriptor(HttpRequest.prototype, name));

const SENT = Promise.resolve(true);

// The first of the registration's protocols that the client offers.
function protocolOf(ws) {
  const offered = (ws.headers['sec-websocket-protocol'] ?? '').split(',')
    .map((item) => item.trim());
  return (ws.offer.protocols ?? []).find((own) => offered.includes(own)) ??
    null;
}

// ---- the plugin ----

// ---- channels ----

const CHANNEL_MESSAGES = 256; // in progress, of one channel
const LANE_MESSAGES = 32; // with supd at a time, of one lane
const CHANNEL_LINE = 10000; // behind them
const CURSOR_MAX = 4096; // bytes
const FIELDS_MAX = MESSAGE_MAX - CURSOR_MAX - 1024; // of a message, packed
const BUSY_FIRST = 50, BUSY_LAST = 2000; // between two tries of a busy supd
const CHANNEL_STATES = ['connecting', 'up', 'waiting', 'down', 'login',
  'failed'];
const ACTIONS = ['edit', 'delete', 'react', 'typing'];

/** From receive(): the channel is stopped, or not started. The message was not
 * taken, and must not be acknowledged; the platform gives it again. */
class Stopped extends Error {
  get name() { return 'Stopped'; }
}

/** To throw in send(): it certainly did not go out, and is not to be tried
 * again. */
class NotSent extends Error {
  get name() { return 'NotSent'; }
}

/** To throw in send(): it did not go out, and is to be sent again after that
 * many milliseconds. */
class Retry extends Error {
  constructor(after = 1000, text = 'the platform is busy') {
    super(text);
    this.after = wholeMs(after);
  }

  get name() { return 'Retry'; }
}

function cursorOf(value) {
  if (value === undefined || value === null) return null;
  const bytes = typeof value === 'string' ? Buffer.from(value) : value;
  if (!(bytes instanceof Uint8Array))
    throw new TypeError(`a cursor is bytes or a string, not ${briefly(value)}`);
  if (bytes.length > CURSOR_MAX)
    throw fail('too_large', `a cursor of ${bytes.length} bytes, at most ` +
      CURSOR_MAX);
  return Buffer.from(bytes);
}

// Without the members that are undefined.
function withoutUndefined(object) {
  return Object.fromEntries(entriesOf(object).filter((entry) =>
    entry[1] !== undefined));
}

function isPlain(value) {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

// The fields of a message, but for the cursor, as packed pairs.
function packFields(message) {
  const fields = withoutUndefined(message), out = new Writer();
  delete fields.cursor;
  fields.at ??= Date.now();
  for (const key of ['from', 'chat'])
    if (isPlain(fields[key])) fields[key] = withoutUndefined(fields[key]);
  for (const key of ['id', 'lane'])
    if (typeof fields[key] !== 'string' || !fields[key])
      throw fail('bad_message', `${key} of the message must be a string of 1 ` +
        'to 512 bytes');
  checkJson(fields, DEPTH_MAX - 6);
  const pairs = Object.entries(fields), start = out.at;
  for (const [key, value] of pairs) {
    out.text(key);
    out.value(value, 3);
  }
  if (out.at - start > FIELDS_MAX)
    throw fail('too_large', 'a message above 1 MiB');
  return {count: pairs.length,
    bytes: Buffer.from(out.bytes.subarray(start, out.at))};
}

// A message of receive(). Its state: 'held' (behind others of its lane, or supd
// was busy), 'asked', 'taken' (over: supd does not need it again) or 'lost'
// (over: the platform must give it again).
class Received {
  constructor(message, acknowledge, done, failed) {
    if (!isPlain(message))
      throw new TypeError(`a message is an object, not ${briefly(message)}`);
    if (acknowledge !== undefined && typeof acknowledge !== 'function')
      throw new TypeError('acknowledge must be a function');
    this.fields = packFields(message);
    this.lane = message.lane;
    this.cursor = cursorOf(message.cursor);
    this.acknowledge = acknowledge;
    this.done = done;
    this.failed = failed;
    this.state = 'held';
    this.wasAsked = false;
    this.number = 0;
  }
}

// The messages of a lane that are not over, in order. `asked` of them are with
// supd, `most` may be; not while it pauses, because supd was busy.
class Lane {
  constructor() {
    this.messages = [];
    this.asked = 0;
    this.most = LANE_MESSAGES;
    this.pause = BUSY_FIRST;
    this.pauses = false;
    this.isDue = false;
  }
}

/** A channel, as plugin.channel() returns it: `name`; `open`, whether it takes
 * messages; `epoch`, which grows with each start; and `cursor`, the position up
 * to which all messages are taken, a Buffer or null: in start() it says where to
 * go on.
 *
 * Several messages of a lane are with supd at a time. If it is busy for one, it
 * is so for those of the lane behind it, until it comes again; so when all of
 * the lane are answered they are asked again in order, and none is overtaken.
 * Those of other lanes go on meanwhile. supd keeps the cursor of the longest
 * prefix that it has taken, in the order in which messages reach it first. That
 * order is another one than the plugin's, so a message is sent with the cursor
 * of the longest prefix, in the plugin's order, that has been sent, or with none
 * if it is behind a gap. */
class Channel {
  constructor(plugin, name) {
    this.plugin = plugin;
    this.name = name;
    this.epoch = 0;
    this.cursor = null;
    this.open = false; // from the call of start to the request to stop
    this.closedWhy = 'the channel is not started';
    this.runs = false; // sends are given to the plugin
    this.starting = null; // the request to start that opened it
    this.turn = Promise.resolve(); // the end of the last start or stop
    // In the order of receive(); of neighbours that are taken only the last
    // one stays.
    this.messages = [];
    this.count = 0; // of those that are not over
    this.lanes = new Map(); // name -> Lane
    this.numbers = 0; // of messages, in the order of receive()
    this.unasked = []; // never asked, or behind one that was not
    this.askedCursor = null; // of all before them
    this.owed = 0; // answers of supd, and acknowledge() that runs
    this.line = []; // more of them
    this.forRoom = []; // who waits for room()
    this.forQuiet = []; // starts and stops that wait until nothing is owed
  }

  /** Gives a message of the platform to supd, and asks again, with growing
   * pauses, while supd is busy: {id (the platform's own: the same again is
   * seen), lane (messages of one stay in order), cursor (the position after
   * it: bytes or a string), at (ms since 1970; else now), from: {id, name,
   * verified}, chat: {id, type: 'direct', 'group' or 'channel'}, thread,
   * reply_to, text, media, mentioned, edit_of, self, raw}. A promise of 'new',
   * 'seen', or 'refused' (supd never takes it), which need not be awaited.
   * acknowledge() is called,
   * and awaited, after 'new' or 'seen', and never else: it acknowledges the
   * message at the platform. The promise fails with Stopped once the channel is
   * stopped, with NotJson, or with an Error whose code is of the wire. At most
   * 256 messages are in progress; others wait in line, 10000 at most. */
  receive(message, acknowledge) {
    const result = new Promise((done, failed) => {
      if (!this.open) throw new Stopped(this.closedWhy);
      const received = new Received(message, acknowledge, done, failed);
      if (this.count < CHANNEL_MESSAGES) this.admit(received);
      else if (this.line.length < CHANNEL_LINE) this.line.push(received);
      else throw fail('busy', 'too many messages wait; await room()');
    });
    result.catch(() => {}); // an author who does not await it hears of the log
    return result;
  }

  /** A promise that is fulfilled when fewer than 256 messages are in progress:
   * await it before the platform is asked for more. Fails with Stopped. */
  room() {
    return new Promise((done, failed) => {
      if (!this.open) failed(new Stopped(this.closedWhy));
      else if (this.count < CHANNEL_MESSAGES) done();
      else this.forRoom.push({done, failed});
    });
  }

  /** Reports how the channel is: 'connecting', 'up', 'waiting', 'down', 'login'
   * (it needs a person) or 'failed' (supd stops it and starts it again). Nothing
   * is reported of a channel that is stopped. */
  status(state, text = '') {
    if (!CHANNEL_STATES.includes(state))
      throw new TypeError(`a state is one of ${CHANNEL_STATES.join(', ')}`);
    if (!this.open && !this.runs) return;
    this.plugin.notify('channel.status',
      [this.name, state, String(text).slice(0, 256)]);
  }

  // ---- messages ----

  admit(received) {
    let lane = this.lanes.get(received.lane);
    if (!lane) this.lanes.set(received.lane, lane = new Lane());
    lane.messages.push(received);
    this.messages.push(received);
    this.unasked.push(received);
    received.number = ++this.numbers;
    this.count++;
    this.goOn(lane);
  }

  // It is over. Returns its lane, if others of it are not.
  leave(received, state) {
    const lane = this.lanes.get(received.lane);
    received.state = state;
    received.fields = null;
    this.count--;
    lane.messages.splice(lane.messages.indexOf(received), 1);
    if (lane.messages.length) return lane;
    this.lanes.delete(received.lane);
    return null;
  }

  // Asks as many of it as may be asked at once, in order.
  goOn(lane) {
    if (lane.pauses || lane.asked >= lane.most) return;
    for (const received of lane.messages) {
      if (received.state === 'held') this.ask(received, lane);
      if (lane.asked >= lane.most) return;
    }
  }

  // The position that is reached once it is taken, as far as supd can know.
  cursorWith(received) {
    const {unasked} = this;
    while (unasked.length && unasked[0].wasAsked)
      this.askedCursor = unasked.shift().cursor ?? this.askedCursor;
    return unasked.length && unasked[0].number < received.number ? null
      : this.askedCursor;
  }

  ask(received, lane) {
    received.state = 'asked';
    received.wasAsked = true;
    this.owed++;
    lane.asked++;
    const cursor = this.cursorWith(received);
    const {count, bytes} = received.fields;
    this.plugin.request('channel.message', (out) => {
      out.array(2);
      out.text(this.name);
      out.map(count + (cursor ? 1 : 0));
      out.raw(bytes);
      if (!cursor) return;
      out.text('cursor');
      out.bin(cursor);
    }, {
      done: (word) => this.answered(received, word),
      failed: (error) => this.refused(received, error),
    });
  }

  answered(received, word) {
    this.owed--;
    this.lanes.get(received.lane).asked--;
    if (!['new', 'seen', 'refused'].includes(word)) {
      this.over(received, 'lost');
      received.failed(fail('failed', "supd's answer is malformed"));
    } else if (word === 'refused' || !received.acknowledge) {
      this.over(received, 'taken');
      received.done(word);
    } else {
      this.acknowledged(received, word);
    }
    this.settle();
  }

  async acknowledged(received, word) {
    this.owed++;
    this.over(received, 'taken');
    try {
      await received.acknowledge();
    } catch (error) {
      this.plugin.log('error', `channel ${this.name}: acknowledge: ` +
        described(error));
    }
    received.done(word);
    this.owed--;
    this.settle();
  }

  refused(received, error) {
    const lane = this.lanes.get(received.lane);
    this.owed--;
    lane.asked--;
    if (error.code === 'busy' && this.open) {
      received.state = 'held';
      this.pause(lane);
    } else if (error.code === 'busy' || error.code === 'conflict') {
      if (error.code === 'conflict')
        this.close('another worker has the channel');
      this.over(received, 'lost');
      received.failed(new Stopped(this.closedWhy));
    } else {
      this.plugin.log('error', `channel ${this.name}: supd does not take a ` +
        `message: ${error.message}`);
      this.over(received, 'taken');
      received.failed(error);
    }
    this.settle();
  }

  // supd was busy for one of it, and is so for those behind that one.
  pause(lane) {
    if (!lane.pauses) {
      lane.pauses = true;
      lane.isDue = false;
      setTimeout(() => {
        lane.isDue = true;
        this.askAgain(lane);
      }, lane.pause);
      lane.pause = Math.min(2 * lane.pause, BUSY_LAST);
    }
    this.askAgain(lane);
  }

  // The first one alone, until supd takes it; when all are answered.
  askAgain(lane) {
    if (!lane.isDue || lane.asked || !this.open) return;
    lane.pauses = lane.isDue = false;
    lane.most = 1;
    this.goOn(lane);
  }

  // The message has ended: others may go on.
  over(received, state) {
    const at = this.messages.indexOf(received);
    const lane = this.leave(received, state);
    if (state === 'taken') this.advance(at);
    if (!this.open) return;
    if (lane?.pauses) {
      this.askAgain(lane);
    } else if (lane) {
      if (state === 'taken') {
        lane.most = LANE_MESSAGES;
        lane.pause = BUSY_FIRST;
      }
      this.goOn(lane);
    }
    while (this.line.length && this.count < CHANNEL_MESSAGES)
      this.admit(this.line.shift());
    if (this.count < CHANNEL_MESSAGES)
      for (const {done} of this.forRoom.splice(0)) done();
  }

  advance(at) {
    const {messages} = this;
    const isTaken = (index) => messages[index]?.state === 'taken';
    const join = (index) => { // with the one behind it
      messages[index + 1].cursor ??= messages[index].cursor;
      messages.splice(index, 1);
    };
    if (isTaken(at + 1)) join(at);
    if (isTaken(at - 1)) join(at - 1);
    if (isTaken(0)) this.cursor = messages.shift().cursor ?? this.cursor;
  }

  // ---- starts and stops ----

  reopen(epoch, cursor) {
    this.epoch = epoch;
    this.cursor = cursor;
    this.messages = [];
    this.unasked = [];
    this.askedCursor = null;
    this.open = true;
  }

  // Takes no more; what supd was not asked for, or was too busy for, is over.
  close(why) {
    if (!this.open) return;
    this.open = false;
    this.closedWhy = why;
    for (const received of this.messages) {
      if (received.state !== 'held') continue;
      this.leave(received, 'lost');
      received.failed(new Stopped(why));
    }
    for (const {failed} of [...this.line.splice(0), ...this.forRoom.splice(0)])
      failed(new Stopped(why));
  }

  settle() {
    if (!this.owed) for (const done of this.forQuiet.splice(0)) done();
  }

  quiet() {
    return this.owed ? new Promise((done) => this.forQuiet.push(done))
      : undefined;
  }

  // A request to start or stop. Each waits until the one before has been
  // answered or cancelled, and until nothing is owed.
  request(req, what, run) {
    this.close('the channel is stopped');
    const cancelled = new Promise((done) => req.onCancel(done));
    const before = this.turn;
    const ended = this.serve(req, what, run,
      Promise.race([before.then(() => {
        this.close('the channel is stopped'); // a start opened it
        return this.quiet();
      }), cancelled]));
    this.turn = Promise.all([before, Promise.race([ended, cancelled])]);
  }

  async serve(req, what, run, ready) {
    const cancelled = () => fail('cancelled', 'cancelled');
    this.plugin.begun(req);
    try {
      await ready;
      // Those who wait for a message hear of its end before the stop.
      if (what === 'channel.stop')
        await new Promise((done) => setImmediate(done));
      if (req.cancelled) throw cancelled();
      this.runs = false;
      const result = await run();
      if (req.cancelled) throw cancelled();
      this.runs = what === 'channel.start';
      this.plugin.respond(req.id, result);
    } catch (error) {
      if (this.starting === req) this.close('the channel is not started');
      this.plugin.blame(req, what, error);
      this.plugin.refuse(req.id, req.cancelled ? cancelled() : error);
    }
    this.plugin.ended(req);
  }

  start(req, handler, epoch, cursor) {
    this.request(req, 'channel.start', async () => {
      this.starting = req;
      this.reopen(epoch, cursorOf(cursor));
      req.onCancel(() => {
        if (this.starting === req) this.close('the start was cancelled');
      });
      const value = await handler(this, req.signal);
      if (value !== undefined && value !== null)
        throw new TypeError(`start of channel ${this.name} must return ` +
          `nothing, not ${briefly(value)}`);
      return null;
    });
  }

  stop(req, handler) {
    this.request(req, 'channel.stop', async () => {
      this.starting = null;
      return [cursorOf(await handler(this)) ?? this.cursor];
    });
  }
}

// What supd is told of what a send returns.
function receiptOf(value) {
  if (isPlain(value)) {
    checkJson(value, DEPTH_MAX - 6);
    return value;
  }
  const ids = value === undefined || value === null ? []
    : Array.isArray(value) ? value : [value];
  return {ids: ids.map(String)};
}

// What supd is told of what a send throws; throws what is an error.
function stateOf(what, error) {
  const isAct = what === 'channel.act';
  if (error instanceof NotSent) {
    if (isAct) throw fail('failed', error.message);
    return ['not_sent', {text: error.message.slice(0, 500)}];
  }
  if (error instanceof Retry) {
    if (isAct) throw fail('busy', error.message);
    return ['retry', {after_ms: error.after}];
  }
  throw error;
}

// The request that is being served; what a handler starts has it too.
const serving = new AsyncLocalStorage();

// What `call` and `emit` say at their end.
function servingId() {
  const req = serving.getStore();
  return req && !req.answered ? [req.id] : [];
}

const ownTitle = process.title;

/** Makes `ps` show which plugin this is, unless the program has said so itself:
 * "supd: hello gen 4", or less, as the place of the command line is all the
 * room there is. */
function showInPs() {
  const id = process.env.SUPD_PLUGIN, generation = process.env.SUPD_GENERATION;
  if (!id || process.title !== ownTitle) return;
  const whole = `supd: ${id} gen ${generation}`;
  process.title = [whole, `${id} gen ${generation}`, id].find(
    (text) => text.length <= ownTitle.length) ?? id;
}

class Plugin {
  constructor(name, version) {
    this.name = name;
    this.version = version;
    /** Known in onStart handlers and after. */
    this.id = process.env.SUPD_PLUGIN || name;
    this.generation = Number(process.env.SUPD_GENERATION || 0);
    this.settings = {};
    this.limits = {credit: 262144, inline_body: 65536, message: MESSAGE_MAX};
    /** A folder of this plugin's own that outlives its workers. */
    this.dataDir = process.env.SUPD_DATA_DIR;
    this.offers = [];
    this.handlers = {http: [], tool: new Map(), command: new Map(),
      method: new Map(), service: new Map(), schedule: new Map(),
      hook: new Map(), cli: new Map(), channel: new Map()};
    this.channels = new Map(); // name -> Channel, also of former ones
    this.services = new Map(); // name -> {start, stop}
    this.starting = new Map(); // name -> a promise, of services
    this.quiescer = this.taker = null;
    this.onHealth = this.exporter = this.importer = this.onSettings = null;
    this.starters = [];
    this.calls = new Map(); // our own, by id
    this.requests = new Map(); // theirs that outlived their handler's call
    this.conns = new Map(); // WebSocket connections, by number
    this.moves = new Map(); // of ws.move without an answer: its connection
    this.opens = new Map(); // of ws.open, likewise
    this.imports = new Map(); // state that is still coming, by request id
    this.nextId = 1;
    this.inFlight = 0;
    this.trace = null; // [id, traceparent] of the next message
    this.draining = this.drained = this.running = this.offered = false;
    this.changing = false; // replaceOffers() calls its function
    this.spares = [];
    this.out = new Writer();
    this.flushing = false;
    this.inbox = EMPTY;
    this.greeted = 0;
  }

  // ---- registering, before it is ready ----

  offer(kind, key, fields, handler) {
    if (this.offered)
      throw new Error(`${kind} ${key}: registering ends when the plugin is ` +
        'ready');
    if (typeof handler !== 'function')
      throw new TypeError(`${kind} ${key}: the handler must be a function`);
    if (kind !== 'http' && this.handlers[kind].has(key))
      throw new Error(`${kind} ${key} is registered twice`);
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
    const [options, handler] = optionsOf(`http ${method} ${path}`,
      ['idempotent', 'bodyLimit'], rest);
    return this.offer('http', `${method} ${path}`, {method, path,
      idempotent: options.idempotent, body_limit: options.bodyLimit}, handler);
  }

  /** WebSocket connections. handlers, each may be async, and the next one of a
   * connection waits for it: open(ws: WebSocket) accepts the connection, with
   * the first of the protocols that the client offers, unless it returns a
   * status or Response, or throws; message(ws, data: string or Buffer);
   * close(ws, code, reason); move(ws) returns what the next worker gets as
   * ws.moved.blob: bytes, a string, or nothing. options: {protocols (an
   * array), messageLimit (bytes, of either side), pinned (over a reload a
   * connection stays with its worker), idempotent} */
  websocket(path, ...rest) {
    const what = `websocket ${path}`;
    const [options, handlers] = optionsOf(what,
      ['protocols', 'messageLimit', 'pinned', 'idempotent'], rest);
    checkKeys(what, 'handler', WS_HANDLERS, handlers);
    const fields = {method: 'GET', path, websocket: true,
      protocols: options.protocols, message_limit: options.messageLimit,
      pinned: options.pinned, idempotent: options.idempotent};
    this.offer('http', `websocket ${path}`, fields, () => {});
    this.handlers.http[this.offers.length - 1] =
      {handlers, protocols: options.protocols};
    return this;
  }

  /** handler(args, call: Call) returns the result. options: {description,
   * schema (JSON Schema of args, checked by supd before it calls the handler),
   * validate (false: not checked), idempotent} */
  tool(name, ...rest) {
    const [options, handler] = optionsOf(`tool ${name}`,
      ['description', 'schema', 'validate', 'idempotent'], rest);
    return this.offer('tool', name, {name, description: options.description,
      schema: options.schema, validate: options.validate,
      idempotent: options.idempotent}, handler);
  }

  /** handler(text, call: Call) returns a string. options: {help} */
  command(name, ...rest) {
    const [options, handler] = optionsOf(`command ${name}`, ['help'], rest);
    return this.offer('command', name, {name, help: options.help}, handler);
  }

  /** handler(args, call: Call) returns the result. options: {idempotent} */
  method(name, ...rest) {
    const [options, handler] = optionsOf(`method ${name}`, ['idempotent'],
      rest);
    return this.offer('method', name,
      {name, idempotent: options.idempotent}, handler);
  }

  /** Something that runs on its own: start() and stop() return, or resolve,
   * once it runs or has stopped. supd starts it when the worker serves, and
   * stops it before the worker ends. A reload stops it in the old worker before
   * it starts it in the new one; with options: {overlap: true} after that. A
   * start that throws is tried again. stop() is called when start() is done.
   * Both return nothing.
   * start(signal) gets an AbortSignal: nobody waits for it any more. */
  service(name, ...rest) {
    const stop = rest.pop(), start = rest.pop(), options = rest.pop() ?? {};
    checkKeys(`service ${name}`, 'option', ['overlap'], options);
    if (typeof stop !== 'function')
      throw new TypeError(`service ${name}: stop must be a function`);
    this.offer('service', name, {name, overlap: options.overlap}, start);
    this.services.set(name, {start, stop});
    return this;
  }

  /** Reports how a service is: 'running', 'waiting' (for something outside) or
   * 'failed' (supd stops it and starts it again). */
  serviceStatus(name, state, text = '') {
    checkName(name);
    if (!['running', 'waiting', 'failed'].includes(state))
      throw new TypeError('a state is running, waiting or failed');
    this.notify('service.status', [name, state, String(text).slice(0, 256)]);
  }

  /** The one connection to a platform where people write; supd starts and stops
   * it like a service. Returns a Channel, whose receive() takes messages from
   * the call of start to the request to stop. handlers, each may be async:
   * start(channel, signal) connects, and returns nothing once the platform has
   * confirmed; stop(channel) disconnects, when supd has answered all messages,
   * and may return a cursor instead of that of the messages; send(target,
   * content, sendId, call) sends, with target {chat, thread, reply_to} and
   * content {text, format: 'plain' or 'markdown', media}, and returns the id or
   * ids at the platform, or a receipt {ids, at}; it may throw NotSent or Retry,
   * and after anything else nobody knows whether it went out; find(sendId,
   * target, since (ms of 1970), call) says whether that message went out, in
   * the same words; act(action, target, args, call) edits, deletes, reacts or
   * shows typing. options: {can (an array of text, media, reply, thread, edit,
   * delete, react, typing, find; else text), ack ('handled': a message counts as
   * taken when all that was to be done with it is done; else when it is
   * stored), overlap (it may run in two workers at a time), textLimit (bytes),
   * announce (people hear of a restart before it)} */
  channel(name, ...rest) {
    const what = `channel ${name}`;
    const [options, handlers] = optionsOf(what,
      ['can', 'ack', 'overlap', 'textLimit', 'announce'], rest);
    const can = options.can ?? ['text'];
    checkKeys(what, 'handler', ['start', 'stop', 'send', 'find', 'act'],
      handlers);
    for (const each of ['start', 'stop', 'send'])
      if (typeof handlers[each] !== 'function')
        throw new TypeError(`${what}: ${each} must be a function`);
    if (can.includes('find') !== (handlers.find !== undefined))
      throw new TypeError(`${what}: find in can and find() belong together`);
    if (can.some((word) => ACTIONS.includes(word)) !==
        (handlers.act !== undefined))
      throw new TypeError(`${what}: ${ACTIONS.join(', ')} in can and act() ` +
        'belong together');
    this.offer('channel', name, {name, can, ack: options.ack,
      overlap: options.overlap, text_limit: options.textLimit,
      announce: options.announce}, () => {});
    this.handlers.channel.set(name, handlers);
    if (!this.channels.has(name))
      this.channels.set(name, new Channel(this, name));
    return this.channels.get(name);
  }

  /** Sends to a chat of a channel, of any plugin. content: a string, or {text,
   * format, media}. A promise of [sendId, state, receipt], with a state of
   * 'sent', 'not_sent' or 'unknown'. options: {thread, replyTo, key (with the
   * same one it is sent once), timeout} */
  async send(channel, chat, content, options = {}) {
    checkKeys('send', 'option', ['thread', 'replyTo', 'key', 'timeout'],
      options);
    const args = {
      target: withoutUndefined({chat, thread: options.thread,
        reply_to: options.replyTo}),
      content: typeof content === 'string' ? {text: content, format: 'plain'}
        : content};
    if (options.key !== undefined) args.key = options.key;
    return this.call('channel', channel, args, {timeout: options.timeout});
  }

  /** Does something to what is there already, by way of a channel that has it in
   * its `can`: 'edit' (content: a string, or {text, format, media}), 'delete',
   * 'react' (content: the emoji) or 'typing' (without id). A promise of the
   * platform's receipt. It is not kept: after an error it may have been done or
   * not. options: {id (of the message at the platform), content, thread,
   * timeout} */
  async act(channel, action, chat, options = {}) {
    checkKeys('act', 'option', ['id', 'content', 'thread', 'timeout'], options);
    const {content} = options;
    return this.call('channel', channel, {action,
      target: withoutUndefined({chat, id: options.id, thread: options.thread}),
      args: action === 'react' ? {emoji: content}
        : typeof content === 'string' ? {text: content, format: 'plain'}
          : content ?? {}}, {timeout: options.timeout});
  }

  /** With `reload: exclusive` in plugin.yaml: handler() lets go of what only
   * one worker may have, in the old worker of a reload. It returns nothing. */
  onQuiesce(handler) {
    this.quiescer = handler;
    return this;
  }

  /** handler(epoch) takes what only one worker may have: in the new worker once
   * the old one has let go, when the first one starts, and in the old one again
   * if the reload fails. epoch grows with every take. It returns nothing. */
  onTake(handler) {
    this.taker = handler;
    return this;
  }

  /** handler(data, call: HookCall) is called for each event of that name,
   * 'bot.said', or below it, 'bot.*'; '*' is all. Once each, in order, one at a
   * time, also over reloads; what it returns is ignored. options: {name (unique
   * in the plugin; else the event's), match ({field: value or [value…]} of the
   * data), timeout, idempotent (an event may come again if the worker dies with
   * it)} */
  hook(event, ...rest) {
    const [options, handler] = optionsOf(`hook ${event}`,
      ['name', 'match', 'timeout', 'idempotent'], rest);
    const name = options.name ?? event;
    return this.offer('hook', name, {name, event, match: options.match,
      idempotent: options.idempotent,
      timeout_ms: wholeMs(options.timeout) || undefined},
    plainHook(handler, false));
  }

  /** handler(data, call: HookCall) decides what becomes of an event, which waits
   * for it: tool.before, tool.after, command.before, message.inbound or
   * message.sending. It returns nothing (go on), change(), stop() or claim().
   * options: {name, match, timeout, priority (the higher first), onError ('stop'
   * or 'skip', when it fails, is late or is not there)} */
  filter(event, ...rest) {
    const [options, handler] = optionsOf(`filter ${event}`,
      ['name', 'match', 'timeout', 'priority', 'onError'], rest);
    const name = options.name ?? event;
    return this.offer('hook', name, {name, event, filter: true,
      priority: options.priority, match: options.match,
      on_error: options.onError,
      timeout_ms: wholeMs(options.timeout) || undefined},
    plainHook(handler, true));
  }

  /** A command line, `supctl x PLUGIN NAME ARGS...`: handler(cli: Cli) returns
   * its exit status, 0 to 125; undefined is 0. options: {help (one line),
   * arguments ('FILE...')}. ^C cancels it. */
  cli(name, ...rest) {
    const [options, handler] = optionsOf(`cli ${name}`, ['help', 'arguments'],
      rest);
    return this.offer('cli', name, {name, help: options.help,
      arguments: options.arguments}, handler);
  }

  /** handler(tick: Tick) is called when it is due: 'every 30s', '0 3 * * *' (five
   * fields of cron, or six with seconds first) or '@daily'. options: {zone
   * ('Europe/Berlin'; else the machine's), catchUp ('none': what nobody could
   * take is dropped, not delivered once), timeout}. Meanwhile the schedule has no
   * other tick. What it throws is a failure, which is counted and shown. */
  schedule(name, when, ...rest) {
    const [options, handler] = optionsOf(`schedule ${name}`,
      ['zone', 'catchUp', 'timeout'], rest);
    return this.offer('schedule', name, {name, when, zone: options.zone,
      catch_up: options.catchUp,
      timeout_ms: wholeMs(options.timeout) || undefined}, handler);
  }

  /** Called before this generation takes over; throw to refuse. */
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

  /** handler(settings) gets new settings (plugin.yaml: `configure: true`);
   * throw to refuse them: then supd reloads the plugin. `plugin.settings`
   * has them after the handler is done. */
  onConfigure(handler) {
    this.onSettings = handler;
    return this;
  }

  /** handler(plugin) runs when settings are known and before the plugin is
   * ready; it may register more. If it throws, the start fails. */
  onStart(handler) {
    this.starters.push(handler);
    return this;
  }

  /** Other registrations while the plugin serves: change(), which is not async,
   * registers and withdraws, and all of it takes effect in one step, or nothing
   * does. A promise; it fails with an Error whose code is `conflict` if another
   * plugin has a name, `busy` during a reload or if offers come too fast. */
  replaceOffers(change) {
    return new Promise((done, failed) => {
      const changed = this.changed(change);
      this.request('offer', [changed.offers], {
        done: () => {
          // Requests that follow know the registrations by these.
          Object.assign(this, changed);
          done();
        },
        failed,
      });
    });
  }

  // What change() makes of the registrations.
  changed(change) {
    if (!this.offered)
      throw new Error('replaceOffers() is for a plugin that serves');
    const {offers, handlers, services} = this;
    this.offers = [...offers];
    this.services = new Map(services);
    this.handlers = Object.fromEntries(Object.entries(handlers).map(
      ([kind, of]) => [kind, Array.isArray(of) ? of.slice() : new Map(of)]));
    this.offered = false;
    this.changing = true;
    try {
      if (isPromise(change()))
        throw new TypeError('the function of replaceOffers() must not be async');
      return {offers: this.offers, handlers: this.handlers,
        services: this.services};
    } finally {
      Object.assign(this,
        {offers, handlers, services, offered: true, changing: false});
    }
  }

  /** In the function given to replaceOffers(): removes the registration
   * ('tool', 'x'; 'http', 'GET /x' or 'GET /x websocket'), or everything. */
  withdraw(kind, name) {
    if (!this.changing)
      throw new Error('withdraw() may be called only in the function given to ' +
        'replaceOffers()');
    if (kind === undefined) {
      this.offers = [];
      this.services.clear();
      for (const of of Object.values(this.handlers))
        if (Array.isArray(of)) of.length = 0;
        else of.clear();
      return;
    }
    const at = this.offers.findIndex((said) => said.kind === kind &&
      (kind === 'http'
        ? `${said.method} ${said.path}${said.websocket ? ' websocket' : ''}`
        : said.name ?? said.event) === name);
    if (at < 0) throw new Error(`there is no ${kind} ${name} to withdraw`);
    this.offers.splice(at, 1);
    this.handlers.http.splice(at, 1);
    if (kind !== 'http') this.handlers[kind].delete(name);
    if (kind === 'service') this.services.delete(name);
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

  /** Writes to supd's log: level 'error', 'warn', 'info' or 'debug'; any other
   * is info. Before run() it writes to stderr. */
  log(level, text) {
    const line = String(text).slice(0, LOG_MAX);
    if (this.socket)
      this.notify('log', [LEVELS.get(level) || 'info', line]);
    else console.error(`${level}: ${line}`);
  }

  /** Emits an event to all that follow supd's events. */
  emit(name, data = null) {
    checkName(name);
    checkJson(data, DEPTH_MAX - 2);
    this.notify('emit', [name, data, ...servingId()]);
  }

  /** Calls what another plugin registered: kind 'tool', 'method' or 'command'.
   * 'event' emits an event, like emit(), and ends when all hooks that match
   * have taken it, or with the error `busy`.
   * A promise of the result; it fails with an Error whose code is of the wire.
   * options: {timeout (ms; default: the gateway's)} */
  call(kind, name, args = null, options = {}) {
    return new Promise((done, failed) => {
      checkName(kind);
      checkName(name);
      checkJson(args, DEPTH_MAX - 2);
      this.request('call', [kind, name, args, wholeMs(options.timeout),
        ...servingId()], {done, failed});
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
    showInPs();
    this.socket = net.createConnection({path, onread: {
      buffer: Buffer.allocUnsafe(64 * 1024),
      callback: (count, bytes) => this.receive(bytes.subarray(0, count)),
    }});
    this.socket.on('error', (error) => {
      if (error.code === 'ECONNRESET' || error.code === 'EPIPE') return;
      console.error(`cannot connect to supd: ${error.message}`);
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

  async begin(result) {
    if (!Array.isArray(result) || result.length < 4)
      this.give_up('the answer to hello is malformed');
    const [id, generation, settings, limits] = result;
    this.id = String(id);
    this.generation = generation;
    this.settings = settings;
    this.takeLimits(limits ?? {});
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

  // Adds one object to the batch, or nothing if that fails.
  pack(write) {
    const out = this.out, start = out.at;
    try {
      write(out);
      if (out.at - start > this.limits.message)
        throw fail('failed', 'too large for a message');
    } catch (error) {
      out.at = start;
      throw error;
    }
    if (start > FRAME_HEAD && out.at - FRAME_HEAD > this.limits.message)
      this.split(start);
    else if (out.at - FRAME_HEAD >= BATCH_BYTES) this.flush();
    else this.flushSoon();
  }

  // Sends what the batch had; the object starts the next one.
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
        if (typeof params === 'function') params(out);
        else out.value(params, 1);
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
    const {code, text} = refusalOf(error);
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
        0, take)) this.give_up('supd does not speak pair0');
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
    console.error(`malformed message from supd: ${why}`);
    process.exit(67);
  }

  frameLength(bytes, at) {
    const length = bytes.readUInt32BE(at + 1) * 4294967296 +
      bytes.readUInt32BE(at + 5);
    if (bytes[at] !== 1 || length > this.limits.message)
      throw new Malformed('not a frame');
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
      else throw new Malformed('not a message');
    }
  }

  onResponse(id, error, result) {
    const waiter = this.calls.get(id);
    if (!waiter) return;
    this.calls.delete(id);
    if (error === null) waiter.done(result);
    else if (Array.isArray(error)) waiter.failed(fail(...error.map(described)));
    else waiter.failed(fail('failed', described(error)));
  }

  // The traceparent of the request with this id, if `trace` came before it.
  takeTrace(id) {
    const trace = this.trace;
    this.trace = null;
    return trace && trace[0] === id ? trace[1] : null;
  }

  takeLimits(limits) {
    for (const [key, value] of Object.entries(limits))
      if (Number.isSafeInteger(value) && value > 0) this.limits[key] = value;
  }

  onNotification(name, said) {
    const params = paramsOf(NOTIFICATIONS, name, said);
    if (!params) return; // unknown, or not as it should be
    const [id] = params;
    const req = this.requests.get(id);
    if (this.onSocket(name, id, params)) return;
    if (name === 'chunk') {
      const incoming = req ? req.pieces : this.imports.get(id);
      if (incoming) incoming.push(params[1], params[2]);
    } else if (name === 'credit') {
      if (req && req.outgoing) req.outgoing.credit(params[1]);
    } else if (name === 'cancel') {
      if (req) req.cancel();
      else if (this.imports.has(id))
        this.imports.get(id).end(fail('cancelled', 'cancelled'));
    } else if (name === 'trace') {
      this.trace = params; // of the next message
    } else if (name === 'limits') {
      this.takeLimits(params[0]);
    } else if (name === 'drain') {
      this.draining = true;
      this.checkDrained();
    } else if (name === 'resume') {
      this.draining = this.drained = false;
    }
  }

  // Takes what is about a WebSocket connection; false: it is about another.
  onSocket(name, id, params) {
    const ws = this.conns.get(id);
    if (name === 'ws.message') {
      if (ws) ws.arrive(params[1], params[2], params[3]);
    } else if (name === 'ws.close') {
      if (ws) ws.closed(params[1], params[2]);
    } else if (name === 'credit') {
      if (!ws) return false;
      ws.credit += params[1];
      ws.pump();
    } else if (name === 'cancel') {
      const asked = this.opens.get(id) ?? this.moves.get(id);
      if (!asked) return false;
      const opening = this.opens.delete(id);
      this.moves.delete(id);
      if (opening) {
        this.refuse(id, fail('cancelled', 'cancelled'));
        asked.lost = asked.isOpen;
        asked.end();
      } else {
        this.respond(id, null);
        if (asked.moving) asked.end();
        else asked.closed(1006, 'moved to another worker');
      }
    } else {
      return false;
    }
    return true;
  }

  onOpen(id, params) {
    const offer = this.handlers.http[params[1]];
    if (!offer || typeof offer === 'function') {
      this.refuse(id, fail('not_found', 'there is no such registration'));
      return;
    }
    const ws = new WebSocket(this, params[0], params, offer);
    ws.ask = id;
    this.opens.set(id, ws);
    this.conns.set(ws.id, ws);
    ws.run('open', [], (value, error) => ws.opened(id, value, error));
    ws.next();
  }

  onMove(id, conn) {
    const ws = this.conns.get(conn);
    if (!ws) {
      this.respond(id, null);
      return;
    }
    this.moves.set(id, ws);
    ws.inbox.push({move: id});
    ws.next();
  }

  onRequest(id, name, reader) {
    const said = reader.value(1);
    if (!Number.isInteger(id))
      throw new Malformed('the id must be an integer');
    const params = paramsOf(REQUESTS, name, said);
    if (typeof name !== 'string' || (!params && Object.hasOwn(REQUESTS, name))) {
      this.refuse(id, fail('bad_message',
        'the parameters have the wrong types'));
      return undefined;
    }
    switch (name) {
      case 'http': return this.onHttp(id, params);
      case 'tool':
      case 'method':
        return this.onCall(id, name, params[0], params[1],
          new Call(this, id, params[0], params[2], params[3], null));
      case 'command':
        return this.onCall(id, name, params[0], params[1],
          new Call(this, id, params[0], params[3], null, params[2]));
      case 'hook':
        return this.onCall(id, 'hook', params[0], null,
          new HookCall(this, id, params));
      case 'cli':
        return this.onCall(id, 'cli', params[0], null,
          new Cli(this, id, params));
      case 'tick':
        return this.onCall(id, 'schedule', params[0], null,
          new Tick(this, id, params));
      case 'ws.open': return this.onOpen(id, params);
      case 'ws.move': return this.onMove(id, params[0]);
      case 'ping': return this.respond(id, null);
      case 'probe': return this.onProbe(id, params);
      case 'health': return this.answerWith(id, this.onHealth, []);
      case 'configure': return this.answerWith(id, async (settings) => {
        if (!this.onSettings)
          throw fail('not_found', 'the plugin does not accept new settings');
        await this.onSettings(settings);
        this.settings = settings;
      }, params);
      case 'service.start':
      case 'service.stop':
        return this.onService(id, name, params[0]);
      case 'channel.start':
      case 'channel.stop':
        return this.onChannel(id, name, params);
      case 'channel.send':
      case 'channel.find':
      case 'channel.act':
        return this.onSend(id, name, params);
      case 'quiesce':
        return this.answerInner(id, name, this.quiescer, []);
      case 'take':
        return this.answerInner(id, name, this.taker, [params[0]]);
      case 'export': return this.onExport(id);
      case 'import': return this.onImport(id, params);
      default: return this.refuse(id, fail('not_found',
        `unknown request '${name}'`));
    }
  }

  // Answers whether a request for that registration would find its handler.
  onProbe(id, [number, kind, name]) {
    const said = this.offers[number];
    const known = said?.kind === kind && (kind === 'http'
      ? this.handlers.http[number] && name === `${said.method} ${said.path}` +
        (said.websocket ? ' websocket' : '')
      : name === said.name && this.handlers[kind].has(name));
    if (known) this.respond(id, null);
    else this.refuse(id, fail('not_found', 'there is no such registration'));
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

  // The same for what `drained` waits for, and `cancel` reaches.
  async answerInner(id, what, handler, params,
      req = new Request(this, id, 0)) {
    if (!handler) {
      this.refuse(id, fail('not_found', `the plugin has no handler of ${what}`));
      return;
    }
    this.begun(req);
    try {
      const value = await handler(...params);
      if (value !== undefined && value !== null)
        throw new TypeError(`the handler of ${what} must return nothing, ` +
          `not ${briefly(value)}`);
      this.respond(id, null);
    } catch (error) {
      this.blame(req, what, error);
      this.refuse(id, req.cancelled ? fail('cancelled', 'cancelled') : error);
    }
    this.ended(req);
  }

  onService(id, what, name) {
    const service = this.services.get(name);
    if (!service) {
      this.refuse(id, fail('not_found', `there is no service '${name}'`));
      return;
    }
    if (what === 'service.start') {
      const req = new Request(this, id, 0);
      this.starting.set(name, Promise.race([
        this.answerInner(id, what, () => service.start(req.signal), [], req),
        new Promise((done) => req.onCancel(done)),
      ]));
    } else {
      this.answerInner(id, what, async () => {
        await this.starting.get(name);
        return service.stop();
      }, []);
    }
  }

  onChannel(id, what, params) {
    const [name] = params, handlers = this.handlers.channel.get(name);
    if (!handlers) {
      this.refuse(id, fail('not_found', `there is no channel '${name}'`));
      return;
    }
    const starts = what === 'channel.start', channel = this.channels.get(name);
    const req = new Request(this, id, params[starts ? 3 : 1]);
    if (starts) channel.start(req, handlers.start, params[1], params[2]);
    else channel.stop(req, handlers.stop);
  }

  onSend(id, what, [name, ...params]) {
    const handlers = this.handlers.channel.get(name);
    const handler = handlers?.[what.slice('channel.'.length)];
    if (!handler) {
      this.refuse(id, fail('not_found', `the channel '${name}' cannot do this`));
      return;
    }
    if (!this.channels.get(name).runs) {
      if (what === 'channel.send') this.respond(id, ['retry', {after_ms: 1000}]);
      else this.refuse(id, fail('busy', 'the channel is not connected'));
      return;
    }
    const call = new Request(this, id, what === 'channel.find' ? 0 : params[3]);
    const said = params.slice(0, 3);
    if (what === 'channel.send') said.push(said.shift());
    this.begun(call);
    serving.run(call, () => this.answerSend(call, what, handler, said));
  }

  async answerSend(call, what, handler, said) {
    try {
      const receipt = receiptOf(await handler(...said, call));
      this.respond(call.id, what === 'channel.act' ? receipt
        : ['sent', receipt]);
    } catch (error) {
      try {
        this.respond(call.id, stateOf(what, error));
      } catch (problem) {
        this.failed(call, what, problem);
        return;
      }
    }
    this.ended(call);
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

  // Logs an error of the handler, unless it was thrown on purpose.
  blame(req, what, error) {
    if (isAnswer(error)) return;
    if (req.cancelled && isAbort(error)) return;
    this.log('error', `${what}: ${described(error)}`);
  }

  failed(req, what, error) {
    this.blame(req, what, error);
    if (req.cancelled) this.refuse(req.id, fail('cancelled', 'the client left'));
    else if (req instanceof HttpRequest && !isAnswer(error))
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
      if (call.writing) { // the answer comes after all that was written
        const {writing} = call;
        call.writing = null;
        writing.then(() => done(result));
        return;
      }
      try {
        const value = kind === 'command' ? textOf(result)
          : kind === 'schedule' ? null
            : kind === 'cli' ? [exitStatusOf(result)] : result ?? null;
        checkJson(value, DEPTH_MAX - 1);
        this.respond(id, value);
      } catch (error) {
        this.failed(call, what, error);
        return;
      }
      this.ended(call);
    };
    const alone = ['schedule', 'cli', 'hook'].includes(kind);
    serving.run(call, () => settle(
      () => alone ? handler(call) : handler(args, call), done,
      (error) => this.failed(call, what, error)));
  }

  onHttp(id, params) {
    const req = new HttpRequest(this, id, params, params[5]);
    const handler = this.handlers.http[params[0]];
    if (typeof handler !== 'function') {
      this.refuse(id, fail('not_found', 'there is no such registration'));
      return;
    }
    if (params[7]) req.pieces = new Incoming(this, id);
    this.begun(req);
    serving.run(req, () => settle(() => handler(req),
      (value) => this.answer(req, value),
      (error) => this.failed(req, `${req.method} ${req.path}`, error)));
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
      // The head is out: only a cancel shows that the answer is cut.
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

  // Lets the source of the pieces clean up, without waiting for it.
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
        : Buffer.from(toJson(said ?? null));
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

function exitStatusOf(result) {
  const status = result ?? 0;
  if (!Number.isInteger(status) || status < 0 || status > 125)
    throw new RangeError('an exit status is a number from 0 to 125');
  return status;
}

function checkName(name) {
  if (typeof name !== 'string') // supd would end the worker
    throw new TypeError(`a name must be a string, not ${typeof name}`);
}

// Milliseconds for the wire; 0 means the gateway's.
function wholeMs(timeout) {
  if (timeout !== undefined && timeout !== null &&
      (typeof timeout !== 'number' || Number.isNaN(timeout)))
    throw new TypeError('a timeout must be a number of milliseconds');
  return !timeout || !Number.isFinite(timeout) ? 0
    : Math.min(Math.max(1, Math.ceil(timeout)), Number.MAX_SAFE_INTEGER);
}

// The types of each message's params: u unsigned, i integer, s string, b bytes,
// o bool, m map, a array, x anything; further params are ignored.
const REQUESTS = {http: 'ussmsabosu', tool: 'sxux', method: 'sxux',
  command: 'ssxu', cli: 'samu', tick: 'ssuuu', hook: 'ssxmu', ping: '',
  probe: 'uss', health: '', configure: 'm', export: '', import: 'ib',
  'ws.open': 'uusmsasxu',
  'ws.move': 'u',
  'service.start': 'su', 'service.stop': 'su', 'channel.start': 'suxu',
  'channel.stop': 'su', 'channel.send': 'ssmmu', 'channel.find': 'ssmu',
  'channel.act': 'ssmxu', quiesce: 'u', take: 'uu'};
const NOTIFICATIONS = {chunk: 'ubo', credit: 'uu', cancel: 'u', drain: '',
  resume: '', limits: 'm', trace: 'us', 'ws.message': 'uubo',
  'ws.close': 'uus'};
const FITS = {
  u: (v) => (typeof v === 'number' && v >= 0 && Number.isInteger(v)) ||
    (typeof v === 'bigint' && v >= 0n),
  i: (v) => typeof v === 'bigint' || Number.isInteger(v),
  s: (v) => typeof v === 'string',
  b: (v) => v instanceof Uint8Array,
  o: (v) => typeof v === 'boolean',
  m: (v) => v !== null && typeof v === 'object' && !Array.isArray(v) &&
    !(v instanceof Uint8Array),
  a: Array.isArray,
  x: () => true,
};

// The params as handlers get them, or null. A number beyond 2^53 (a deadline,
// say) becomes the nearest double.
function paramsOf(table, name, params) {
  if (typeof name !== 'string' || !Object.hasOwn(table, name)) return null;
  const types = table[name];
  if (!Array.isArray(params) || params.length < types.length) return null;
  for (let i = 0; i < types.length; i++) {
    if (!FITS[types[i]](params[i])) return null;
    if (typeof params[i] === 'bigint' && types[i] !== 'x')
      params[i] = Number(params[i]);
  }
  return params;
}

// A thrown value may have getters that throw too.
function isAnswer(error) {
  try {
    return error.isAnswer === true;
  } catch {
    return false;
  }
}

function isAbort(error) {
  try {
    return error.name === 'AbortError';
  } catch {
    return false;
  }
}

// The code and message of a thrown value.
function refusalOf(error) {
  try {
    return {
      code: isAnswer(error) ? String(error.code) : 'failed',
      text: (error instanceof Error ? String(error.message)
        : described(error)).slice(0, 500),
    };
  } catch {
    return {code: 'failed', text: described(error).slice(0, 500)};
  }
}

// A thrown value as a string.
function described(error) {
  try {
    return String((error && error.stack) || error);
  } catch {
    return 'something that has no text';
  }
}

// A value of any kind, for a message.
function briefly(value) {
  return ['object', 'function'].includes(typeof value) ? `a ${typeof value}`
    : String(value).slice(0, 80);
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

// The options, if there are any, and what follows them. Only the known options
// are accepted, so that a mistyped one is noticed.
function optionsOf(what, known, rest) {
  const [options, last] = rest.length > 1 ? rest : [{}, rest[0]];
  checkKeys(what, 'option', known, options ?? {});
  return [options ?? {}, last];
}

function checkKeys(what, noun, known, object) {
  if (typeof object !== 'object' || object === null || Array.isArray(object))
    throw new TypeError(`${what}: the ${noun}s must be an object`);
  const key = Object.keys(object).find((each) => !known.includes(each));
  if (key !== undefined)
    throw new TypeError(`${what}: there is no ${noun} '${key}'; known are ` +
      known.join(', '));
}

function isPromise(value) {
  return value !== null &&
    (typeof value === 'object' || typeof value === 'function') &&
    typeof value.then === 'function';
}

// Passes the result of run(), now or later, to done or failed: once, whatever
// a foreign thenable does, as our promise accepts only its first call.
function settle(run, done, failed) {
  let result, later;
  try {
    result = run();
    later = isPromise(result);
  } catch (error) {
    failed(error);
    return;
  }
  if (later) new Promise((resolve) => resolve(result)).then(done, failed);
  else done(result);
}

function textOf(value) {
  return value === undefined || value === null ? ''
    : typeof value === 'string' ? value : toJson(value);
}

// [[name, value], ...]; a value that could be read as two headers is refused
// here, where the plugin's author sees the error.
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
  return [Buffer.from(toJson(body)), 'application/json'];
}

module.exports = {Plugin, Request, HttpRequest, Call, HookCall, WebSocket,
  Channel, Stopped, NotSent, Retry,
  Response, reply, fail, Verdict, change, stop, claim,
  event, events, toJson, fromJson, NotJson, Writer, Reader, Malformed};
