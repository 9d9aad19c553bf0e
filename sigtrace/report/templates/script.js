"use strict";
// The page is complete without this script, which sorts and filters tables, zooms the charts and shows their details. All
// text that it shows is text of the page, and is inserted as text.

const make = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
};
const draw = (tag, attributes = {}) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
};
const button = (words, act) => {
  const element = make("button", { type: "button" }, words);
  element.addEventListener("click", act);
  return element;
};
const within = (value, least, most) => Math.min(Math.max(value, least), most);

// Tables ------------------------------------------------------------------------------------------------------------

const FEW_ROWS = 6;

function sortable(table) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const value = (row, column) => {
    const cell = row.cells[column];
    return "v" in cell.dataset ? Number(cell.dataset.v) : cell.classList.contains("n") ? Number(cell.textContent) : cell.textContent.trim();
  };
  const sort = (column) => {
    const head = heads[column];
    const before = head.getAttribute("aria-sort");
    const down = before ? before === "ascending" : head.classList.contains("n") && column > 0;
    for (const other of heads) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const rows = [...body.rows].map((row) => [value(row, column), row]);
    rows.sort(([a], [b]) => (typeof a === "number" ? a - b : a.localeCompare(b, "en", { numeric: true })) * (down ? -1 : 1));
    body.append(...rows.map(([, row]) => row));
  };
  heads.forEach((head, column) => head.replaceChildren(button(head.textContent, () => sort(column))));
}

function filterable(table) {
  const rows = [...table.tBodies[0].rows].map((row) => [row, row.textContent.toLowerCase()]);
  const found = make("output", { "aria-live": "polite" });
  const input = make("input", { type: "search", autocomplete: "off", spellcheck: "false" });
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const [row, text] of rows) {
      row.hidden = !words.every((word) => text.includes(word));
      shown += row.hidden ? 0 : 1;
    }
    found.textContent = words.length ? `${shown} of ${rows.length} rows` : "";
  });
  table.parentElement.before(make("div", { class: "tools" }, make("label", {}, "Filter ", input), found));
}

// Pictures ----------------------------------------------------------------------------------------------------------
// Times are in ms after the beginning of the picture; `base` is the date of the beginning, in us.

const STEPS = [
  ...[-3, -2, -1, 0, 1, 2].flatMap((power) => [1, 2, 5].map((digit) => digit * 10 ** power)),
  ...[1, 2, 5, 10, 15, 30].map((count) => count * 1e3),
  ...[1, 2, 5, 10, 15, 30].map((count) => count * 6e4),
  ...[1, 2, 3, 6, 12].map((count) => count * 36e5),
  ...[1, 2, 7, 14, 28, 91, 182, 364].map((count) => count * 864e5),
];
const NARROWEST = 0.02;
const NEAR = 14;
const PAPER = 480; // pixels of a chart beside the names of its lanes
const tickWidth = (step) => (step < 1000 ? 118 : 80);

const tip = make("div", { class: "tip", hidden: "" });

function label(us, step) {
  const text = new Date(Math.floor(us / 1000)).toISOString();
  if (step >= 864e5) return text.slice(5, 10);
  if (step >= 6e4) return text.slice(11, 16);
  if (step >= 1e3) return text.slice(11, 19);
  return step >= 1 ? text.slice(11, 23) : text.slice(11, 23) + String(Math.floor(us % 1000)).padStart(3, "0");
}

// Choose the side of its place on which a text stays inside the picture.
function side(element, x, left, right) {
  element.classList.toggle("left", x < left);
  element.classList.toggle("right", x >= right);
}

class Picture {
  constructor(plot) {
    this.plot = plot;
    this.svg = plot.querySelector("svg");
    this.axis = this.svg.querySelector(".axis");
    this.height = Number(this.svg.getAttribute("height")) - 22;
    const { base, from, to, end } = plot.dataset;
    this.base = Number(base);
    this.first = [Number(from), Number(to)];
    this.whole = [Math.min(0, Number(from)), Math.max(Number(end), Number(to))];
    this.view = this.first;
    this.items = [...this.svg.querySelectorAll("[data-t]")].map((element) => this.item(element));
    this.told = this.items.filter((item) => item.text).sort((a, b) => a.t - b.t);
    this.chosen = null;
    this.spoken = make("p", { class: "hidden", "aria-live": "polite" });
    this.range = make("output");
    plot.parentElement.querySelector(".head").append(this.tools());
    plot.after(this.spoken);
    this.measured = 0; // not yet: the page shows the first view without us
    this.listen();
  }

