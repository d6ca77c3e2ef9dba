// What the page of a comparison does where scripts run: lines aligned and zoomed, runs that stand out, rows that sort.
// All it shows is in the page already; it reads the data block and asks nobody. Words go in as text alone.
"use strict";
(() => {
const data = JSON.parse(document.getElementById("data").textContent);
const root = document.documentElement, tools = document.getElementById("tools");
const ACROSS = 4000, UP = 2000, HEIGHT = 320;
const whole = (value) => (Math.round(value * 1000) / 1000).toLocaleString("en-US").replaceAll("-", "−");
const short = (value) => {
  const size = Math.abs(value), odd = size && (size < 1e-3 || size >= 1e7);
  return (odd ? value.toExponential(1) : String(+value.toPrecision(3))).replaceAll("-", "−");
};
const make = (tag, words, where) => {
  const made = document.createElement(tag);
  if (words != null) made.textContent = words;
  if (where) where.append(made);
  return made;
};
const draw = (tag, attributes, where) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (where) where.append(made);
  return made;
};
const put = (x, y, words, kind, where) => { draw("text", {x, y, class: kind}, where).textContent = words; };

// Runs, each with its rows of the page

const runs = data.runs;
runs.forEach((run, n) => {
  const path = document.getElementById(`r${n}`);
  run.paths.unshift(path.getAttribute("d"));
  run.row = path.closest("tr");
  run.small = document.querySelector(`.smalls figure[data-run="${n}"]`);
  run.grey = n >= data.coloured;
  run.points = new Map();
});
const state = {what: 0, by: "step", view: null, pinned: new Set(), pointed: null, on: new Set()};

// Where a run lies on the axis, by how runs are aligned: the place of its first step, and of its last; null without.
const WAYS = {
  step: {words: "step", axis: "training step", of: (run) => [run.first, run.last]},
  part: {words: "part of the run", axis: "% of the run's steps", of: () => [0, 100]},
  alarm: {words: "first alarm", axis: "steps from the run's first alarm", of: (run) => from(run, run.alarms[0])},
  truth: {words: "named scalar half-way", axis: "steps from where the first named scalar was half-way", of: (run) => from(run, run.truths.map((one) => one[1]).sort((a, b) => a - b)[0])},
};
const from = (run, step) => step == null ? null : [run.first - step, run.last - step];
const shownRuns = () => runs.filter((run) => !run.row.hidden && WAYS[state.by].of(run));
function span() {
  const ends = shownRuns().map(WAYS[state.by].of);
  if (!ends.length) return [0, 1];
  return [Math.min(...ends.map((one) => one[0])), Math.max(...ends.map((one) => one[1]))];
}
const stepAt = (run, x) => {
  const [first, last] = WAYS[state.by].of(run), step = run.first + (run.last - run.first) * (x - first) / ((last - first) || 1);
  return run.every ? run.last - Math.round((run.last - step) / run.every) * run.every : Math.round(step);
};

// Points of a path: whole numbers, relative after each M
function pointsOf(run) {
  if (!run.points.has(state.what)) {
    const points = [];
    for (const part of run.paths[state.what].split("M").slice(1)) {
      const [start, ...more] = part.split("l");
      let [x, y] = start.match(/-?\d+/g).map(Number);
      points.push([x, y]);
      const moves = (more[0] ?? "").match(/-?\d+/g)?.map(Number) ?? [];
      for (let n = 2; n + 1 < moves.length; n += 2) {  // the first is 0 0, of dots
        x += moves[n];
        y += moves[n + 1];
        points.push([x, y]);
      }
    }
    run.points.set(state.what, points);
  }
  return run.points.get(state.what);
}
function valueAt(run, x) {
  const [first, last] = WAYS[state.by].of(run), grain = ACROSS * (x - first) / ((last - first) || 1), points = pointsOf(run);
  if (!points.length || grain < points[0][0] - 1 || grain > points.at(-1)[0] + 1) return null;
  let low = 0, high = points.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (points[middle][0] <= grain) low = middle; else high = middle;
  }
  const [one, other] = [points[low], points[high]];
  const share = other[0] > one[0] ? Math.min(Math.max((grain - one[0]) / (other[0] - one[0]), 0), 1) : 0;
  return one[1] + share * (other[1] - one[1]);
}
const told = (grain) => {
  const {limits: [low, high], decades} = data.quantities[state.what], value = high - (high - low) * grain / UP;
  return short(decades ? 10 ** value : value);
};

