// What the page does where scripts run: charts and map that answer the pointer, tables that sort, a slide.
// All it shows is in the page already; it reads the data block and asks nobody. Words go in as text alone.
"use strict";
(() => {
const data = JSON.parse(document.getElementById("data").textContent);
const root = document.documentElement;
const ink = (role) => getComputedStyle(root).getPropertyValue("--" + role).trim();
const whole = (value) => value.toLocaleString("en-US");
const short = (value) => {
  if (value == null) return "–";
  const size = Math.abs(value), odd = size && (size < 1e-3 || size >= 1e7);
  return (odd ? value.toExponential(2) : String(+value.toPrecision(4))).replaceAll("-", "−");
};
const make = (tag, words, where) => {
  const made = document.createElement(tag);
  if (words != null) made.textContent = words;
  if (where) where.append(made);
  return made;
};
const narrow = () => innerWidth < 640;
const left = () => narrow() ? 52 : 92;
const RIGHT = 22;

// Charts

const all = [], plots = [];  // that are open; and of these those that zoom together
let view = data.span.slice();

function stepsOf(chart) {
  const steps = chart.steps;
  return Array.isArray(steps) ? steps : Array.from({length: steps.count}, (_, n) => steps.first + n * steps.every);
}

function columnsOf(chart) {
  const steps = stepsOf(chart);
  const valuesOf = (changes) => {
    let sum = 0;
    return steps.map((_, n) => changes[n] === null ? null : (sum += changes[n] ?? 0) / 10 ** chart.decimals);
  };
  return [steps, ...chart.lines.map((line) => valuesOf(line.changes))];
}

function powerOfTen(power) {
  if (!Number.isInteger(power)) return short(10 ** power);
  return "10" + [...String(power)].map((sign) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(sign)]).join("");
}

// Bands, half-way lines and alarms, on the canvas of one chart.
function drawMarks(plot) {
  const {ctx, bbox} = plot;
  const at = (step) => plot.valToPos(step, "x", true);
  const line = (step, role, width, dash) => {
    const x = at(step);
    if (x < bbox.left || x > bbox.left + bbox.width) return;
    ctx.strokeStyle = ink(role);
    ctx.lineWidth = width * devicePixelRatio;
    ctx.setLineDash(dash.map((part) => part * devicePixelRatio));
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
  };
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  for (const truth of data.marks.truths) {
    if (truth.t10 != null && truth.t90 != null) {
      ctx.fillStyle = ink("series-1");
      ctx.globalAlpha = 0.16;
      ctx.fillRect(at(truth.t10), bbox.top, Math.max(at(truth.t90) - at(truth.t10), 1), bbox.height);
      ctx.globalAlpha = 1;
    }
    line(truth.t50, "series-1", 1.8, [1, 3]);
  }
  for (const alarm of data.marks.alarms) line(alarm, "alarm", 2, []);
  ctx.restore();
}

// Brackets from alarms to half-way steps, above the first chart.
function drawLeads(plot) {
  const {ctx, bbox} = plot, size = bbox.top / 18;
  const at = (step) => plot.valToPos(step, "x", true);
  ctx.save();
  ctx.strokeStyle = ctx.fillStyle = ink("ink");
  ctx.lineWidth = 1.4 * size;
  ctx.font = `${12 * size}px system-ui, sans-serif`;
  ctx.textBaseline = "middle";
  ctx.textAlign = "left";
  ctx.setLineDash([]);
  let free = 0;
  const ends = data.marks.truths.filter((truth) => truth.alarm != null && truth.label)
    .map((truth) => [...[at(truth.alarm), at(truth.t50)].sort((one, other) => one - other), truth.label])
    .filter(([from, to]) => from > bbox.left - 1 && to < bbox.left + bbox.width + 1)
    .sort((one, other) => one[1] - other[1]);
  ends.forEach(([from, to, words], n) => {
    const y = 8 * size;
    ctx.beginPath();
    for (const [x, top] of [[from, -4], [from, 4], [from, 0], [to, 0], [to, -4], [to, 4]]) {
      ctx[top === -4 ? "moveTo" : "lineTo"](x, y + top * size);
    }
    ctx.stroke();
    const wide = ctx.measureText(words).width + 5 * size;
    const after = to + wide < (ends[n + 1]?.[0] ?? ctx.canvas.width);
    if (after) ctx.fillText(words, to + 5 * size, y);
    else if (from - wide > free) ctx.fillText(words, from - wide, y);
    free = after ? to + wide : to;
  });
  ctx.restore();
}

function plotOf(chart, width, height, font, {interactive = false, under = true, leads = false}) {
  const size = `${font}px system-ui, sans-serif`;
  const grid = {stroke: () => ink("rule"), width: 1};
  const axis = {stroke: () => ink("muted"), font: size, grid, ticks: {show: false}};
  const dashes = {dashed: [5, 4]};
  const scale = font / 12;
  return new uPlot({
    width, height, padding: [leads && data.marks.truths.length ? 18 * scale : 6, RIGHT * scale, 0, 0], legend: {show: false},
    cursor: interactive ? {sync: {key: "steps"}, drag: {x: true, y: false}, y: false} : {show: false},
    scales: {x: {time: false, range: (_, low, high) => [low, high]}, y: {range: () => chart.limits}},
    axes: [
      {...axis, size: under ? 24 * scale : 6, space: 62 * scale, values: (_, places) => places.map((place) => under ? whole(place) : "")},
      {...axis, size: left() * scale, space: 24 * scale, ...(chart.decades ? {incrs: [1, 2, 3, 5, 10, 20, 50, 100, 200]} : {}),
       values: (_, places) => places.map(chart.decades ? powerOfTen : short)},
    ],
    series: [{}, ...chart.lines.map((line) => ({
      stroke: () => ink(line.role), dash: (dashes[line.kind] || []).map((part) => part * scale), width: 1.4 * scale,
      points: {show: false}, spanGaps: false, pxAlign: 0,
    }))],
    hooks: {drawClear: [drawMarks], draw: leads ? [drawLeads] : [], setCursor: interactive ? [tellCursor] : [], setScale: interactive ? [tellZoom] : []},
  }, columnsOf(chart), make("div"));
}

function tellCursor(plot) {
  const place = plot.cursor.idx;
  if (place == null) return;
  const step = plot.data[0][place];
  const values = plot.chart.lines.map((line, n) => {
    const value = plot.data[n + 1][place];
    return `${line.label} ${plot.chart.decades && value != null ? short(10 ** value) : short(value)}`;
  });
  plot.said.textContent = `step ${whole(step)}: ${values.join(", ")}`;
  if (plot.cursor.left >= 0) map.hair(plot.posToVal(plot.cursor.left, "x"));
}

function tellZoom(plot, key) {
  const {min, max} = plot.scales.x;
  if (key !== "x" || min == null || !plots.includes(plot) || (min === view[0] && max === view[1])) return;
  zoom(min, max);
}

function zoom(first, last) {
  view = [first, last];
  for (const plot of plots) plot.setScale("x", {min: first, max: last});
  map.draw();
  reset.hidden = first === data.span[0] && last === data.span[1];
}

function openCharts(figure) {
  const live = figure.querySelector(".live");
  if (live.childElementCount) return;
  const keys = figure.dataset.charts.split(" ").filter(Boolean);
  for (const key of keys) {
    const chart = data.charts[key];
    const title = titleOf(chart, live);
    const box = make("div", null, live);
    const first = figure.hasAttribute("data-map");
    const under = key === keys.at(-1);  // the others share its axis of steps
    const height = (first ? data.heights[0] : 110) + (under ? 24 : 6);
    const plot = plotOf(chart, live.clientWidth, height, 12, {interactive: true, under, leads: first && key === keys[0]});
    plot.chart = chart;
    plot.said = make("output", null, title);
    box.append(plot.root);
    box.tabIndex = 0;
    box.setAttribute("role", "group");
    box.setAttribute("aria-label", `${chart.title}. Left and right move the crosshair, Enter shows the modes.`);
    box.addEventListener("keydown", (event) => moveCrosshair(plot, event));
    plot.over.addEventListener("click", () => {
      if (plot.cursor.idx != null && plot.cursor.left >= 0 && !plot.select.width) atStep(plot.posToVal(plot.cursor.left, "x"));
    });
    plot.over.addEventListener("dblclick", () => zoom(...data.span));
    all.push(plot);
    if (key.startsWith("gaussian")) continue;  // steps of draws may lie outside of the run's
    plots.push(plot);
    plot.setScale("x", {min: view[0], max: view[1]});
  }
}

function titleOf(chart, where) {
  const title = make("div", null, where);
  title.className = "title";
  const words = make("span", chart.title, title);
  if (chart.lines.length > 1) {
    for (const line of chart.lines) {
      const swatch = make("i", null, words);
      swatch.className = "swatch";
      swatch.style.borderTop = `2px ${line.kind === "dashed" ? "dashed" : "solid"} var(--${line.role})`;
      words.append(line.label);
    }
  }
  return title;
}

function moveCrosshair(plot, event) {
  const places = plot.data[0].length;
  const by = {ArrowLeft: -1, ArrowRight: 1}[event.key];
  const now = plot.cursor.idx ?? 0;
  if (by) {
    const place = Math.min(Math.max(now + by * (event.shiftKey ? 10 : 1), 0), places - 1);
    plot.setCursor({left: plot.valToPos(plot.data[0][place], "x"), top: 10});
  } else if (event.key === "Enter") atStep(plot.data[0][now]);
  else return;
  event.preventDefault();
}

// The map: bytes read back from the picture, drawn again in any order, of any stretch of steps

const map = (() => {
  const known = data.map, picture = document.getElementById(known.image);
  const state = {ready: false, order: known.rows.map((_, row) => row)};
  const groupOf = known.groups.flatMap(([name, count], group) => Array(count).fill(group));
  let canvas, shades, levels, columns, hair, said;

  function begin(figure) {
    const live = figure.querySelector(".live");
    const title = make("div", null, live);
    title.className = "title";
    make("span", mapTitle(), title);
    said = make("output", null, title);
    const box = make("div", null, live);
    box.className = "map-box";
    canvas = make("canvas", null, box);
    canvas.className = "map";
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", mapTitle());
    hair = make("div", null, box);
    hair.className = "hair";
    hair.hidden = true;
    canvas.addEventListener("mousemove", hover);
    canvas.addEventListener("mouseleave", () => { hair.hidden = true; });
    canvas.addEventListener("click", (event) => atStep(stepAt(event)));
    const image = new Image();
    image.onload = () => { read(image); draw(); };
    image.src = picture.getAttribute("href");
  }

  function mapTitle() {
    return `Every probe sample: dark = its highest loss, bright = its lowest${known.column ? `. Sorted by ${known.column}, then by when it changed` : ""}`;
  }

  function read(image) {
    const {width, height} = image;
    const canvas = make("canvas");
    canvas.width = width;
    canvas.height = height;
    const context = canvas.getContext("2d", {willReadFrequently: true});
    context.drawImage(image, 0, 0);
    shades = context.getImageData(0, 0, width, height).data;
    columns = width;
    const bytes = atob(image.src.split(",")[1]);  // whose palette follows the header
    const shade = (level) => [0, 1, 2].reduce((sum, n) => sum << 8 | bytes.charCodeAt(41 + 3 * level + n), 0);
    const place = new Map(Array.from({length: 256}, (_, level) => [shade(level), level]));
    levels = new Uint8Array(width * height);
    for (let n = 0; n < levels.length; n++) {
      levels[n] = 255 - (place.get(shades[4 * n] << 16 | shades[4 * n + 1] << 8 | shades[4 * n + 2]) ?? 0);
    }
    state.ready = true;
  }

  function draw(target = canvas, width = target?.clientWidth, height = data.heights[1], ratio = devicePixelRatio, edge = left()) {
    if (!state.ready || !width) return;
    target.width = width * ratio;
    target.height = height * ratio;
    if (target === canvas) target.style.height = `${height}px`;
    const context = target.getContext("2d");
    context.scale(ratio, ratio);
    const rows = state.order.length, pixels = new ImageData(columns, Math.max(rows, 1));
    state.order.forEach((row, n) => {
      pixels.data.set(shades.subarray(4 * row * columns, 4 * (row + 1) * columns), 4 * n * columns);
    });
    const sheet = make("canvas");
    sheet.width = columns;
    sheet.height = Math.max(rows, 1);
    sheet.getContext("2d").putImageData(pixels, 0, 0);
    const [first, last] = data.span, per = columns / ((last - first) || 1), plot = width - edge - RIGHT;
    context.imageSmoothingEnabled = rows > height * ratio;
    context.drawImage(sheet, (view[0] - first) * per, 0, (view[1] - view[0]) * per || columns, rows, edge, 0, plot, height);
    const x = (step) => edge + plot * (step - view[0]) / ((view[1] - view[0]) || 1);
    for (const alarm of data.marks.alarms.filter((step) => step >= view[0] && step <= view[1])) {
      for (const [role, wide] of [["paper", 5], ["alarm", 2]]) {
        context.fillStyle = ink(role);
        context.fillRect(x(alarm) - wide / 2, 0, wide, height);
      }
    }
    labels(context, edge, height);
  }

  function labels(context, edge, height) {
    context.font = "12px system-ui, sans-serif";
    context.fillStyle = ink("muted");
    context.textAlign = "right";
    context.textBaseline = "middle";
    const names = sortedBy.names, of = sortedBy.of, tall = height / state.order.length;
    for (let start = 0, stop; names.length && start < state.order.length; start = stop) {
      stop = start + 1;
      while (stop < state.order.length && of[state.order[stop]] === of[state.order[start]]) stop++;
      if (start) context.fillRect(edge - 8, start * tall, 8, 1);
      if ((stop - start) * tall < 13) continue;
      let words = names[of[state.order[start]]];
      while (words.length > 3 && context.measureText(words).width > edge - 14) words = words.slice(0, -2) + "…";
      context.fillText(words, edge - 10, (start + stop) / 2 * tall);
    }
  }

  function placeAt(event) {
    const box = canvas.getBoundingClientRect();
    const across = (event.clientX - box.left - left()) / (box.width - left() - RIGHT);
    const row = Math.floor((event.clientY - box.top) / box.height * state.order.length);
    return {across: Math.min(Math.max(across, 0), 1), row: state.order[Math.min(Math.max(row, 0), state.order.length - 1)]};
  }
  const stepAt = (event) => view[0] + placeAt(event).across * (view[1] - view[0]);
  const columnAt = (step) => {
    const [first, last] = data.span;
    return Math.min(Math.max(Math.floor((step - first) / ((last - first) || 1) * columns), 0), columns - 1);
  };
  const lossAt = (row, step) => {
    const [, , low, high] = known.rows[row];
    return low + (high - low) * levels[row * columns + columnAt(step)] / 255;
  };

  function nameOf(row) {
    const [ids, count] = known.rows[row];
    const group = groupOf[row] == null ? "" : `, ${known.groups[groupOf[row]][0]}`;
    return (count === 1 ? `sample ${ids}` : `${whole(count)} samples (${ids})`) + group;
  }

  function hover(event) {
    if (!state.ready) return;
    const {row} = placeAt(event), step = stepAt(event), share = levels[row * columns + columnAt(step)] / 255;
    said.textContent = `step ${whole(Math.round(step))}, ${nameOf(row)}: loss ${short(lossAt(row, step))}` +
      `${known.unit ? " " + known.unit : ""}, at ${Math.round(100 * share)}% of its scale`;
    show(step);
    const plot = plots.find((plot) => plot.chart);
    if (plot) plot.setCursor({left: plot.valToPos(step, "x"), top: 10}, true, true);
  }

  function show(step) {
    if (!hair || step < view[0] || step > view[1]) return;
    hair.hidden = false;
    hair.style.left = `${left() + (canvas.clientWidth - left() - RIGHT) * (step - view[0]) / ((view[1] - view[0]) || 1)}px`;
  }

  const own = {name: known.column, names: known.groups.map(([name]) => name), of: groupOf};
  let sortedBy = own, only = null;

  // Rows by a column, "" the order of the page; or by when they changed; of one group alone.
  function arrange(column, group) {
    const rows = known.rows.map((_, row) => row);
    const half = (row) => known.half[row] ?? Infinity;
    sortedBy = column === "half" ? {names: [], of: []} : known.columns.find((one) => one.name === column) ?? own;
    if (column === "half") rows.sort((one, other) => half(one) - half(other) || one - other);
    else if (column) rows.sort((one, other) => sortedBy.of[one] - sortedBy.of[other] || one - other);
    only = group;
    state.order = rows.filter((row) => only == null || groupOf[row] === only);
    draw();
  }

  return {begin, draw, hair: show, arrange, known, lossAt, nameOf, state};
})();

// What moved in the window before a step: its leading modes, and whose loss changed most

function atStep(step) {
  if (!map.state.ready) return;
  const place = document.getElementById("at-step");
  const unit = map.known.unit ? " " + map.known.unit : "";
  place.replaceChildren();
  const windows = data.modes.windows;
  const [first, last, modes] = windows.findLast((each) => each[1] <= step) ?? windows[0];
  make("h2", `Modes of the window from step ${whole(first)} to ${whole(last)}`, place);
  const list = make("ol", null, place);
  for (const [share, way, carrying, group, part, few] of modes) {
    const named = [];
    for (let n = 0; n < few.length; n += 3) {
      const [id, of] = data.modes.samples[few[n]];
      named.push(`${id}${of == null ? "" : ` (${data.modes.groups[of]})`} ${few[n + 1]}%, ${short(few[n + 2])}${unit}`);
    }
    const most = group == null ? "" : `; “${data.modes.groups[group]}” has ${part}% of it`;
    make("li", `${share}% of the variance, losses ${data.modes.directions[way]}; ${whole(carrying)} ${carrying === 1 ? "sample carries" : "samples carry"} 90%${most}. Largest: ${named.join("; ")}`, list);
  }
  if (!modes.length) make("p", "Nothing moved.", place);
  const before = Math.max(step - data.window, data.span[0]);
  const rows = map.state.order.map((row) => [row, map.lossAt(row, before), map.lossAt(row, step)]);
  rows.sort((one, other) => Math.abs(other[2] - other[1]) - Math.abs(one[2] - one[1]));
  make("h2", `Whose loss changed most from step ${whole(Math.round(before))} to ${whole(Math.round(step))}`, place);
  const changes = make("ol", null, place);
  for (const [row, was, is] of rows.slice(0, 8)) make("li", `${map.nameOf(row)}: ${short(was)} → ${short(is)}${unit}`, changes);
  const close = make("button", "Close", place);
  close.type = "button";
  close.addEventListener("click", () => place.replaceChildren());
}

// Tables

const numberIn = (text) => {
  const found = text.replace(/,/g, "").replace(/−/g, "-").replace(/[<>%]/g, "").trim();
  return found !== "" && isFinite(parseFloat(found)) ? parseFloat(found) : null;
};

function sortable(table) {
  const body = table.tBodies[0];
  for (const heading of table.tHead.rows[0].cells) {
    if (!heading.textContent.trim()) continue;
    const button = make("button", heading.textContent.trim());
    button.type = "button";
    heading.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = heading.getAttribute("aria-sort") === "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      const keyed = [...body.rows].map((row) => [row, row.cells[heading.cellIndex].textContent.trim()]);
      const counted = keyed.every(([, text]) => numberIn(text) != null || text === "–" || text === "");
      const rank = (text) => counted ? numberIn(text) ?? -Infinity : text;
      keyed.sort(([, one], [, other]) => {
        const [a, b] = [rank(one), rank(other)];
        return counted ? (a > b) - (a < b) : a.localeCompare(b, "en", {numeric: true});
      });
      if (down) keyed.reverse();
      body.append(...keyed.map(([row]) => row));
    });
  }
}

