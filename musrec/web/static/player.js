// The player at the foot of every page: a queue, a wave form, and what is on as a spectrogram.
import { say, sentence, token } from "./page.js";

const box = document.getElementById("player");
const audio = box.querySelector("audio");
const part = (name) => box.querySelector(`[data-part=${name}]`);
const PEAKS = 600;
const LARGEST = 24 * 2 ** 20; // bytes of sound from which a wave form is drawn
const MOST = 500; // songs in the queue

let queue = [];
let at = -1;
let heard = 0; // seconds of this song that were played, wherever they stand in it
let before = 0;
let turn = 0; // of `start`: whatever an earlier one still waits for is dropped
let blob = null;
let wave = null;
let seconds = 0;
let converted = false;
let learns = false;
let told = Promise.resolve();

// What is kept while pages come and go ---------------------------------------------------------

function keep() {
  const state = { queue, at, time: audio.currentTime || 0 };
  sessionStorage.setItem("player", JSON.stringify(state));
}

function clock(time) {
  const whole = Math.max(0, Math.round(time || 0));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

function lasts() {
  return Number.isFinite(audio.duration) ? audio.duration : seconds;
}

// What the listener does, for those who agreed to it -------------------------------------------

function tell(on) {
  if (!learns || at < 0) return;
  const body = new FormData();
  body.set("song", on ? queue[at].id : "");
  body.set("heard", String(Math.min(heard, 36000)));
  body.set("lasts", String(Math.min(lasts(), 36000)));
  const send = () =>
    fetch("/listening", { method: "POST", body, headers: { "x-csrf-token": token() }, keepalive: true });
  told = told.then(send).catch(() => {});
}

// Playing --------------------------------------------------------------------------------------

function wrong(words, status) {
  part("from").textContent = words;
  say(words);
  if (status === 401) location.assign("/sign-in");
}

async function fetched(url) {
  const response = await fetch(url);
  if (!response.ok) {
    const error = new Error(await sentence(response));
    error.status = response.status;
    throw error;
  }
  return response;
}

async function start(index, { time = 0, paused = false, again = false } = {}) {
  const mine = ++turn;
  at = index;
  const song = queue[at];
  audio.pause();
  audio.removeAttribute("src");
  if (blob) URL.revokeObjectURL(blob);
  blob = null;
  heard = before = 0;
  draw();
  keep();
  try {
    const found = await (await fetched(`/songs/${song.id}/play`)).json();
    if (mine !== turn) return;
    seconds = found.seconds ?? 0;
    learns = found.learns;
    converted = found.how === "converted" || again;
    let source = `/songs/${song.id}/sound`;
    if (converted) source += `?as=${audio.canPlayType('audio/ogg; codecs="opus"') ? "ogg" : "wav"}`;
    let whole = null;
    // A stream that is being converted has no end yet, in which one could seek: it is waited for.
    if (found.how === "preview" || (converted && seconds < 3600)) {
      const response = await fetched(source);
      whole = await response.blob();
      if (mine !== turn) return;
      from(response.headers.get("x-service"), response.headers.get("x-page"));
      source = blob = URL.createObjectURL(whole);
    } else from(null, null);
    audio.src = source;
    if (time) audio.currentTime = time;
    if (!paused) await audio.play();
    if (mine === turn) await outline(mine, whole);
  } catch (error) {
    if (mine !== turn || error.name === "AbortError") return;
    if (error.name === "NotAllowedError") say("Press Play to hear it.");
    else if (error.name !== "NotSupportedError") wrong(error.message, error.status);
  }
}

function from(service, page) {
  const place = part("from");
  place.replaceChildren();
  if (!page?.startsWith("https://")) return;
  const link = document.createElement("a");
  link.href = page;
  link.rel = "noreferrer";
  link.target = "_blank";
  link.textContent = service;
  place.append("Preview from ", link);
}

audio.addEventListener("error", async () => {
  const { error } = audio;
  if (!error || error.code < 3 || at < 0 || !audio.getAttribute("src")) return;
  // Some files say less than is in them, and a second tab may have signed out.
  if (!converted && !blob) return start(at, { again: true });
  wrong("This song cannot be played.");
});

function next(step = 1) {
  const to = at + step;
  if (to < 0 || to >= queue.length) return false;
  start(to);
  return true;
}

function toggle() {
  if (at < 0) return;
  if (!audio.getAttribute("src")) start(at);
  else if (audio.paused) audio.play().catch(() => {});
  else audio.pause();
}

function seek(time) {
  if (audio.getAttribute("src")) audio.currentTime = Math.min(Math.max(0, time), lasts() || 0);
}

audio.addEventListener("play", () => {
  listen();
  tell(true);
  draw();
});
audio.addEventListener("pause", () => {
  if (!audio.ended && audio.getAttribute("src")) tell(false);
  draw();
  keep();
});
audio.addEventListener("ended", () => {
  tell(false);
  if (!next()) draw();
});
audio.addEventListener("timeupdate", () => {
  const now = audio.currentTime;
  if (now > before && now - before < 2) heard += now - before;
  before = now;
  position();
});
audio.addEventListener("durationchange", position);

// Wave form and spectrogram --------------------------------------------------------------------

async function outline(mine, whole) {
  wave?.destroy();
  wave = null;
  let sound = whole;
  if (!sound) {
    const response = await fetch(audio.src, { method: "HEAD" });
    const size = Number(response.headers.get("content-length"));
    if (!response.ok || !size || size > LARGEST) return;
    sound = await (await fetch(audio.src)).blob();
  }
  if (mine !== turn || sound.size > LARGEST) return;
  let decoded;
  try {
    decoded = await new OfflineAudioContext(1, 1, 8000).decodeAudioData(await sound.arrayBuffer());
  } catch {
    return; // it plays all the same
  }
  const { default: WaveSurfer } = await import("./vendor/wavesurfer.js");
  if (mine !== turn) return;
  const samples = decoded.getChannelData(0);
  const step = Math.max(1, Math.floor(samples.length / PEAKS));
  const peaks = new Float32Array(Math.floor(samples.length / step));
  for (let bin = 0; bin < peaks.length; bin++)
    for (let i = bin * step; i < (bin + 1) * step; i++)
      peaks[bin] = Math.max(peaks[bin], Math.abs(samples[i]));
  const colours = getComputedStyle(document.documentElement);
  wave = WaveSurfer.create({
    container: part("wave"),
    media: audio,
    height: 40, // the policy of the page knows the style sheet of this height
    waveColor: colours.getPropertyValue("--line").trim(),
    progressColor: colours.getPropertyValue("--act").trim(),
    cursorWidth: 0,
    barWidth: 2,
    barGap: 1,
    normalize: true,
    hideScrollbar: true,
    peaks: [peaks],
    duration: decoded.duration,
  });
}

let context = null;
let analyser = null;

// Magma at six places, dark to light.
const MAGMA = [[0, 0, 4], [59, 15, 112], [140, 41, 129], [222, 73, 104], [254, 159, 109], [252, 253, 191]];

function listen() {
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  if (!context) {
    context = new AudioContext();
    analyser = new AnalyserNode(context, { fftSize: 2048, smoothingTimeConstant: 0 });
    context.createMediaElementSource(audio).connect(analyser).connect(context.destination);
  }
  context.resume();
  requestAnimationFrame(paint);
}

let painting = false;

function paint() {
  if (painting || audio.paused || !analyser) return;
  painting = true;
  const canvas = part("spectrum");
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  const { width, height } = canvas;
  const bins = new Uint8Array(analyser.frequencyBinCount);
  const column = pen.createImageData(1, height);
  const nyquist = context.sampleRate / 2;
  // Rows are evenly spaced in octaves, 60 Hz to 12 kHz.
  const rows = Array.from({ length: height }, (_, y) => {
    const hertz = 60 * (12000 / 60) ** ((height - 1 - y) / (height - 1));
    return Math.min(bins.length - 1, Math.round((hertz / nyquist) * bins.length));
  });
  const frame = () => {
    if (audio.paused) {
      painting = false;
      return;
    }
    analyser.getByteFrequencyData(bins);
    pen.drawImage(canvas, -1, 0);
    rows.forEach((bin, y) => {
      const place = (bins[bin] / 255) * (MAGMA.length - 1);
      const low = Math.min(MAGMA.length - 2, Math.floor(place));
      for (let c = 0; c < 3; c++)
        column.data[4 * y + c] = MAGMA[low][c] + (place - low) * (MAGMA[low + 1][c] - MAGMA[low][c]);
      column.data[4 * y + 3] = 255;
    });
    pen.putImageData(column, width - 1, 0);
    requestAnimationFrame(frame);
  };
  frame();
}

// What is shown --------------------------------------------------------------------------------

function position() {
  const whole = lasts();
  const slider = part("seek");
  slider.max = String(Math.max(1, Math.round(whole)));
  slider.value = String(Math.round(audio.currentTime));
  slider.setAttribute("aria-valuetext", `${clock(audio.currentTime)} of ${clock(whole)}`);
  part("time").textContent = `${clock(audio.currentTime)} / ${clock(whole)}`;
}

function draw() {
  box.hidden = at < 0;
  document.body.classList.toggle("plays", at >= 0);
  if (at < 0) return;
  const song = queue[at];
  const title = part("title");
  title.textContent = song.title;
  title.href = `/songs/${song.id}`;
  part("artist").textContent = song.artist;
  const on = !audio.paused;
  part("toggle").setAttribute("aria-label", on ? "Pause" : "Play");
  part("toggle").toggleAttribute("data-on", on);
  part("back").disabled = at === 0;
  part("next").disabled = at + 1 >= queue.length;
  part("count").textContent = `Queue: ${queue.length - at - 1} more`;
  part("queue").replaceChildren(
    ...queue.slice(at + 1, at + 51).map((one, step) => {
      const item = document.createElement("li");
      const name = document.createElement("span");
      name.textContent = one.artist ? `${one.artist} – ${one.title}` : one.title;
      const out = document.createElement("button");
      out.textContent = "Remove";
      out.setAttribute("aria-label", `Remove ${one.title} from the queue`);
      out.addEventListener("click", () => {
        queue.splice(at + 1 + step, 1);
        draw();
        keep();
      });
      item.append(name, out);
      return item;
    }),
  );
  if (navigator.mediaSession) {
    navigator.mediaSession.metadata = new MediaMetadata({ title: song.title, artist: song.artist });
    navigator.mediaSession.playbackState = on ? "playing" : "paused";
  }
  position();
  document.dispatchEvent(new CustomEvent("playing", { detail: song.id }));
}

// What others ask of it ------------------------------------------------------------------------

export const songOf = ({ dataset }) => ({
  id: dataset.play,
  title: dataset.title,
  artist: dataset.artist,
});

export function play(songs, first = 0) {
  const from = Math.max(0, first - 20);
  queue = songs.slice(from, from + MOST);
  start(first - from);
}

export function enqueue(songs) {
  queue = [...queue, ...songs].slice(-MOST);
  if (at < 0) start(0);
  else {
    draw();
    keep();
    say(songs.length === 1 ? `Queued ${songs[0].title}.` : `Queued ${songs.length} songs.`);
  }
}

export const current = () => (at < 0 ? null : queue[at].id);

document.addEventListener("click", (event) => {
  const all = event.target.closest("[data-play-all]");
  if (all) {
    const links = [...all.closest("[data-songs]").querySelectorAll("a[data-play]")];
    if (links.length) play(links.map(songOf));
    return;
  }
  const link = event.target.closest("[data-play]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  if (link.matches("button")) {
    enqueue([songOf(link)]);
    return;
  }
  const list = link.closest("[data-songs]");
  const links = list ? [...list.querySelectorAll("a[data-play]")] : [link];
  play(links.map(songOf), links.indexOf(link));
});

part("toggle").addEventListener("click", toggle);
part("next").addEventListener("click", () => next());
part("back").addEventListener("click", () => next(-1));
part("seek").addEventListener("input", (event) => seek(Number(event.target.value)));

const keys = part("keys");
keys.checked = localStorage.getItem("keys") !== "off";
keys.addEventListener("change", () => localStorage.setItem("keys", keys.checked ? "on" : "off"));

document.addEventListener("keydown", (event) => {
  if (at < 0 || !keys.checked || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, select, textarea, button, a, summary, [tabindex='0']")) return;
  const does = {
    " ": toggle,
    ArrowLeft: () => seek(audio.currentTime - 5),
    ArrowRight: () => seek(audio.currentTime + 5),
    n: () => next(),
    p: () => next(-1),
  }[event.key];
  if (!does) return;
  event.preventDefault();
  does();
});

for (const [action, does] of Object.entries({
  play: toggle,
  pause: toggle,
  nexttrack: () => next(),
  previoustrack: () => next(-1),
  seekto: ({ seekTime }) => seek(seekTime),
}))
  navigator.mediaSession?.setActionHandler(action, does);

addEventListener("pagehide", () => {
  keep();
  if (!audio.paused) tell(false);
});

const kept = JSON.parse(sessionStorage.getItem("player") ?? "null");
if (kept && kept.at >= 0 && kept.queue[kept.at]) {
  queue = kept.queue;
  start(kept.at, { time: kept.time, paused: true });
}
