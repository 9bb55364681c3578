// mattermost: the profile of a Mattermost server, API version 4. Events have
// sequence numbers, and a connection can be resumed by its id as long as the
// server has what follows; else the posts since the last one are fetched.
//
// The position: {since (ms: all posts before it are handled), conn and seq (the
// connection and the next event), both absent while posts may be missing}.
'use strict';
const supd = require('supd');
const {Refused, Login, Limited, waitOf} = require('./rest.js');
const {Session, clean, isId, idOf, emojiOf} = require('./session.js');

const MARGIN_MS = 10 * 1000; // clocks of a cluster differ
const PAGE = 60; // posts; a post has up to 64 KiB
const CHATS_MAX = 1000; // that are looked at after a gap
const TEXT_MAX = 8 * 1024 * 1024; // characters of a chat's posts after a gap
const FIND_PAGES = 5;
const TYPES = {D: 'direct', G: 'group', P: 'group', O: 'channel'};

function judge({status, headers, json}, bucket, pace) {
  if (status === 429) {
    let seconds = Number(headers['retry-after'] ??
      headers['x-ratelimit-reset']);
    if (seconds > 1e9) seconds -= Date.now() / 1000; // a time of 1970
    const after = waitOf(seconds);
    pace.block('*', after);
    throw new Limited(after);
  }
  const text = clean(json?.message ?? `HTTP status ${status}`);
  if (status === 401) throw new Login(`the token is refused: ${text}`);
  if (status >= 500) throw new Error(text);
  if (status >= 300) throw new Refused(status, json?.id, text);
  if (!json) throw new Error('the answer is not JSON');
}

// The post, or null if it is none.
function checked(post) {
  return isId(post?.id) && isId(post.channel_id) && isId(post.user_id) &&
    Number.isFinite(post.create_at) ? post : null;
}

class Profile extends Session {
  static can = ['text', 'reply', 'thread', 'edit', 'delete', 'react', 'typing',
    'find'];
  static textLimit = 16383;
  static judge = judge;

  static afresh(position) {
    return position && {since: position.since};
  }

  authorization() {
    return `Bearer ${this.config.token}`;
  }

  async begin() {
    const {json, headers} = await this.rest.call('GET', '/users/me',
      {signal: this.abort.signal});
    if (!isId(json.id)) throw new Error('/users/me has no id');
    this.identity = {id: json.id, name: clean(json.username)};
    this.mention = new RegExp(`@${clean(json.username)
      .replace(/[^\w]/g, '\\$&')}(?![\\w.-])`, 'i');
    this.resumes = isId(this.position.conn);
    this.misses = Number.isFinite(this.position.since);
    if (!this.misses)
      this.position = {since: Date.parse(headers.date) || Date.now()};
    this.next = this.resumes ? this.position.seq : 0;
    const url = new URL(`${this.config.api.replace(/^http/, 'ws')}/websocket`);
    if (this.resumes) {
      url.searchParams.set('connection_id', this.position.conn);
      url.searchParams.set('sequence_number', String(this.position.seq));
    }
    this.connect(url.href, {Authorization: this.authorization()});
  }

  // The header is what resumes a connection; the challenge is for a proxy that
  // removes it. The server answers the ping after all that it has to resend.
  opened() {
    this.socket.send({seq: 1, action: 'authentication_challenge',
      data: {token: this.config.token}});
    this.socket.send({seq: 2, action: 'ping'});
  }

  async handle(object) {
    if (object.seq_reply !== undefined) this.answered(object);
    else if (object.event === 'hello') await this.hello(object);
    else if (typeof object.event === 'string') await this.happened(object);
  }

  answered({seq_reply: seq, status, error}) {
    if (seq === 1 && status === 'FAIL')
      throw new Login(`the token is refused: ${clean(error?.message)}`);
    if (seq === 2 && this.resumes) this.confirm();
  }

  // A new connection, also in place of one that cannot be resumed.
  async hello({data, seq}) {
    const conn = data?.connection_id;
    if (this.resumes && conn === this.position.conn) return;
    this.resumes = false;
    this.position = {since: this.position.since};
    this.next = Number.isSafeInteger(seq) ? seq + 1 : 1;
    this.confirm();
    await this.gate;
    if (this.misses) await this.catchUp();
    if (isId(conn))
      this.position = {since: this.position.since, conn, seq: this.next};
  }

  goOn(position) {
    if (Number.isFinite(position?.since))
      this.position = {...this.position, since: position.since};
  }

  async happened({event, data, seq}) {
    if (seq < this.next) return;
    if (seq !== this.next) {
      this.position = {since: this.position.since};
      throw new Error(`event ${this.next} is missing`);
    }
    this.confirm();
    const post = event === 'posted' ? this.postOf(data) : null;
    const position = {...this.position,
      since: Math.max(this.position.since, post?.create_at ?? 0)};
    if (position.conn) position.seq = seq + 1;
    const message = post && this.messageOf(post, data.channel_type,
      data.sender_name);
    if (message && !await this.deliver(message, position)) return;
    this.next = seq + 1;
    this.position = position;
  }