// Ticks: 1, 2 or 5 times a power of ten
function ticks(low, high, most, least = 0) {
  const wide = high - low;
  if (!(wide > 0)) return [low];
  let step = Math.max(10 ** Math.floor(Math.log10(wide / most)), least);
  step = [1, 2, 5, 10, 20].map((times) => times * step).find((one) => wide / one < most) ?? wide;
  const found = [];
  for (let n = Math.ceil(low / step); n * step <= high; n++) found.push(n * step);
  return found;
}
const powerOfTen = (power) => Number.isInteger(power) ? "10" + [...String(power)].map((sign) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(sign)]).join("") : short(10 ** power);

// All over each other

const live = document.querySelector("#overlay .live");
const title = make("div", null, live);
title.className = "title";
const titleWords = make("span", null, title), said = make("output", null, title);
const box = make("div", null, live);
box.tabIndex = 0;
box.setAttribute("role", "group");
let sheet = null;

const matrix = (run, [low, high]) => {
  const [first, last] = WAYS[state.by].of(run), wide = (high - low) || 1;
  return `matrix(${(last - first) / wide} 0 0 1 ${ACROSS * (first - low) / wide} 0)`;
};

function redraw(width = box.clientWidth, height = HEIGHT) {
  if (!width) return;
  const left = innerWidth < 640 ? 52 : 92, right = 22, plot = width - left - right;
  const view = state.view ?? span(), one = data.quantities[state.what], [low, high] = one.limits;
  const svg = draw("svg", {viewBox: `0 0 ${width} ${height + 26}`, "aria-hidden": "true"});
  const x = (place) => left + plot * (place - view[0]) / ((view[1] - view[0]) || 1);
  for (const place of ticks(low, high, 9, one.decades ? 1 : 0)) {
    const y = height * (high - place) / (high - low);
    draw("path", {d: `M${left} ${y}h${plot}`, class: "l-rule"}, svg);
    put(left - 6, y + 4, one.decades ? powerOfTen(place) : short(place), "t-muted end", svg);
  }
  for (const place of ticks(view[0], view[1], Math.max(plot / 90, 2), state.by === "part" ? 0 : 1)) {
    draw("path", {d: `M${x(place)} ${height}v5`, class: "l-rule"}, svg);
    put(Math.min(x(place), width - 4), height + 20, whole(place), x(place) > width - 30 ? "t-muted end" : "t-muted middle", svg);
  }
  const inner = draw("svg", {x: left, y: 0, width: plot, height: height, viewBox: `0 0 ${ACROSS} ${UP}`, preserveAspectRatio: "none"}, svg);
  const bands = draw("g", {}, inner), lines = draw("g", {class: "lines"}, inner);
  const list = shownRuns();
  for (const run of [...list].reverse()) {
    const [first, last] = WAYS[state.by].of(run);
    run.line = draw("g", {class: `run-line${run.grey ? " grey" : ""}`}, lines);
    draw("path", {d: run.paths[state.what], class: run.look, transform: matrix(run, view)}, run.line);
    const at = (step) => ACROSS * (first + (last - first) * (step - run.first) / ((run.last - run.first) || 1) - view[0]) / ((view[1] - view[0]) || 1);
    run.at = at;
    run.ticks = draw("path", {d: alarmsOf(run, at, run.grey ? 0 : 200), class: `${run.look} strong`}, run.line);
  }
  const hair = draw("path", {d: "", class: "l-ink thin hair"}, svg);
  const area = draw("rect", {x: left, y: 0, width: 0, height: height, class: "zoomed"}, svg);
  box.replaceChildren(svg);
  sheet = {svg, view, left, plot, x, bands, lines, hair, area, list};
  const without = runs.filter((run) => !run.row.hidden).length - list.length;
  titleWords.textContent = `${one.title}, by ${WAYS[state.by].axis}${without ? `; ${without} without one ${without > 1 ? "are" : "is"} not drawn` : ""}`;
  box.setAttribute("aria-label", `${titleWords.textContent}. Left and right move the crosshair, up and down choose the run.`);
  highlight(true);
}
const alarmsOf = (run, at, tall) => tall ? run.alarms.map((step) => `M${at(step)} 0v${tall}`).join("") : "";

