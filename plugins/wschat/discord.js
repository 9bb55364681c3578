// discord: the profile of Discord's gateway, version 10. A session outlives its
// connections: it is resumed after the last event that was handled. If Discord
// has given it up, messages of guilds since the last one are fetched; those of
// direct chats cannot be.
//
// The position: {last (the id of the newest message that is handled), session,
// seq and url (where to resume), absent while messages may be missing}.
'use strict';
const crypto = require('node:crypto');
const supd = require('supd');
const {Refused, Login, Limited, Unsent, waitOf, pause} = require('./rest.js');
const {Session, clean, isId, idOf, emojiOf} = require('./session.js');

const EPOCH = 1420070400000; // of ids, ms
const BEAT_MIN = 100, BEAT_MAX = 10 * 60 * 1000; // ms between heartbeats
const GUILDS_MS = 60 * 1000; // for the guilds to be sent after a gap
const PAGE = 100;
const CHATS_MAX = 1000; // that are fetched after a gap
const TRIES = 3; // of a message whose answer is lost
const SETTLE_MS = 2000;
const FILES_MAX = 10;
const KINDS = [0, 19]; // a message, a reply
const CLOSED = { // codes after which a person has to act
  4004: 'the token is refused', 4010: 'the shard is refused',
  4011: 'the bot is in too many guilds for one connection',
  4012: 'the version of the API is refused', 4013: 'the intents are wrong',
  4014: 'the intents are not allowed: see the settings of the bot',
};
const LOST = [4007, 4009]; // the session cannot be resumed

function judge({status, headers, json}, bucket, pace) {
  if (status === 429) {
    const after = waitOf(json?.retry_after ?? headers['retry-after']);
    pace.block(json?.global || headers['x-ratelimit-global'] ? '*' : bucket,
      after);
    throw new Limited(after);
  }
  if (headers['x-ratelimit-remaining'] === '0')
    pace.block(bucket, waitOf(headers['x-ratelimit-reset-after']));
  const text = clean(json?.message ?? `HTTP status ${status}`);
  if (status === 401) throw new Login(`the token is refused: ${text}`);
  if (status >= 500) throw new Error(text);
  if (status >= 300) throw new Refused(status, json?.code, text);
  if (!json && status !== 204) throw new Error('the answer is not JSON');
}

function isSnowflake(id) {
  return typeof id === 'string' && /^\d{1,20}$/.test(id);
}

// Whether an id is of a later time.
function isAfter(id, other) {
  return isSnowflake(id) && BigInt(id) > BigInt(other);
}

class Profile extends Session {
  static can = ['text', 'reply', 'edit', 'delete', 'react', 'typing'];
  static textLimit = 2000;
  static judge = judge;

  static afresh(position) {
    return position && {last: position.last};
  }

  authorization() {
    return `Bot ${this.config.token}`;
  }

  async begin() {
    const {signal} = this.abort;
    const {json, headers} = await this.rest.call('GET', '/users/@me', {signal});
    if (!isSnowflake(json.id)) throw new Error('/users/@me has no id');
    this.identity = {id: json.id, name: clean(json.username)};
    this.mention = new RegExp(`<@!?${json.id}>`);
    this.misses = isSnowflake(this.position.last);
    if (!this.misses) this.position = {last: String(BigInt(
      (Date.parse(headers.date) || Date.now()) - EPOCH) << 22n)};
    this.newest = this.position.last;
    this.waitsFor = null; // guilds that may have missed messages
    this.filled = 0;
    this.resumes = isId(this.position.session) &&
      Number.isSafeInteger(this.position.seq);
    this.seq = this.resumes ? this.position.seq : null;
    this.beats = {timer: null, isAnswered: true, done: []};
    const gateway = this.resumes ? this.position.url : await this.gateway();
    this.connect(`${String(gateway).replace(/\/+$/, '')}/?v=10&encoding=json`);
  }

  async gateway() {
    const {json} = await this.rest.call('GET', '/gateway/bot',
      {signal: this.abort.signal});
    const limit = json.session_start_limit;
    if (limit?.remaining === 0)
      throw new Limited(waitOf(limit.reset_after / 1000));
    return json.url;
  }

  whyClosed(how) {
    if (LOST.includes(how.code)) this.forget();
    return Object.hasOwn(CLOSED, how.code) ? new Login(CLOSED[how.code])
      : super.whyClosed(how);
  }

  forget() {
    this.position = {last: this.position.last};
    this.resumes = false;
  }

  end() {
    clearTimeout(this.beats?.timer);
    clearTimeout(this.guilds);
    return super.end();
  }

