// client: Node's ws against the scenario: client.js SOCKET SUPCTL CONTROL.
// Exits with 0 if all is as it should be, with 77 without the module.
'use strict';

const assert = require('node:assert');
const {execFileSync} = require('node:child_process');
const {once} = require('node:events');

let WebSocket;
try {
  WebSocket = require('ws');
} catch {
  process.exit(77);
}
const [path, supctl, control] = process.argv.slice(2);
const uri = `ws+unix://${path}:/talk/room`;

async function heard(ws) {
  const [data, isBinary] = await once(ws, 'message');
  return isBinary ? data : data.toString();
}

async function main() {
  const ws = new WebSocket(uri, ['other', 'scenario']);
  await once(ws, 'open');
  assert.strictEqual(ws.protocol, 'scenario');
  for (const message of ['text', Buffer.from([0, 255]), '', 'h\u00f6',
    'x'.repeat(90000)]) {
    ws.send(message);
    assert.deepStrictEqual(await heard(ws), message);
  }
  ws.send('a', {fin: false});
  ws.ping('between');
  ws.send('bc', {fin: false});
  ws.send('def', {fin: true});
  const pong = once(ws, 'pong');
  assert.strictEqual(await heard(ws), 'abcdef');
  assert.strictEqual((await pong)[0].toString(), 'between');
  ws.send('count');
  assert.strictEqual(await heard(ws), '7 in 1');
  const moved = heard(ws);
  execFileSync(supctl, ['-s', control, 'reload', 'it'], {stdio: 'ignore'});
  assert.strictEqual(await moved, 'moved move 7');
  const closed = once(ws, 'close');
  ws.send('close');
  const [code, reason] = await closed;
  assert.strictEqual(code, 4000);
  assert.strictEqual(reason.toString(), 'as asked');
  const other = new WebSocket(uri);
  await once(other, 'open');
  other.close(4001, 'bye');
  assert.strictEqual((await once(other, 'close'))[0], 4001);
}

setTimeout(() => process.exit(1), 120000).unref();
main().catch((error) => {
  console.error(error);
  process.exit(1);
});