// Runs that are pointed at or pinned stand out, with their truths, and their alarms from top to bottom.
function highlight(fresh = false) {
  const on = new Set(state.pinned);
  if (state.pointed) on.add(state.pointed);
  const changed = runs.filter((run) => on.has(run) !== state.on.has(run));
  state.on = on;
  for (const run of changed) {
    run.row.classList.toggle("on", on.has(run));
    run.small.classList.toggle("on", on.has(run));
  }
  if (!sheet) return;
  sheet.lines.classList.toggle("some", sheet.list.some((run) => on.has(run)));
  for (const run of fresh ? sheet.list : changed.filter((run) => sheet.list.includes(run))) {
    run.line.classList.toggle("on", on.has(run));
    run.ticks.setAttribute("d", alarmsOf(run, run.at, on.has(run) ? UP : run.grey ? 0 : 200));
    if (on.has(run)) sheet.lines.append(run.line);
  }
  sheet.bands.replaceChildren();
  for (const run of sheet.list.filter((run) => on.has(run))) drawTruths(run, run.at, sheet.bands);
}
function drawTruths(run, at, where) {
  for (const [t10, t50, t90] of run.truths) {
    if (t10 != null && t90 != null) draw("rect", {x: at(t10), y: 0, width: Math.max(at(t90) - at(t10), 12), height: UP, class: "truth"}, where);
    draw("path", {d: `M${at(t50)} 0v${UP}`, class: "l-muted dotted"}, where);
  }
}
function point(run) {
  if (state.pointed === run) return;
  state.pointed = run;
  highlight();
}
function pin(run) {
  if (!state.pinned.delete(run)) state.pinned.add(run);
  run.button.setAttribute("aria-pressed", state.pinned.has(run));
  highlight();
}

const cursor = {place: null};
function tell(place, run) {
  cursor.place = place;
  sheet.hair.setAttribute("d", `M${sheet.x(place)} 0v${HEIGHT}`);
  const grain = run && valueAt(run, place);
  const step = run ? stepAt(run, place) : null;
  said.textContent = run ? `${run.name}, step ${whole(step)}: ${grain == null ? "–" : told(grain)}` : whole(place);
}
function nearest(place, grain) {
  const among = state.pinned.size ? sheet.list.filter((run) => state.pinned.has(run)) : sheet.list;
  let best = null, least = Infinity;
  for (const run of among) {
    const value = valueAt(run, place);
    if (value != null && Math.abs(value - grain) < least) [best, least] = [run, Math.abs(value - grain)];
  }
  return best;
}
const placeOf = (event) => {
  const share = (event.clientX - box.getBoundingClientRect().left - sheet.left) / sheet.plot;
  return sheet.view[0] + Math.min(Math.max(share, 0), 1) * (sheet.view[1] - sheet.view[0]);
};
let pressed = null;
box.addEventListener("mousemove", (event) => {
  if (!sheet) return;
  const place = placeOf(event), grain = UP * (event.clientY - box.getBoundingClientRect().top) / HEIGHT;
  if (pressed != null) {
    const [from, to] = [sheet.x(pressed), sheet.x(place)].sort((a, b) => a - b);
    sheet.area.setAttribute("x", from);
    sheet.area.setAttribute("width", to - from);
    return;
  }
  const run = nearest(place, grain);
  point(run);
  tell(place, run);
});
box.addEventListener("mouseleave", () => { if (pressed == null) { point(null); sheet?.hair.setAttribute("d", ""); } });
box.addEventListener("mousedown", (event) => { if (sheet && event.button === 0) { pressed = placeOf(event); event.preventDefault(); box.focus(); } });
addEventListener("mouseup", (event) => {
  if (pressed == null) return;
  const [low, high] = [pressed, placeOf(event)].sort((a, b) => a - b);
  pressed = null;
  sheet.area.setAttribute("width", 0);
  if (sheet.x(high) - sheet.x(low) > 5) zoom([low, high]);
  else if (state.pointed) pin(state.pointed);
});
box.addEventListener("dblclick", () => zoom(null));
box.addEventListener("keydown", (event) => {
  if (!sheet || !sheet.list.length) return;
  const by = {ArrowLeft: -1, ArrowRight: 1}[event.key], next = {ArrowUp: -1, ArrowDown: 1}[event.key];
  const ordered = runs.filter((run) => sheet.list.includes(run));
  let now = Math.max(ordered.indexOf(state.pointed), 0);
  if (next && state.pointed) now = Math.min(Math.max(now + next, 0), ordered.length - 1);
  else if (!by && !next && event.key !== "Enter") return;
  const run = ordered[now], wide = sheet.view[1] - sheet.view[0];
  if (event.key === "Enter") pin(run);
  point(run);
  const place = (cursor.place ?? sheet.view[0]) + (by ?? 0) * wide * (event.shiftKey ? 0.1 : 0.01);
  tell(Math.min(Math.max(place, sheet.view[0]), sheet.view[1]), run);
  event.preventDefault();
});

