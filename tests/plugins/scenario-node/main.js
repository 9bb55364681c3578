// scenario-node: what tests/system/test_languages.c asks for, in JavaScript;
// the same plugin stands in C and Python beside it.
'use strict';
const supd = require('supd');

const plugin = new supd.Plugin('scenario', '1.0.0');
let cancelled = 0, counted = 0;
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

plugin.onConfigure((settings) => {
  if (settings.greeting === 'refused')
    throw supd.fail('conflict', 'this greeting is not wanted');
});

plugin.health(() => {
  if (plugin.setting('sick', false)) throw supd.fail('busy', 'not well');
});

plugin.state(2, () => Buffer.from(String(counted)), (version, blob) => {
  if (version !== 2) throw supd.fail('version', 'only 2');
  counted = Number(blob.toString());
});

// ---- answers ----

plugin.http('GET', '/hello/{name}', (req) => ({hello: req.params.name}));
plugin.http('GET', '/text', () => 'text\n');
plugin.http('GET', '/nothing', () => undefined);
plugin.http('GET', '/teapot', () => supd.reply(418, 'short and stout\n',
  {'X-Kind': 'tea', 'Content-Type': 'text/x-tea'}));
plugin.http('GET', '/fail/{code}', (req) => {
  throw supd.fail(req.params.code, 'as asked');
});
plugin.http('GET', '/request', (req) => [req.method, req.path, req.query,
  req.headers['x-one'] || '-', req.headers['x-two'] || '-'].join(' ') + '\n');
for (const method of ['GET', 'POST'])
  plugin.http(method, '/heavy', () => supd.reply(200, '',
    {'X-Heavy': 'x'.repeat(1 << 20)}));
plugin.http('GET', '/late', async () => {
  await pause(500);
  return 'late\n';
});
plugin.http('GET', '/big', () => Buffer.alloc(1000000, 'x'));

// ---- pieces ----

const length = async (req) => ({length: (await req.body()).length});
plugin.http('POST', '/length', length);
plugin.http('POST', '/small', {bodyLimit: 1000}, length);
plugin.http('POST', '/sum', {bodyLimit: 2 ** 30}, async (req) => {
  let sum = 0;
  for await (const piece of req.stream())
    for (const byte of piece) sum += byte;
  return {sum};
});
plugin.http('POST', '/echo', {bodyLimit: 2 ** 30}, (req) =>
  supd.reply(200, req.stream(),
    {'Content-Type': 'application/octet-stream'}));
plugin.http('GET', '/pieces', async function* () {
  for (let n = 0; n < 3; n++) yield `piece ${n}\n`;
});
plugin.http('GET', '/events', () => supd.events((function* () {
  for (let n = 0; n < 3; n++)
    yield supd.event({event: 'tick', id: n, data: {n}});
})()));
plugin.http('GET', '/cut', async function* () {
  yield 'begun\n';
  throw supd.fail('failed', 'given up');
});

// ---- cancels ----

plugin.http('GET', '/wait', (req) => new Promise((done, failed) => {
  req.onCancel(() => {
    cancelled++;
    failed(supd.fail('cancelled', 'nobody waits'));
  });
}));
plugin.http('GET', '/cancelled', () => ({cancelled}));

// ---- the gateway ----

plugin.http('GET', '/me', () => ({id: plugin.id, version: plugin.version,
  generation: plugin.generation,
  greeting: plugin.setting('greeting', 'none'),
  port: plugin.setting('server.port', 0),
  absent: plugin.setting('server.name', 'absent'),
  other: plugin.setting('server.port', 'no text')}));
plugin.http('GET', '/call', async () =>
  ({answer: await plugin.call('tool', 'add', {a: 20, b: 22})}));
plugin.http('GET', '/call-none', () => plugin.call('tool', 'no-such-tool', null)
  .then(() => 'it is there', () => ({answer: null})));
plugin.http('GET', '/log/{level}', (req) => {
  plugin.log(req.params.level, 'a line of the scenario');
});
plugin.http('GET', '/emit', () => {
  plugin.emit('scenario.said', {n: 1});
});
plugin.http('POST', '/count', () => ({count: ++counted}));

plugin.tool('add', {description: 'Adds two numbers.',
  schema: {type: 'object'}}, (args) => args.a + args.b);
plugin.tool('fails', () => {
  throw supd.fail('conflict', 'as asked');
});
plugin.method('double', (args) => ({n: 2 * args.n}));
plugin.command('shout', {help: 'Says it loudly.'}, (text) =>
  text.toUpperCase());

// ---- hooks ----

plugin.hook('scenario.heard', {name: 'heard', match: {n: [1, 2]}},
  async (data, call) => {
    plugin.emit('scenario.echo', {n: data.n, hook: call.name,
      event: call.event, by: call.context.plugin});
    return 'which nobody wants';
  });
plugin.filter('tool.before', {name: 'judge', priority: 7, onError: 'stop',
  match: {name: 'judged'}}, (data) => {
  switch (data.args.verdict) {
    case 'change': return supd.change({args: {changed: true}});
    case 'stop': return supd.stop('as asked');
    case 'claim': return supd.claim({claimed: true});
    case 'fail': throw supd.fail('conflict', 'no idea');
    default: return undefined;
  }
});
plugin.tool('judged', (args) => args);
plugin.tool('take', async (args) =>
  'seq' in await plugin.call('event', 'scenario.taken', args));

// ---- command lines ----

plugin.cli('cat', {help: 'Copies its input.'}, async (cli) => {
  for await (const piece of cli.stdin()) await cli.write(piece);
});
plugin.cli('args', {help: 'Says its arguments.', arguments: 'STATUS WORD...'},
  (cli) => {
    cli.write(cli.argv.slice(1).map((word) => `[${word}]`).join(''));
    cli.writeError(`to ${cli.name}\n`);
    return cli.argv.length ? Number(cli.argv[0]) : undefined;
  });
