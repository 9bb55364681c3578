/* logs: what the workers wrote. It asks again every two seconds while the page
 * is looked at. */
import {clock, plain} from "./text.js";

const AGAIN_MS = 2000;
const LINES = 300;

export class Logs {
  #of = document.getElementById("log-of");
  #grep = document.getElementById("grep");
  #out = document.getElementById("log");
  #why = document.getElementById("log-why");
  #token = null;
  #timer = null;
  #round = 0;

  constructor() {
    this.#of.onchange = () => this.#ask();
    this.#grep.oninput = () => this.#ask();
    document.addEventListener("visibilitychange", () => this.#ask());
  }

  begin(token) {
    this.#token = token;
    this.#ask();
  }

  end() {
    this.#token = null;
    clearTimeout(this.#timer);
  }

  /** The plugins that there are. */
  offer(ids) {
    const wanted = ["", ...ids];
    const offered = Array.from(this.#of.options, (o) => o.value);
    if (JSON.stringify(wanted) === JSON.stringify(offered)) return;
    const chosen = this.#of.value;
    this.#of.replaceChildren(...wanted.map((id) =>
      new Option(id || "all plugins", id)));
    this.#of.value = wanted.includes(chosen) ? chosen : "";
  }

  #path() {
    const query = new URLSearchParams({lines: LINES});
    if (this.#grep.value) query.set("grep", this.#grep.value);
    const id = this.#of.value;
    return `${id ? `/api/plugins/${encodeURIComponent(id)}/logs`
      : "/api/logs"}?${query}`;
  }

  async #ask() {
    const round = ++this.#round;
    clearTimeout(this.#timer);
    if (!this.#token || document.hidden) return;
    let text;
    try {
      const answer = await fetch(this.#path(), {
        headers: {Authorization: `Bearer ${this.#token}`}});
      const body = await answer.json();
      text = answer.ok ? null : body.error;
      if (round === this.#round && answer.ok) this.#show(body.lines);
    } catch (error) {
      text = error.message;
    }
    if (round !== this.#round) return; // another question was asked meanwhile
    this.#why.textContent = text === null ? "" : plain(text);
    this.#timer = setTimeout(() => this.#ask(), AGAIN_MS);
  }

  #show(lines) {
    const out = this.#out;
    const atEnd = out.scrollTop + out.clientHeight >= out.scrollHeight - 4;
    const text = lines.map((line) =>
      `${clock(line.time)} ${this.#of.value ? "" : `${line.pluginId} `}` +
      `${line.text}`).map(plain).join("\n");
    if (out.textContent === text) return;
    out.textContent = text;
    if (atEnd) out.scrollTop = out.scrollHeight;
  }
}