// Each on its own: the small charts follow

function redrawSmalls(view = span()) {
  for (const run of runs) {
    const svg = run.small.querySelector(":scope > svg"), of = WAYS[state.by].of(run);
    svg.replaceChildren();
    if (state.what === 0) draw("use", {href: "#grid", class: "l-rule"}, svg);
    run.small.hidden = run.row.hidden || !of;
    if (run.small.hidden) continue;
    const wide = (view[1] - view[0]) || 1;
    const at = (step) => ACROSS * (of[0] + (of[1] - of[0]) * (step - run.first) / ((run.last - run.first) || 1) - view[0]) / wide;
    drawTruths(run, at, svg);
    draw("path", {d: run.paths[state.what], class: run.look, transform: matrix(run, view)}, svg);
    draw("path", {d: alarmsOf(run, at, UP), class: `${run.look} strong`}, svg);
  }
  const {limits: [low, high], decades, title} = data.quantities[state.what];
  const ends = decades ? [low, high].map((end) => powerOfTen(Math.round(end))) : [short(low), short(high)];
  scale.textContent = `${title}. The same scales for all: ${whole(view[0])} to ${whole(view[1])} (${WAYS[state.by].axis}), about ${ends.join(" to ")} up.`;
}
const scale = document.getElementById("scale");

function zoom(view) {
  state.view = view;
  reset.hidden = !view;
  cursor.place = null;
  redraw();
}
function arrange(by, what) {
  const moved = by !== state.by, changed = moved || what !== state.what;
  [state.by, state.what] = [by, what];
  for (const [name, button] of ways) button.setAttribute("aria-pressed", name === by);
  if (moved) zoom(null); else redraw();
  if (changed) redrawSmalls();  // at first they are there, as they are without scripts
}

// Tools

function choice(words, options, chosen) {
  const label = make("label", words + " ", tools), list = make("select", null, label);
  for (const [value, words] of options) make("option", words, list).value = value;
  list.addEventListener("change", () => chosen(list.value));
  return list;
}
function press(words, pressed, where = tools) {
  const button = make("button", words, where);
  button.type = "button";
  button.addEventListener("click", pressed);
  return button;
}
choice("Draw", data.quantities.map((one, n) => [n, one.title]), (value) => arrange(state.by, +value));
const group = make("span", "Align by ", tools);
group.className = "group";
group.setAttribute("role", "group");
group.setAttribute("aria-label", "Align by");
const ways = Object.entries(WAYS).filter(([, way]) => runs.some((run) => way.of(run)))
  .map(([name, way]) => [name, press(way.words, () => arrange(name, state.what), group)]);
const reset = press("Whole range", () => zoom(null));
reset.hidden = true;
choice("Colours", [["", "auto"], ["light", "light"], ["dark", "dark"]], (value) => {
  if (value) root.dataset.theme = value; else delete root.dataset.theme;
});

// A slide: sentence, lines and their key, 16:9

