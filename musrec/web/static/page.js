// Makes the page quicker; without it every form and link works as it is.
const status = document.getElementById("status");
const PARSER = new DOMParser();
document.documentElement.classList.add("js");

export const token = () => document.querySelector("meta[name=token]")?.content ?? "";

export function say(words) {
  status.textContent = words;
}

// What an answer that is an error says.
export async function sentence(response) {
  const page = PARSER.parseFromString(await response.text(), "text/html");
  const said = [...page.querySelectorAll("main h1, main h1 + p")].map((one) => one.textContent);
  return said.join(" ").trim() || "That did not work.";
}

export async function post(url, body) {
  try {
    const response = await fetch(url, {
      method: "POST",
      body,
      headers: { "x-csrf-token": token() },
    });
    if (response.ok) return response;
    say(await sentence(response));
    if (response.status === 401) location.assign("/sign-in");
  } catch {
    say("The page cannot be reached.");
  }
  return null;
}

// Asking -----------------------------------------------------------------------------------------

async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    rest += value;
    const parts = rest.split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      const [name, data] = part.split("\n");
      yield [name.slice(7), JSON.parse(data.slice(6))];
    }
  }
}

async function ask(form, submitter) {
  const place = document.getElementById("answer");
  const body = new FormData(form, submitter);
  const clip = body.get("clip");
  if (clip instanceof File && !clip.size) body.delete("clip");
  const line = document.createElement("p");
  place.replaceChildren(line);
  place.setAttribute("aria-busy", "true");
  let ended = false;
  try {
    const response = await fetch("/ask", {
      method: "POST",
      body,
      headers: { accept: "text/event-stream", "x-csrf-token": token() },
    });
    if (!response.ok) {
      line.textContent = await sentence(response);
      return;
    }
    for await (const [name, data] of events(response)) {
      if (name === "address") history.replaceState(null, "", data);
      else if (name === "answer") {
        place.innerHTML = data; // rendered and escaped by the server
        ready(place);
        place.querySelector("h2")?.focus();
        ended = true;
      } else {
        line.textContent = data;
        ended = name === "wrong";
      }
    }
    if (!ended) throw new Error("cut off");
  } catch {
    line.textContent = "The connection broke before the answer came. Ask again.";
  } finally {
    place.setAttribute("aria-busy", "false");
  }
}

document.addEventListener("submit", async (event) => {
  const { target: form, submitter } = event;
  if (form.matches("[data-ask]") && document.getElementById("answer")) {
    event.preventDefault();
    await ask(form, submitter);
  } else if (form.matches("[data-thumb]")) {
    event.preventDefault();
    const took = submitter.value === "none";
    if (!(await post(form.action, new FormData(form, submitter)))) return;
    for (const button of form.querySelectorAll("button[data-kind]")) {
      const on = button === submitter && !took;
      button.setAttribute("aria-pressed", String(on));
      button.value = on ? "none" : button.dataset.kind;
    }
    say(took ? "Took your thumb back." : "Noted.");
  } else if (form.matches("[data-quiet]")) {
    event.preventDefault();
    if (await post(form.action, new FormData(form, submitter))) say(form.dataset.quiet);
  } else if (plays() && own(form.action)) {
    event.preventDefault();
    const fields = new FormData(form, submitter);
    if (form.method === "get") {
      const url = new URL(form.action);
      url.search = new URLSearchParams(fields);
      await go(url);
    } else await go(form.action, { method: "POST", body: fields });
  }
});

// The microphone -----------------------------------------------------------------------------------

const LONGEST = 15_000; // milliseconds of a recording: more says no more

async function record(button) {
  if (button.recorder) {
    button.recorder.stop();
    return;
  }
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({
      audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
    });
  } catch {
    say("The microphone is not available. Allow it in the browser, or choose a file.");
    return;
  }
  const parts = [];
  const recorder = new MediaRecorder(stream);
  const words = button.querySelector("span");
  const before = words.textContent;
  button.recorder = recorder;
  words.textContent = "Stop and find";
  say("Listening.");
  const timer = setTimeout(() => recorder.stop(), LONGEST);
  recorder.addEventListener("dataavailable", ({ data }) => parts.push(data));
  recorder.addEventListener("stop", () => {
    clearTimeout(timer);
    for (const track of stream.getTracks()) track.stop();
    button.recorder = null;
    words.textContent = before;
    const files = new DataTransfer();
    files.items.add(new File(parts, "recording.webm", { type: recorder.mimeType }));
    const { form } = button;
    form.elements.clip.files = files.files;
    form.requestSubmit();
  });
  recorder.start();
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-record]");
  if (button) record(button);
});

