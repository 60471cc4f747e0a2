// The squares of the chunks: facts of the one that is pointed at, the arrow keys, a range, and the form that triggers a backfill of it.
import { openInAirflow } from "./page.js";

const grid = document.getElementById("squares");
const facts = document.getElementById("facts");
const range = document.getElementById("range");
const [first, last] = [document.getElementById("first"), document.getElementById("last")];
const dialog = document.getElementById("trigger");
const form = dialog.querySelector("form");
const failure = document.getElementById("trigger-error");
const done = document.getElementById("triggered");
const { airflow } = document.body.dataset;
const dag = `${airflow}/dags/transaction_patterns`;

const number = (square) => Number(square.dataset.chunk);
const squareAt = (event) => event.target.closest?.(".square[data-chunk]");

function show(square) {
  if (square) facts.textContent = square.getAttribute("aria-label");
}

function select(from, to) {
  const [low, high] = [Math.min(from, to), Math.max(from, to)];
  first.value = low;
  last.value = high;
  mark();
}

function mark() {
  last.setCustomValidity(""); // of a range that was upside down
  const [low, high] = [Number(first.value), Number(last.value)];
  for (const square of grid.children) square.classList.toggle("selected", low > 0 && number(square) >= low && number(square) <= high);
}

// ---- Pointing and dragging
let start = null;
let dragged = false;
grid.addEventListener("pointerover", (event) => {
  const square = squareAt(event);
  show(square);
  if (square && start !== null && event.buttons === 1 && (dragged || number(square) !== start)) {
    dragged = true;
    select(start, number(square));
  }
});
grid.addEventListener("pointerdown", (event) => {
  const square = squareAt(event);
  if (!square || event.button !== 0) return;
  if (event.shiftKey && first.value) { dragged = true; select(Number(first.value), number(square)); } else { start = number(square); dragged = false; }
});
window.addEventListener("pointerup", () => { start = null; });
grid.addEventListener("dragstart", (event) => event.preventDefault()); // squares are links, which a browser would drag away
grid.addEventListener("click", (event) => {
  const square = squareAt(event);
  if (!square) return;
  const run = "airflow" in square.dataset;
  if (dragged || event.shiftKey || !run) { event.preventDefault(); event.stopPropagation(); }
  dragged = false;
});

// ---- Keys
grid.addEventListener("focusin", (event) => show(squareAt(event)));
grid.addEventListener("keydown", (event) => {
  const square = squareAt(event);
  if (!square) return;
  const wide = Math.max(1, Math.floor(grid.clientWidth / (square.offsetWidth + 3)));
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: wide, ArrowUp: -wide }[event.key];
  const squares = [...grid.children];
  const place = squares.indexOf(square);
  const target = event.key === "Home" ? squares[0] : event.key === "End" ? squares.at(-1) : step && squares[place + step];
  if (!target) return;
  event.preventDefault();
  if (event.shiftKey) {
    if (anchor === null) anchor = number(square);
    select(anchor, number(target));
  } else {
    anchor = null;
  }
  square.tabIndex = -1;
  target.tabIndex = 0;
  target.focus();
});
let anchor = null;

// ---- Triggering
range.addEventListener("input", mark);
range.addEventListener("submit", (event) => {
  event.preventDefault();
  if (Number(first.value) > Number(last.value)) { last.setCustomValidity("The last chunk is before the first one."); last.reportValidity(); return; }
  done.hidden = true;
  failure.hidden = true;
  form.elements.first_chunk.value = first.value;
  form.elements.last_chunk.value = last.value;
  const what = first.value === last.value ? `chunk ${first.value}` : `chunks ${first.value}-${last.value}`;
  form.elements.note.value = `${what} of feed ${form.elements.feed.value}`;
  dialog.showModal();
});

document.getElementById("trigger-cancel").addEventListener("click", () => dialog.close());
form.addEventListener("submit", async (event) => {
  if (event.submitter?.value === "cancel") return;
  event.preventDefault();
  const { feed, first_chunk, last_chunk, batch_chunks, note } = form.elements;
  const conf = { feed: feed.value, first_chunk: Number(first_chunk.value), last_chunk: Number(last_chunk.value) };
  if (batch_chunks.value) conf.batch_chunks = Number(batch_chunks.value);
  if (conf.first_chunk > conf.last_chunk) { say(`First chunk ${conf.first_chunk} is behind last chunk ${conf.last_chunk}.`); return; }
  try {
    const answer = await fetch(`${airflow}/api/v2/dags/transaction_patterns/dagRuns`, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json" },
      body: JSON.stringify({ logical_date: null, conf, note: note.value || null }),
    });
    const content = await answer.json();
    if (!answer.ok) { say(reason(answer.status, content.detail)); return; }
    dialog.close();
    report(content.dag_run_id);
  } catch (error) {
    say(`Airflow does not answer (${error.message}). Nothing is known to be triggered.`);
  }
});

function say(text) {
  failure.textContent = text;
  failure.hidden = false;
}

function reason(status, detail) {
  if (status === 403) return "You may see this DAG, but not trigger it.";
  if (status === 401) return "You are logged out: log in to Airflow again.";
  return `Airflow refuses it (${status}): ${typeof detail === "string" ? detail : JSON.stringify(detail)}`;
}

function report(run) {
  const link = document.createElement("a");
  link.href = `${dag}/runs/${encodeURIComponent(run)}`;
  link.textContent = run;
  link.addEventListener("click", (event) => { event.preventDefault(); openInAirflow(link.href); });
  done.replaceChildren("Triggered. Its run is ", link, ".");
  done.hidden = false;
}
