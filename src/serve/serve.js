"use strict";
const at = (id) => document.getElementById(id);
const make = (tag, text, name) => {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (name) element.className = name;
  return element;
};
const link = (text, address) => {
  const element = make("a", text);
  element.href = address;
  return element;
};
const duration = (seconds) => {
  if (seconds < 10) return seconds.toFixed(1) + " s";
  const whole = Math.round(seconds), hours = Math.floor(whole / 3600), minutes = Math.floor(whole / 60) % 60;
  if (whole < 60) return whole + " s";
  return hours ? hours + " h " + String(minutes).padStart(2, "0") + " min" : minutes + " min " + String(whole % 60).padStart(2, "0") + " s";
};
const bar = (done, total) => {
  const outer = make("div", undefined, "progress"), inner = make("span");
  inner.style.width = (100 * Math.min(done / total, 1)).toFixed(1) + "%";
  outer.setAttribute("role", "progressbar");
  outer.setAttribute("aria-valuenow", done);
  outer.setAttribute("aria-valuemax", total);
  outer.append(inner);
  return outer;
};
const row = (instance) => {
  const line = make("tr"), name = make("td", undefined, "instance"), progress = make("td");
  name.append(instance.log ? link(instance.instance, "/log/" + encodeURIComponent(instance.instance)) : make("span", instance.instance));
  if (instance.message) name.append(make("br"), make("small", instance.message, "message"));
  if (instance.progress) {
    const { done, total, text } = instance.progress;
    if (total > 0) progress.append(bar(done, total));
    progress.append(make("small", [total > 0 ? done + "/" + total : "", text].filter(Boolean).join(" · ")));
  }
  const seconds = instance.seconds === null ? "" : duration(instance.seconds);
  line.append(make("td", instance.state, "state " + instance.state), name, progress, make("td", seconds, "number"));
  return line;
};
const runLine = (run) => {
  if (!run) return "No run is on record.";
  const since = new Date(run.started).toLocaleString();
  if (run.running) return "A run goes on since " + since + ".";
  if (run.ended === null) return "The last run began " + since + " and was cut off.";
  const how = run.exit === 0 ? "left nothing undone" : "ended with exit code " + run.exit;
  return "The last run, of " + since + ", " + how + ".";
};
const show = (state) => {
  const title = state.pipeline + (state.profile ? " (" + state.profile + ")" : "");
  document.title = title;
  at("pipeline").textContent = title;
  at("run").textContent = runLine(state.run);
  at("problem").hidden = state.problem === null;
  at("problem").textContent = state.problem ?? "";
  at("pages").hidden = state.pages.length === 0;
  at("pages").replaceChildren(...state.pages.map((name) => link(name, "/page/" + encodeURIComponent(name))));
  const total = state.instances.length, fresh = state.instances.filter((i) => i.state === "fresh").length;
  at("overall").hidden = at("instances").hidden = total === 0;
  at("bar").setAttribute("aria-valuenow", fresh);
  at("bar").setAttribute("aria-valuemax", total);
  at("bar").firstElementChild.style.width = (total ? 100 * fresh / total : 0).toFixed(1) + "%";
  const counts = new Map();
  for (const instance of state.instances) counts.set(instance.state, (counts.get(instance.state) ?? 0) + 1);
  at("counts").textContent = [...counts].map(([name, number]) => number + " " + name).join(", ") + " of " + total;
  at("instances").tBodies[0].replaceChildren(...state.instances.map(row));
};
const events = new EventSource("/events");
events.onmessage = (event) => show(JSON.parse(event.data));
events.onerror = () => { at("run").textContent = "planish serve does not answer; this page shows what it said last."; };
