// slack: the profile of Slack's socket mode. Slack sends each event in an
// envelope to one of the app's connections, and again, to any of them, until it
// is acknowledged: which is done once supd has it. There is no position.
'use strict';
const supd = require('supd');
const {Refused, Login, Limited, waitOf} = require('./rest.js');
const {Session, clean, isId, idOf, emojiOf} = require('./session.js');

const RETIRE_MS = 10 * 1000; // Slack has closed it by then
const FIND_PAGES = 5;
const MARGIN_S = 60; // clocks differ
const EVENT = 'supd_send'; // metadata of what we send
const TYPES = {im: 'direct', mpim: 'group', group: 'group', channel: 'channel'};
const KINDS = [undefined, 'file_share', 'thread_broadcast', 'me_message',
  'bot_message']; // subtypes that are messages
const LOGIN = ['invalid_auth', 'not_authed', 'account_inactive',
  'no_permission', 'token_revoked', 'token_expired', 'not_allowed_token_type',
  'missing_scope'];
const PASSING = ['internal_error', 'fatal_error', 'service_unavailable',
  'request_timeout', 'team_added_to_org'];

function judge({status, headers, json}, bucket, pace) {
  const code = json?.error;
  if (status === 429 || code === 'ratelimited' || code === 'rate_limited') {
    const after = waitOf(headers['retry-after']);
    pace.block(bucket, after);
    throw new Limited(after);
  }
  if (status >= 500 || PASSING.includes(code))
    throw new Error(clean(code ?? `HTTP status ${status}`));
  if (LOGIN.includes(code)) throw new Login(`the token is refused: ${code}`);
  if (status >= 300 || code)
    throw new Refused(status, code, clean(code ?? `HTTP status ${status}`));
  if (json?.ok !== true) throw new Error('the answer is not one of Slack');
}

function unescaped(text) {
  return text.replace(/&lt;/g, '<').replace(/&gt;/g, '>')
    .replace(/&amp;/g, '&');
}

// Nothing in it is a mention, a link or a command to Slack.
function escaped(text) {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;')
    .replace(/>/g, '&gt;');
}

// The time in the id of a message.
function stampOf(id) {
  return id.slice(id.lastIndexOf(':') + 1);
}

class Profile extends Session {
  static can = ['text', 'reply', 'thread', 'edit', 'delete', 'react', 'find'];
  static textLimit = 40000;
  static judge = judge;

  static afresh() {
    return undefined;
  }

  authorization() {
    return `Bearer ${this.config.token}`;
  }

  async begin() {
    const {signal} = this.abort;
    const {json: me} = await this.rest.call('POST', '/auth.test', {signal});
    if (!isId(me.user_id)) throw new Error('auth.test has no user_id');
    this.identity = {id: me.user_id, name: clean(me.user ?? me.user_id)};
    this.bot = me.bot_id;
    this.position = null;
    const {json} = await this.rest.call('POST', '/apps.connections.open',
      {signal, authorization: `Bearer ${this.config.appToken}`});
    this.connect(String(json.url));
  }

  async handle(object) {
    if (object.type === 'hello') this.confirm();
    else if (object.type === 'disconnect') this.leave(object.reason);
    else if (isId(object.envelope_id)) await this.take(object);
  }

  leave(reason) {
    if (reason === 'link_disabled')
      throw new Login('socket mode is switched off for the app');
    this.keeper.renew(this);
  }

  async take({envelope_id: id, type, payload}) {
    const acknowledge = () => this.socket.send({envelope_id: id});
    const message = type === 'events_api' ? this.messageOf(payload?.event)
      : null;
    if (message) await this.deliver(message, undefined, acknowledge);
    else acknowledge();
  }

  // null: it is not a message, or our own. The time of a message is its id in its
  // chat; what the client calls it is up to the sender.
  messageOf(event) {
    if (!['message', 'app_mention'].includes(event?.type) ||
        !KINDS.includes(event.subtype) || !isId(event.channel) ||
        !isId(event.ts)) return null;
    const from = event.user ?? event.bot_id;
    if (!isId(from) || from === this.identity.id || (this.bot &&
        event.bot_id === this.bot)) return null;
    const thread = isId(event.thread_ts) ? event.thread_ts : undefined;
    const text = clean(event.text ?? ''), name = `<@${this.identity.id}>`;
    return {
      id: `${event.channel}:${event.ts}`,
      at: Math.floor(Number(event.ts) * 1000) || Date.now(),
      lane: thread ? `${event.channel}:${thread}` : event.channel,
      from: {id: from, verified: event.subtype !== 'bot_message'},
      chat: {id: event.channel, type: TYPES[event.channel_type] ?? 'channel'},
      thread, reply_to: thread, mentioned: text.includes(name),
      text: unescaped(text.trimStart().startsWith(name)
        ? text.trimStart().slice(name.length).trimStart() : text),
    };
  }

  // What it has may still be acknowledged, and more may come to it.
  retire() {
    const timer = setTimeout(() => this.close(), RETIRE_MS);
    this.abort.signal.addEventListener('abort', () => clearTimeout(timer),
      {once: true});
  }

  goOn() {}

  // ---- what goes out ----

  async send(target, content, sendId, call) {
    const {json} = await this.rest.call('POST', '/chat.postMessage', {
      signal: call.signal, json: {
        channel: target.chat, text: escaped(content.text ?? ''),
        thread_ts: this.threadOf(target),
        mrkdwn: content.format === 'markdown',
        metadata: {event_type: EVENT, event_payload: {id: sendId}}}});
    return {ids: [`${json.channel}:${json.ts}`]};
  }

  edit(target, args, {signal}) {
    return this.rest.call('POST', '/chat.update', {signal, json: {
      channel: target.chat, ts: stampOf(idOf(target, args)),
      text: escaped(String(args.text ?? ''))}});
  }

  delete(target, args, {signal}) {
    return this.rest.call('POST', '/chat.delete', {signal, json: {
      channel: target.chat, ts: stampOf(idOf(target, args))}});
  }

  react(target, args, {signal}) {
    return this.rest.call('POST', '/reactions.add', {signal, json: {
      channel: target.chat, timestamp: stampOf(idOf(target, args)),
      name: emojiOf(args)}});
  }

  threadOf(target) {
    return target.thread ?? (target.reply_to && stampOf(target.reply_to));
  }

  async find(sendId, target, since) {
    const thread = this.threadOf(target);
    const query = {channel: target.chat, limit: 100, include_all_metadata: true,
      oldest: String(Math.max(0, since / 1000 - MARGIN_S)),
      ...(thread ? {ts: thread} : {})};
    for (let page = 0; page < FIND_PAGES; page++) {
      const {json} = await this.rest.patient('GET', thread
        ? '/conversations.replies' : '/conversations.history',
      {query, signal: this.abort.signal});
      const found = (json.messages ?? []).find((each) =>
        each?.metadata?.event_type === EVENT &&
        each.metadata.event_payload?.id === sendId);
      if (found) return `${target.chat}:${found.ts}`;
      query.cursor = json.response_metadata?.next_cursor;
      if (!json.has_more || !query.cursor)
        throw new supd.NotSent('it is not in the chat');
    }
    throw new Error('there are too many messages after it');
  }
}

module.exports = {Profile};
