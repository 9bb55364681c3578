// socket: a WebSocket client whose every buffer has a bound, on Debian's
// package node-ws. It speaks text, never an extension, verifies TLS, and is
// over once: by its close, by an error, or because the peer does not answer.
'use strict';

const PING_MS = 30 * 1000;
const PINGS_MAX = 3; // unanswered
const PIECES_MAX = 1024; // frames of one message
const OUT_MAX = 1024 * 1024; // bytes that the peer has not read
const CLOSE_MS = 500; // for the peer's close frame

// Node of Debian finds it by its name, others by its place.
function library() {
  for (const name of ['ws', '/usr/share/nodejs/ws']) {
    try {
      return require(name);
    } catch (error) {
      if (error.code !== 'MODULE_NOT_FOUND') throw error;
    }
  }
  throw new Error("this needs a WebSocket library: install Debian's package " +
    'node-ws');
}

/** handlers: open(), message(text), end({code, reason, error}), once. options:
 * {headers, ca, limit (bytes of a message), timeout (ms to connect)} */
class Socket {
  constructor(url, options, handlers) {
    const WebSocket = library();
    this.handlers = handlers;
    this.isOver = false;
    this.paused = false;
    this.unanswered = 0;
    this.pinger = null;
    this.killer = null;
    this.whenClosed = new Promise((done) => { this.closed = done; });
    this.ws = new WebSocket(url, {
      headers: options.headers, ca: options.ca, rejectUnauthorized: true,
      maxPayload: options.limit, handshakeTimeout: options.timeout,
      perMessageDeflate: false, followRedirects: false,
    });
    this.listen();
  }

  listen() {
    const {ws} = this;
    let stream = null;
    ws.on('upgrade', (response) => { stream = response.socket; });
    ws.on('open', () => {
      if (this.isOver) return;
      stream?.on('data', () => this.checkPieces());
      this.pinger = setInterval(() => this.ping(), PING_MS);
      this.handlers.open();
    });
    ws.on('message', (data, isBinary) => {
      if (this.isOver) return;
      this.unanswered = 0;
      if (isBinary) this.kill('the server sent bytes instead of text');
      else this.handlers.message(data.toString());
    });
    ws.on('pong', () => { this.unanswered = 0; });
    ws.on('ping', () => this.checkRoom());
    ws.on('error', (error) => this.end({code: 1006, reason: '', error}));
    ws.on('close', (code, reason) => {
      this.end({code, reason: reason.toString().slice(0, 123), error: null});
      clearTimeout(this.killer);
      this.closed();
    });
  }

  // A message in countless pieces takes far more memory than its bytes, which
  // is all that the library counts.
  checkPieces() {
    if ((this.ws._receiver?._fragments?.length ?? 0) > PIECES_MAX)
      this.kill(`a message in more than ${PIECES_MAX} pieces`);
  }

  // The peer sends, and reads nothing of what it is answered.
  checkRoom() {
    if (this.ws.bufferedAmount > OUT_MAX) this.kill('the server does not read');
  }

  ping() {
    if (this.paused) return; // the answer may be behind what waits here
    if (this.unanswered++ >= PINGS_MAX) {
      this.kill('the server does not answer pings');
      return;
    }
    this.ws.ping();
  }

  /** False: it is not open. */
  send(object) {
    if (this.isOver || this.ws.readyState !== 1) return false;
    this.ws.send(JSON.stringify(object));
    this.checkRoom();
    return !this.isOver;
  }

  pause() {
    if (this.paused || this.isOver || this.ws.readyState !== 1) return;
    this.paused = true;
    this.ws.pause();
  }

  resume() {
    if (!this.paused) return;
    this.paused = false;
    this.unanswered = 0;
    this.ws.resume();
  }

  end(how) {
    if (this.isOver) return;
    this.isOver = true;
    clearInterval(this.pinger);
    this.resume(); // else it would not see the end of the connection
    this.handlers.end(how);
  }

  kill(text) {
    this.end({code: 1006, reason: '', error: new Error(text)});
    this.ws.terminate();
  }

  /** Closes it; end() is not called. A promise, of half a second at most. */
  close(code) {
    if (!this.isOver) {
      this.handlers = {...this.handlers, end() {}};
      this.end({code, reason: '', error: null});
      if (this.ws.readyState === 1) this.ws.close(code);
      else this.ws.terminate();
    }
    this.killer ??= setTimeout(() => this.ws.terminate(), CLOSE_MS);
    return this.whenClosed;
  }
}

module.exports = {Socket};