async function slide() {
  const kept = draw("svg", {class: "run side slide", viewBox: "0 0 1920 1080", width: 1920, height: 1080, "data-theme": root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")});
  draw("style", {}, kept).textContent = document.querySelector("style").textContent;
  const inside = draw("svg", {id: "overlay", width: 1920, height: 1080, viewBox: "0 0 1920 1080", "font-family": "system-ui, sans-serif"}, kept);
  draw("rect", {width: 1920, height: 1080, fill: "var(--paper)"}, inside);
  const lines = [""];
  for (const word of document.querySelector("h1").textContent.split(" ")) {
    if ((lines.at(-1) + word).length > 88) lines.push("");
    lines[lines.length - 1] += word + " ";
  }
  lines.forEach((words, n) => { draw("text", {x: 60, y: 80 + 46 * n, class: "t-ink slide-title"}, inside).textContent = words; });
  const listed = sheet.list.filter((run) => state.on.size ? state.on.has(run) : !run.grey).sort((a, b) => runs.indexOf(a) - runs.indexOf(b)).slice(0, 12);
  const top = 40 + 46 * lines.length, key = 40 * Math.ceil(listed.length / 4);
  const tall = 950 - top - key, scale = 1.9;
  redraw(1820 / scale, tall / scale - 26);
  const chart = sheet.svg;
  redraw();
  for (const [name, value] of Object.entries({x: 40, y: top + 50, width: 1820, height: tall})) chart.setAttribute(name, value);
  inside.append(chart);
  draw("text", {x: 60, y: top + 26, class: "t-muted slide-words"}, inside).textContent = titleWords.textContent;
  listed.forEach((run, n) => {
    const [x, y] = [80 + 450 * (n % 4), 1040 - key + 40 * Math.floor(n / 4)];
    draw("path", {d: `M${x} ${y - 8}h50`, class: `${run.look} strong`}, inside);
    draw("text", {x: x + 62, y, class: "t-ink slide-words"}, inside).textContent = run.name.length > 28 ? run.name.slice(0, 27) + "…" : run.name;
  });
  const image = new Image();
  image.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(new XMLSerializer().serializeToString(kept));
  await image.decode();
  const canvas = make("canvas");
  [canvas.width, canvas.height] = [1920, 1080];
  canvas.getContext("2d").drawImage(image, 0, 0);
  const link = make("a");
  link.download = "comparison.png";
  link.href = canvas.toDataURL("image/png");
  link.click();
}
press("Save as slide", slide);

// Rows: a filter, sorting in which controls stay beneath their run, strokes that can be pressed

const table = document.querySelector("#runs table"), body = table.tBodies[0];
const numberIn = (text) => {
  const found = text.replace(/,/g, "").replace(/−/g, "-").replace(/[<>%]/g, "").trim();
  return found !== "" && isFinite(found) ? +found : null;
};
function sorted(groups, at, down) {
  const text = (row) => row.cells[at].textContent.trim();
  const keyed = groups.map((rows) => [rows, text(rows[0])]);
  const counted = keyed.every(([, words]) => numberIn(words) != null || words === "–" || words === "");
  const absent = (words) => words === "–" || words === "";
  keyed.sort(([, one], [, other]) => {
    if (absent(one) || absent(other)) return absent(one) - absent(other);  // last, either way
    return (down ? -1 : 1) * (counted ? numberIn(one) - numberIn(other) : one.localeCompare(other, "en", {numeric: true}));
  });
  return keyed.map(([rows]) => rows);
}
function sortable(table) {
  const body = table.tBodies[0];
  for (const heading of table.tHead.rows[0].cells) {
    if (heading.textContent === "SHC over the run") continue;
    const words = heading.textContent.trim();
    heading.replaceChildren();
    press(words, () => {
      const down = heading.getAttribute("aria-sort") === "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      const groups = [];
      for (const row of body.rows) {
        if (row.classList.contains("control") && groups.length) groups.at(-1).push(row); else groups.push([row]);
      }
      const rows = sorted(groups, heading.cellIndex, down)
        .flatMap(([first, ...controls]) => [first, ...sorted(controls.map((row) => [row]), heading.cellIndex, down).flat()]);
      body.append(...rows);
    }, heading);
  }
}
function filter() {
  const label = make("label", "Only runs with ");
  label.className = "filter";
  const input = make("input", null, label);
  input.type = "search";
  const count = make("output", null, label);
  let waiting = 0;
  input.addEventListener("input", () => {
    const wanted = input.value.toLowerCase();
    for (const row of body.rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
    const left = runs.filter((run) => !run.row.hidden).length;
    count.textContent = wanted ? ` ${left} of ${runs.length}` : "";
    clearTimeout(waiting);
    waiting = setTimeout(() => { zoom(null); redrawSmalls(); }, 60);
  });
  tools.prepend(label);
}
for (const run of runs) {
  const key = run.row.querySelector("svg.key");
  run.button = press(null, () => pin(run));
  run.button.className = "pin";
  run.button.setAttribute("aria-label", `Make ${run.name} stand out`);
  run.button.setAttribute("aria-pressed", "false");
  key.replaceWith(run.button);
  run.button.append(key);
  for (const part of [run.row, run.small]) {
    part.addEventListener("mouseenter", () => point(run));
    part.addEventListener("mouseleave", () => point(null));
  }
  run.button.addEventListener("focus", () => point(run));
  run.button.addEventListener("blur", () => point(null));
  run.small.addEventListener("click", () => pin(run));
  run.row.addEventListener("click", (event) => { if (!event.target.closest("a, button")) pin(run); });
}
document.querySelectorAll(".scroll > table").forEach(sortable);
if (runs.length > 8) filter();

// Begin

root.classList.add("scripted");
arrange("step", 0);
let before = null;
addEventListener("beforeprint", () => {  // paper has the drawings by step
  before = [state.by, state.what, state.view];
  arrange("step", 0);
});
addEventListener("afterprint", () => {
  if (!before) return;
  arrange(before[0], before[1]);
  zoom(before[2]);
});
let resized = 0;
addEventListener("resize", () => {
  cancelAnimationFrame(resized);
  resized = requestAnimationFrame(() => redraw());
});
})();
