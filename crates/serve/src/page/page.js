"use strict";
// What comes from the service is put in as text, never as HTML: messages hold what others have written.
const at = (id) => document.getElementById(id);
let samples = [];
let key = sessionStorage.getItem("key") || "";

const headers = (more) => (key ? { ...more, Authorization: "Bearer " + key } : more);
const bytes = (n) => {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let unit = 0;
  while (n >= 1000 && unit < 4) { n /= 1024; unit++; }
  return n.toFixed(unit > 2 ? 1 : 0) + " " + units[unit];
};
const age = (s) => (s < 90 ? s.toFixed(0) + " s" : s < 5400 ? (s / 60).toFixed(0) + " min" : (s / 3600).toFixed(1) + " h");
const element = (tag, text, name) => {
  const it = document.createElement(tag);
  if (text !== undefined) it.textContent = text;
  if (name) it.className = name;
  return it;
};
const state = (words, name) => { at("state").textContent = words; at("state").className = "state " + name; };
const fill = (id, rows) => at(id).replaceChildren(...rows);

// The differences of a count that only grows, second by second.
const each = (name) => samples.slice(1).map((sample, i) => Math.max(0, sample[name] - samples[i][name]));

function chart(id, lines, format) {
  const svg = at(id);
  const [width, height] = [300, 88];
  const most = Math.max(1e-9, ...lines.flat());
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("preserveAspectRatio", "none");
  const drawn = lines.map((line, number) => {
    const it = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
    const x = (i) => width * (1 - (line.length - 1 - i) / 299);
    it.setAttribute("points", line.map((y, i) => `${x(i).toFixed(1)},${(height - 2 - (height - 6) * y / most).toFixed(1)}`).join(" "));
    if (number) it.setAttribute("class", "second");
    return it;
  });
  svg.replaceChildren(...drawn);
  svg.parentElement.title = "at most " + format(most);
}

function show({ pool, samples: news, slowest }) {
  samples = news.length === 1 ? samples.concat(news).slice(-300) : news;
  const now = pool.now;
  for (const name of ["running", "waiting", "checks", "hits", "misses"]) at(name).textContent = now[name];
  at("jobs").textContent = pool.jobs;
  at("max-queue").textContent = pool.max_queue;
  const asked = now.hits + now.misses;
  at("hit-rate").textContent = asked ? (100 * now.hits / asked).toFixed(1) + " %" : "–";
  at("memory").textContent = bytes(now.memory);
  at("memory-limit").textContent = bytes(pool.memory_limit);
  at("meter").value = pool.memory_limit ? now.memory / pool.memory_limit : 0;
  const whole = (n) => n.toFixed(0);
  chart("chart-checks", [each("checks")], whole);
  chart("chart-hits", [each("hits"), each("misses")], whole);
  chart("chart-memory", [samples.map((sample) => sample.memory)], bytes);
  const projects = pool.projects.map((project) => project.name);
  if (at("project").options.length !== projects.length) fill("project", projects.map((name) => element("option", name)));
  fill("zygotes", pool.zygotes.map((zygote) => {
    const row = element("tr");
    const header = element("td", zygote.header || "(no import)", "code");
    header.title = "key " + zygote.key;
    row.append(header);
    for (const text of [zygote.project, zygote.toolchain, bytes(zygote.memory), zygote.hits, zygote.children, age(zygote.age)]) {
      row.append(element("td", text));
    }
    const evict = element("button", "evict");
    evict.onclick = () => ask("/v1/pool/evict", { key: zygote.key });
    const last = element("td");
    last.append(evict);
    row.append(last);
    return row;
  }));
  fill("slowest", slowest.map((slow) => {
    const row = element("tr");
    row.append(element("td", slow.seconds.toFixed(3)), element("td", slow.name, "code"),
      element("td", slow.ending, slow.ending === "done" ? "" : "bad"), element("td", slow.messages.join("\n"), "code"));
    return row;
  }));
}

const ask = (path, body) => fetch(path, { method: "POST", headers: headers({ "Content-Type": "application/json" }), body: JSON.stringify(body) });

// Server-sent events by fetch: EventSource can carry no key.
async function listen() {
  for (;;) {
    try {
      const answer = await fetch("/v1/events", { headers: headers({}) });
      if (answer.status === 401) {
        at("key-form").hidden = false;
        state("a key is demanded", "lost");
        return;
      }
      if (!answer.ok) throw new Error(answer.status);
      state("live", "live");
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let text = ""; ;) {
        const { value, done } = await reader.read();
        if (done) break;
        text += value;
        const events = text.split("\n\n");
        text = events.pop();
        for (const event of events) {
          const data = event.split("\n").filter((line) => line.startsWith("data:")).map((line) => line.slice(5)).join("\n");
          if (data) show(JSON.parse(data));
        }
      }
    } catch (error) {
      console.warn(error);
    }
    state("not connected", "lost");
    await new Promise((done) => setTimeout(done, 1000));
  }
}

at("key-form").onsubmit = (event) => {
  event.preventDefault();
  key = at("key").value.trim();
  sessionStorage.setItem("key", key);
  at("key-form").hidden = true;
  listen();
};

at("try").onsubmit = async (event) => {
  event.preventDefault();
  const verdict = (words, name) => { at("verdict").textContent = words; at("verdict").className = name || ""; };
  at("check").disabled = true;
  verdict("checking …");
  fill("messages", []);
  try {
    const body = { text: at("text").value, timeout: Number(at("timeout").value), sorries: true };
    if (at("project").value) body.project = at("project").value;
    const answer = await ask("/v1/check", body);
    const said = await answer.json();
    if (!answer.ok) {
      verdict(typeof said.detail === "string" ? said.detail : said.detail.map((one) => one.loc.join(".") + ": " + one.msg).join("; "), "bad");
      return;
    }
    const result = said.results[0];
    at("file-key").textContent = result.key;
    fill("messages", result.messages.map((message) => {
      const item = element("li", undefined, message.severity);
      item.append(element("span", `${message.pos.line}:${message.pos.column}`, "at"), message.data.trim());
      return item;
    }).concat((result.records || []).map((record) => {
      const item = element("li", undefined, "warning");
      item.append(element("span", `${record.pos.line}:${record.pos.column}`, "at"), "sorry: " + record.goals.join("\n"));
      return item;
    })));
    const took = ` (${result.seconds.toFixed(2)} s)`;
    if (result.reason) verdict(result.reason + took, "bad");
    else if (result.ok) verdict("elaborated without errors" + took, "good");
    else verdict(`${result.errors} errors` + took, "bad");
  } catch (error) {
    verdict("no answer: " + error.message, "bad");
  } finally {
    at("check").disabled = false;
  }
};

listen();