  postOf(data) {
    try {
      return checked(JSON.parse(data.post));
    } catch {
      return null;
    }
  }

  // null: it is none of a person, or our own. A webhook posts in the name of
  // whoever made it.
  messageOf(post, type, name) {
    if (post.type || post.delete_at || post.user_id === this.identity.id)
      return null;
    const text = clean(post.message ?? ''), thread = post.root_id || undefined;
    const isMentioned = this.mention.test(text);
    const props = post.props ?? {};
    return {
      id: post.id, at: post.create_at,
      lane: thread ? `${post.channel_id}:${thread}` : post.channel_id,
      from: {id: post.user_id,
        name: name ? clean(name).replace(/^@/, '') : undefined,
        verified: !props.from_webhook && !props.from_plugin},
      chat: {id: post.channel_id, type: TYPES[type] ?? 'group'},
      thread, reply_to: thread, mentioned: isMentioned,
      text: isMentioned ? this.withoutName(text) : text,
    };
  }

  // "@bot /status" is "/status".
  withoutName(text) {
    const match = this.mention.exec(text);
    return match.index === text.search(/\S/)
      ? text.slice(match.index + match[0].length).trimStart() : text;
  }

  // ---- what was missed ----

  // The position stays where it was until all of it is handed on.
  async catchUp() {
    const from = this.position.since - MARGIN_MS;
    const {json: all} = await this.rest.patient('GET',
      `/users/${this.identity.id}/channels`, {signal: this.abort.signal});
    const chats = (Array.isArray(all) ? all : []).filter((chat) =>
      isId(chat?.id) && chat.last_post_at > from);
    if (chats.length > CHATS_MAX)
      this.keeper.plugin.log('warn', `after a gap ${chats.length} chats have ` +
        `new posts; those of ${CHATS_MAX} are fetched`);
    let newest = this.position.since;
    for (const chat of chats.slice(0, CHATS_MAX))
      newest = Math.max(newest, await this.fill(chat, from));
    if (!this.isOver) this.position = {since: newest};
  }

  // The time of the newest post.
  async fill(chat, from) {
    const missed = [];
    let newest = 0, text = 0, left = this.config.catchUp, isWhole = false;
    for (let page = 0; !isWhole && left > 0 && text < TEXT_MAX; page++) {
      const {posts, isLast} = await this.page(chat.id, page);
      for (const post of posts) {
        isWhole = isWhole || post.create_at < from;
        if (isWhole || left-- <= 0 || text >= TEXT_MAX) break;
        newest = Math.max(newest, post.create_at);
        const message = this.messageOf(post, chat.type);
        if (message) missed.push(message);
        text += message?.text.length ?? 0;
      }
      isWhole = isWhole || (isLast && left >= 0);
    }
    if (!isWhole)
      this.keeper.plugin.log('warn', `chat ${chat.id} has too many posts ` +
        'after a gap; the older ones are not fetched');
    for (const message of missed.reverse())
      if (!await this.deliver(message, this.position)) break;
    return newest;
  }

  // The newest first.
  async page(chat, page) {
    const {json} = await this.rest.patient('GET',
      `/channels/${encodeURIComponent(chat)}/posts`,
      {query: {per_page: PAGE, page}, signal: this.abort.signal});
    const order = Array.isArray(json.order) ? json.order : [];
    return {posts: order.map((id) => checked(json.posts?.[id])).filter(Boolean),
      isLast: order.length < PAGE};
  }

  // ---- what goes out ----

  async send(target, content, sendId, call) {
    const {json} = await this.rest.call('POST', '/posts', {
      signal: call.signal, json: {
        channel_id: target.chat, message: content.text ?? '',
        root_id: target.thread ?? target.reply_to ?? '',
        props: {supd_send: sendId}}});
    return {ids: [String(json.id)], at: Number(json.create_at) || undefined};
  }

  edit(target, args, {signal}) {
    const id = encodeURIComponent(idOf(target, args));
    return this.rest.call('PUT', `/posts/${id}/patch`,
      {signal, json: {message: String(args.text ?? '')}});
  }

  delete(target, args, {signal}) {
    return this.rest.call('DELETE',
      `/posts/${encodeURIComponent(idOf(target, args))}`, {signal});
  }

  react(target, args, {signal}) {
    return this.rest.call('POST', '/reactions', {signal, json: {
      user_id: this.identity.id, post_id: idOf(target, args),
      emoji_name: emojiOf(args)}});
  }

  typing(target, args, {signal}) {
    return this.rest.call('POST', '/users/me/typing', {signal, json: {
      channel_id: target.chat, parent_id: target.thread ?? ''}});
  }

  async find(sendId, target, since) {
    for (let page = 0; page < FIND_PAGES; page++) {
      const {posts, isLast} = await this.page(target.chat, page);
      const found = posts.find((post) => post.props?.supd_send === sendId &&
        post.user_id === this.identity.id);
      if (found) return found.id;
      if (isLast || posts.some((post) => post.create_at < since - MARGIN_MS))
        throw new supd.NotSent('it is not in the chat');
    }
    throw new Error('there are too many posts after it');
  }
}

module.exports = {Profile};
