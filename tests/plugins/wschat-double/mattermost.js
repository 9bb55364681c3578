// A double of Mattermost: one channel, connections that can be resumed.
'use strict';
const crypto = require('crypto');

const CHAT = 'townsquaretownsquaretowns1', BOT = 'botbotbotbotbotbotbotbot1x';
const OTHER = 'otherotherotherotherother1';
const ACCOUNTS = {bot: {id: BOT, username: 'bot'},
  other: {id: OTHER, username: 'other'}};
const KEPT = 128; // events of a connection that is away

class Mattermost {
  constructor(world) {
    this.world = world;
    this.posts = [];
    this.lines = new Map(); // connection id -> {log, first, next, conn}
    this.last = 0;
  }

  // ---- events ----

  tell(line, event, data) {
    const told = {event, data, broadcast: {channel_id: CHAT}, seq: line.next++};
    line.log.push(told);
    if (line.log.length > KEPT) line.log.shift();
    if (line.conn) this.put(line.conn, told);
  }

  put(conn, event) {
    conn.send(event);
    if (event.event === 'posted') this.world.pass(conn);
  }

  post(fields) {
    this.last = Math.max(this.last + 1, Date.now());
    const post = {id: crypto.randomBytes(13).toString('hex'), type: '',
      create_at: this.last, update_at: this.last, delete_at: 0, root_id: '',
      channel_id: CHAT, props: {}, ...fields};
    this.posts.push(post);
    for (const line of this.lines.values())
      this.tell(line, 'posted', {channel_type: 'O', sender_name: '@ann',
        post: JSON.stringify(post)});
    return post;
  }

  say({text, user, thread, props, type}) {
    this.post({message: text, user_id: user === 'bot' ? BOT
      : user.padEnd(26, 'x'), root_id: thread ?? '', props: props ?? {},
    type: type ?? ''});
  }

  noise() {
    return {seq_reply: 99, status: 'OK'};
  }

  came(conn, query, token) {
    conn.line = query.get('connection_id');
    conn.seq = Number(query.get('sequence_number'));
    if (this.world.account(token)) this.enter(conn, token);
  }

  enter(conn, token) {
    const line = this.lines.get(conn.line);
    conn.token = token;
    if (conn.accept()) return;
    const at = line ? line.log.findIndex(({seq}) => seq === conn.seq) : -1;
    if (line && !this.world.faults.forget &&
        (at >= 0 || conn.seq === line.next)) {
      this.world.count('resumed');
      line.conn = conn;
      for (const event of at < 0 ? [] : line.log.slice(at))
        if (conn.ws.readyState === 1) this.put(conn, event);
      return;
    }
    this.lines.delete(conn.line);
    conn.line = crypto.randomBytes(13).toString('hex');
    const fresh = {log: [], next: 0, conn};
    this.lines.set(conn.line, fresh);
    this.world.count('fresh');
    this.tell(fresh, 'hello', {connection_id: conn.line,
      server_version: '9.0.0'});
  }

  heard(conn, {seq, action, data}) {
    if (action === 'authentication_challenge' && !conn.token) {
      if (this.world.account(data.token)) this.enter(conn, data.token);
      else conn.send({status: 'FAIL', seq_reply: seq,
        error: {message: 'Invalid session'}});
    } else if (action === 'ping') {
      conn.send({status: 'OK', seq_reply: seq, data: {text: 'pong'}});
    }
  }

  left(conn) {
    const line = this.lines.get(conn.line);
    if (line?.conn === conn) line.conn = null;
  }

  changed() {
    if (!this.world.faults.forget) return;
    for (const [id, line] of this.lines) if (!line.conn) this.lines.delete(id);
  }

  expel(conn) {
    conn.ws.close(1000);
  }

  // ---- the API ----

  http({method, path, query, args, account}, reply, lose) {
    const what = `${method} ${path.replace('/api/v4', '')}`;
    if (!account)
      reply(401, {id: 'api.session_expired', message: 'Invalid session'});
    else if (what === 'GET /users/me') reply(200, ACCOUNTS[account]);
    else if (/^GET \/users\/\w+\/channels$/.test(what)) {
      this.world.count('catch_ups');
      reply(200, [{id: CHAT, type: 'O', last_post_at: this.last}]);
    } else if (what === `GET /channels/${CHAT}/posts`) {
      const size = Number(query.get('per_page'));
      const end = this.posts.length - size * Number(query.get('page'));
      const page = this.posts.slice(Math.max(0, end - size), Math.max(0, end));
      reply(200, {order: page.map(({id}) => id).reverse(),
        posts: Object.fromEntries(page.map((post) => [post.id, post]))});
    } else if (what === 'POST /posts') this.take(args, account, reply, lose);
    else reply(404, {id: 'api.not_found', message: `no ${what}`});
  }

  take(args, account, reply, lose) {
    if (this.world.due('limit')) {
      reply(429, {}, {'X-RateLimit-Reset': '1'});
      return;
    }
    if (args.channel_id !== CHAT) {
      reply(403, {id: 'api.permissions', message: 'no such channel for you'});
      return;
    }
    const post = this.post({user_id: ACCOUNTS[account].id,
      message: args.message, root_id: args.root_id, props: args.props});
    this.world.sent.push({chat: CHAT, text: args.message,
      thread: args.root_id});
    if (this.world.due('lose')) lose();
    else reply(201, post);
  }
}

exports.create = (world) => new Mattermost(world);
