/* link: the connection to the room, and what waits to be sent. A message has a
 * number; the server takes the next one only and says which it has. Those
 * behind that one are sent again after every welcome, so none is lost and none
 * is doubled, whatever happens to the connection. */

const SHORTEST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15000;
const REFUSED_PAUSE_MS = 15000; // after a close that says why
const WINDOW = 16; // messages that are sent and not acknowledged
export const WAITING_MAX = 200; // messages that are not acknowledged

function random(bytes) {
  return Array.from(crypto.getRandomValues(new Uint8Array(bytes)),
    (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/* Who this browser is; what others see of it is a hash. */
function ownKey() {
  let key = localStorage.getItem("webchat.key");
  if (!/^[0-9a-f]{32}$/.test(key ?? "")) {
    key = random(16);
    localStorage.setItem("webchat.key", key);
  }
  return key;
}

export class Link {
  #handlers;
  #key = ownKey();
  #tab = random(8); // of this page, so that two tabs do not share numbers
  #socket = null;
  #timer = null;
  #pause = SHORTEST_PAUSE_MS;
  #person = null; // {name, token, room}
  #log = ""; // which history, and what of it is here
  #after = 0;
  #number = 0; // of the last message
  #acknowledged = 0;
  #sent = 0; // of the last message that was sent on this connection
  #waiting = []; // {n, text, reply_to}
  #later = null; // a timer, while the server asks to wait
  #welcomed = false;

  /** handlers: onState(state, pauseMs), onWelcome(frame), onNews(frame),
   * onNo(why). */
  constructor(handlers) {
    this.#handlers = handlers;
    addEventListener("online", () => this.#again());
  }

  get waiting() {
    return this.#waiting.length;
  }

  /** Enters a room; another one than before begins anew. */
  enter(person) {
    if (person.room !== this.#person?.room) {
      this.#log = "";
      this.#after = 0;
    }
    this.#person = person;
    this.#welcomed = false;
    if (this.#socket?.readyState === WebSocket.OPEN) this.#hello();
    else this.#again();
  }

  leave() {
    this.#person = null;
    clearTimeout(this.#timer);
    this.#socket?.close(1000);
    this.#socket = null;
    this.#welcomed = false;
    this.#handlers.onState("left");
  }

  /** The number of the message. */
  say(text, reply_to = "") {
    this.#waiting.push({n: ++this.#number, text, reply_to});
    this.#send();
    return this.#number;
  }

  /* ---- connecting ---- */

  #again() {
    if (!this.#person || this.#socket?.readyState <= WebSocket.OPEN) return;
    clearTimeout(this.#timer);
    this.#connect();
  }

  #connect() {
    const url = new URL("ws", location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    url.hash = url.search = "";
    const socket = new WebSocket(url);
    this.#socket = socket;
    this.#handlers.onState("connecting");
    socket.onopen = () => this.#hello();
    socket.onmessage = ({data}) => {
      if (socket === this.#socket) this.#take(JSON.parse(data));
    };
    socket.onclose = ({code, reason}) => {
      if (socket === this.#socket) this.#closed(code, reason);
    };
  }

  #closed(code, reason) {
    const pause = code === 1008 ? REFUSED_PAUSE_MS
      : this.#pause * (1 + Math.random() / 4);
    this.#socket = null;
    this.#welcomed = false;
    this.#pause = Math.min(2 * this.#pause, LONGEST_PAUSE_MS);
    if (!this.#person) return;
    this.#handlers.onState("lost", pause, reason);
    this.#timer = setTimeout(() => this.#connect(), pause);
  }

  #hello() {
    const {name, token, room} = this.#person;
    this.#socket.send(JSON.stringify({t: "hello", key: this.#key,
      tab: this.#tab, name, token, room, log: this.#log, after: this.#after,
      next: this.#acknowledged + 1}));
  }

  /* ---- frames ---- */

  #take(frame) {
    if (!this.#person) return;
    if (frame.t === "again") {
      this.#welcomed = false;
      this.#hello();
    } else if (frame.t === "no") {
      this.#handlers.onNo(frame.why);
    } else if (frame.t === "welcome") {
      this.#welcome(frame);
    } else if (frame.t === "news") {
      this.#news(frame);
    }
  }

  #welcome(frame) {
    this.#pause = SHORTEST_PAUSE_MS;
    this.#log = frame.log;
    if (frame.fresh) this.#after = 0;
    this.#person = {...this.#person, room: frame.room};
    this.#welcomed = true;
    this.#acknowledge(frame.last);
    this.#sent = this.#acknowledged;
    this.#handlers.onWelcome(frame);
    this.#send();
  }

  #news(frame) {
    frame.messages = frame.messages.filter(({seq}) => seq > this.#after);
    this.#after = frame.messages.at(-1)?.seq ?? this.#after;
    this.#acknowledge(frame.ack);
    this.#handlers.onNews(frame);
    if (frame.later) this.#sendLater(frame.later);
    else this.#send();
  }

  #acknowledge(number) {
    this.#acknowledged = Math.max(this.#acknowledged, number);
    this.#sent = Math.max(this.#sent, number);
    while (this.#waiting[0]?.n <= this.#acknowledged) this.#waiting.shift();
  }

  #sendLater(ms) {
    clearTimeout(this.#later);
    this.#later = setTimeout(() => {
      this.#later = null;
      this.#sent = this.#acknowledged;
      this.#send();
    }, ms);
  }

  #send() {
    if (!this.#welcomed || this.#later) return;
    for (const message of this.#waiting) {
      if (message.n > this.#acknowledged + WINDOW) break;
      if (message.n <= this.#sent) continue;
      this.#socket.send(JSON.stringify({t: "say", ...message}));
      this.#sent = message.n;
    }
  }
}