// Pages that follow each other while a song plays --------------------------------------------------

const plays = () => document.getElementById("player")?.hidden === false;
const own = (url) => new URL(url, location).origin === location.origin;

export async function go(url, options = {}, { back = false } = {}) {
  let response;
  try {
    response = await fetch(url, {
      ...options,
      headers: { accept: "text/html", "x-csrf-token": token() },
    });
  } catch {
    say("The page cannot be reached.");
    return;
  }
  const kind = response.headers.get("content-type") ?? "";
  if (!kind.startsWith("text/html") || response.headers.has("content-disposition")) {
    location.assign(url);
    return;
  }
  const page = PARSER.parseFromString(await response.text(), "text/html");
  // Without a song on, or signed out, the browser's own way is the simplest.
  if (!plays() || !page.getElementById("player")) {
    location.assign(response.url);
    return;
  }
  if (!back) history.pushState(null, "", response.url);
  document.title = page.title;
  document.querySelector("meta[name=token]").content = page.querySelector("meta[name=token]").content;
  for (const part of ["header.top", "main"])
    document.querySelector(part).replaceWith(document.adoptNode(page.querySelector(part)));
  ready(document.querySelector("main"));
  const hash = back ? "" : new URL(url, location).hash.slice(1);
  const target = document.getElementById(hash) ?? document.querySelector("main");
  target.focus({ preventScroll: true });
  if (hash) target.scrollIntoView();
  else scrollTo(0, 0);
  say(document.title);
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href]");
  if (!link || event.defaultPrevented || event.button || !plays() || !own(link.href)) return;
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  if (link.target || link.hasAttribute("download")) return;
  const url = new URL(link.href);
  if (url.hash && url.pathname === location.pathname && url.search === location.search) return;
  event.preventDefault();
  go(url);
});
addEventListener("popstate", () => {
  if (plays()) go(location.href, {}, { back: true });
  else location.reload();
});

// What has come into the page ----------------------------------------------------------------------

function ready(place) {
  for (const cover of place.querySelectorAll("img[data-cover]")) {
    const gone = () => cover.remove();
    if (cover.complete && !cover.naturalWidth && cover.currentSrc) gone();
    else cover.addEventListener("error", gone);
  }
  for (const drop of place.querySelectorAll("[data-drop]")) {
    const input = drop.querySelector("input[type=file]");
    for (const name of ["dragover", "dragleave", "drop"]) {
      drop.addEventListener(name, (event) => {
        event.preventDefault();
        drop.toggleAttribute("data-over", name === "dragover");
        if (name === "drop" && event.dataTransfer.files.length) {
          input.files = event.dataTransfer.files;
        }
      });
    }
  }
  for (const list of place.querySelectorAll("[data-order]")) order(list);
  const map = place.querySelector("[data-map]");
  if (map) import("./map.js").then((module) => module.start(map));
}

// Songs of a playlist are dragged to their place; the buttons do the same.
function order(list) {
  let dragged = null;
  list.addEventListener("dragstart", (event) => {
    dragged = event.target.closest("li");
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", dragged.dataset.song);
    dragged.toggleAttribute("data-dragged", true);
  });
  list.addEventListener("dragover", (event) => {
    const over = event.target.closest("li");
    if (!dragged || !over) return;
    event.preventDefault();
    const { top, height } = over.getBoundingClientRect();
    if (over !== dragged) over[event.clientY < top + height / 2 ? "before" : "after"](dragged);
  });
  list.addEventListener("drop", (event) => event.preventDefault());
  list.addEventListener("dragend", async () => {
    const song = dragged;
    song.removeAttribute("data-dragged");
    dragged = null;
    const body = new FormData();
    body.set("do", "move");
    body.set("song", song.dataset.song);
    body.set("to", String(list.start - 1 + [...list.children].indexOf(song)));
    if (await post(list.dataset.order, body)) say(`Moved ${song.dataset.title}.`);
  });
}

ready(document);