plugin.cli('wait', {help: 'Waits.'}, async (cli) => {
  await cli.write('waiting\n');
  await new Promise((done, failed) => {
    cli.onCancel(() => {
      cancelled++;
      failed(supd.fail('cancelled', 'nobody waits'));
    });
  });
});
plugin.cli('pour', {help: 'Writes so many bytes.', arguments: 'BYTES'},
  async (cli) => {
    for (let left = Number(cli.argv[0]); left; left -= Math.min(left, 50000))
      await cli.write(Buffer.alloc(Math.min(left, 50000), 'x'));
  });
plugin.cli('cross', {help: 'Fails.'}, () => {
  throw supd.fail('conflict', 'as asked');
});

// ---- schedules ----

plugin.schedule('hourly', '@hourly',
  {zone: 'UTC', catchUp: 'none', timeout: 5000}, (tick) => {
    plugin.emit('scenario.ticked', {name: tick.name, id: tick.tickId,
      due: tick.due, missed: tick.missed});
  });
plugin.schedule('cross', 'every 1d', async () => {
  throw supd.fail('conflict', 'as asked');
});

// ---- calls that lead to each other ----

plugin.tool('again', () => plugin.call('method', 'around'));
plugin.method('around', async () => {
  await pause(0);
  return plugin.call('command', 'about');
});
plugin.command('about', () => plugin.call('tool', 'again'));
plugin.tool('left', (args, call) => Math.floor(call.timeLeft));
plugin.tool('lend', async () => {
  await plugin.call('tool', 'left');
  return plugin.call('tool', 'left');
});

// ---- its own reload ----

const reloadSelf = () =>
  plugin.call('method', 'plugins.reload', {pluginId: plugin.id});
plugin.http('POST', '/reload-self', reloadSelf);
plugin.tool('reload-self', reloadSelf);

// ---- other registrations ----

plugin.http('POST', '/offer/{how}', async (req) => {
  await plugin.replaceOffers(() => {
    if (req.params.how !== 'right') {
      plugin.http('GET', '/api/no', () => 'no\n');
      return;
    }
    plugin.withdraw('tool', 'fails');
    plugin.withdraw('http', 'GET /text'); // moves behind the others
    plugin.http('GET', '/new', () => 'new\n');
    plugin.tool('fresh', (args) => args);
    plugin.http('GET', '/text', () => 'text\n');
  });
  return 'changed\n';
});

// ---- values ----

plugin.tool('mirror', (args) => args);
plugin.http('POST', '/mirror', (req) => req.json());
plugin.tool('relay', (args) => plugin.call('tool', 'mirror', args));
plugin.tool('tell', (args) => plugin.emit('scenario.value', args));

// A value that JSON cannot hold, at $.a[1].
function bad(what) {
  const circle = [];
  circle.push(circle);
  return {a: [0, {nan: NaN, infinity: -Infinity, key: new Map([[1, 2]]),
    bytes: Buffer.from('b'), int: 2n ** 63n, circle, surrogate: '\ud800',
    set: undefined}[what]]};
}
plugin.tool('bad', bad);
plugin.http('GET', '/bad/{what}', (req) => bad(req.params.what));
plugin.tool('bad-emit', (what) => plugin.emit('scenario.bad', bad(what)));
plugin.tool('bad-call', (what) => plugin.call('tool', 'mirror', bad(what)));

// ---- services, quiesce and take ----

const fs = require('node:fs');

const note = (text) => fs.appendFileSync(`${plugin.dataDir}/notes`,
  `${plugin.generation} ${text}\n`);

plugin.onStart(() => {
  if (!plugin.setting('exclusive', false)) return;
  plugin.service('ticker', async () => {
    await pause(1);
    note('start');
    if (plugin.setting('broken', false)) throw supd.fail('busy', 'broken');
  }, () => note('stop'));
  plugin.service('side', {overlap: true}, () => note('side starts'),
    () => note('side stops'));
  plugin.onQuiesce(() => note('quiesce'));
  plugin.onTake(async (epoch) => note(`take ${epoch}`));
  plugin.http('GET', '/rain', () =>
    plugin.serviceStatus('ticker', 'waiting', 'for rain'));
});

// ---- WebSocket connections ----

plugin.websocket('/talk/{room}', {protocols: ['scenario.v2', 'scenario'],
  messageLimit: 100000}, {
  open(ws) {
    if (ws.headers['x-refuse']) return Number(ws.headers['x-refuse']);
    if (ws.headers['x-fail']) throw supd.fail(ws.headers['x-fail'], 'as asked');
    ws.replyHeaders = {'X-Room': ws.params.room};
    ws.count = Number(ws.moved?.blob ?? 0);
    if (ws.moved) ws.send(`moved ${ws.moved.how} ${ws.moved.blob ?? '-'}`);
    return undefined;
  },
  message(ws, data) {
    ws.count++;
    switch (data) {
      case 'close': return ws.close(4000, 'as asked');
      case 'big': return ws.send(Buffer.alloc(90000, 'x'));
      case 'large': return ws.send(Buffer.alloc(100001, 'x'));
      case 'count': return ws.send(`${ws.count} in ${plugin.generation}`);
      default: return ws.send(data);
    }
  },
  move: (ws) => String(ws.count),
});
plugin.websocket('/pinned', {pinned: true}, {
  message: (ws) => ws.send(`in ${plugin.generation}`),
});
plugin.http('GET', '/talk/{room}', (req) => `the room ${req.params.room}\n`);

plugin.run();