  item(element) {
    const title = element.querySelector("title");
    const text = title ? title.textContent : "";
    if (title) title.remove(); // else the browser shows it too
    const number = (name) => Number(element.getAttribute(name));
    const y = "y" in element.dataset ? Number(element.dataset.y) : number("y") + number("height") / 2;
    const u = "u" in element.dataset ? Number(element.dataset.u) : null;
    return { element, text, y, t: Number(element.dataset.t), u, reach: u === null ? NEAR : number("height") / 2 + 4 };
  }

  tools() {
    const zoomable = this.whole[1] - this.whole[0] > NARROWEST;
    return make(
      "div", { class: "tools" },
      button("Zoom in", () => this.zoom(0.5)), button("Zoom out", () => this.zoom(2)),
      button("Earlier", () => this.move(-0.5)), button("Later", () => this.move(0.5)),
      button("Reset", () => this.show(this.first)),
      ...(zoomable && this.whole[1] - this.whole[0] > 1.01 * (this.first[1] - this.first[0]) ? [button("Whole", () => this.show(this.whole))] : []),
      this.range,
    );
  }

  get width() { return (this.measured ||= this.svg.clientWidth) || 1; }
  get span() { return this.view[1] - this.view[0]; }
  share(time) { return ((time - this.view[0]) / this.span) * 100; }
  pixels(time) { return (this.share(time) / 100) * this.width; }

  show([from, to]) {
    const span = within(to - from, NARROWEST, this.whole[1] - this.whole[0]);
    const start = within((from + to - span) / 2, this.whole[0], this.whole[1] - span);
    this.view = [start, start + span];
    for (const { element, t, u } of this.items) {
      element.classList.toggle("out", (u ?? t) < this.view[0] || t > this.view[1]);
      const x = u === null ? this.share(t) : within(this.share(t), 0, 100);
      if (element.classList.contains("bandname")) side(element, x, 60, 60);
      element.setAttribute("x", `${x.toFixed(3)}%`);
      if (u !== null) element.setAttribute("width", `${(within(this.share(u), 0, 100) - x).toFixed(3)}%`);
    }
    this.ticks();
    tip.hidden = true;
  }

  ticks(width = this.width) {
    const step = STEPS.find((each) => this.span <= each * Math.max(width / tickWidth(each), 2)) ?? STEPS.at(-1);
    const us = step * 1000;
    const ticks = [];
    for (let time = Math.ceil((this.base + this.view[0] * 1000) / us) * us; time <= this.base + this.view[1] * 1000; time += us) {
      const x = this.share((time - this.base) / 1000);
      const tick = draw("svg", { class: "tick", x: `${x}%` });
      side(tick, x, 5, 95);
      const text = draw("text", { y: this.height + 14 });
      text.textContent = label(time, step);
      tick.append(draw("line", { y1: 0, y2: this.height }), text);
      ticks.push(tick);
    }
    this.axis.replaceChildren(...ticks);
    const fine = this.span < 1e4 ? 1 : 1e3;
    this.range.textContent = this.view.map((time) => label(this.base + time * 1000, fine)).join(" to ");
  }

  zoom(factor, about = (this.view[0] + this.view[1]) / 2) {
    this.show([about - (about - this.view[0]) * factor, about + (this.view[1] - about) * factor]);
  }

  move(share) {
    this.show(this.view.map((time) => time + share * this.span));
  }

  near(x, y) {
    let best = null;
    let least = Infinity;
    for (const item of this.told) {
      if (item.element.classList.contains("out") || Math.abs(item.y - y) > item.reach) continue;
      const left = this.pixels(item.t);
      const far = item.u === null ? Math.abs(left - x) : Math.max(left - x, x - Math.max(this.pixels(item.u), left + 3), 0) + 1;
      if (far <= NEAR && far <= least) [best, least] = [item, far];
    }
    return best;
  }

  choose(item) {
    this.chosen?.element.classList.remove("on");
    this.chosen = item;
    tip.hidden = !item;
    if (!item) return;
    item.element.classList.add("on");
    tip.textContent = item.text;
    const box = this.svg.getBoundingClientRect();
    const x = box.left + within(this.pixels(item.t), 0, box.width);
    tip.style.left = "0";
    tip.style.left = `${within(x - tip.offsetWidth / 2, 4, document.documentElement.clientWidth - tip.offsetWidth - 4) + scrollX}px`;
    const above = box.top + item.y - tip.offsetHeight - NEAR;
    tip.style.top = `${(above > 4 ? above : box.top + item.y + NEAR) + scrollY}px`;
  }

