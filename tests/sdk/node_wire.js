// The Node SDK against a supd of this file's own: what a plugin does wrong is
// its author's to see, and never the end of the worker. Run by meson:
// SDK=FOLDER node tests/sdk/node_wire.js
'use strict';
const assert = require('node:assert');
const {spawn} = require('node:child_process');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const supd = require(path.join(process.env.SDK, 'supd.js'));

const GREETING = Buffer.from([0, 0x53, 0x50, 0, 0, 0x10, 0, 0]);
const DEADLINE_MS = 20000;
const tests = [];
const test = (name, body) => tests.push([name, body]);

// One worker and its supd.
class Fake {
  constructor() {
    this.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'supd-sdk-'));
    this.objects = [];
    this.waiting = [];
    this.input = Buffer.alloc(0);
    this.greeted = false;
    this.nextId = 100;
    this.stderr = '';
  }

  async start() {
    const where = path.join(this.folder, 's');
    const connected = new Promise((done) => {
      this.server = net.createServer(done);
    });
    await new Promise((done) => this.server.listen(where, done));
    this.process = spawn(process.execPath,
      [path.join(__dirname, 'node_plugin.js')], {env: {...process.env,
        NODE_PATH: process.env.SDK, SUPD_SOCKET: where, SUPD_PLUGIN: 'it',
        SUPD_NONCE: 'n0', SUPD_GENERATION: '4', SUPD_DATA_DIR: this.folder}});
    this.process.stderr.on('data', (text) => { this.stderr += text; });
    this.exited = new Promise((done) => this.process.on('exit', done));
    this.socket = await connected;
    this.server.close();
    this.socket.on('error', () => {});
    this.socket.on('data', (bytes) => this.receive(bytes));
    this.socket.on('close', () => this.tell(null));
    this.socket.write(GREETING);
    const hello = await this.until((m) => m[2] === 'hello');
    this.send([1, hello[1], null, ['it', 4, {}, {credit: 262144,
      inline_body: 65536, body: 10485760, message: 1048576}]]);
    const ready = await this.until((m) => m[2] === 'ready');
    this.offers = ready[3][1];
    this.send([1, ready[1], null, null]);
    return this;
  }

  receive(bytes) {
    this.input = Buffer.concat([this.input, bytes]);
    if (!this.greeted && this.input.length >= GREETING.length) {
      this.greeted = true;
      this.input = this.input.subarray(GREETING.length);
    }
    while (this.greeted && this.input.length >= 9) {
      const end = 9 + this.input.readUInt32BE(5);
      if (this.input.length < end) return;
      const reader = new supd.Reader(this.input, 9, end);
      while (reader.at < end) this.tell(reader.value());
      this.input = this.input.subarray(end);
    }
  }

  tell(object) {
    this.objects.push(object);
    for (const look of this.waiting.splice(0)) look();
  }

  // The first object that is wanted; the others stay.
  until(wanted) {
    return new Promise((done, failed) => {
      const late = setTimeout(() => failed(new Error('nothing came')),
        DEADLINE_MS);
      const look = () => {
        const at = this.objects.findIndex((m) => m === null || wanted(m));
        if (at < 0) {
          this.waiting.push(look);
          return;
        }
        clearTimeout(late);
        if (this.objects[at] === null)
          failed(new Error(`the worker ended: ${this.stderr}`));
        else done(this.objects.splice(at, 1)[0]);
      };
      look();
    });
  }

  send(object) {
    const out = new supd.Writer();
    out.value(object, 0);
    out.bytes[0] = 1;
    out.bytes.writeUInt32BE(0, 1);
    out.bytes.writeUInt32BE(out.at - 9, 5);
    this.socket.write(Buffer.from(out.bytes.subarray(0, out.at)));
  }

  begin(name, ...params) {
    this.send([0, ++this.nextId, name, params]);
    return this.nextId;
  }

  answer(id) {
    return this.until((m) => m[0] === 1 && m[1] === id)
      .then((m) => ({error: m[2], result: m[3]}));
  }

  tool(name, args = null) {
    return this.answer(this.begin('tool', name, args, 0, null));
  }

  beginHttp(where, headers = []) {
    const number = this.offers.findIndex((offer) => offer.path === where);
    return this.begin('http', number, 'GET', where, {}, '', headers,
      Buffer.alloc(0), false, 'peer:1', 5000);
  }

  http(where, headers) {
    return this.answer(this.beginHttp(where, headers));
  }

  notification(name) {
    return this.until((m) => m[0] === 2 && m[1] === name).then((m) => m[2]);
  }

  // After it all that came before it has been dealt with.
  async pong() {
    assert.deepStrictEqual(await this.answer(this.begin('ping')),
      {error: null, result: null});
  }

  async end() {
    this.socket.destroy();
    const code = await this.exited;
    fs.rmSync(this.folder, {recursive: true});
    return code;
  }
}

test('what_was_logged_before_run_is_on_stderr', async (fake) => {
  await fake.pong();
  assert.match(fake.stderr, /before run/);
});

test('whatever_is_thrown_is_an_answer', async (fake) => {
  for (const what of ['huge', 'nothing', 'bare'])
    assert.strictEqual((await fake.tool('throws', what)).error[0], 'failed');
  assert.deepStrictEqual((await fake.tool('throws', 'code')).error,
    ['conflict', 'as asked']);
  await fake.pong();
});

