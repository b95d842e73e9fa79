// The upload page: several images at once, by dialog, drop or paste; a bar with rate for each; links to copy. Straight to
// the storage node where that is on, through the app where it is not or where the node can't be reached.
"use strict";

{
  const AT_ONCE = 3;
  const form = document.getElementById("upload");
  const lang = document.documentElement.lang;
  const words = form ? JSON.parse(form.dataset.words) : {};
  const say = (text, values) => Object.entries(values).reduce((all, [name, value]) => all.replaceAll(`{${name}}`, value), text);

  // ---- numbers as the pages of the server write them

  const digits = (value, most) => value.toLocaleString(lang, { minimumFractionDigits: most, maximumFractionDigits: most });
  function bytes(count) {
    const units = ["B", "kB", "MB", "GB", "TB"];
    let at = 0;
    while (count >= 999.5 && at + 1 < units.length) { count /= 1000; at += 1; }
    return `${digits(count, at === 0 || count >= 100 ? 0 : count >= 10 ? 1 : 2)}\u00a0${units[at]}`;
  }
  const percent = share => `${Math.min(99, Math.floor(share * 100))}\u00a0%`;

  // ---- ways to a node

  /** What went wrong, and whether the app may do it instead. */
  class Refused extends Error {
    constructor(status, message, again = 0) { super(message); this.status = status; this.again = again; }
    /** It says something of the way and not of the image. */
    get isTheWay() { return this.status === 0 || this.status >= 500 || [401, 403, 404, 405, 421].includes(this.status); }
  }

  /** One POST with progress. `signal` ends it. */
  function post(url, headers, file, onProgress, signal) {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest(), body = new FormData();
      body.append("file", file, file.name);
      request.open("POST", url);
      for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
      request.responseType = "json";
      request.upload.onprogress = event => onProgress(event.loaded, event.total);
      request.onload = () => {
        const answer = request.response;
        if (request.status === 200 && answer?.view_url) resolve(answer);
        else reject(new Refused(request.status, answer?.message ?? "", Number(request.getResponseHeader("retry-after")) || 0));
      };
      request.onerror = () => reject(new Refused(0, ""));
      request.onabort = () => reject(new DOMException("", "AbortError"));
      signal.addEventListener("abort", () => request.abort(), { once: true });
      request.send(body);
    });
  }

  async function straight(file, onProgress, signal) {
    const asked = await fetch("/api/internal/upload/sessions", {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ file_size: file.size }), signal,
    });
    if (!asked.ok) throw new Refused(asked.status === 429 ? 429 : 503, "", Number(asked.headers.get("retry-after")) || 0);
    const leave = await asked.json();
    return post(leave.upload_url, { Authorization: `Bearer ${leave.token}` }, file, onProgress, signal);
  }

  let isDirect = form?.hasAttribute("data-direct");

  /** To the node if that is on; through the app where the node can't be reached. */
  async function send(file, onProgress, signal) {
    if (isDirect) {
      try {
        return await straight(file, onProgress, signal);
      } catch (error) {
        if (error.name === "AbortError" || error instanceof Refused && !error.isTheWay) throw error;
        // A browser that can't reach the node won't for the next image either.
        if (!(error instanceof Refused) || error.status === 0) isDirect = false;
        onProgress(0, file.size);
      }
    }
    return post("/upload", { Accept: "application/json" }, file, onProgress, signal);
  }

  // ---- a file in the list

  const rows = [];

  class Row {
    constructor(file) {
      this.file = file;
      this.state = "waiting";
      this.item = document.getElementById("row").content.firstElementChild.cloneNode(true);
      const find = selector => this.item.querySelector(selector);
      [this.bar, this.said, this.fault, this.got] = ["progress", ".state", ".fault", ".got"].map(find);
      find("bdi").textContent = file.name;
      find(".name").title = file.name;
      find(".size").textContent = bytes(file.size);
      this.bar.setAttribute("aria-label", file.name);
      this.item.querySelectorAll(".copy-line").forEach((line, at) => {
        const input = line.querySelector("input");
        input.id = `link-${rows.length}-${at}`;
        line.querySelector("label").htmlFor = input.id;
      });
      this.preview = find(".thumb img");
      if (file.type.startsWith("image/")) this.preview.src = URL.createObjectURL(file);
      find("[data-act=cancel]").addEventListener("click", () => this.cancel());
      find("[data-act=retry]").addEventListener("click", () => { this.become("waiting"); next(); });
      this.become("waiting");
    }

    become(state, text, cause = "") {
      this.state = state;
      const open = ["waiting", "sending"].includes(state);
      const mood = { done: "good", duplicate: "warn", failed: "bad" }[state] ?? "";
      this.said.className = `state ${mood}`;
      this.said.textContent = text ?? words[state] ?? "";
      this.fault.textContent = cause;
      this.fault.hidden = !cause;
      this.bar.hidden = !open;
      this.item.classList.toggle("failed", state === "failed");
      const act = name => this.item.querySelector(`[data-act=${name}]`);
      act("cancel").hidden = !open;
      act("retry").hidden = !["failed", "cancelled"].includes(state) || this.isHopeless;
      if (state === "waiting") this.bar.value = 0;
      summarise();
    }

    get isOpen() { return ["waiting", "sending"].includes(this.state); }
    get isDone() { return ["done", "duplicate"].includes(this.state); }

    cancel() {
      this.stop?.abort();
      this.become("cancelled");
      next();
    }

    /** What can be said before a byte is sent. */
    foresee() {
      if (this.file.size === 0) return words.badEmpty;
      if (this.file.size > Number(form.dataset.max)) return say(words.badSize, { size: form.dataset.maxText });
      if (this.file.type && !this.file.type.startsWith("image/") || this.file.type === "image/svg+xml") return words.badType;
      return "";
    }

    async run() {
      const cause = this.foresee();
      if (cause) { this.isHopeless = true; this.become("failed", undefined, cause); return; }
      this.stop = new AbortController();
      this.become("sending", words.waiting);
      let from = performance.now(), sent = 0, rate = 0;
      const onProgress = (loaded, total) => {
        const now = performance.now(), seconds = (now - from) / 1000;
        if (loaded < sent) { from = now; sent = loaded; rate = 0; }
        if (seconds >= 0.25) {
          const latest = (loaded - sent) / seconds;
          rate = rate ? rate * 0.6 + latest * 0.4 : latest;
          [from, sent] = [now, loaded];
        }
        const share = total ? loaded / total : 0;
        this.bar.value = share;
        this.said.textContent = share >= 1 ? words.storing
          : say(words.sending, { percent: percent(share), rate: rate ? `${bytes(rate)}/s` : "…" });
      };
      try {
        this.show(await send(this.file, onProgress, this.stop.signal));
      } catch (error) {
        if (error.name === "AbortError" || this.state === "cancelled") return;
        if (error.status === 429 && error.again > 0 && await this.pause(error.again)) return this.run();
        if (this.state === "cancelled") return;
        this.isHopeless = [400, 413, 415].includes(error.status) && error.message !== "invalid multipart form";
        this.become("failed", undefined, because(error));
      }
    }

    /** Waits out a limit; false where the reader has called it off. */
    async pause(seconds) {
      for (let left = seconds; left > 0; left -= 1) {
        if (this.stop.signal.aborted) return false;
        this.said.textContent = say(words.retryIn, { n: left });
        await new Promise(resolve => setTimeout(resolve, 1000));
      }
      return !this.stop.signal.aborted;
    }

    show(answer) {
      // Without what turns text round: the links go to other people's pages.
      const name = this.file.name.replace(/[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, ""), page = new URL(answer.view_url, location.href).href, url = answer.url;
      const markup = name.replace(/[&<>"']/g, c => `&#${c.charCodeAt(0)};`);
      const links = {
        page, direct: url,
        html: `<a href="${page}"><img src="${url}" alt="${markup}"></a>`,
        bbcode: `[url=${page}][img]${url}[/img][/url]`,
        markdown: `[![${name.replace(/[!-+/:-@[-`{-~]/g, "\\$&")}](${url})](${page})`,
      };
      this.page = page;
      for (const input of this.item.querySelectorAll("[data-link]")) {
        input.value = links[input.dataset.link];
        input.nextElementSibling.dataset.copy = input.value;
      }
      this.got.hidden = false;
      const open = this.item.querySelector("[data-act=open]");
      open.href = page;
      open.hidden = false;
      this.become(answer.duplicate ? "duplicate" : "done");
    }
  }

  function because(error) {
    const known = { 0: words.badOffline, 401: words.badKey, 403: words.badKey, 408: words.badForm, 413: say(words.badSize, { size: form.dataset.maxText }),
      415: /is cut short/.test(error.message) ? words.badCut : words.badType, 507: words.badRoom };
    if (error.status === 400) return error.message === "empty file" ? words.badEmpty : words.badForm;
    if (error.status >= 500 && error.status !== 507) return words.badAway;
    return known[error.status] ?? `${words.badOther} ${error.message ?? ""}`;
  }

  // ---- the list

  function summarise() {
    const done = rows.filter(row => row.isDone);
    document.getElementById("results").hidden = rows.length === 0;
    document.getElementById("summary").textContent = rows.length > 1 || done.length ? say(words.summary, { done: done.length, all: rows.length }) : "";
    const all = document.getElementById("copy-all");
    all.hidden = done.length < 2;
    all.dataset.copy = done.map(row => row.page).join("\n");
  }

  let running = 0;
  function next() {
    while (running < AT_ONCE) {
      const row = rows.find(row => row.state === "waiting");
      if (!row) return;
      running += 1;
      row.run().finally(() => { running -= 1; next(); });
    }
  }

  function take(files) {
    for (const file of files) {
      const row = new Row(file);
      rows.push(row);
      document.getElementById("files").append(row.item);
    }
    if (files.length) { summarise(); next(); }
  }

  if (form) {
    const input = document.getElementById("file"), hint = document.getElementById("hint");
    input.multiple = true;
    input.addEventListener("change", () => { take([...input.files]); input.value = ""; });
    form.addEventListener("submit", event => event.preventDefault());

    let inside = 0;
    const carries = event => [...event.dataTransfer?.types ?? []].includes("Files");
    const mark = over => { form.classList.toggle("over", over); hint.textContent = over ? words.dropNow : words.orDrop; };
    addEventListener("dragenter", event => { if (carries(event)) { event.preventDefault(); inside += 1; mark(true); } });
    addEventListener("dragleave", event => { if (carries(event) && (inside -= 1) <= 0) { inside = 0; mark(false); } });
    addEventListener("dragover", event => { if (carries(event)) event.preventDefault(); });
    addEventListener("drop", event => {
      if (!carries(event)) return;
      event.preventDefault();
      inside = 0;
      mark(false);
      take([...event.dataTransfer.files]);
    });
    addEventListener("paste", event => {
      const files = [...event.clipboardData?.files ?? []];
      if (files.length) { event.preventDefault(); take(files); }
    });
    addEventListener("beforeunload", event => { if (rows.some(row => row.isOpen)) event.preventDefault(); });
  }
}
