// PixelFox: what a page gains with a script. Without it every page and action works as links, forms and tables.
"use strict";

document.documentElement.classList.add("script");

// ---- live: the page asks its own address for events; the server sends regions whose HTML has changed.

/** Makes `old` like `fresh` and keeps what the reader is doing: focus, typed text, opened details, selection. */
function morph(old, fresh) {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName) { old.replaceWith(fresh); return; }
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
    return;
  }
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !(name === "open" && old.nodeName === "DETAILS")) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  morphChildren(old, fresh);
}

// What is said once about an action is not in what comes later, and stays.
const stays = node => node.nodeType === Node.ELEMENT_NODE && node.hasAttribute("data-once");
const past = node => { while (node && stays(node)) node = node.nextSibling; return node; };

const keyOf = node => node.nodeType === Node.ELEMENT_NODE ? node.id || node.dataset?.key || "" : "";

function morphChildren(old, fresh) {
  const keyed = new Map([...old.children].filter(keyOf).map(child => [keyOf(child), child]));
  let at = past(old.firstChild);
  for (const next of [...fresh.childNodes]) {
    const key = keyOf(next);
    const known = key ? keyed.get(key) : at && !keyOf(at) && at.nodeName === next.nodeName ? at : null;
    if (!known) { old.insertBefore(next, at); continue; }
    if (known === at) at = past(at.nextSibling); else old.insertBefore(known, at);
    keyed.delete(key);
    morph(known, next);
  }
  while (at) { const gone = at; at = past(at.nextSibling); gone.remove(); }
}

function patch(regions) {
  for (const [id, html] of Object.entries(regions)) {
    const region = document.getElementById(id);
    if (!region) continue;
    // Where nothing was is something now that this page has no place for.
    if ("renew" in region.dataset && region.textContent.trim() && !html.trim()) {
      if (!document.activeElement?.matches("input, select, textarea")) return location.reload();
      continue;
    }
    // The marks around it are not in what comes: beside them nothing would be taken for what it was.
    for (const node of [...region.childNodes]) if (node.nodeType === Node.COMMENT_NODE) node.remove();
    const fresh = region.cloneNode(false);
    fresh.innerHTML = html;
    morphChildren(region, fresh);
    for (const button of region.querySelectorAll("[data-copy]")) button.hidden = false;
    localTimes(region);
  }
}

// Browsers open six connections to a server over HTTP/1.1, all windows together: so many streams leave some for pages
// and pictures.
const STREAMS = 4, REST = 5000;

/** The line of windows that hold a stream: when as many have come in after this one, it makes room. The one that is
 *  being used goes back to the end of the line instead. */
function line(makeRoom) {
  const one = /^h[23]/.test(performance.getEntriesByType("navigation")[0]?.nextHopProtocol ?? "");
  if (one || !("BroadcastChannel" in window)) return { enter() {}, leave() {} };
  const channel = new BroadcastChannel("pixelfox-streams"), me = Math.random().toString(36).slice(2), after = new Set();
  let since = 0;
  const enter = () => { since = performance.now(); after.clear(); channel.postMessage({ me, within: true }); };
  const leave = () => { if (since) channel.postMessage({ me, within: false }); since = 0; };
  channel.onmessage = ({ data }) => {
    if (!data.within) { after.delete(data.me); return; }
    after.add(data.me);
    if (!since || after.size < STREAMS) return;
    // Not in turns with another one that takes itself for the one in use.
    if (document.hasFocus() && performance.now() - since > 1000) enter(); else makeRoom();
  };
  return { enter, leave };
}

function goLive() {
  const pulse = document.getElementById("pulse"), lost = document.getElementById("lost"), rests = document.getElementById("rests");
  const live = document.querySelector("[data-live]");
  if (!live) return;
  // What comes to an end by itself is not begun anew.
  const once = live.dataset.live === "once";
  const lang = document.documentElement.lang;
  let over = false, version = null, seen = new Date(), retry = 0, source = null, timer = 0;
  const later = (what, milliseconds) => { clearTimeout(timer); timer = setTimeout(what, milliseconds); };
  const close = () => { source?.close(); source = null; turn.leave(); };
  const turn = line(() => {
    if (once) return;
    close();
    pulse.hidden = true;
    rests.hidden = false;
    later(open, REST);
  });
  const isLost = () => {
    pulse.hidden = true;
    lost.textContent = lost.dataset.text.replace("{time}", seen.toLocaleTimeString(lang));
    lost.hidden = false;
  };
  const isLive = () => { seen = new Date(); retry = 0; pulse.hidden = false; lost.hidden = rests.hidden = true; };
  const open = () => {
    clearTimeout(timer);
    // A page in the background needs no stream; it catches up when it is looked at again.
    if (over || document.hidden) return;
    source?.close();
    source = new EventSource(location.pathname + location.search);
    turn.enter();
    source.addEventListener("hello", event => {
      isLive();
      document.getElementById("slow").hidden = true;
      if (version && version !== event.data) document.getElementById("newer").hidden = false;
      version = event.data;
    });
    source.addEventListener("patch", event => { isLive(); patch(JSON.parse(event.data)); });
    source.addEventListener("slow", event => { document.getElementById("slow").hidden = event.data !== "1"; });
    // The page can't be rendered any more: its own answer says why.
    source.addEventListener("trouble", event => { if (event.data === "404" || event.data === "401") location.reload(); else isLost(); });
    // All has come: nothing changes any more.
    source.addEventListener("done", () => { over = true; pulse.hidden = true; close(); });
    source.onerror = () => {
      isLost();
      close();
      later(open, Math.min(500 * 2 ** retry++, 8000));
    };
  };
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) { if (source) clearTimeout(timer); else open(); }
    else if (!once) later(close, 2000);
  });
  addEventListener("focus", () => { if (!rests.hidden) open(); });
  addEventListener("pagehide", close);
  addEventListener("pageshow", event => { if (event.persisted) open(); });
  open();
}

// ---- times on hover in the reader's own zone

function localTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (!isNaN(at)) time.title = at.toLocaleString(document.documentElement.lang, { dateStyle: "medium", timeStyle: "long" });
  }
}

// ---- buttons: copy; ask before what can't be undone is the server's page, not a dialog; no double posts

/** Puts `text` on the clipboard; the older way too, because browsers keep the newer one for https. */
async function copied(text) {
  try { await navigator.clipboard.writeText(text); return true; } catch { /* not here */ }
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "out-of-sight";
  const before = document.activeElement;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  before?.focus({ preventScroll: true });
  return done;
}

addEventListener("click", async event => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  if (!await copied(button.dataset.copy)) return;
  const label = button.querySelector("[data-copied]");
  if (!label) return;
  const before = label.textContent;
  label.textContent = label.dataset.copied;
  setTimeout(() => { label.textContent = before; }, 1500);
});

// A form whose answer comes bit by bit where there is a script.
addEventListener("submit", event => {
  if (!event.target.matches("[data-by-script]")) return;
  const live = document.createElement("input");
  live.type = "hidden"; live.name = "live"; live.value = "1";
  event.target.append(live);
});

addEventListener("submit", event => {
  if (event.target.method !== "post") return;
  // After the event, so that the pressed button's own value is sent.
  setTimeout(() => { for (const button of event.target.querySelectorAll("button")) button.disabled = true; });
});
addEventListener("pageshow", () => { for (const button of document.querySelectorAll("form button")) button.disabled = false; });

for (const button of document.querySelectorAll("[data-copy]")) button.hidden = false;
localTimes(document);
goLive();
