/* session: JSON-RPC 2.0 over /ws, with reconnecting. Only one Session is open at
 * a time. */

const SHORTEST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15000;
const DENIED = 1008;

/** What a call failed with: message, and `data` as supd sent it. */
export class CallError extends Error {
  constructor(error) {
    super(error.message);
    this.data = error.data ?? {};
  }
}

export class Session {
  #token;
  #handlers;
  #socket = null;
  #calls = new Map(); // id -> {resolve, reject}
  #nextId = 1;
  #pause = SHORTEST_PAUSE_MS;
  #timer = null;
  #ended = false;
  #wasOpen = false;

  /** handlers: onOpen(), onLost(pauseMs), onDenied(), and
   * onNotification(method, params). */
  constructor(token, handlers) {
    this.#token = token;
    this.#handlers = handlers;
    this.#connect();
  }

  /** Resolves with the result, or rejects with a CallError. `id` in the
   * notifications of that call is what onId is given. */
  call(method, params, onId) {
    return new Promise((resolve, reject) => {
      if (this.#socket?.readyState !== WebSocket.OPEN) {
        reject(new CallError({message: "not connected"}));
        return;
      }
      const id = this.#nextId++;
      this.#calls.set(id, {resolve, reject});
      onId?.(id);
      this.#socket.send(JSON.stringify({jsonrpc: "2.0", id, method, params}));
    });
  }

  end() {
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#socket?.close(1000);
    this.#fail();
  }

  #connect() {
    const url = new URL("/ws", location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    this.#socket = new WebSocket(url, ["supd.v1", `bearer.${this.#token}`]);
    this.#socket.onopen = () => {
      this.#pause = SHORTEST_PAUSE_MS;
      this.#wasOpen = true;
      this.#handlers.onOpen();
    };
    this.#socket.onmessage = ({data}) => this.#take(JSON.parse(data));
    this.#socket.onclose = ({code}) => this.#closed(code);
  }

  /* No batch is sent, so no array comes. */
  #take(message) {
    const waiting = this.#calls.get(message.id);

    if (message.method) {
      this.#handlers.onNotification(message.method, message.params);
    } else if (waiting) {
      this.#calls.delete(message.id);
      if (message.error) waiting.reject(new CallError(message.error));
      else waiting.resolve(message.result);
    }
  }

  #fail() {
    for (const {reject} of this.#calls.values())
      reject(new CallError({message: "the connection was lost"}));
    this.#calls.clear();
  }

  /* A browser does not show a page the status of a refused handshake, so the
   * API is asked whether it was the token. */
  async #isDenied(code) {
    if (code === DENIED) return true;
    if (this.#wasOpen && code !== 1006) return false;
    try {
      const answer = await fetch("/api", {
        headers: {Authorization: `Bearer ${this.#token}`}});
      return answer.status === 401 || answer.status === 403;
    } catch {
      return false;
    }
  }

  async #closed(code) {
    this.#fail();
    if (this.#ended) return;
    if (await this.#isDenied(code)) {
      if (!this.#ended) this.#handlers.onDenied();
      return;
    }
    if (this.#ended) return;
    this.#handlers.onLost(this.#pause);
    this.#timer = setTimeout(() => this.#connect(), this.#pause);
    this.#pause = Math.min(2 * this.#pause, LONGEST_PAUSE_MS);
  }
}