  goOn(position) {
    if (isSnowflake(position?.last))
      this.position = {...this.position, last: position.last};
    if (isAfter(this.position.last, this.newest))
      this.newest = this.position.last;
  }

  // ---- the gateway ----

  async handle({op, d, s, t}) {
    switch (op) {
      case 0: return this.happened(d, s, t);
      case 1: return this.beat();
      case 7: throw new Error('Discord asks to connect again');
      case 9: return this.invalid(d);
      case 10: return this.hello(d);
      case 11:
        this.beats.isAnswered = true;
        for (const done of this.beats.done.splice(0)) done();
        return undefined;
      default: return undefined;
    }
  }

  hello(d) {
    const every = Math.min(Math.max(Number(d?.heartbeat_interval) || 0,
      BEAT_MIN), BEAT_MAX);
    clearTimeout(this.beats.timer);
    this.beats.isAnswered = true;
    const next = (ms) => {
      this.beats.timer = setTimeout(() => {
        // What has come and waits here may be the answer.
        if (!this.beats.isAnswered && !this.isBehind) {
          this.fail(new Error('Discord does not answer heartbeats'));
          return;
        }
        this.beat();
        next(every);
      }, ms);
    };
    next(every * Math.random());
    this.enter();
  }

  beat() {
    this.beats.isAnswered = false;
    this.socket.send({op: 1, d: this.seq});
  }

  enter() {
    const {token, intents} = this.config;
    if (this.resumes)
      this.socket.send({op: 6, d: {token, session_id: this.position.session,
        seq: this.position.seq}});
    else
      this.socket.send({op: 2, d: {token, intents, properties: {
        os: process.platform, browser: 'supd', device: 'supd'}}});
  }

  // The session is gone, unless Discord says that it can be resumed.
  async invalid(canResume) {
    if (canResume === true) throw new Error('Discord asks to resume later');
    const {resumes} = this;
    this.forget();
    if (!resumes) throw new Error('Discord has ended the session');
    this.seq = null;
    await pause(1000 + 4000 * Math.random(), this.abort.signal);
    this.enter();
  }

  async happened(d, s, t) {
    const seq = Number.isSafeInteger(s) ? s : this.seq;
    if (t === 'READY') this.ready(d, seq);
    else if (t === 'RESUMED' || this.resumes) this.confirm();
    if (t === 'GUILD_CREATE' && this.waitsFor) await this.fillGuild(d);
    else if (t === 'GUILD_DELETE') this.guildDone(d?.id);
    const position = {...this.position};
    if (position.session) position.seq = seq;
    const message = t === 'MESSAGE_CREATE' ? this.messageOf(d) : null;
    if (message && isAfter(d.id, this.newest)) this.newest = d.id;
    if (position.session) position.last = this.newest;
    if (message && !await this.deliver(message, position)) return;
    if (this.isOver) return;
    this.seq = seq;
    // Meanwhile the last guild may have come.
    this.position = this.waitsFor ? {last: this.position.last} : this.session
      ? {last: this.newest, ...this.session, seq} : {...position, seq};
  }

  ready(d, seq) {
    if (!isId(d?.session_id)) throw new Error('READY has no session');
    this.resumes = false;
    this.session = {session: d.session_id, url: String(d.resume_gateway_url ??
      'wss://gateway.discord.gg').slice(0, 500)};
    this.seq = seq;
    this.waitsFor = this.misses
      ? new Set((d.guilds ?? []).map((guild) => guild?.id)) : null;
    if (this.waitsFor)
      this.guilds = setTimeout(() => { this.waitsFor = null; }, GUILDS_MS);
    this.confirm();
    this.guildDone();
  }

  guildDone(id) {
    this.waitsFor?.delete(id);
    if (this.waitsFor?.size === 0) this.waitsFor = null;
    if (!this.waitsFor) clearTimeout(this.guilds);
  }

  // What Discord has answered by now, it has sent before.
  async settle() {
    await Promise.race([pause(SETTLE_MS, this.abort.signal).catch(() => {}),
      new Promise((done) => {
        this.beats.done.push(done);
        this.beat();
      })]);
  }

