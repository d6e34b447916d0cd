"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const panel = document.getElementById("panel"), body = document.getElementById("panel-body");

// Makes an element; strings become text, never markup.
function make(name, properties, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties || {})) key in element ? (element[key] = value) : element.setAttribute(key, value);
  element.append(...children.filter(child => child !== null && child !== undefined));
  return element;
}
function grid(headings, rows) {
  const head = make("tr", {}, ...headings.map(text => make("th", { scope: "col" }, text)));
  const lines = rows.map(row => make("tr", {}, ...row.map(cell => make("td", {}, cell))));
  return make("div", { className: "scroll" }, make("table", {}, make("thead", {}, head), make("tbody", {}, ...lines)));
}
const quoted = text => "'" + text.replaceAll("'", "'\\''") + "'";
const className = label => data.details.classes[label] ?? "class " + label;
const percent = (part, all) => (all ? (100 * part / all).toFixed(1) : "–");

// Sorting: numbers as numbers, gaps last.
for (const button of document.querySelectorAll("button.sort")) {
  button.addEventListener("click", () => {
    const th = button.parentElement, rows = [...th.closest("table").tBodies[0].rows];
    const column = [...th.parentElement.children].indexOf(th);
    const direction = th.getAttribute("aria-sort") === "descending" ? 1 : -1;
    for (const other of th.parentElement.children) if (other.hasAttribute("aria-sort")) other.setAttribute("aria-sort", "none");
    th.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
    const value = row => row.cells[column].dataset.sort ?? "";
    const numbers = rows.every(row => value(row) === "" || !isNaN(value(row)));
    rows.sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      if (x === "" || y === "") return (x === "") - (y === "");
      return direction * (numbers ? x - y : x.localeCompare(y));
    });
    th.closest("table").tBodies[0].append(...rows);
  });
}

