// session: one connection to a platform, from the first request to its end,
// which comes once. What it is sent waits in a queue and is handled in order;
// while supd takes no more the connection is not read. A profile extends it:
//
//   begin()         asks what it has to and calls connect()
//   opened()        the connection is there
//   handle(object)  a message of the server; confirm() once it is accepted
//   whyClosed(how)  the error that an end of the connection stands for
//   position        where the next session goes on: after what was handled
'use strict';
const supd = require('supd');
const {Rest, Limited, Unsent, Refused, Login} = require('./rest.js');
const {Socket} = require('./socket.js');

const QUEUE_MAX = 64; // then the connection is not read
const LEAVE = 4000; // close code of a client whose session is to go on

// Strings of strangers as Unicode that can be passed on.
function clean(text) {
  return Buffer.from(String(text)).toString();
}

function isId(value) {
  return typeof value === 'string' && /^[\x21-\x7e]{1,200}$/.test(value);
}

class Session {
  constructor(keeper, config, position) {
    this.keeper = keeper;
    this.config = config;
    this.position = position ?? {};
    this.identity = null; // {id, name} of the account
    this.openedAt = 0;
    this.isOver = false;
    this.why = null;
    this.socket = null;
    this.queue = [];
    this.pumping = false;
    this.opening = null;
    this.gate = null; // nothing is handed on before this promise
    this.abort = new AbortController();
    this.rest = new Rest(config.api, {ca: config.ca, pace: keeper.pace,
      authorization: this.authorization(), judge: this.constructor.judge});
  }

  // ---- its life ----

  /** Fulfilled once the platform has accepted it, within connect_timeout. */
  open(signal) {
    const {connectTimeout} = this.config;
    const stop = () => this.fail(new Error('stopped'));
    const timer = setTimeout(() => this.fail(new Error(
      `no connection within ${connectTimeout} ms`)), connectTimeout);
    return new Promise((done, failed) => {
      this.opening = {done, failed};
      if (signal.aborted) stop();
      else signal.addEventListener('abort', stop, {once: true});
      if (!this.isOver) this.begin().catch((error) => this.fail(error));
    }).finally(() => {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
    });
  }

  connect(address, headers = {}) {
    const url = new URL(address);
    if (url.protocol !== 'wss:' &&
        (url.protocol !== 'ws:' || this.config.api.startsWith('https:')))
      throw new Error('the server names an address that is not secure');
    if (this.isOver) return;
    this.socket = new Socket(url, {headers, ca: this.config.ca,
      limit: this.config.frameLimit, timeout: this.config.connectTimeout}, {
      open: () => this.opened(),
      message: (text) => this.push(text),
      end: (how) => this.fail(this.whyClosed(how)),
    });
  }

  opened() {}

  whyClosed({code, reason, error}) {
    return new Error(error ? error.message
      : `the server closed the connection: ${code} ${clean(reason)}`);
  }

  confirm() {
    const {opening} = this;
    if (this.isOver || !opening) return;
    this.opening = null;
    this.openedAt = Date.now();
    opening.done();
  }

  fail(error) {
    if (this.isOver) return;
    this.why = error;
    this.end();
    if (this.opening) this.opening.failed(error);
    else this.keeper.ended(this, error);
  }

  end() {
    this.isOver = true;
    this.queue = [];
    this.abort.abort();
    return this.socket ? this.socket.close(LEAVE) : Promise.resolve();
  }

  /** Ends it without a word to the keeper. A promise. */
  close() {
    this.keeper.sessions.delete(this);
    if (this.isOver) return this.socket?.whenClosed;
    this.why = new Error('closed');
    const ended = this.end();
    this.opening?.failed(this.why);
    return ended;
  }

  /** Another session has taken over. */
  retire() {
    this.close();
  }

  /** Waits until what was sent to this session before now is handled, where
   * the next session would not be sent it. */
  async settle() {}

  /** Nothing is handed on until release(). */
  hold() {
    this.gate = new Promise((done) => { this.release = done; });
  }

  release() {}

  // ---- what comes in ----

  push(text) {
    this.queue.push(text);
    if (this.queue.length >= QUEUE_MAX) this.socket.pause();
    if (!this.pumping) this.pump();
  }

  get isBehind() {
    return this.queue.length > 0 || this.socket?.paused;
  }

  async pump() {
    this.pumping = true;
    try {
      while (this.queue.length && !this.isOver) {
        const object = JSON.parse(this.queue.shift());
        if (object === null || typeof object !== 'object')
          throw new Error('the server sent something that is not a message');
        await this.handle(object);
      }
    } catch (error) {
      this.fail(error instanceof SyntaxError
        ? new Error('the server sent something that is not JSON') : error);
    }
    this.pumping = false;
    if (!this.isOver) this.socket.resume();
  }

  /** Hands a message to supd; false: the session is over, and the next one
   * gets it. position: after it. */
  async deliver(message, position, acknowledge) {
    await this.gate;
    if (!this.isOver) await this.keeper.room();
    if (this.isOver) return false;
    this.keeper.receive(message, position, acknowledge);
    return true;
  }

  // ---- what goes out ----

  /** Runs a request, and throws what supd understands: of a send that ends with
   * any other error, nobody knows whether it went out. */
  async sending(request) {
    try {
      const result = await request();
      this.keeper.accepted();
      return result;
    } catch (error) {
      if (error instanceof Limited)
        throw new supd.Retry(error.after, error.message);
      if (error instanceof Unsent) throw new supd.Retry(1000, error.message);
      if (error instanceof Login) this.keeper.login(error.message);
      if (error instanceof Login || error instanceof Refused)
        throw new supd.NotSent(error.message);
      if (error.isAnswer) throw error;
      throw supd.fail('failed', error.message);
    }
  }
}

/** The id of the message that an action is about. */
function idOf(target, args) {
  const id = args?.id ?? target.id ?? target.reply_to;
  if (!isId(id)) throw supd.fail('bad_message', 'id of the message is missing');
  return id;
}

/** The name of an emoji. */
function emojiOf(args) {
  const emoji = String(args?.emoji ?? '').replace(/^:|:$/g, '');
  if (!emoji || emoji.length > 100)
    throw supd.fail('bad_message', 'emoji must have 1 to 100 characters');
  return emoji;
}

module.exports = {Session, clean, isId, idOf, emojiOf};
