// Elements for pages that stand alone. What comes from a bundle is a stranger's: it becomes text and nothing else, and what
// cannot be seen or turns the direction of writing is spelled out.
const HIDDEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/gu;

export function make(name, { text, children = [], ...properties } = {}) {
  const element = Object.assign(document.createElement(name), properties);
  if (text !== undefined) element.append(...spelled(String(text)));
  element.append(...children.filter(Boolean));
  return element;
}

// Text and chips.
export function spelled(text) {
  const found = [];
  let at = 0;
  for (const hidden of text.matchAll(HIDDEN)) {
    if (hidden[0] === "\n" || hidden[0] === "\t") continue;
    found.push(text.slice(at, hidden.index), chip(hidden[0]));
    at = hidden.index + hidden[0].length;
  }
  return [...found, text.slice(at)];
}

function chip(char) {
  const element = document.createElement("span");
  element.className = "chip";
  element.textContent = `U+${char.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
  return element;
}

export const STATES = { ok: "ok", open: "left to you", failed: "failed" };

// One question with its answer: { state, problems, left, said }.
export function verdictItem(title, verdict) {
  const more = verdict.count - verdict.problems.length;
  const told = [
    ...verdict.problems.map((text) => make("p", { text, className: "problem" })),
    more > 0 && make("p", { text: `And ${more} more.`, className: "problem" }),
    ...verdict.left.map((text) => make("p", { text, className: "left" })),
    ...verdict.said.map((text) => make("p", { text })),
  ];
  const state = make("span", { text: STATES[verdict.state], className: `state ${verdict.state}` });
  return make("li", {
    children: [
      make("div", { className: "what", children: [make("b", { text: title }), state] }),
      make("div", { className: "told", children: told }),
    ],
  });
}

// What all of them together mean.
export function endOf(verdicts, wrong) {
  const states = verdicts.map(({ state }) => state);
  if (states.includes("failed")) return ["failed", wrong];
  return states.includes("open") ? ["open", "Nothing is wrong. What is marked is left to you."] : ["ok", "Nothing is wrong."];
}

export const pairs = (listed) =>
  make("dl", { className: "kv", children: listed.filter(([, text]) => text !== "").flatMap(([name, text]) => [make("dt", { text: name }), make("dd", { text })]) });

export function offer(name, text, type = "text/plain") {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}
