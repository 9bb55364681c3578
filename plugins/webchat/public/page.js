/* page: who one is, the room, and the line to write in. */
import {Link, WAITING_MAX} from "./link.js";
import {View, plain} from "./view.js";

const at = (id) => document.getElementById(id);
const view = new View(at("messages"), at("latest"), answer);
const link = new Link({onState, onWelcome, onNews, onNo});
let answers = ""; // the id of the message that is replied to
let shownRoom = null;
let textLimit = 2000;

/* ---- who one is ---- */

function ask(why) {
  at("enter").hidden = false;
  at("main").hidden = at("change").hidden = at("room-label").hidden = true;
  at("people").textContent = "";
  at("why").textContent = plain(why);
  at("name").value = localStorage.getItem("webchat.name") ?? "";
  at("token").value = sessionStorage.getItem("webchat.token") ?? "";
  at("more").open = Boolean(at("token").value) || why.includes("token");
  at("name").focus();
}

function enter() {
  at("why").textContent = "";
  link.enter({name: localStorage.getItem("webchat.name"),
    token: sessionStorage.getItem("webchat.token") ?? "",
    room: location.hash.slice(1)}); // names of rooms need no escapes
}

at("enter").onsubmit = (submit) => {
  submit.preventDefault();
  localStorage.setItem("webchat.name", at("name").value);
  sessionStorage.setItem("webchat.token", at("token").value.trim());
  enter();
};
at("change").onclick = () => {
  link.leave();
  ask("");
};

/* ---- the connection ---- */

function onState(state, pause, reason) {
  const texts = {connecting: "connecting", left: "not connected",
    lost: `${reason ? plain(reason) : "connection lost"}; next try in ` +
      `${Math.ceil(pause / 1000)} s`};
  at("link").textContent = texts[state];
  at("link").className = "";
}

function onNo(why) {
  link.leave();
  if (why.includes("room")) history.replaceState(null, "", location.pathname);
  ask(`${why[0].toUpperCase()}${why.slice(1)}.`);
}

function onWelcome(frame) {
  const other = shownRoom !== frame.room;

  if (frame.fresh || other) view.clear();
  if (frame.missed) {
    view.note("Earlier messages are not kept.");
    view.drop(frame.last);
  }
  view.session(frame.session);
  shownRoom = frame.room;
  textLimit = frame.text_limit;
  document.title = at("title").textContent = plain(frame.title);
  at("link").textContent = "connected";
  at("link").className = "up";
  at("change").textContent = plain(frame.name);
  at("change").title = "Change name";
  at("change").ariaLabel = plain(`Change name, now ${frame.name}`);
  at("room").replaceChildren(...frame.rooms.map((name) =>
    new Option(`#${name}`, name, false, name === frame.room)));
  at("room-label").hidden = at("change").hidden = false;
  if (!at("enter").hidden || at("main").hidden) {
    at("enter").hidden = true;
    at("main").hidden = false;
    at("text").focus();
  }
}

function onNews(frame) {
  for (const message of frame.messages) view.show(message);
  for (const number of frame.refused ?? []) view.failed(number);
  view.taken(frame.taken);
  at("people").textContent = frame.people === 1 ? "1 person"
    : `${frame.people} people`;
  if (frame.later) trouble("Sending slowly: the room takes no more just now.");
  else if (!link.waiting) trouble("");
}

/* What waits was said in this room. */
function change() {
  if (link.waiting && shownRoom) {
    trouble("Messages are still being sent.");
    at("room").value = shownRoom;
    history.replaceState(null, "", `#${shownRoom}`);
  } else if (at("enter").hidden) {
    enter();
  }
}

at("room").onchange = () => {
  location.hash = at("room").value;
};
addEventListener("hashchange", change);

/* ---- writing ---- */

function trouble(text) {
  at("trouble").textContent = text;
}

function answer(id, text) {
  answers = id;
  at("answers").hidden = !id;
  at("answers-text").textContent = plain(`Reply to: ${text}`);
  at("text").focus();
}

at("no-answer").onclick = () => answer("", "");

at("say").onsubmit = (submit) => {
  const text = at("text").value.trim(), length = [...text].length;

  submit.preventDefault();
  if (!text) return;
  if (length > textLimit) {
    trouble(`The message has ${length} characters; ${textLimit} are allowed.`);
  } else if (link.waiting >= WAITING_MAX) {
    trouble("Too many messages wait to be sent.");
  } else {
    trouble("");
    view.waiting(link.say(text, answers), text, answers);
    at("text").value = "";
    answer("", "");
  }
};

at("text").onkeydown = (key) => {
  if (key.key !== "Enter" || key.shiftKey || key.isComposing) return;
  key.preventDefault();
  at("say").requestSubmit();
};

addEventListener("beforeunload", (leaving) => {
  if (link.waiting) leaving.preventDefault();
});

if (localStorage.getItem("webchat.name")) enter();
else ask("");
