/* view: the messages of a room. Their text is only ever text, never markup. */

const SHOWN_MAX = 1000; // messages; the oldest ones go
const NEAR_PX = 80; // from the end: new ones are followed

/* What turns the direction of what follows, or is invisible. */
const HARMFUL =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g;

const STATES = {waiting: ["○", "waiting"], kept: ["✓", "in the room"],
  taken: ["✓✓", "delivered"], failed: ["✗", "not accepted"]};

export function plain(text) {
  return String(text).replace(HARMFUL, "?");
}

function element(name, text, className) {
  const made = document.createElement(name);
  made.textContent = plain(text);
  if (className) made.className = className;
  return made;
}

function clock(at) {
  const when = new Date(at), made = element("time",
    when.toLocaleTimeString([], {hour: "2-digit", minute: "2-digit"}));
  made.dateTime = when.toISOString();
  made.title = when.toLocaleString();
  return made;
}

/* Who speaks: people with a token have a mark, others the end of their id, so
 * that two who call themselves the same are told apart. */
function whoIs({id, name, kind}) {
  const badge = {user: ["✓ verified", "badge"], bot: ["plugin", "badge"]}[kind]
    ?? [`#${id.slice(-4)}`, ""];
  return [element("span", name, "who"), element("span", ...badge)];
}

export class View {
  #list;
  #latest;
  #onAnswer;
  #follows = true; // the end of the list is in sight
  #session = ""; // what the ids of own messages begin with
  #own = new Map(); // number -> item, of those that are not taken
  #byId = new Map(); // id -> item

  constructor(list, latest, onAnswer) {
    this.#list = list;
    this.#latest = latest;
    this.#onAnswer = onAnswer;
    latest.onclick = () => this.#follow();
    list.onscroll = () => {
      this.#follows = this.#isNear();
      if (this.#follows) latest.hidden = true;
    };
    new ResizeObserver(() => {
      if (this.#follows) this.#follow();
    }).observe(list);
  }

  /** Forgets all but what waits to be sent. */
  clear() {
    for (const item of this.#byId.values()) item.remove();
    for (const note of this.#list.querySelectorAll(".note")) note.remove();
    this.#byId.clear();
    for (const [number, item] of this.#own)
      if (item.dataset.seq) this.#own.delete(number);
  }

  /** Own messages are known by it. */
  session(session) {
    this.#session = `${session}.`;
  }

  note(text) {
    this.#add(element("li", text, "note"), null);
  }

  /** One that is not in the room yet. */
  waiting(number, text, answered) {
    const item = this.#item({at: Date.now(), text, reply_to: answered}, true);
    this.#own.set(number, item);
    this.#add(item, null);
    this.#mark(item, "waiting");
    this.#follow();
  }

  show(message) {
    const number = this.#numberOf(message.id), old = this.#own.get(number);
    const before = this.#firstWaiting(old);

    if (this.#byId.has(message.id)) return;
    const item = this.#item(message, number > 0);
    old?.remove();
    item.dataset.seq = message.seq;
    item.dataset.id = message.id;
    this.#byId.set(message.id, item);
    this.#add(item, before);
    if (number) {
      this.#own.set(number, item);
      this.#mark(item, "kept");
    }
    this.#trim();
    if (this.#follows) this.#follow();
    else this.#latest.hidden = false;
  }

  /** Everything up to seq was handed on. */
  taken(seq) {
    for (const [number, item] of this.#own) {
      if (!item.dataset.seq || Number(item.dataset.seq) > seq) continue;
      this.#mark(item, "taken");
      this.#own.delete(number);
    }
  }

  failed(number) {
    const item = this.#own.get(number);
    if (item) this.#mark(item, "failed");
    this.#own.delete(number);
  }

  /** Own ones up to that number are in the room, in what is not kept or in what
   * still comes. */
  drop(number) {
    for (const [own, item] of this.#own) {
      if (own > number || item.dataset.seq) continue;
      item.remove();
      this.#own.delete(own);
    }
  }

  #numberOf(id) {
    return id.startsWith(this.#session) && this.#session.length > 1
      ? Number(id.slice(this.#session.length)) : 0;
  }

  /* What waits stays below what is in the room. */
  #firstWaiting(old) {
    for (const item of this.#own.values())
      if (!item.dataset.seq && item !== old) return item;
    return null;
  }

  #item({id, at, from, text, reply_to}, mine) {
    const item = element("li", "", `message ${from?.kind ?? "guest"}`);
    const head = element("p", "", "head");

    item.classList.toggle("mine", mine);
    head.append(...(from && !mine ? whoIs(from) : [element("span", "You",
      "who hidden")]), clock(at));
    if (id) head.append(this.#answerTo(item, id, from, text));
    if (mine) head.append(element("span", "", "state"));
    item.append(head);
    if (this.#byId.has(reply_to)) item.append(element("p",
      this.#byId.get(reply_to).querySelector(".text").textContent, "quote"));
    item.append(element("p", text, "text"));
    item.querySelector(".text").dir = "auto";
    return item;
  }

  #answerTo(item, id, from, text) {
    const button = element("button", "Reply", "answer");
    button.type = "button";
    button.setAttribute("aria-label", plain(`Reply to ${from.name}`));
    button.onclick = () => this.#onAnswer(id, text);
    return button;
  }

  #mark(item, state) {
    const mark = item.querySelector(".state"), [sign, text] = STATES[state];

    for (const other of Object.keys(STATES))
      item.classList.toggle(other, other === state);
    mark.textContent = sign;
    mark.title = text;
    mark.role = "img";
    mark.ariaLabel = text;
  }

  #add(item, before) {
    this.#list.insertBefore(item, before);
  }

  #trim() {
    while (this.#list.children.length > SHOWN_MAX) {
      const first = this.#list.firstElementChild;
      this.#byId.delete(first.dataset.id);
      first.remove();
    }
  }

  #isNear() {
    const {scrollHeight, scrollTop, clientHeight} = this.#list;
    return scrollHeight - scrollTop - clientHeight < NEAR_PX;
  }

  #follow() {
    this.#follows = true;
    this.#list.scrollTop = this.#list.scrollHeight;
    this.#latest.hidden = true;
  }
}
