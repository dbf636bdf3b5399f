"use strict";

// Text, numbers and elements. Whatever comes from outside gets on the page as text.

const find = (id) => document.getElementById(id);

// Characters that cannot be seen, or that turn the order of what can be.
const HIDDEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}\u034f\u115f\u1160\u3164\uffa0]/gu;

// The longest text of one item, in characters.
const LONGEST = 300;

const shown = (text) => {
  const all = Array.from(String(text));
  const cut = all.length > LONGEST ? all.slice(0, LONGEST).join("") + "…" : String(text);
  return cut.replace(HIDDEN, (one) => `\\u{${one.codePointAt(0).toString(16)}}`);
};

// Within a sentence, whose order it leaves alone whatever way it is written.
const quoted = (text) => `“\u2068${shown(text)}\u2069”`;

const set = (element, text) => {
  if (element.textContent !== text) {
    element.textContent = text;
  }
};

const tell = (id, text) => set(find(id), text);

const say = (element, text, kind) => {
  set(element, text);
  element.classList.remove("good", "bad", "wait");
  if (kind) {
    element.classList.add(kind);
  }
};

const make = (name, kind, text) => {
  const element = document.createElement(name);
  if (kind) {
    element.className = kind;
  }
  if (text !== undefined) {
    element.textContent = text;
  }
  return element;
};

// As many children as there are items: those that are there are kept, so that focus stays.
const fill = (parent, items, create, update) => {
  while (parent.children.length > items.length) {
    parent.lastElementChild.remove();
  }
  items.forEach((item, at) => {
    const child = parent.children[at] ?? parent.appendChild(create());
    update(child, item);
  });
};

const whole = new Intl.NumberFormat("en");
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const tenth = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

const count = (n) => (n < 100000 ? whole.format(Math.round(n)) : short.format(n));

const share = (part) => (part === null || part === undefined ? "–" : `${tenth.format(part * 100)}\u00a0%`);

const ratio = (hits, misses) => (hits + misses > 0 ? hits / (hits + misses) : null);

const bytes = (n) => {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  while (n >= 1024 && at + 1 < units.length) {
    n /= 1024;
    at += 1;
  }
  return `${at ? tenth.format(n) : n} ${units[at]}`;
};

// A duration in seconds.
const time = (s) => {
  if (s < 0.001) {
    return `${tenth.format(s * 1e6)} µs`;
  }
  if (s < 1) {
    return `${tenth.format(s * 1e3)} ms`;
  }
  if (s < 120) {
    return `${tenth.format(s)} s`;
  }
  if (s < 7200) {
    return `${tenth.format(s / 60)} min`;
  }
  return s < 172800 ? `${tenth.format(s / 3600)} h` : `${tenth.format(s / 86400)} days`;
};

const clock = (ms) => new Date(ms).toLocaleTimeString("en-GB");

