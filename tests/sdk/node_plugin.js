// What node_wire.js talks to: a plugin that does what plugins should not.
'use strict';
const supd = require('supd');

const plugin = new supd.Plugin('wire', '1.2.3');
let closed = 0;

plugin.log('info', 'before run');

plugin.tool('closed', () => closed);
plugin.tool('throws', (what) => {
  if (what === 'huge') throw new Error('x'.repeat(2e6));
  if (what === 'nothing') throw null;
  if (what === 'bare') throw Object.create(null);
  throw supd.fail('conflict', 'as asked');
});
const thrown = {
  'message': () => Object.defineProperty(new Error('x'), 'message',
    {get() { throw new Error('no message'); }}),
  'stack': () => Object.defineProperty(new Error('x'), 'stack',
    {get() { throw null; }}),
  'is-answer': () => ({get isAnswer() { throw undefined; }}),
  'code': () => Object.assign(supd.fail('busy', 'x'),
    {code: {toString() { throw 1; }}}),
  'cause': () => {
    const error = new Error('a circle');
    error.cause = error;
    return error;
  },
  'proxy': () => new Proxy({}, {get() { throw new Error('trap'); },
    getPrototypeOf() { throw new Error('trap'); }}),
  'symbol': () => Symbol('odd'),
  'null': () => null,
  'undefined': () => undefined,
};
plugin.tool('throws-odd', (what) => { throw thrown[what](); });
plugin.tool('rejects-odd', async (what) => { throw thrown[what](); });
plugin.tool('odd-errors', () => Object.keys(thrown));
// A thenable of foreign make, that does what none should.
const odd = (what) => ({
  get then() {
    if (what === 'getter') throw supd.fail('conflict', 'no then');
    return (done, failed) => {
      done('once');
      done('twice');
      failed(new Error('late'));
      if (what === 'throws') throw new Error('after it was done');
    };
  },
});
plugin.tool('odd', (what) => odd(what));
plugin.http('GET', '/odd', () => odd('twice'));
plugin.tool('logs', () => {
  for (const level of ['warning', 'debug', 'loud', 20, undefined])
    plugin.log(level, 'x'.repeat(1e6));
});
plugin.tool('emits', () => plugin.emit(undefined, {}));
plugin.tool('calls', ([name, timeout]) =>
  plugin.call('tool', name, null, {timeout}));
plugin.tool('calls-forever', () =>
  plugin.call('tool', 't', null, {timeout: Infinity}));
plugin.tool('offers-late', () => plugin.tool('late', () => 1));

plugin.http('GET', '/secret', () => {
  throw new Error('the password is 1234');
});
plugin.http('GET', '/secret-later', async () => {
  throw new Error('the password is 1234');
});
plugin.http('GET', '/no-json', () => ({big: 1n << 70n}));
plugin.http('GET', '/header', (req) =>
  supd.reply(204, null, {'X-Back': req.headers['x-there']}));
plugin.http('GET', '/header-text', () =>
  supd.reply(204, null, {'X-Back': '\u20ac'}));
plugin.http('GET', '/never', async function* () {
  yield 'begun';
  await new Promise(() => {});
});
plugin.http('GET', '/exact', async function* (req) {
  yield 'x'.repeat(262144); // all the credit there is
  await plugin.call('tool', 'go on');
  yield 'end';
});
plugin.http('GET', '/open', (req) => {
  req.signal.addEventListener('abort', () => { closed++; });
  return (async function* () {
    try {
      for (;;) yield 'x'.repeat(32768);
    } finally {
      closed++;
    }
  })();
});
for (const [path, problem] of [['/cancel-throws', () => {
  throw new Error('in onCancel');
}], ['/cancel-rejects', async () => {
  throw new Error('in onCancel');
}]])
  plugin.http('GET', path, (req) => new Promise((done) => {
    req.onCancel(() => {
      done('late');
      return problem();
    });
  }));

plugin.run();
