// A double of Discord: one guild with one channel, sessions that outlive their
// connections unless the client closes one with 1000 or 1001.
'use strict';

const GUILD = '900', CHAT = '901', EPOCH = 1420070400000;
const ACCOUNTS = {bot: {id: '77', username: 'bot'},
  other: {id: '78', username: 'other'}};
const USERS = {ann: '11', bob: '12', bot: '77'};

class Discord {
  constructor(world) {
    this.world = world;
    this.sessions = new Map(); // id -> {log, seq, conn}
    this.messages = [];
    this.nonces = new Map();
    this.next = 1;
    this.last = '0';
  }

  snowflake() {
    const id = (BigInt(Date.now() - EPOCH) << 22n) + BigInt(this.next++);
    this.last = String(id > BigInt(this.last) ? id : BigInt(this.last) + 1n);
    return this.last;
  }

  // ---- events ----

  tell(session, t, d) {
    const event = {op: 0, t, d, s: ++session.seq};
    session.log.push(event);
    if (session.conn) this.put(session.conn, event);
  }

  put(conn, event) {
    conn.send(event);
    if (event.t === 'MESSAGE_CREATE') this.world.pass(conn);
  }

  post(fields) {
    const message = {id: this.snowflake(), type: 0, channel_id: CHAT,
      mentions: [], attachments: [], ...fields};
    this.messages.push(message);
    for (const session of this.sessions.values())
      this.tell(session, 'MESSAGE_CREATE', {...message, guild_id: GUILD});
    return message;
  }

  say({text, user, ...more}) {
    this.post({content: text, author: {id: USERS[user], username: user},
      ...more});
  }

  renew() {
    for (const conn of this.world.conns) conn.send({op: 7, d: null});
  }

  noise() {
    return {op: 11};
  }

  came(conn) {
    const {beat} = this.world.faults;
    conn.send({op: 10, d: {heartbeat_interval: beat ?? 30000}});
  }

  heard(conn, {op, d}) {
    if (op === 1) {
      this.world.count('beats');
      if (!this.world.faults.deaf) conn.send({op: 11});
      return;
    }
    if (!this.world.account(d.token)) {
      conn.ws.close(4004, 'Authentication failed.');
      return;
    }
    conn.token = d.token;
    if (op === 6) this.resume(conn, d);
    else if (op === 2) this.identify(conn);
  }

  resume(conn, {session_id: id, seq}) {
    const session = this.sessions.get(id);
    if (!session || this.world.faults.forget) {
      this.sessions.delete(id);
      this.world.count('invalid');
      conn.send({op: 9, d: false});
      return;
    }
    session.conn?.ws.terminate();
    session.conn = conn;
    conn.session = session;
    if (conn.accept()) return;
    this.world.count('resumed');
    for (const event of session.log.filter(({s}) => s > seq))
      if (conn.ws.readyState === 1) this.put(conn, event);
    this.tell(session, 'RESUMED', {});
  }

  identify(conn) {
    const id = `s${this.next++}`, session = {id, log: [], seq: 0, conn};
    conn.session = session;
    if (conn.accept()) return;
    this.world.count('fresh');
    this.sessions.set(id, session);
    this.tell(session, 'READY', {v: 10, session_id: id,
      user: ACCOUNTS[this.world.account(conn.token)],
      resume_gateway_url: `ws://127.0.0.1:${this.world.port}/again`,
      guilds: [{id: GUILD, unavailable: true}]});
    this.tell(session, 'GUILD_CREATE', {id: GUILD, threads: [],
      channels: [{id: CHAT, type: 0, last_message_id: this.last}]});
  }

  left(conn, code) {
    const {session} = conn;
    if (!session || session.conn !== conn) return;
    session.conn = null;
    if (code === 1000 || code === 1001) this.sessions.delete(session.id);
  }

  changed() {
    if (!this.world.faults.forget) return;
    for (const [id, session] of this.sessions)
      if (!session.conn) this.sessions.delete(id);
  }

  expel(conn) {
    conn.ws.close(4004, 'Authentication failed.');
  }

  // ---- the API ----

  http({method, path, query, args, account}, reply, lose) {
    const what = `${method} ${path.replace('/api/v10', '')}`;
    if (!account) reply(401, {message: '401: Unauthorized', code: 0});
    else if (what === 'GET /users/@me') reply(200, ACCOUNTS[account]);
    else if (what === 'GET /gateway/bot')
      reply(200, {url: `ws://127.0.0.1:${this.world.port}`, shards: 1,
        session_start_limit: {total: 1000, remaining: 999, reset_after: 1000}});
    else if (what === `GET /channels/${CHAT}/messages`) {
      this.world.count('catch_ups');
      const after = BigInt(query.get('after') ?? 0);
      reply(200, this.messages.filter(({id}) => BigInt(id) > after)
        .slice(0, Number(query.get('limit') ?? 50)).reverse());
    } else if (what === `POST /channels/${CHAT}/messages`)
      this.take(args, account, reply, lose);
    else reply(404, {message: 'Unknown Channel', code: 10003});
  }

  take(args, account, reply, lose) {
    if (this.world.due('limit')) {
      reply(429, {message: 'You are being rate limited.', retry_after: 0.3,
        global: false});
      return;
    }
    let message = args.enforce_nonce && this.nonces.get(args.nonce);
    if (!message) {
      message = this.post({content: args.content, author: ACCOUNTS[account],
        nonce: args.nonce});
      this.nonces.set(args.nonce, message);
      this.world.sent.push({chat: CHAT, text: args.content,
        thread: args.message_reference?.message_id ?? ''});
    }
    if (this.world.due('lose')) lose();
    else reply(200, message);
  }
}

exports.create = (world) => new Discord(world);
