/* events: what happens, newest first. After a lost connection it goes on behind
 * the last event that was seen. */
import {element} from "./text.js";

const ROWS_MAX = 500;
const DATA_MAX = 4000; // characters shown of an event's data
const LINE_MAX = 160; // the same before it is opened

function cut(text, length) {
  return text.length > length ? `${text.slice(0, length)}…` : text;
}

function dataCell(data) {
  if (data.length <= LINE_MAX) return element("td", data);
  const cell = document.createElement("td");
  const details = document.createElement("details");
  details.append(element("summary", cut(data, LINE_MAX)),
    element("div", cut(data, DATA_MAX)));
  cell.append(details);
  return cell;
}

export class Events {
  #body = document.getElementById("events").tBodies[0];
  #pause = document.getElementById("pause");
  #waiting = []; // while paused
  #seq = null;
  #isPaused = false;

  constructor() {
    this.#pause.onclick = () => this.#toggle();
  }

  /** Parameters of events.subscribe for a pattern. */
  parameters(pattern) {
    const wanted = {patterns: [pattern]};
    if (this.#seq !== null) wanted.since = this.#seq;
    return wanted;
  }

  /** Forgets where it was; the rows stay. */
  forget() {
    this.#seq = null;
  }

  add(event) {
    if (typeof event.seq === "number") this.#seq = event.seq;
    if (!this.#isPaused) {
      this.#show(event);
      return;
    }
    this.#waiting.push(event);
    if (this.#waiting.length > ROWS_MAX) this.#waiting.shift();
    this.#pause.textContent = `Resume (${this.#waiting.length})`;
  }

  clear() {
    this.#body.replaceChildren();
  }

  #show(event) {
    const row = document.createElement("tr");
    row.append(
      element("td", (event.at ?? "").slice(11, 23)),
      element("td", event.event ?? ""),
      element("td", event.pluginId ?? ""),
      dataCell(JSON.stringify(event.data) ?? ""));
    this.#body.prepend(row);
    while (this.#body.rows.length > ROWS_MAX) this.#body.lastChild.remove();
  }

  #toggle() {
    this.#isPaused = !this.#isPaused;
    this.#pause.setAttribute("aria-pressed", String(this.#isPaused));
    if (this.#isPaused) return;
    this.#waiting.forEach((event) => this.#show(event));
    this.#waiting = [];
    this.#pause.textContent = "Pause";
  }
}
