/* plugins: the table of plugins and its buttons. Rows are kept by id, so that
 * focus and selection survive an update. */
import {age, duration, element, plain} from "./text.js";

const CLASSES = {serving: "good", failed: "bad", stopped: "soft",
  disabled: "soft"};

const ACTIONS = [
  ["reload", (p) => p.canReload],
  ["restart", (p) => p.enabled && p.state !== "stopped"],
  ["stop", (p) => p.enabled && p.state !== "stopped"],
  ["start", (p) => p.enabled && ["stopped", "failed"].includes(p.state)],
  ["disable", (p) => p.enabled],
  ["enable", (p) => !p.enabled],
];

function cell(row, text, className, title) {
  const made = element("td", text, className);
  if (title) made.title = plain(title);
  row.append(made);
}

function lastReload(p) {
  const r = p.lastReload;
  if (!r) return ["", ""];
  return [`${r.id} ${r.state}, ${duration(r.durationMs)}`,
    r.success ? "" : "bad"];
}

export class Plugins {
  #body;
  #rows = new Map(); // id -> {row, actions}
  #act;

  /** act(verb, id) is called for a button. */
  constructor(table, act) {
    this.#body = table.tBodies[0];
    this.#act = act;
  }

  show(list) {
    const seen = new Set();
    for (const p of list) {
      seen.add(p.id);
      this.#update(p);
    }
    for (const [id, {row}] of this.#rows)
      if (!seen.has(id)) {
        row.remove();
        this.#rows.delete(id);
      }
  }

  #update(p) {
    const made = this.#rows.get(p.id) ?? this.#create(p.id);
    const {row, actions} = made;
    const [reload, reloadClass] = lastReload(p);

    while (row.firstChild !== actions) row.firstChild.remove();
    actions.remove();
    cell(row, p.id, "", p.source);
    cell(row, p.state, CLASSES[p.state] ?? "busy", p.failure ?? "");
    cell(row, p.generation ?? "", "number");
    cell(row, p.version ?? "", "", p.digest);
    cell(row, p.pid || "", "number");
    cell(row, p.pid ? age(p.uptimeSeconds) : "", "number");
    cell(row, p.held ? `${p.inFlight} + ${p.held} held` : p.inFlight,
      "number");
    cell(row, reload, reloadClass, p.lastReload?.error);
    row.append(actions);
    for (const [verb, isPossible] of ACTIONS) {
      const button = made.buttons.get(verb);
      button.hidden = !isPossible(p);
    }
  }

  #create(id) {
    const row = document.createElement("tr");
    const actions = document.createElement("td");
    const buttons = new Map();

    for (const [verb] of ACTIONS) {
      const button = element("button", verb);
      button.setAttribute("aria-label", `${verb} ${id}`);
      button.onclick = () => this.#act(verb, id);
      buttons.set(verb, button);
      actions.append(button);
    }
    row.dataset.id = id;
    row.append(actions);
    this.#body.append(row);
    const made = {row, actions, buttons};
    this.#rows.set(id, made);
    return made;
  }
}
