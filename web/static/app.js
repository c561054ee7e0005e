/* The little that pages do by themselves: times stay true, waiting pages rest while nobody looks,
   text can be copied, frames are as high as the mail in them, keys move among threads. Without it every
   page still works. */
(function () {
  "use strict";

  const MINUTE = 60, HOUR = 3600, DAY = 86400, WEEK = 7 * DAY;

  function relative(then, now) {
    const seconds = Math.abs(now - then) / 1000, past = then <= now;
    if (seconds < MINUTE) return past ? "just now" : "in a moment";
    let words = null;
    if (seconds < HOUR) words = Math.floor(seconds / MINUTE) + " min";
    else if (seconds < DAY) words = Math.floor(seconds / HOUR) + " h";
    else if (seconds < WEEK) {
      const days = Math.floor(seconds / DAY);
      words = days + (days > 1 ? " days" : " day");
    }
    return words && (past ? words + " ago" : "in " + words);
  }

  function tellTimes() {
    const now = new Date();
    for (const time of document.querySelectorAll("time[data-relative]")) {
      const then = new Date(time.dateTime), words = relative(then, now);
      if (words && time.textContent !== words) time.textContent = words;
      time.title = then.toLocaleString(undefined, { dateStyle: "full", timeStyle: "long" });
    }
  }

  function fit(frame) {
    const inner = frame.contentDocument;
    if (!inner || !inner.body) return;
    const set = () => { frame.style.height = Math.ceil(inner.documentElement.getBoundingClientRect().height) + 4 + "px"; };
    set();
    new ResizeObserver(set).observe(inner.documentElement);
  }

  function fitFrames(root) {
    for (const frame of root.querySelectorAll("iframe.mail")) {
      if (frame.dataset.fitted) continue;
      frame.dataset.fitted = "yes";
      frame.addEventListener("load", () => fit(frame));
      if (frame.contentDocument && frame.contentDocument.readyState === "complete") fit(frame);
    }
  }

  function ready(root) {
    for (const button of root.querySelectorAll("[data-opens][hidden]")) button.hidden = false;
    tellTimes();
    fitFrames(root);
  }

  document.addEventListener("DOMContentLoaded", () => ready(document));
  document.addEventListener("htmx:afterSettle", () => ready(document));
  document.addEventListener("visibilitychange", tellTimes);
  setInterval(tellTimes, 20000);

  document.addEventListener("htmx:beforeRequest", (event) => {
    if (document.hidden && event.target.hasAttribute("data-follows")) event.preventDefault();
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button || !navigator.clipboard) return;
    navigator.clipboard.writeText(button.dataset.copy).then(() => {
      const before = button.textContent;
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = before; }, 2000);
    });
  });

  function threads() { return [...document.querySelectorAll("[data-thread]")]; }

  function move(step) {
    const all = threads(), at = all.indexOf(document.activeElement.closest("[data-thread]"));
    const next = all[Math.max(0, Math.min(all.length - 1, at < 0 ? (step > 0 ? 0 : all.length - 1) : at + step))];
    if (!next) return false;
    next.focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
    return true;
  }

  function unfold() {
    const older = document.activeElement.querySelector("details.older");
    if (older) older.open = !older.open;
    return !!older;
  }

  function search() {
    const field = document.querySelector("[data-search]");
    if (field) field.select(), field.focus();
    return !!field;
  }

  function help() {
    const dialog = document.getElementById("keys");
    if (dialog && !dialog.open) dialog.showModal();
    return !!dialog;
  }

  function pressed(key) {
    const on = document.activeElement, inThread = on.matches("[data-thread]");
    if (key === "/") return search();
    if (key === "?") return help();
    if (key === "j" || (key === "ArrowDown" && inThread)) return move(1);
    if (key === "k" || (key === "ArrowUp" && inThread)) return move(-1);
    return key === "Enter" && inThread && unfold();
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.target.matches("input, select, textarea")) return;
    if (pressed(event.key)) event.preventDefault();
  });

  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-opens]")) help();
  });

  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-submits]")) event.target.form.requestSubmit();
  });
})();
