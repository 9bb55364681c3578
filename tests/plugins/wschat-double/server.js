// A double of a chat platform, for tests: server.js FOLDER PROFILE [PEM].
//
// FOLDER/port has its port, and that of the test, which is without TLS: POST
// /say {text, user, thread}, /many {first, count}, /drop, /resend, /renew, /set
// {...}; GET /state. It ends at the end of its stdin. What set knows:
//
//   drop_every   the connection is cut after so many messages
//   limit        so many sends are answered with 429
//   lose         so many sends are done, and not answered
//   forget       no session can be resumed any more
//   deaf         heartbeats are not answered
//   down         the API answers 503, and connections are cut
//   hang         the API does not answer
//   tokens       {token: account}, the good ones; a connection whose token is
//                none of them any more is closed
//   hostile      what the next connection does, once it is accepted
'use strict';
const fs = require('fs');
const http = require('http');
const https = require('https');
const {hostile} = require('./hostile.js');

function library() {
  try {
    return require('ws');
  } catch {
    return require('/usr/share/nodejs/ws');
  }
}

const WebSocket = library();
const [folder, name, pem] = process.argv.slice(2);

class World {
  constructor() {
    this.faults = {tokens: {'good-token': 'bot', 'good-app-token': 'app'}};
    this.counts = {};
    this.said = 0; // messages of people
    this.sent = []; // by the bot
    this.passed = 0; // since the last cut
    this.conns = new Set();
  }

  count(what) {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }

  // Whether a fault that counts down is due.
  due(what) {
    if (!this.faults[what]) return false;
    this.faults[what]--;
    this.count(what);
    return true;
  }

  account(token) {
    return this.faults.tokens[token];
  }

  drop() {
    for (const conn of this.conns) conn.ws.terminate();
  }

  // A message is on its way: cuts the connection if it is time.
  pass(conn) {
    const every = this.faults.drop_every;
    if (!every || ++this.passed < every) return;
    this.passed = 0;
    this.count('cuts');
    conn.ws.terminate();
  }
}

const world = new World();
const profile = require(`./${name}.js`).create(world);

function body(request) {
  return new Promise((done) => {
    const pieces = [];
    request.on('data', (piece) => pieces.push(piece));
    request.on('end', () => {
      const text = Buffer.concat(pieces).toString();
      done(text ? JSON.parse(text) : {});
    });
  });
}

function control(what, args) {
  switch (what) {
    case 'say':
      world.said++;
      profile.say({user: 'ann', ...args});
      break;
    case 'many':
      for (let i = 0; i < args.count; i++) {
        world.said++;
        profile.say({user: 'ann', text: `n${args.first + i};`});
      }
      break;
    case 'drop': world.drop(); break;
    case 'resend': profile.resend(); break;
    case 'renew': profile.renew(args); break;
    case 'set':
      Object.assign(world.faults, args);
      profile.changed?.();
      if (args.down || args.hang) world.drop();
      for (const conn of world.conns)
        if (args.tokens && !world.account(conn.token)) profile.expel(conn);
      break;
    case 'state': break;
    default: throw new Error(what);
  }
  return {counts: world.counts, sent: world.sent, conns: world.conns.size,
    ...profile.state?.()};
}

function replyTo(response) {
  return (status, value, headers = {}) => {
    const text = JSON.stringify(value);
    response.writeHead(status, {'Content-Type': 'application/json',
      'Content-Length': Buffer.byteLength(text), ...headers});
    response.end(text);
  };
}

async function serveTest(request, response) {
  const args = await body(request);
  replyTo(response)(200, control(request.url.slice(1), args));
}

async function serve(request, response) {
  const url = new URL(request.url, 'http://double');
  const args = await body(request), reply = replyTo(response);
  if (world.faults.hang) return;
  if (world.faults.down) {
    reply(503, {message: 'down', ok: false, error: 'service_unavailable'});
    return;
  }
  const token = (request.headers.authorization ?? '').split(' ')[1];
  profile.http({method: request.method, path: url.pathname, token,
    query: url.searchParams, args, account: world.account(token)}, reply,
  () => response.destroy());
}

const server = pem
  ? https.createServer({key: fs.readFileSync(pem), cert: fs.readFileSync(pem)},
    serve) : http.createServer(serve);
const testServer = http.createServer(serveTest);
const sockets = new WebSocket.Server({noServer: true, perMessageDeflate: true});
server.on('upgrade', (request, socket, head) => {
  const url = new URL(request.url, 'http://double');
  sockets.handleUpgrade(request, socket, head, (ws) => {
    const conn = {ws, token: null, socket,
      send: (object) => ws.send(JSON.stringify(object)),
      // Once the client has proven who it is: the test may have it attacked.
      accept() {
        const how = world.faults.hostile;
        if (!how) return false;
        world.faults.hostile = null;
        world.count('attacks');
        hostile(how, conn, profile, () => world.count('poured'));
        return true;
      }};
    world.count('connections');
    world.conns.add(conn);
    ws.on('error', () => {});
    ws.on('close', (code) => {
      world.conns.delete(conn);
      profile.left(conn, code);
    });
    ws.on('message', (data) => profile.heard(conn, JSON.parse(data)));
    profile.came(conn, url.searchParams,
      (request.headers.authorization ?? '').split(' ')[1]);
  });
});
server.listen(0, '127.0.0.1', () => testServer.listen(0, '127.0.0.1', () => {
  world.port = server.address().port;
  world.scheme = pem ? 'wss' : 'ws';
  fs.writeFileSync(`${folder}/port.new`,
    `${world.port} ${testServer.address().port}\n`);
  fs.renameSync(`${folder}/port.new`, `${folder}/port`);
}));
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
