// One websocket per page. An element with data-live="run.run_01…" (several topics: separated by spaces) and
// hx-get, hx-trigger="live" fetches itself anew whenever one of its topics changed. Messages say only that something
// changed, never what. The server names a topic once as soon as it is subscribed to, so what changed before that, since
// the page was rendered or while there was no connection, is fetched too.
//   out: {"subscribe": ["reviews", "run.run_01…"]}      in: {"topic": "reviews"}
const QUIET = 250; // ms; a burst of changes is one fetch
let socket = null;
let attempts = 0;
let subscribed = "";
const due = new Set();

const pieces = () => [...document.querySelectorAll("[data-live]")];
const topicsOf = (piece) => piece.dataset.live.split(/\s+/).filter(Boolean);
const topics = () => [...new Set(pieces().flatMap(topicsOf))].sort();

function connect() {
  if (socket || topics().length === 0) return;
  socket = new WebSocket(new URL("/live/", location.href.replace(/^http/, "ws")));
  socket.addEventListener("open", () => {
    subscribed = "";
    subscribe();
    attempts = 0;
    mark("on");
  });
  socket.addEventListener("message", (event) => changed(JSON.parse(event.data).topic));
  socket.addEventListener("close", () => {
    socket = null;
    attempts += 1;
    mark("off");
    const most = Math.min(30_000, 500 * 2 ** attempts);
    setTimeout(connect, most / 2 + Math.random() * (most / 2));
  });
}

function subscribe() {
  const wanted = topics();
  const text = wanted.join(" ");
  if (socket?.readyState !== WebSocket.OPEN || text === subscribed) return;
  subscribed = text;
  socket.send(JSON.stringify({ subscribe: wanted }));
}

function changed(topic) {
  if (due.size === 0) setTimeout(flush, QUIET);
  due.add(topic);
}

function flush() {
  const fresh = pieces().filter((piece) => topicsOf(piece).some((topic) => due.has(topic)));
  due.clear();
  refetch(fresh);
}

function refetch(list) {
  // What someone is writing in, holding or reading in a dialog is left alone; it is fetched when they are done.
  for (const piece of list) {
    if (piece.querySelector("dialog[open], [data-hold-state], [data-menu][open], form :focus:not(button)")) later(piece);
    else window.htmx?.trigger(piece, "live");
  }
}

// A piece whose answer comes while the page is being left must not lead elsewhere: asked for with a session that has just
// ended, it would call off the very way on which a new one is begun. (A download leaves nothing: then it is asked again.)
let left = -Infinity;
addEventListener("beforeunload", () => (left = performance.now()));
document.addEventListener("htmx:beforeOnLoad", (event) => {
  const piece = event.detail.elt;
  if (!piece.matches("[data-live]")) return;
  // What is being pressed stays where it is: a link that is replaced before the button is up is never followed.
  if (performance.now() - left > 5_000 && !piece.querySelector(":active")) return;
  event.preventDefault();
  later(piece);
});

function later(piece) {
  setTimeout(() => piece.isConnected && refetch([piece]), 2000);
}

// A link that had the focus has it again in what was fetched, found by its address (htmx finds by itself what has an id).
document.addEventListener("htmx:beforeSwap", ({ detail: { target } }) => {
  const active = document.activeElement;
  const address = target.matches("[data-live]") && target.contains(active) && active.getAttribute("href");
  if (!address) return;
  const link = () => target.querySelector(`a[href="${CSS.escape(address)}"]`);
  const again = () => document.activeElement === document.body && link()?.focus({ preventScroll: true });
  target.addEventListener("htmx:afterSettle", again, { once: true });
});

// For a sign on the page that it is, or is not, up to date: [data-live-state="off"].
function mark(state) {
  for (const sign of document.querySelectorAll("[data-live-state]")) sign.dataset.liveState = state;
}

// htmx is a deferred script before this module, so it is there once the document is.
connect();
document.addEventListener("htmx:load", () => {
  connect();
  subscribe();
});