function filterable(table) {
  if (table.tBodies[0].rows.length < 9) return;
  const label = make("label", "Only rows with ");
  label.className = "filter";
  const input = make("input", null, label);
  input.type = "search";
  input.addEventListener("input", () => {
    const wanted = input.value.toLowerCase();
    for (const row of table.tBodies[0].rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
  });
  table.closest(".scroll").before(label);
}

// Tools

const tools = document.getElementById("tools");

function choice(words, options, chosen) {
  const label = make("label", words + " ", tools), list = make("select", null, label);
  for (const [value, told] of options) make("option", told, list).value = value;
  list.addEventListener("change", () => chosen(list.value));
  return list;
}

function press(words, pressed) {
  const button = make("button", words, tools);
  button.type = "button";
  button.addEventListener("click", pressed);
  return button;
}

const reset = press("Whole run", () => zoom(...data.span));
reset.hidden = true;
const order = {column: "", group: null};
const arrange = () => map.arrange(order.column, order.group);
if (map.known.half.length) {
  const columns = map.known.columns.map((one) => one.name).filter((name) => name !== map.known.column);
  choice("Map by", [["", map.known.column || "as found"], ["half", "when it changed"], ...columns.map((name) => [name, name])],
    (value) => { order.column = value; arrange(); });
}
if (map.known.groups.length > 1) {
  choice("of", [["", "all samples"], ...map.known.groups.map(([name], n) => [n, name])],
    (value) => { order.group = value === "" ? null : +value; arrange(); });
}
choice("Colours", [["", "auto"], ["light", "light"], ["dark", "dark"]], (value) => {
  if (value) root.dataset.theme = value;
  else delete root.dataset.theme;
  repaint();
});
press("Save as slide", saveSlide);

function repaint() {
  for (const plot of all) plot.redraw();
  map.draw();
}

// A slide, 16:9: the sentence, the first cards, the charts and the map as they are zoomed

async function saveSlide() {
  const link = make("a");
  link.download = `${data.name.replace(/[^\w.-]+/g, "_") || "run"}.png`;
  link.href = (await slide()).toDataURL("image/png");
  link.click();
}

async function slide() {
  const canvas = make("canvas"), context = canvas.getContext("2d");
  [canvas.width, canvas.height] = [1920, 1080];
  context.fillStyle = ink("paper");
  context.fillRect(0, 0, 1920, 1080);
  const write = (words, x, y, size, role, room, bold) => {
    context.font = `${bold ? "600 " : ""}${size}px system-ui, sans-serif`;
    context.fillStyle = ink(role);
    const lines = [""];
    for (const word of words.split(" ")) {
      const longer = `${lines.at(-1)} ${word}`.trim();
      if (context.measureText(longer).width > room && lines.at(-1)) lines.push(word);
      else lines[lines.length - 1] = longer;
    }
    lines.slice(0, 3).forEach((line, n) => context.fillText(line, x, y + n * size * 1.25, room));
    return y + Math.min(lines.length, 3) * size * 1.25;
  };
  let top = write(`${data.name} – ${data.headline}`, 60, 80, 40, "ink", 1800, true) + 6;
  const wide = 1800 / Math.max(data.cards.length, 1);
  const ends = data.cards.map(([title, lead], n) => {
    const below = write(title, 60 + n * wide, top + 20, 30, "ink", wide - 30, true);
    return write(lead, 60 + n * wide, below, 22, "muted", wide - 30);
  });
  top = Math.max(top, ...ends);
  const keys = document.querySelector("[data-map]").dataset.charts.split(" ").filter(Boolean);
  const ratio = devicePixelRatio;
  const each = Math.min((1040 - top - 60) / (keys.length + 1.6), 260);
  for (const key of keys) {
    write(data.charts[key].title, 60 + left() * 1.8, top + 14, 22, "muted", 1600);
    const plot = plotOf(data.charts[key], 1800 / ratio, (each - 24) / ratio, 21.6 / ratio, {leads: key === keys[0], under: key === keys.at(-1)});
    plot.setScale("x", {min: view[0], max: view[1]});
    await new Promise((done) => setTimeout(done));  // it draws once this is over
    context.drawImage(plot.ctx.canvas, 60, top + 22);
    plot.destroy();
    top += each;
  }
  const picture = make("canvas");
  map.draw(picture, 1800 / 1.8, (1050 - top - 30) / 1.8, 1.8, left());
  write("Every probe sample: dark = its highest loss, bright = its lowest", 60 + left() * 1.8, top + 14, 22, "muted", 1600);
  context.drawImage(picture, 60, top + 24);
  return canvas;
}

// Begin

root.classList.add("scripted");
const figures = [...document.querySelectorAll("figure[data-charts]")];
for (const figure of figures) {
  const folded = figure.closest("details");
  if (!folded) {
    openCharts(figure);
    if (figure.hasAttribute("data-map")) map.begin(figure);
  } else folded.addEventListener("toggle", () => { if (folded.open) openCharts(figure); });
}
for (const table of document.querySelectorAll(".scroll > table")) {
  sortable(table);
  filterable(table);
}
addEventListener("hashchange", unfold);
function unfold() {
  const place = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
  if (place && place.tagName === "DETAILS") place.open = true;
}
unfold();
let waiting = 0;
addEventListener("resize", () => {
  cancelAnimationFrame(waiting);
  waiting = requestAnimationFrame(() => {
    for (const plot of all) {
      const width = plot.root.closest(".live").clientWidth;
      if (width) plot.setSize({width, height: plot.height});
    }
    map.draw();
  });
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
})();
