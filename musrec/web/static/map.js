// The map: all songs as points, drawn by WebGL; what is written on them, on a canvas above.
import { go, post, say, sentence } from "./page.js";
import { current, play } from "./player.js";

const VERTEX = `#version 300 es
in float x; in float y; in float group;
uniform vec2 middle; uniform vec2 zoom; uniform float size; uniform vec4 colours[8]; uniform int shown;
out vec4 colour;
void main() {
  int own = int(group);
  bool on = own > 30 || (shown >> own & 1) == 1;
  gl_Position = vec4((vec2(x, y) - middle) * zoom, 0, 1);
  if (!on) gl_Position = vec4(2, 2, 2, 1);
  gl_PointSize = size;
  colour = colours[own % 8];
}`;
const FRAGMENT = `#version 300 es
precision mediump float;
in vec4 colour; out vec4 pixel;
void main() {
  float away = length(gl_PointCoord - 0.5);
  if (away > 0.5) discard;
  pixel = vec4(colour.rgb, 1) * colour.a;
}`;
const NEAR = 14; // pixels from a point within which it is meant
const MOST_NAMES = 60;
const FEW = 500; // points in view from which on they are named
const LATE = 34; // milliseconds: a frame that was missed
const TIMELY = 60; // frames in time before more points are tried again

export async function start(place) {
  const [canvas, overlay] = place.querySelectorAll("canvas");
  const gl = canvas.getContext("webgl2", { premultipliedAlpha: true, antialias: false });
  if (!gl) {
    place.closest(".scripted").hidden = true;
    say("This browser draws no map. The table holds the same songs.");
    return;
  }
  const response = await fetch("/map/points");
  if (!response.ok) {
    say(await sentence(response));
    return;
  }
  new Chart(place, canvas, overlay, gl, await response.arrayBuffer(), response.headers.get("x-map"));
}

class Chart {
  constructor(place, canvas, overlay, gl, data, key) {
    this.place = place;
    this.canvas = canvas;
    this.overlay = overlay;
    this.pen = overlay.getContext("2d");
    this.gl = gl;
    this.key = key;
    this.count = data.byteLength / 5;
    this.xs = new Uint16Array(data, 0, this.count);
    this.ys = new Uint16Array(data, 2 * this.count, this.count);
    this.groups = new Uint8Array(data, 4 * this.count, this.count);
    this.names = new Map(); // row to song
    this.every = 1; // of how many points one is drawn while the map moves
    this.timely = 0;
    this.before = NaN;
    this.shown = 2 ** 31 - 1;
    this.view = { x: 0.5, y: 0.5, scale: 1 };
    this.way = [];
    this.chosen = -1;
    this.plays = -1;
    this.loop = [];
    this.prepare(data);
    this.listen();
    this.beside();
    if (current()) this.playing(current());
    place.dataset.ready = "";
  }

  // Drawing --------------------------------------------------------------------------------------

