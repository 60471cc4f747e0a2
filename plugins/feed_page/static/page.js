// Keeps a page current without reloading it: fetches it again, and changes only what differs. Draws the charts. Leads links that
// belong to Airflow out of the frame.

const main = document.getElementById("content");
const away = document.getElementById("away");

// ---- What differs --------------------------------------------------------------------------------------------------------------

/** Make `old` like `fresh`. What a person or a script works in (`data-keep`) keeps its children, and its fields their values. */
export function patch(old, fresh) {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName || old.id !== fresh.id) {
    old.replaceWith(document.importNode(fresh, true));
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
    return;
  }
  if ("keep" in old.dataset && !("figure" in old.dataset)) return;
  patchAttributes(old, fresh);
  if ("keep" in old.dataset) return;
  const before = [...old.childNodes], after = [...fresh.childNodes];
  after.forEach((child, place) => {
    if (place < before.length) patch(before[place], child);
    else old.append(document.importNode(child, true));
  });
  before.slice(after.length).forEach((child) => child.remove());
}

const OURS = new Set(["tabindex", "aria-selected", "class", "style"]); // set by scripts on squares and charts

function patchAttributes(old, fresh) {
  for (const { name, value } of fresh.attributes) {
    if (name === "class" && old.classList.contains("square")) {
      const selected = old.classList.contains("selected") ? " selected" : "";
      if (old.className !== value + selected) old.className = value + selected;
    } else if (!(name === "tabindex" && old.classList.contains("square")) && old.getAttribute(name) !== value) {
      old.setAttribute(name, value);
    }
  }
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name) && !OURS.has(name)) old.removeAttribute(name);
}

// ---- Looking again --------------------------------------------------------------------------------------------------------------

async function refresh() {
  let seconds = Number(main.dataset.refresh) || 15;
  try {
    if (!document.hidden) {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-store" });
      if (answer.status === 401) throw new Error("logged out");
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      const content = fresh.getElementById("content");
      if (content === null) throw new Error(`no page in an answer of status ${answer.status}`);
      if (!fresh.querySelector("header nav") !== !document.querySelector("header nav")) { location.reload(); return; }
      const feeds = document.getElementById("feed"), known = fresh.getElementById("feed");
      if (feeds && known && feeds !== document.activeElement && feeds.length !== known.length) patch(feeds, known);
      document.title = fresh.title;
      patch(main, content);
      dress(main);
      seconds = Number(main.dataset.refresh) || seconds;
    }
    away.hidden = true;
  } catch {
    away.hidden = false;
    seconds = 5;
  }
  setTimeout(refresh, seconds * 1000);
}

/** Do to fresh content what scripts do to all content. */
function dress(root) {
  for (const time of root.querySelectorAll("time")) {
    const moment = new Date(time.dateTime);
    const text = moment.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
    if (time.dataset.shown !== time.dateTime) {
      time.title = `${moment.toISOString().slice(0, 19).replace("T", " ")} UTC`;
      time.dataset.shown = time.dateTime;
    }
    if (time.textContent !== text) time.textContent = text;
  }
  for (const plot of root.querySelectorAll("[data-figure]")) draw(plot);
}

// ---- Charts ---------------------------------------------------------------------------------------------------------------------

const drawn = new WeakMap();

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function draw(plot, again = false) {
  if (typeof Plotly === "undefined" || (!again && drawn.get(plot) === plot.dataset.figure)) return;
  const figure = JSON.parse(plot.dataset.figure);
  for (const trace of figure.data) {
    if (trace.type === "bar") trace.marker = { color: colour(trace.meta), line: { width: 0 } };
    else trace.line = { ...trace.line, color: colour(trace.meta) };
  }
  const axis = { gridcolor: colour("grid"), zerolinecolor: colour("grid"), linecolor: colour("grid") };
  const small = plot.clientWidth < 500;
  const layout = {
    ...figure.layout,
    xaxis: { ...figure.layout.xaxis, ...axis },
    yaxis: { ...figure.layout.yaxis, ...axis },
    font: { family: "system-ui, sans-serif", size: 13, color: colour("text") },
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    hoverlabel: { bgcolor: colour("card"), bordercolor: colour("grid"), font: { color: colour("text") } },
    margin: { l: 48, r: 12, t: 8, b: 32 }, showlegend: true,
    legend: { orientation: "h", x: 0, y: 1, yanchor: "bottom", font: { size: small ? 11 : 13 } },
    uirevision: "kept", autosize: true, height: plot.closest(".wide") ? 300 : 280,
  };
  drawn.set(plot, plot.dataset.figure);
  Plotly.react(plot, figure.data, layout, { responsive: true, displaylogo: false, displayModeBar: false });
}

document.addEventListener("theme", () => main.querySelectorAll("[data-figure]").forEach((plot) => draw(plot, true)));

// ---- Links and forms ------------------------------------------------------------------------------------------------------------

/** Open an address of Airflow's own. The frame may not navigate the window around it, so a link in that window is clicked. */
export function openInAirflow(address, newTab = false) {
  let around = window;
  try { if (window.parent.document) around = window.parent; } catch { /* framed by somebody else */ }
  const link = around.document.createElement("a");
  link.href = address;
  if (newTab) link.target = "_blank";
  around.document.body.append(link);
  link.click();
  link.remove();
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[data-airflow]");
  if (!link || event.defaultPrevented || event.button !== 0) return;
  event.preventDefault();
  openInAirflow(link.href, event.ctrlKey || event.metaKey || event.shiftKey);
});

document.addEventListener("change", (event) => event.target.closest("form[data-auto]")?.requestSubmit());

window.addEventListener("load", () => { dress(main); setTimeout(refresh, (Number(main.dataset.refresh) || 15) * 1000); });
dress(main);