  // null: it is none of a person, or our own.
  messageOf(d, guild = d?.guild_id) {
    if (!KINDS.includes(d?.type) || !isSnowflake(d.id) ||
        !isSnowflake(d.channel_id) || !isSnowflake(d.author?.id) ||
        d.author.id === this.identity.id) return null;
    const text = clean(d.content ?? '');
    const isMentioned = this.mention.test(text);
    const media = (Array.isArray(d.attachments) ? d.attachments : [])
      .slice(0, FILES_MAX).map((file) => ({kind: 'file',
        type: clean(file?.content_type ?? 'application/octet-stream'),
        name: clean(file?.filename ?? ''), size: Number(file?.size) || 0,
        url: clean(file?.url ?? '')}));
    return {
      id: d.id, lane: d.channel_id,
      at: Number(BigInt(d.id) >> 22n) + EPOCH,
      from: {id: d.author.id, name: clean(d.author.username ?? ''),
        verified: !d.webhook_id},
      chat: {id: d.channel_id, type: guild ? 'channel' : 'direct'},
      reply_to: isSnowflake(d.message_reference?.message_id)
        ? d.message_reference.message_id : undefined,
      mentioned: isMentioned, media: media.length ? media : undefined,
      text: isMentioned ? text.replace(
        new RegExp(`^\\s*${this.mention.source}\\s*`), '') : text,
    };
  }

  // ---- what was missed ----

  async fillGuild(guild) {
    await this.gate;
    const chats = [guild?.channels, guild?.threads].flatMap((list) =>
      (Array.isArray(list) ? list : []));
    for (const chat of chats) {
      if (!isSnowflake(chat?.id) ||
          !isAfter(chat.last_message_id, this.position.last)) continue;
      if (++this.filled === CHATS_MAX + 1)
        this.keeper.plugin.log('warn', 'after a gap more than ' +
          `${CHATS_MAX} chats have new messages; those of the others are lost`);
      if (this.filled <= CHATS_MAX) await this.fillChat(chat.id, guild.id);
      if (this.isOver) return;
    }
    this.guildDone(guild?.id);
  }

  // From the oldest on.
  async fillChat(chat, guild) {
    let after = this.position.last, count = 0;
    for (;;) {
      let page;
      try {
        ({json: page} = await this.rest.patient('GET',
          `/channels/${chat}/messages`, {query: {after, limit: PAGE},
            signal: this.abort.signal}));
      } catch (error) {
        if (error instanceof Refused) return; // it is not for us
        throw error;
      }
      const floor = after, isLast = !(page.length >= PAGE);
      page = (Array.isArray(page) ? page : [])
        .filter((each) => isAfter(each?.id, floor))
        .sort((a, b) => (isAfter(a.id, b.id) ? 1 : -1));
      for (const each of page) {
        const message = this.messageOf(each, guild);
        if (message && !await this.deliver(message,
          {last: this.position.last})) return;
        if (isAfter(each.id, this.newest)) this.newest = each.id;
        after = each.id;
      }
      count += page.length;
      if (isLast || !page.length) return;
      if (count < this.config.catchUp) continue;
      this.keeper.plugin.log('warn', `chat ${chat} has more than ${count} ` +
        'messages after a gap; the others are not fetched');
      return;
    }
  }

  // ---- what goes out ----

  // The nonce makes the same message again the same message, for some minutes.
  async send(target, content, sendId, call) {
    const chat = encodeURIComponent(target.thread ?? target.chat);
    const json = {content: content.text ?? '', enforce_nonce: true,
      nonce: crypto.createHash('sha256').update(sendId).digest('base64url')
        .slice(0, 22),
      allowed_mentions: {parse: []}};
    if (target.reply_to)
      json.message_reference = {message_id: target.reply_to,
        fail_if_not_exists: false};
    for (let tries = 1; ; tries++) {
      try {
        const {json: sent} = await this.rest.call('POST',
          `/channels/${chat}/messages`, {json, signal: call.signal});
        return {ids: [String(sent.id)]};
      } catch (error) {
        if (error instanceof Limited || error instanceof Refused ||
            error instanceof Login || call.cancelled || tries >= TRIES ||
            (error instanceof Unsent && tries === 1)) throw error;
        await pause(500 * tries);
      }
    }
  }

  pathOf(target, args) {
    return `/channels/${encodeURIComponent(target.chat)}/messages/` +
      encodeURIComponent(idOf(target, args));
  }

  edit(target, args, {signal}) {
    return this.rest.call('PATCH', this.pathOf(target, args), {signal, json: {
      content: String(args.text ?? ''), allowed_mentions: {parse: []}}});
  }

  delete(target, args, {signal}) {
    return this.rest.call('DELETE', this.pathOf(target, args), {signal});
  }

  react(target, args, {signal}) {
    return this.rest.call('PUT', `${this.pathOf(target, args)}/reactions/` +
      `${encodeURIComponent(emojiOf(args))}/@me`, {signal});
  }

  typing(target, args, {signal}) {
    return this.rest.call('POST',
      `/channels/${encodeURIComponent(target.chat)}/typing`, {signal});
  }
}

module.exports = {Profile};