  step(to) {
    if (!this.told.length) return;
    const item = this.told[within(to, 0, this.told.length - 1)];
    const half = this.span / 2;
    if (item.element.classList.contains("out")) this.show([item.t - half, item.t + half]);
    this.choose(item);
    this.spoken.textContent = item.text;
  }

  keys(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const at = this.told.indexOf(this.chosen);
    const inView = this.told.findIndex((item) => !item.element.classList.contains("out"));
    const acts = {
      ArrowRight: () => this.step(at < 0 ? inView : at + 1),
      ArrowLeft: () => this.step(at < 0 ? inView : at - 1),
      Home: () => this.step(0),
      End: () => this.step(this.told.length - 1),
      "+": () => this.zoom(0.5, this.chosen?.t), "=": () => this.zoom(0.5, this.chosen?.t), "-": () => this.zoom(2, this.chosen?.t),
      0: () => this.show(this.first),
      Escape: () => this.choose(null),
    };
    if (!acts[event.key]) return;
    event.preventDefault();
    acts[event.key]();
  }

  listen() {
    const { plot, svg } = this;
    plot.tabIndex = 0;
    plot.setAttribute("role", "application");
    plot.setAttribute("aria-label", `${plot.dataset.label} Arrow keys step through it, plus and minus zoom, 0 resets.`);
    svg.setAttribute("aria-hidden", "true");
    plot.addEventListener("keydown", (event) => this.keys(event));
    plot.addEventListener("blur", () => this.choose(null));
    svg.addEventListener("pointermove", (event) => this.pointed(event));
    svg.addEventListener("pointerdown", (event) => this.pressed(event));
    svg.addEventListener("pointerup", (event) => this.released(event));
    svg.addEventListener("pointercancel", () => this.dropDrag());
    svg.addEventListener("pointerleave", () => this.choose(null));
    svg.addEventListener("dblclick", () => this.show(this.first));
    svg.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return; // the page scrolls
      event.preventDefault();
      this.zoom(event.deltaY > 0 ? 1.25 : 0.8, this.time(this.place(event)[0]));
    }, { passive: false });
    new ResizeObserver(([entry]) => {
      this.measured = entry.contentRect.width;
      this.ticks();
    }).observe(svg);
  }

  place(event) {
    const box = this.svg.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  time(x) {
    return this.view[0] + (within(x, 0, this.width) / this.width) * this.span;
  }

  pressed(event) {
    if (event.button !== 0) return;
    this.drag = { x: this.place(event)[0], view: this.view, touch: event.pointerType === "touch" };
    this.svg.setPointerCapture(event.pointerId);
  }

  pointed(event) {
    const [x, y] = this.place(event);
    if (!this.drag || (Math.abs(x - this.drag.x) < 5 && !this.drag.box)) {
      this.choose(this.near(x, y));
    } else if (this.drag.touch) {
      const by = ((this.drag.x - x) / this.width) * this.span;
      this.show(this.drag.view.map((time) => time + by));
    } else {
      this.choose(null);
      this.drag.box ??= this.svg.appendChild(draw("rect", { class: "select", y: 0, height: this.height }));
      this.drag.box.setAttribute("x", Math.min(x, this.drag.x));
      this.drag.box.setAttribute("width", Math.abs(x - this.drag.x));
    }
  }

  released(event) {
    const [x, y] = this.place(event);
    const { drag } = this;
    this.dropDrag();
    if (drag?.box) this.show([this.time(drag.x), this.time(x)].sort((a, b) => a - b));
    else this.choose(this.near(x, y));
  }

  dropDrag() {
    this.drag?.box?.remove();
    this.drag = null;
  }
}

// The page ----------------------------------------------------------------------------------------------------------

document.documentElement.classList.add("js");
for (const table of document.querySelectorAll("table.grid")) {
  if (table.tBodies[0].rows.length > 1) sortable(table);
  if (table.tBodies[0].rows.length >= FEW_ROWS) filterable(table);
}
document.body.append(tip);
const pictures = [...document.querySelectorAll(".plot")].map((plot) => new Picture(plot));

let closed = [];
addEventListener("beforeprint", () => {
  closed = [...document.querySelectorAll("details:not([open], .alike)")];
  for (const each of closed) each.open = true;
  for (const picture of pictures) picture.ticks(PAPER);
});
addEventListener("afterprint", () => {
  for (const each of closed) each.open = false;
  for (const picture of pictures) picture.ticks();
});