test('an_odd_error_is_an_answer_and_ends_nothing', async (fake) => {
  for (const what of (await fake.tool('odd-errors')).result) {
    for (const tool of ['throws-odd', 'rejects-odd'])
      assert.strictEqual((await fake.tool(tool, what)).error[0], 'failed',
        what);
    await fake.pong();
  }
});

test('a_foreign_thenable_is_heard_once', async (fake) => {
  for (const what of ['twice', 'throws'])
    assert.deepStrictEqual(await fake.tool('odd', what),
      {error: null, result: 'once'});
  assert.strictEqual((await fake.tool('odd', 'getter')).error[0], 'conflict');
  assert.strictEqual((await fake.http('/odd')).result[0], 200);
  await fake.pong();
});

test('an_exception_is_500_and_its_text_stays_here', async (fake) => {
  for (const where of ['/secret', '/secret-later', '/no-json']) {
    const {result} = await fake.http(where);
    assert.strictEqual(result[0], 500);
    assert.strictEqual(result[2].toString(), 'the plugin failed\n');
    const [level, text] = await fake.notification('log');
    assert.strictEqual(level, 'error');
    assert.match(text, /password|BigInt/);
  }
});

test('a_line_of_the_log_is_cut_and_has_a_level', async (fake) => {
  assert.strictEqual((await fake.tool('logs')).error, null);
  for (const wanted of ['warn', 'debug', 'info', 'info', 'info']) {
    const [level, text] = await fake.notification('log');
    assert.strictEqual(level, wanted);
    assert.ok(text.length <= 16384);
  }
});

test('a_name_that_is_no_string_is_refused_here', async (fake) => {
  assert.match((await fake.tool('emits')).error[1], /string/);
  assert.match((await fake.tool('calls', [null, 0])).error[1], /string/);
});

test('a_timeout_is_a_whole_number_when_it_is_sent', async (fake) => {
  for (const [said, sent] of [[0, 0], [1500, 1500], [0.25, 1], [1.5, 2],
    [-5, 1], [null, 0], [Infinity, 0]]) {
    const id = said === Infinity
      ? fake.begin('tool', 'calls-forever', null, 0, null)
      : fake.begin('tool', 'calls', ['t', said], 0, null);
    const asked = await fake.until((m) => m[2] === 'call');
    assert.strictEqual(asked[3][3], sent, String(said));
    fake.send([1, asked[1], null, 7]);
    assert.strictEqual((await fake.answer(id)).result, 7);
  }
});

test('registering_ends_when_the_plugin_is_ready', async (fake) => {
  assert.match((await fake.tool('offers-late')).error[1], /ready/);
});

test('a_header_goes_back_as_it_came', async (fake) => {
  const value = Buffer.from('caf\u00e9 \u00ff', 'latin1');
  const {result} = await fake.http('/header', [['x-there', value]]);
  assert.deepStrictEqual(result[1], [['X-Back', value]]);
  assert.deepStrictEqual((await fake.http('/header-text')).result[1],
    [['X-Back', Buffer.from('\u20ac')]]);
});

test('credit_that_comes_before_the_next_piece_is_kept', async (fake) => {
  const id = fake.beginHttp('/exact');
  await fake.answer(id);
  for (let i = 0; i < 8; i++) await fake.notification('chunk');
  const asked = await fake.until((m) => m[2] === 'call');
  fake.send([2, 'credit', [id, 262144]]);
  await fake.pong();
  fake.send([1, asked[1], null, null]);
  assert.deepStrictEqual(await fake.notification('chunk'),
    [id, Buffer.from('end'), true]);
  assert.strictEqual((await fake.notification('chunk'))[2], false);
});

test('a_cancel_does_not_wait_for_the_next_piece', async (fake) => {
  const id = fake.beginHttp('/never');
  await fake.answer(id);
  assert.strictEqual((await fake.notification('chunk'))[2], true);
  fake.send([2, 'cancel', [id]]);
  assert.deepStrictEqual(await fake.notification('chunk'),
    [id, Buffer.alloc(0), false]);
});

test('a_cancel_closes_what_waits_for_credit', async (fake) => {
  const id = fake.beginHttp('/open');
  await fake.answer(id);
  for (let i = 0; i < 8; i++) await fake.notification('chunk');
  fake.send([2, 'cancel', [id]]);
  assert.strictEqual((await fake.notification('chunk'))[2], false);
  assert.strictEqual((await fake.tool('closed')).result, 2);
});

test('an_onCancel_that_fails_is_logged', async (fake) => {
  for (const where of ['/cancel-throws', '/cancel-rejects']) {
    const id = fake.beginHttp(where);
    await fake.pong();
    fake.send([2, 'cancel', [id]]);
    await fake.answer(id);
    assert.match((await fake.notification('log'))[1], /in onCancel/);
  }
});

async function main() {
  let bad = 0;
  for (const [at, [name, body]] of tests.entries()) {
    const fake = await new Fake().start();
    try {
      await body(fake);
      assert.strictEqual(await fake.end(), 0);
      console.log(`ok ${at + 1} - ${name}`);
    } catch (error) {
      bad++;
      console.log(`not ok ${at + 1} - ${name}\n  # ` +
        String(error.stack).replace(/\n/g, '\n  # '));
      fake.process.kill('SIGKILL');
    }
  }
  console.log(`1..${tests.length}`);
  process.exit(bad ? 1 : 0);
}

main();
