/* main: one session, and the parts of the page that live on it. */
import {Events} from "./events.js";
import {Logs} from "./logs.js";
import {Plugins} from "./plugins.js";
import {Reload} from "./reload.js";
import {Session} from "./session.js";
import {age, plain} from "./text.js";

const LOOK_MS = 5000; // without an event
const SOON_MS = 300; // after one

const at = (id) => document.getElementById(id);
const events = new Events();
const logs = new Logs();
const reload = new Reload();
const plugins = new Plugins(at("plugins"), act);
let session = null;
let pattern = "*";
let awaited = null; // id of the call whose phases are shown
let look = null; // {due, timer}: the next look at the plugins

/* ---- who one is ---- */

function say(text, className) {
  at("link").textContent = text;
  at("link").className = className;
}

function enter(why) {
  at("enter").hidden = false;
  at("main").hidden = at("leave").hidden = true;
  at("why").textContent = why;
  at("about").textContent = "";
  say("not connected", "soft");
  at("token").focus();
}

function leave(why) {
  session?.end();
  session = null;
  sessionStorage.removeItem("token");
  clearTimeout(look?.timer);
  look = null;
  logs.end();
  events.forget();
  events.clear();
  enter(why);
}

function begin(token) {
  say("connecting", "busy");
  session = new Session(token, {
    onOpen: () => opened(token),
    onLost: (pause) =>
      say(`connection lost; next try in ${Math.ceil(pause / 1000)} s`, "bad"),
    onDenied: () => leave("supd does not accept this token."),
    onNotification: (method, params) => {
      if (method === "event") {
        events.add(params);
        lookIn(SOON_MS);
      } else if (method === "reload.phase" && params.call === awaited) {
        reload.phase(params);
      }
    },
  });
}

function opened(token) {
  sessionStorage.setItem("token", token);
  at("enter").hidden = true;
  at("main").hidden = at("leave").hidden = false;
  say("connected", "good");
  subscribe();
  logs.begin(token);
  lookNow();
}

/* ---- events ---- */

async function subscribe() {
  try {
    await session.call("events.subscribe", events.parameters(pattern));
    at("pattern-why").textContent = "";
  } catch (error) {
    at("pattern-why").textContent = plain(error.message);
  }
}

async function choose() {
  pattern = at("pattern").value.trim() || "*";
  await session?.call("events.unsubscribe", {}).catch(() => {});
  events.forget();
  events.clear();
  if (session) await subscribe();
}

/* ---- plugins ---- */

function lookIn(ms) {
  if (look?.due <= Date.now() + ms) return;
  clearTimeout(look?.timer);
  look = {due: Date.now() + ms, timer: setTimeout(lookNow, ms)};
}

async function lookNow() {
  clearTimeout(look?.timer);
  look = null;
  try {
    const status = await session.call("plugins.status", {});
    const {plugins: list} = await session.call("plugins.list", {});
    plugins.show(list);
    logs.offer(list.map((p) => p.id));
    at("about").textContent = `${status.version}, pid ${status.pid}, up ` +
      `${age(status.uptimeSeconds)}, ${status.ready ? "ready" : "not ready"}`;
  } catch (error) {
    if (session) at("about").textContent = plain(error.message);
  }
  if (session) lookIn(LOOK_MS);
}

async function act(verb, id) {
  let mine = null;

  at("problem").textContent = "";
  reload.begin(verb, id);
  try {
    const receipt = await session.call(`plugins.${verb}`, {id}, (call) => {
      awaited = mine = call;
    });
    if (awaited === mine) reload.end(receipt);
  } catch (error) {
    if (awaited !== mine) at("problem").textContent = plain(error.message);
    else if (error.data.receipt) reload.end(error.data.receipt);
    else reload.fail(error.message);
  }
  lookIn(SOON_MS);
}

/* ---- the page ---- */

at("enter").onsubmit = (submit) => {
  submit.preventDefault();
  session?.end();
  at("why").textContent = "";
  begin(at("token").value.trim());
  at("token").value = "";
};
at("leave").onclick = () => leave("");
at("pattern").onchange = choose;

if (sessionStorage.getItem("token")) begin(sessionStorage.getItem("token"));
else enter("");
