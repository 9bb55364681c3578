// lapses: what tests/sdk/lapses.py asks for, in JavaScript; the same plugin
// stands in C and Python beside it. A test has one connection.
'use strict';
const supd = require('supd');

const plugin = new supd.Plugin('lapses', '1.0.0');
const closes = [];
const waiting = []; // for `go`
let stops = 0, move = 'fine', result;
const untilGo = () => new Promise((done) => waiting.push(done));
const MOVES = {large: Buffer.alloc(70000), huge: Buffer.alloc(2 << 20),
  odd: Object.create(null), text: 'x'.repeat(70000), number: 7,
  fine: Buffer.from('fine')};

const opens = {
  status: () => 7,
  close: (ws) => ws.close(),
  heavy: (ws) => { ws.replyHeaders = {'X-Heavy': 'x'.repeat(1 << 20)}; },
  header: (ws) => { ws.replyHeaders = {'X-Line': 'a\nb'}; },
  late: () => untilGo(),
};

const connection = {
  async open(ws) {
    const how = ws.headers['x-do'];
    if (!how) return undefined;
    const value = opens[how](ws);
    if (how === 'late') await value;
    ws.send(how);
    return typeof value === 'number' ? value : undefined;
  },
  message(ws, text) {
    if (text === 'hold') return untilGo();
    if (text.startsWith('close ')) ws.close(Number(text.slice(6)), 'as asked');
    if (text === 'note') closes.push(text);
    if (text.startsWith('move ')) move = text.slice(5);
    return undefined;
  },
  close(ws, code) { closes.push(code); },
  move: () => MOVES[move],
};

plugin.websocket('/ws', connection);
plugin.tool('heard', () => closes);
plugin.tool('go', () => { for (const done of waiting.splice(0)) done(); });
const start = async () => {
  await untilGo();
  return result;
};
const stop = () => {
  stops++;
  return result;
};
plugin.service('slow', start, stop);
plugin.tool('stopped', () => stops);
plugin.tool('odd', () => { result = 7; });
plugin.onQuiesce(() => result);
plugin.onTake(async () => result);

const changes = {
  'service': () => plugin.service('other', stop, stop),
  'withdraw': () => plugin.withdraw('http', 'GET /ws websocket'),
  'withdraw plain': () => plugin.withdraw('http', 'GET /ws'),
  'again': () => {
    plugin.withdraw();
    plugin.tool('heard', () => closes);
    plugin.tool('go', () => { for (const done of waiting.splice(0)) done(); });
    plugin.tool('stopped', () => stops);
    plugin.service('slow', start, stop);
  },
  'on_error': () => plugin.hook('a', {onError: 'stop'}, stop),
  'option': () => plugin.tool('mistaken', {idempotant: true}, stop),
  'timeout': () => plugin.hook('a', {timeout: '5s'}, stop),
  'handler': () => plugin.websocket('/other', {}, {onMessage() {}}),
  'no-object': () => plugin.tool('mistaken', 'what it does', stop),
};

plugin.tool('offer', async ({what}) => {
  try {
    if (what === 'late') plugin.withdraw();
    await plugin.replaceOffers(changes[what] ??
      (() => plugin.tool(what, stop)));
  } catch (error) {
    if (error.isAnswer) return error.message;
    console.error(error.message);
    return 'refused here';
  }
  return 'fine';
});

plugin.run();
