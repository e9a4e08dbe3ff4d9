// Shows what others change, as it happens, and sends forms without leaving the page. Without scripts all of it works too, but for the former.
"use strict";

const state = document.getElementById("state");
const list = document.getElementById("notes");
const newest = list?.dataset.newest === "true"; // Not a search, and not the older ones.
let events = null;
let refreshing = false;
let again = false; // What is being fetched may be out of date.

function localTimes(within) {
  for (const time of within.querySelectorAll("time")) {
    const when = new Date(time.dateTime);
    if (!isNaN(when)) time.textContent = when.toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  }
}

// Puts what an event tells in its place, or takes it away. Whoever was on that note with the keyboard stays there, or goes to the next one.
function show(event) {
  const old = document.getElementById(`note-${event.id}`);
  const held = old?.contains(document.activeElement);
  let next = old?.nextElementSibling ?? old?.previousElementSibling;
  old?.remove();
  if (event.html !== undefined && String(event.archived) === list.dataset.archived) {
    const template = document.createElement("template");
    template.innerHTML = event.html; // The server has escaped it.
    localTimes(template.content);
    next = template.content.firstElementChild;
    next.classList.add("fresh");
    list.prepend(next);
  }
  if (held) next?.focus();
}

// The list as it is now.
async function refresh() {
  again = true;
  if (refreshing) return;
  refreshing = true;
  while (again) {
    again = false;
    try {
      const page = await (await fetch(location.href)).text();
      const fresh = new DOMParser().parseFromString(page, "text/html").getElementById("notes");
      if (fresh) {
        localTimes(fresh);
        list.replaceChildren(...fresh.children);
      }
    } catch {
      // The stream of events ends too then, and comes back to this.
    }
  }
  refreshing = false;
}

function receive(message) {
  if (refreshing || !newest) refresh();
  else show(JSON.parse(message.data));
}

function listen() {
  events = new EventSource("/events");
  events.addEventListener("open", () => {
    state.textContent = "";
    list.dataset.live = "true";
    refresh(); // Something may have happened before.
  });
  events.addEventListener("error", () => {
    state.textContent = "Not connected. Trying again …";
    list.dataset.live = "false";
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, 5000);
  });
  events.addEventListener("note", receive);
  events.addEventListener("gone", receive);
}

// A browser has six connections for all of its tabs, so one that is not seen gives its own away.
function listenWhileSeen() {
  events?.close();
  list.dataset.live = "false";
  if (!document.hidden) listen();
}

// What it changes comes back as an event.
async function send(form, button) {
  const fields = new URLSearchParams(new FormData(form, button));
  button.disabled = true;
  try {
    const answer = await fetch(form.action, { method: "POST", body: fields, redirect: "manual" });
    state.textContent = answer.status >= 400 ? await answer.text() : "";
    if (answer.status < 400) form.reset();
  } catch {
    state.textContent = "The server cannot be reached. Nothing was changed.";
  }
  button.disabled = false;
}

localTimes(document);
if (list) {
  document.addEventListener("submit", (event) => {
    if (!("live" in event.target.dataset)) return;
    event.preventDefault();
    send(event.target, event.submitter ?? event.target.querySelector("button"));
  });
  document.addEventListener("visibilitychange", listenWhileSeen);
  listenWhileSeen();
}
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) event.target.form?.requestSubmit();
});