// The evidence behind a number.
const COLOURS = ["#d55e00", "#cc79a7", "#e69f00", "#56b4e9", "#f0e442", "#8c564b"];
function colour(outcome) {
  if (outcome === "+") return "#009e73";
  if (outcome === ".") return "#9aa0a6";
  return COLOURS[Math.max(0, outcome.charCodeAt(0) - 97) % COLOURS.length];
}
function meaning(outcome, card) {
  if (outcome === "+") return "stands";
  if (outcome === ".") return "wrong without an attack";
  return "broken by " + (card.attacks[outcome.charCodeAt(0) - 97]?.name ?? "an attack");
}
function images(card) {
  const ids = data.details.images[card.images], outcomes = [...card.outcomes], counts = new Map();
  for (const outcome of outcomes) counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
  const key = [...counts].sort().map(([outcome, count]) => make("span", { className: "key" }, make("i", { style: "background:" + colour(outcome) }), `${meaning(outcome, card)}: ${count}`));
  const marks = make("div", { className: "outcomes", role: "img", ariaLabel: "one mark an image" });
  const box = make("details", {}, make("summary", {}, `${ids.length} images, one by one`), make("p", { className: "soft" }, "One mark an image, in the order of the split; point at it for its number."), marks);
  box.addEventListener("toggle", () => {
    if (marks.childElementCount === 0) marks.append(...outcomes.map((outcome, place) => make("i", { style: "background:" + colour(outcome), title: `image ${ids[place]}: ${meaning(outcome, card)}` })));
  });
  return [make("p", {}, ...key), box];
}
function examples(card) {
  if (!card.examples) return [];
  const words = card.examples.images.map(([id, label, prediction, stands]) => `image ${id}, ${className(label)}: ${stands ? "stands" : "taken for " + className(prediction)}`);
  return [make("h4", {}, "Examples"), make("p", { className: "soft" }, "Clean, under attack, and five times the difference; from left to right: " + words.join("; ") + "."),
    make("img", { className: "examples", src: card.examples.picture, alt: words.join("; "), width: 96 * words.length })];
}
function evidence(card) {
  const attacks = card.attacks.map(a => [make("span", { title: a.parameters }, a.name), String(a.broken), a.left.toFixed(2), String(a.gradients), String(a.queries)]);
  const classes = card.classes.map(([label, all, clean, robust]) => [className(label), String(all), percent(clean, all), percent(robust, all)]);
  const parts = [make("p", {}, card.subject), ...images(card), grid(["Attack", "Broke", "Left, %", "Gradients an image", "Queries an image"], attacks),
    make("details", {}, make("summary", {}, "Parameters of the attacks"), ...card.attacks.map(a => make("p", { className: "facts" }, make("b", {}, a.name), " " + a.parameters))),
    make("details", {}, make("summary", {}, "Class by class"), grid(["Class", "Images", "Clean, %", "Robust, %"], classes))];
  if (card.checks.length) parts.push(make("details", { open: card.checks.some(c => c.verdict === "failed") }, make("summary", {}, "Signs of masked gradients: " + (card.checks.some(c => c.verdict === "failed") ? "some" : "none")), grid(["Check", "Verdict", "What was seen"], card.checks.map(c => [c.name, c.verdict, c.finding]))));
  return [...parts, ...examples(card)];
}
function provenance(instance) {
  const more = instance.arguments ? " " + instance.arguments : "", id = quoted(instance.id);
  const took = instance.seconds === null ? "" : `, took ${instance.seconds.toFixed(1)} s`;
  return [make("p", {}, make("span", { className: "state " + instance.state }, instance.state), instance.made ? ` made ${instance.made}${took}` : " not made", instance.key ? make("span", {}, "; key ", make("code", {}, instance.key)) : null),
    make("p", { className: "soft" }, "Make it again; say what it depends on; see its log:"),
    make("code", { className: "command" }, `planish run ${id} --force ${id}${more}`), make("code", { className: "command" }, `planish why ${id}${more}`), make("code", { className: "command" }, `planish log ${id}${more}`),
    make("details", {}, make("summary", {}, "Machine and settings"), make("p", { className: "facts" }, ...instance.facts.flatMap(fact => [fact, make("br")])), instance.log ? make("p", { className: "facts" }, "log: " + instance.log) : null)];
}
function show(anchor) {
  const cell = data.cells[anchor];
  if (!cell) return;
  document.getElementById("panel-title").textContent = cell.title;
  const [first, ...facts] = cell.facts;
  const parts = [make("p", { className: "big" }, first), ...facts.map(fact => make("p", {}, fact)), ...cell.marks.map(mark => make("p", { className: "gap" }, mark))];
  for (const { input, index } of cell.from) {
    const gathered = data.details.inputs[input][index], place = data.places[input][index], instance = place === null ? null : data.instances[place];
    const labels = Object.entries(gathered.labels).map(([axis, label]) => `${axis}=${label}`).join(", ");
    parts.push(make("h3", {}, instance ? instance.id : labels));
    if (gathered.gap) parts.push(make("p", { className: "gap" }, gathered.gap));
    if (gathered.evidence) parts.push(...evidence(gathered.evidence));
    if (instance) parts.push(...provenance(instance));
  }
  body.replaceChildren(...parts);
  if (!panel.open) panel.showModal();
  panel.scrollTop = 0;
}
// The address names what is open, so that it can be sent to others and Back closes it.
function named() {
  try {
    const anchor = decodeURIComponent(location.hash.slice(1));
    return Object.hasOwn(data.cells, anchor) ? anchor : null;
  } catch {
    return null;
  }
}
function follow() {
  const anchor = named();
  if (anchor !== null) show(anchor);
  else if (panel.open) panel.close();
}
for (const button of document.querySelectorAll("button.cell")) button.addEventListener("click", () => { location.hash = encodeURIComponent(button.dataset.cell); });
panel.addEventListener("close", () => { if (named() !== null) history.replaceState(null, "", location.pathname + location.search); });
panel.addEventListener("click", event => { if (event.target === panel) panel.close(); });
document.getElementById("panel-close").addEventListener("click", () => panel.close());
addEventListener("hashchange", follow);
follow();

// Light and dark: as the system has it, until it is chosen.
const theme = document.getElementById("theme"), root = document.documentElement, dark = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (root.dataset.theme ?? (dark.matches ? "dark" : "light")) === "dark";
const label = () => { theme.textContent = isDark() ? "Light" : "Dark"; };
theme.hidden = false;
label();
theme.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; label(); });
dark.addEventListener("change", label);
