// The parts of the Node SDK that need no supd: its MessagePack, and what it
// makes of answers. Run by meson: node tests/sdk/node.js
'use strict';
const assert = require('node:assert');
const path = require('node:path');
const supd = require(path.join(__dirname, '../../worker/node/supd.js'));

const FRAME_HEAD = 9;
let run = 0, bad = 0;

function test(name, body) {
  run++;
  try {
    body();
  } catch (error) {
    bad++;
    console.log(`not ok ${run} - ${name}\n  # ${error.stack}`);
    return;
  }
  console.log(`ok ${run} - ${name}`);
}

function pack(value) {
  const out = new supd.Writer();
  out.value(value, 1);
  return Buffer.from(out.bytes.subarray(FRAME_HEAD, out.at));
}

function unpack(bytes) {
  const reader = new supd.Reader(bytes, 0, bytes.length);
  const value = reader.value();
  assert.strictEqual(reader.at, bytes.length);
  return value;
}

test('values_come_back_as_they_went', () => {
  for (const value of [null, true, false, 0, 1, 127, 128, 255, 256, 65535,
    65536, 4294967295, 4294967296, Number.MAX_SAFE_INTEGER, -1, -32, -33,
    -128, -32769, Number.MIN_SAFE_INTEGER, 0.5, -1e300, Infinity, '', 'a',
    'x'.repeat(31), 'x'.repeat(32), 'x'.repeat(255), 'x'.repeat(256),
    'x'.repeat(70000), 'zażółć', '\u{1f600}'.repeat(50), [], [1, [2, [3]]],
    new Array(15).fill(0), new Array(16).fill(0), new Array(70000).fill(1),
    {}, {a: 1, b: {c: [null]}}, Buffer.alloc(0), Buffer.from([0, 255]),
    Buffer.alloc(300, 7), Buffer.alloc(70000, 9)])
    assert.deepStrictEqual(unpack(pack(value)), value);
});

test('numbers_beyond_the_safe_ones_are_bigints', () => {
  const big = 18446744073709551615n, small = -9223372036854775808n;
  assert.strictEqual(unpack(pack(big)), big);
  assert.strictEqual(unpack(pack(small)), small);
});

test('what_json_can_say_can_be_sent', () => {
  assert.strictEqual(unpack(pack(undefined)), null);
  assert.deepStrictEqual(unpack(pack({a: undefined, b: 1})), {b: 1});
  assert.strictEqual(unpack(pack(new Date(0))), '1970-01-01T00:00:00.000Z');
  assert.deepStrictEqual(unpack(pack(new Map([['k', 1]]))), {k: 1});
  assert.throws(() => pack(() => 1), /function cannot be sent/);
});

test('what_is_nested_too_deeply_is_refused_both_ways', () => {
  let deep = [];
  for (let i = 0; i < 40; i++) deep = [deep];
  assert.throws(() => pack(deep), /nested too deeply/);
  assert.throws(() => unpack(Buffer.alloc(100, 0x91)), supd.Malformed);
});

test('a_count_is_never_trusted', () => {
  for (const hex of ['dd ff ff ff ff', 'df ff ff ff ff', 'c6 ff ff ff ff 00',
    'db 7f ff ff ff 41', 'dc ff ff', 'cf 00', 'ca 00', 'a5 41', '92 01', '',
    'c1', 'c7 01 01 01', 'd4 01 01', '81 01 01'])
    assert.throws(() => unpack(Buffer.from(hex.replace(/ /g, ''), 'hex')),
      supd.Malformed, hex);
});

test('a_key_named_proto_stays_a_key', () => {
  const value = unpack(Buffer.from('81a95f5f70726f746f5f5f81a16101', 'hex'));
  assert.deepStrictEqual(Object.keys(value), ['__proto__']);
  assert.strictEqual({}.a, undefined);
});

test('json_is_read_strictly_and_keeps_its_digits', () => {
  for (const [text, value] of [['[1,2.5,"a:b",{"a":{"b":1}}]',
    [1, 2.5, 'a:b', {a: {b: 1}}]], ['9007199254740993', 9007199254740993n],
  ['-0', 0], ['-0.0', -0], ['"\\u0000\\n"', '\0\n'], ['1e22', 1e22],
  ['"a\\"b:"', 'a"b:'], ['{"a":1,"b":[{"a":2}]}', {a: 1, b: [{a: 2}]}]])
    assert.deepStrictEqual(supd.fromJson(text), value, text);
  for (const text of ['{"a":1,"a":2}', '[{"k":{}},{"k":1,"k":{"k":2}}]',
    '9223372036854775808', '1e400', '"\\ud800"', '{"\\u0000":1}', '', '[1,]',
    '\ufeff1', '['.repeat(600) + ']'.repeat(600)])
    assert.throws(() => supd.fromJson(text), /at line 1, column \d+/, text);
});

test('any_bytes_are_a_value_or_malformed', () => {
  let seed = 12345;
  const next = () => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) >> 16;
  for (let round = 0; round < 20000; round++) {
    const bytes = Buffer.from(Array.from({length: 1 + next() % 40},
      () => next() & 255));
    try {
      new supd.Reader(bytes, 0, bytes.length).value();
    } catch (error) {
      assert.ok(error instanceof supd.Malformed, String(error));
    }
  }
});

test('events_are_written_as_the_standard_says', () => {
  assert.strictEqual(supd.event({data: 'a\nb', event: 'x', id: 7}),
    'event: x\nid: 7\ndata: a\ndata: b\n\n');
  assert.strictEqual(supd.event({data: {a: 1}}), 'data: {"a":1}\n\n');
  assert.throws(() => supd.event({data: '', event: 'a\nb'}), /line break/);
});

test('a_status_that_is_none_is_refused', () => {
  for (const status of [99, 199, 600, 200.5, '200', NaN])
    assert.throws(() => supd.reply(status, ''), RangeError);
});

test('settings_are_found_by_path', () => {
  const plugin = new supd.Plugin('p', '1');
  plugin.settings = {server: {port: 0, name: null}, list: [1]};
  assert.strictEqual(plugin.setting('server.port', 9), 0);
  assert.strictEqual(plugin.setting('server.name', 'x'), 'x');
  assert.strictEqual(plugin.setting('server.port.deep', 'x'), 'x');
  assert.strictEqual(plugin.setting('constructor', 'x'), 'x');
  assert.throws(() => plugin.tool('t', 1), /must be a function/);
  plugin.tool('t', () => 1);
  assert.throws(() => plugin.tool('t', () => 1), /twice/);
});

console.log(`1..${run}`);
process.exit(bad ? 1 : 0);
