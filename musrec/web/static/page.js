// Makes the page quicker; without it every form and link works as it is.
const token = document.querySelector("meta[name=token]")?.content ?? "";
const status = document.getElementById("status");

function say(words) {
  status.textContent = words;
}

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
      headers: { accept: "text/event-stream", "x-csrf-token": token },
    });
    if (!response.ok) {
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      line.textContent = page.querySelector("main")?.textContent ?? "That did not work.";
      return;
    }
    for await (const [name, data] of events(response)) {
      if (name === "address") history.replaceState(null, "", data);
      else if (name === "answer") {
        place.innerHTML = data; // rendered and escaped by the server
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

async function quietly(form, submitter) {
  try {
    const response = await fetch(form.action, {
      method: "POST",
      body: new FormData(form, submitter),
      headers: { "x-csrf-token": token },
    });
    if (response.ok) return true;
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    say(page.querySelector("h1")?.textContent ?? "That did not work.");
    if (response.status === 401) location.assign("/sign-in");
  } catch {
    say("The page cannot be reached.");
  }
  return false;
}

document.addEventListener("submit", async (event) => {
  const { target: form, submitter } = event;
  if (form.matches("[data-ask]") && document.getElementById("answer")) {
    event.preventDefault();
    await ask(form, submitter);
  } else if (form.matches("[data-thumb]")) {
    event.preventDefault();
    const took = submitter.value === "none";
    if (!(await quietly(form, submitter))) return;
    for (const button of form.querySelectorAll("button[data-kind]")) {
      const on = button === submitter && !took;
      button.setAttribute("aria-pressed", String(on));
      button.value = on ? "none" : button.dataset.kind;
    }
    say(took ? "Took your thumb back." : "Noted.");
  } else if (form.matches("[data-quiet]")) {
    event.preventDefault();
    if (await quietly(form, submitter)) say(form.dataset.quiet);
  }
});

for (const place of document.querySelectorAll("[data-drop]")) {
  const input = place.querySelector("input");
  for (const name of ["dragover", "dragleave", "drop"]) {
    place.addEventListener(name, (event) => {
      event.preventDefault();
      place.toggleAttribute("data-over", name === "dragover");
      if (name === "drop" && event.dataTransfer.files.length) input.files = event.dataTransfer.files;
    });
  }
}
