// A double of Slack: events in envelopes, which come again until they are
// acknowledged, on any connection of the app.
'use strict';

const CHAT = 'C0GENERAL', BOT = 'U0BOT';

class Slack {
  constructor(world) {
    this.world = world;
    this.pending = new Map(); // envelope id -> {conn, payload, attempt}
    this.history = [];
    this.next = 1;
    this.acks = 0;
    this.pongs = 0;
    this.tickets = new Map(); // of apps.connections.open: the token
  }

  state() {
    return {acks: this.acks, pending: this.pending.size, pongs: this.pongs};
  }

  stamp() {
    return `${Math.floor(Date.now() / 1000)}.` +
      String(this.next++).padStart(6, '0');
  }

  say({text, user, thread, ...more}) {
    const event = {type: 'message', channel: CHAT, channel_type: 'channel',
      user: user === 'bot' ? BOT : `U${user}`, ts: this.stamp(), text,
      client_msg_id: `c${this.next}`, ...(thread ? {thread_ts: thread} : {}),
      ...more};
    this.history.push(event);
    this.publish(event);
  }

  publish(event) {
    const id = `e${this.next++}`;
    this.pending.set(id, {conn: null, attempt: 0,
      payload: {type: 'event_callback', event}});
    this.deliver(id);
  }

  deliver(id) {
    const conns = [...this.world.conns].filter((conn) => conn.isReady);
    const item = this.pending.get(id), conn = conns[conns.length - 1];
    if (!conn || conn.ws.readyState !== 1) return;
    item.conn = conn;
    conn.send({type: 'events_api', envelope_id: id, payload: item.payload,
      accepts_response_payload: false, retry_attempt: item.attempt++,
      retry_reason: item.attempt > 1 ? 'timeout' : ''});
    if (item.attempt === 1) this.world.pass(conn); // what comes again is let by
  }

  resend() {
    for (const id of this.pending.keys()) this.deliver(id);
    for (const {ws} of this.world.conns) ws.ping();
  }

  renew({reason}) {
    const old = [...this.world.conns];
    for (const conn of old)
      conn.send({type: 'disconnect', reason: reason ?? 'refresh_requested'});
  }

  noise() {
    return {type: 'noise'};
  }

  came(conn, query) {
    conn.token = this.tickets.get(query.get('ticket'));
    this.tickets.delete(query.get('ticket'));
    if (!conn.token) {
      conn.ws.close(1008);
      return;
    }
    conn.ws.on('pong', () => { this.pongs++; });
    conn.send({type: 'hello', num_connections: this.world.conns.size,
      connection_info: {app_id: 'A1'}});
    if (conn.accept()) return;
    if (this.world.conns.size > 1) this.world.count('beside');
    conn.isReady = true;
    for (const [id, item] of this.pending)
      if (!item.conn) this.deliver(id);
  }

  heard(conn, {envelope_id: id}) {
    if (!this.pending.delete(id)) return;
    this.acks++;
  }

  left(conn) {
    const others = [...this.world.conns].some((each) => each.isReady);
    for (const [id, item] of this.pending) {
      if (item.conn !== conn) continue;
      item.conn = null;
      if (others) this.deliver(id);
    }
  }

  expel(conn) {
    conn.ws.terminate();
  }

  // ---- the API ----

  http({path, args, token, query, account}, reply, lose) {
    const method = path.replace('/api/', '');
    if (!account) reply(200, {ok: false, error: 'invalid_auth'});
    else if (method === 'auth.test')
      reply(200, {ok: true, user_id: account === 'bot' ? BOT : 'U0OTHER',
        user: account, bot_id: 'B0BOT', team_id: 'T1'});
    else if (method === 'apps.connections.open') {
      if (account !== 'app') {
        reply(200, {ok: false, error: 'not_allowed_token_type'});
        return;
      }
      const ticket = `t${this.next++}`;
      this.tickets.set(ticket, token);
      reply(200, {ok: true, url: `${this.world.scheme}://127.0.0.1:` +
        `${this.world.port}/link/?ticket=${ticket}`});
    } else if (method === 'conversations.history')
      reply(200, {ok: true, has_more: false, messages: this.history
        .filter(({ts}) => Number(ts) >= Number(query.get('oldest')))
        .reverse()});
    else if (method === 'chat.postMessage') this.take(args, reply, lose);
    else reply(200, {ok: false, error: 'unknown_method'});
  }

  take(args, reply, lose) {
    if (this.world.due('limit')) {
      reply(429, {ok: false, error: 'ratelimited'}, {'Retry-After': '1'});
      return;
    }
    if (args.channel !== CHAT) {
      reply(200, {ok: false, error: 'channel_not_found'});
      return;
    }
    const event = {type: 'message', subtype: 'bot_message', channel: CHAT,
      user: BOT, bot_id: 'B0BOT', ts: this.stamp(), text: args.text,
      metadata: args.metadata};
    this.history.push(event);
    this.world.sent.push({chat: CHAT, text: args.text,
      thread: args.thread_ts ?? ''});
    this.publish(event);
    if (this.world.due('lose')) lose();
    else reply(200, {ok: true, channel: CHAT, ts: event.ts});
  }
}

exports.create = (world) => new Slack(world);
