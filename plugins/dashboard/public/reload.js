/* reload: the phases of the transaction that was begun here, as they pass, and
 * its receipt. */
import {duration, element, plain} from "./text.js";

function change(from, to) {
  return from === null ? to ?? "none" : `${from} to ${to ?? "none"}`;
}

const FIELDS = [
  ["id", (r) => r.id],
  ["state", (r) => r.state],
  ["generation", (r) => change(r.previousGeneration, r.generation)],
  ["pid", (r) => change(r.previousPid, r.pid)],
  ["version", (r) => r.version],
  ["took", (r) => duration(r.durationMs)],
  ["mode", (r) => r.mode],
  ["held", (r) => r.held],
  ["dropped", (r) => r.dropped?.join(", ") || "nothing"],
  ["fallback", (r) => r.fallback],
  ["error", (r) => r.error],
];

export class Reload {
  #section = document.getElementById("reload");
  #title = document.getElementById("reload-title");
  #phases = document.getElementById("phases");
  #receipt = document.getElementById("receipt");
  #log = document.getElementById("receipt-log");

  begin(verb, id) {
    this.#section.hidden = false;
    this.#title.textContent = `${verb} ${id}`;
    this.#phases.replaceChildren();
    this.#receipt.replaceChildren();
    this.#log.hidden = true;
  }

  phase({phase, ms}) {
    this.#phases.append(element("li", `${phase} ${duration(ms)}`));
  }

  end(receipt) {
    this.#phases.append(element("li", receipt.state,
      receipt.success ? "good" : "bad"));
    for (const [name, read] of FIELDS) {
      const value = read(receipt);
      if (value === null || value === undefined || value === "") continue;
      this.#receipt.append(element("dt", name), element("dd", value));
    }
    this.#showLog(receipt.log ?? []);
  }

  /** It ended without a receipt. */
  fail(message) {
    this.#phases.append(element("li", message, "bad"));
  }

  #showLog(lines) {
    this.#log.hidden = !lines.length;
    this.#log.textContent =
      lines.map((line) => plain(line.text)).join("\n");
  }
}