  prepare(data) {
    const { gl } = this;
    const program = gl.createProgram();
    for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    gl.useProgram(program);
    gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ARRAY_BUFFER, data, gl.STATIC_DRAW); // as it came
    const [x, y, group] = ["x", "y", "group"].map((name) => gl.getAttribLocation(program, name));
    for (const at of [x, y, group]) gl.enableVertexAttribArray(at);
    // Draw every so many-th point, where they lie in the buffer.
    this.points = (every) => {
      gl.vertexAttribPointer(x, 1, gl.UNSIGNED_SHORT, true, 2 * every, 0);
      gl.vertexAttribPointer(y, 1, gl.UNSIGNED_SHORT, true, 2 * every, 2 * this.count);
      gl.vertexAttribPointer(group, 1, gl.UNSIGNED_BYTE, false, every, 4 * this.count);
      gl.drawArrays(gl.POINTS, 0, Math.ceil(this.count / every));
    };
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    this.uniform = (name) => gl.getUniformLocation(program, name);
  }

  // Pixels for the whole side of the map.
  get side() {
    return Math.min(this.width, this.height) * 0.94 * this.view.scale;
  }

  at(row) {
    return [
      (this.xs[row] / 65535 - this.view.x) * this.side + this.width / 2,
      this.height / 2 - (this.ys[row] / 65535 - this.view.y) * this.side,
    ];
  }

  visible(row) {
    return (this.shown >> this.groups[row]) & 1;
  }

  redraw() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame((now) => {
      this.waiting = 0;
      this.pace(now);
      this.draw(this.every);
    });
    clearTimeout(this.settling);
    this.settling = setTimeout(() => this.settle(), 150);
  }

  // Where frames come late, as without a graphics card, fewer points move; all stand still.
  pace(now) {
    const late = now - this.before > LATE;
    this.timely = late ? 0 : this.timely + 1;
    if (late && this.every < 64) this.every *= 2;
    else if (this.timely > TIMELY && this.every > 1) {
      this.every /= 2;
      this.timely = 0;
    }
    this.before = now;
  }

  draw(every = 1) {
    const { gl, width, height, side } = this;
    const ratio = devicePixelRatio;
    const css = getComputedStyle(document.documentElement);
    const radius = Math.min(9, Math.max(2.5, 90 / Math.sqrt(this.count) + Math.log2(this.view.scale)));
    gl.viewport(0, 0, this.canvas.width, this.canvas.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.uniform2f(this.uniform("middle"), this.view.x, this.view.y);
    gl.uniform2f(this.uniform("zoom"), (2 * side) / width, (2 * side) / height);
    gl.uniform1f(this.uniform("size"), 2 * radius * ratio);
    gl.uniform1i(this.uniform("shown"), this.shown);
    const colours = [];
    for (let group = 0; group < 8; group++) {
      const hex = css.getPropertyValue(`--g${group}`).trim();
      for (let at = 1; at < 7; at += 2) colours.push(parseInt(hex.slice(at, at + 2), 16) / 255);
      colours.push(0.8);
    }
    gl.uniform4fv(this.uniform("colours"), colours);
    this.points(every);
    this.write(css);
  }

  write(css) {
    const { pen } = this;
    const ink = css.getPropertyValue("--ink").trim();
    const back = css.getPropertyValue("--back").trim();
    pen.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    pen.clearRect(0, 0, this.width, this.height);
    pen.font = "14px system-ui, sans-serif";
    pen.lineJoin = "round";
    const line = (points, closed) => {
      pen.beginPath();
      for (const [x, y] of points) pen.lineTo(x, y);
      if (closed) pen.closePath();
      for (const [colour, thick] of [[back, 6], [ink, 2]]) {
        pen.strokeStyle = colour;
        pen.lineWidth = thick;
        pen.stroke();
      }
    };
    if (this.way.length > 1) line(this.way.map((row) => this.at(row)), false);
    if (this.loop.length > 1) line(this.loop, true);
    const ring = (row, radius) => {
      const [x, y] = this.at(row);
      pen.beginPath();
      pen.arc(x, y, radius, 0, 7);
      for (const [colour, thick] of [[back, 6], [ink, 2.5]]) {
        pen.strokeStyle = colour;
        pen.lineWidth = thick;
        pen.stroke();
      }
    };
    for (const row of this.way) ring(row, 6);
    if (this.chosen >= 0) ring(this.chosen, 9);
    if (this.plays >= 0) {
      ring(this.plays, 12);
      ring(this.plays, 7);
    }
    const taken = [];
    const name = (row, mark = "") => {
      const song = this.names.get(row);
      if (!song) return;
      const words = mark + (song.title.length > 34 ? `${song.title.slice(0, 33)}…` : song.title);
      const [x, y] = this.at(row);
      const wide = pen.measureText(words).width;
      const box = [x + 10, y - 10, x + 16 + wide, y + 10];
      if (box[2] > this.width) [box[0], box[2]] = [x - 16 - wide, x - 10];
      if (taken.some((o) => o[0] < box[2] && box[0] < o[2] && o[1] < box[3] && box[1] < o[3])) return;
      taken.push(box);
      pen.strokeStyle = back;
      pen.lineWidth = 4;
      pen.strokeText(words, box[0] + 3, y + 5);
      pen.fillStyle = ink;
      pen.fillText(words, box[0] + 3, y + 5);
    };
    if (this.plays >= 0) name(this.plays, "♪ ");
    if (this.chosen >= 0 && this.chosen !== this.plays) name(this.chosen);
    if (this.hovered >= 0) name(this.hovered);
    for (const row of this.way) name(row);
    for (const row of this.named ?? []) if (this.visible(row)) name(row);
  }

  resize() {
    this.width = this.place.clientWidth;
    this.height = this.place.clientHeight;
    for (const canvas of [this.canvas, this.overlay]) {
      canvas.width = this.width * devicePixelRatio;
      canvas.height = this.height * devicePixelRatio;
    }
    this.redraw();
  }

  // Names where there is room: one point in each cell of a grid, once the map stands still.
  async settle() {
    this.before = NaN; // the time until it moves again is no frame
    if (this.every > 1) this.draw();
    const cells = new Map();
    let inside = 0;
    for (let row = 0; row < this.count; row++) {
      const [x, y] = this.at(row);
      if (x < 0 || y < 0 || x > this.width || y > this.height || !this.visible(row)) continue;
      inside++;
      const cell = `${Math.floor(x / 170)},${Math.floor(y / 34)}`;
      if (!cells.has(cell)) cells.set(cell, row);
    }
    this.named = inside <= FEW || this.view.scale > 4 ? [...cells.values()].slice(0, MOST_NAMES) : [];
    const wanted = [this.chosen, this.plays, this.hovered ?? -1, ...this.way, ...this.named];
    if (await this.learn(wanted)) this.draw();
  }

  // Ask what points are called; whether anything was new.
  async learn(rows) {
    const missing = [...new Set(rows)].filter((row) => row >= 0 && !this.names.has(row));
    if (!missing.length) return true;
    const query = new URLSearchParams({ rows: missing.slice(0, 200).join(","), key: this.key });
    const response = await fetch(`/map/songs?${query}`);
    if (!response.ok) {
      if (response.status !== 401) say(await sentence(response));
      return false;
    }
    for (const song of await response.json()) this.names.set(song.row, song);
    return true;
  }

  // What is chosen -------------------------------------------------------------------------------

  nearest(x, y, most = NEAR) {
    let best = -1;
    let least = most * most;
    for (let row = 0; row < this.count; row++) {
      if (!this.visible(row)) continue;
      const [px, py] = this.at(row);
      const away = (px - x) ** 2 + (py - y) ** 2;
      if (away < least) [least, best] = [away, row];
    }
    return best;
  }

  async choose(row) {
    if (row < 0) return;
    this.chosen = row;
    const [x, y] = this.at(row);
    if (x < 40 || y < 40 || x > this.width - 40 || y > this.height - 40) {
      this.view.x = this.xs[row] / 65535;
      this.view.y = this.ys[row] / 65535;
    }
    if (!(await this.learn([row])) || this.chosen !== row) return;
    this.redraw();
    const song = this.names.get(row);
    say(`${song.title}${song.artist ? ` by ${song.artist}` : ""}`);
    clearTimeout(this.asking);
    // The table follows, once one has stopped going from song to song.
    this.asking = setTimeout(async () => {
      const response = await fetch(`/map?song=${encodeURIComponent(song.id)}`);
      if (!response.ok || this.chosen !== row || !this.place.isConnected) return;
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      document.getElementById("beside").replaceWith(document.adoptNode(page.getElementById("beside")));
      history.replaceState(null, "", response.url);
      this.way = [];
      this.redraw();
    }, 250);
  }

  // The song that lies nearest in a direction, those aside counting as farther.
  step(dx, dy) {
    const from = this.chosen >= 0 ? this.at(this.chosen) : [this.width / 2, this.height / 2];
    if (this.chosen < 0) return this.choose(this.nearest(...from, Infinity));
    let best = -1;
    let least = Infinity;
    for (let row = 0; row < this.count; row++) {
      if (row === this.chosen || !this.visible(row)) continue;
      const [x, y] = this.at(row);
      const along = (x - from[0]) * dx + (y - from[1]) * dy;
      const aside = Math.abs((x - from[0]) * dy) + Math.abs((y - from[1]) * dx);
      if (along <= 0.01 || aside > 2 * along) continue;
      const away = along + 2 * aside;
      if (away < least) [least, best] = [away, row];
    }
    return this.choose(best);
  }

  async rows(ids) {
    const response = await fetch(`/map/songs?${new URLSearchParams({ ids: ids.join(",") })}`);
    if (!response.ok) return new Map();
    const found = await response.json();
    for (const song of found) this.names.set(song.row, song);
    return new Map(found.map((song) => [song.id, song.row]));
  }

  // Take over what the table shows: the chosen song, and a way from song to song.
  async beside() {
    const table = document.getElementById("beside");
    const ids = [...table.querySelectorAll("tr[data-song]")].map((row) => row.dataset.song);
    const rows = await this.rows(ids.slice(0, 200));
    if (table.dataset.chosen) this.chosen = rows.get(table.dataset.chosen) ?? -1;
    if ("way" in table.dataset) this.way = ids.map((id) => rows.get(id)).filter((row) => row >= 0);
    this.redraw();
  }

  async playing(id) {
    this.plays = (await this.rows([id])).get(id) ?? -1;
    this.redraw();
  }

  zoom(by, x = this.width / 2, y = this.height / 2) {
    const { view } = this;
    const before = this.side;
    view.scale = Math.min(200, Math.max(0.5, view.scale * by));
    const shift = 1 / before - 1 / this.side;
    view.x += (x - this.width / 2) * shift;
    view.y -= (y - this.height / 2) * shift;
    this.redraw();
  }

  encircled() {
    const inside = [];
    const { loop } = this;
    for (let row = 0; row < this.count; row++) {
      if (!this.visible(row)) continue;
      const [x, y] = this.at(row);
      let odd = false;
      for (let i = 0, j = loop.length - 1; i < loop.length; j = i++) {
        const [ax, ay] = loop[i];
        const [bx, by] = loop[j];
        if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) odd = !odd;
      }
      if (odd) inside.push(row);
    }
    return inside;
  }

  // Hands on the map -----------------------------------------------------------------------------

  listen() {
    const { place } = this;
    const box = place.closest(".scripted");
    const loops = box.querySelector("[data-lasso]");
    const keeps = box.querySelector("[data-loop]");
    const end = new AbortController();
    const { signal } = end;
    new ResizeObserver(() => (place.isConnected ? this.resize() : end.abort())).observe(place);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw(), { signal });
    document.addEventListener("playing", ({ detail }) => this.playing(detail), { signal });
    loops.addEventListener("click", () => {
      const on = loops.getAttribute("aria-pressed") !== "true";
      loops.setAttribute("aria-pressed", String(on));
      if (on) say("Draw a loop around some songs.");
    });
    for (const button of box.querySelectorAll("[data-zoom]"))
      button.addEventListener("click", () => {
        const by = Number(button.dataset.zoom);
        if (!by) this.view = { x: 0.5, y: 0.5, scale: 1 };
        this.zoom(by || 1);
      });
    for (const group of document.querySelectorAll("[data-group]"))
      group.addEventListener("change", () => {
        const bit = 1 << Number(group.dataset.group);
        this.shown = group.checked ? this.shown | bit : this.shown & ~bit;
        this.redraw();
      });

    const hands = new Map();
    let moved = 0;
    const here = (event) => {
      const { left, top } = place.getBoundingClientRect();
      return [event.clientX - left, event.clientY - top];
    };
    place.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      place.setPointerCapture(event.pointerId);
      hands.set(event.pointerId, here(event));
      moved = 0;
      if (loops.getAttribute("aria-pressed") === "true") this.loop = [here(event)];
    });
    place.addEventListener("pointermove", (event) => {
      const now = here(event);
      const before = hands.get(event.pointerId);
      if (!before) {
        this.hover(now);
        return;
      }
      moved += Math.hypot(now[0] - before[0], now[1] - before[1]);
      if (loops.getAttribute("aria-pressed") === "true") this.loop.push(now);
      else if (hands.size === 2) {
        const [other] = [...hands].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
        const apart = (at) => Math.hypot(at[0] - other[0], at[1] - other[1]);
        this.zoom(apart(now) / Math.max(1, apart(before)), ...other);
      } else {
        this.view.x -= (now[0] - before[0]) / this.side;
        this.view.y += (now[1] - before[1]) / this.side;
      }
      hands.set(event.pointerId, now);
      this.redraw();
    });
    const lift = (event) => {
      if (!hands.delete(event.pointerId)) return;
      if (this.loop.length > 2 && moved > 20) {
        loops.setAttribute("aria-pressed", "false");
        this.taken = this.encircled();
        const many = this.taken.length;
        const said = many === 1 ? "1 song" : `${many.toLocaleString("en")} songs`;
        keeps.hidden = !many;
        keeps.querySelector("span").textContent = said;
        say(`${said} in the loop.`);
        if (many) keeps.querySelector("input[name=playlist]").focus();
      } else if (moved < 5) {
        this.loop = [];
        keeps.hidden = true;
        this.choose(this.nearest(...here(event)));
      }
      this.redraw();
    };
    place.addEventListener("pointerup", lift);
    place.addEventListener("pointercancel", lift);
    place.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY / 400), ...here(event));
    }, { passive: false });
    place.addEventListener("dblclick", (event) => this.zoom(2, ...here(event)));
    place.addEventListener("keydown", (event) => {
      const does = {
        ArrowLeft: () => this.step(-1, 0),
        ArrowRight: () => this.step(1, 0),
        ArrowUp: () => this.step(0, -1),
        ArrowDown: () => this.step(0, 1),
        Enter: () => this.chosen >= 0 && play([this.names.get(this.chosen)]),
        "+": () => this.zoom(1.5),
        "-": () => this.zoom(1 / 1.5),
      }[event.key];
      if (!does || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      event.stopPropagation();
      does();
    });
    keeps.addEventListener("submit", async (event) => {
      event.preventDefault();
      const body = new FormData(keeps);
      body.set("rows", this.taken.join(","));
      body.set("key", this.key);
      const answer = await post(keeps.action, body);
      if (!answer) return;
      this.loop = [];
      await go(answer.url);
    });
  }

  hover(at) {
    clearTimeout(this.hovering);
    this.hovering = setTimeout(async () => {
      const row = this.nearest(...at);
      if (row === (this.hovered ?? -1)) return;
      this.hovered = row;
      if (await this.learn([row])) this.redraw();
    }, 60);
  }
}
