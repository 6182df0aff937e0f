// A record's page: hashes the leaf in this browser, as RFC 6962 says, and compares. Nothing is asked of the server.
for (const place of document.querySelectorAll("[data-leaf-hash]")) offer(place);

function offer(place) {
  const button = document.createElement("button");
  const answer = document.createElement("p");
  button.type = "button";
  button.className = "btn";
  button.textContent = "Recompute in this browser";
  answer.setAttribute("role", "status");
  button.addEventListener("click", async () => tell(answer, await check(place)));
  place.append(button, answer);
}

async function check({ dataset }) {
  if (!window.isSecureContext) return ["wait", "This browser computes hashes only on https or localhost."];
  const leaf = new TextEncoder().encode(document.querySelector(dataset.leaf).dataset.copy);
  const hash = await crypto.subtle.digest("SHA-256", new Uint8Array([0, ...leaf]));
  const hex = [...new Uint8Array(hash)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  if (hex === dataset.leafHash) return ["", `Matches: ${leaf.length} bytes give the leaf hash above.`];
  return ["stop", `Does not match: this browser computes ${hex}.`];
}

function tell(answer, [tone, text]) {
  answer.className = `proof ${tone}`.trim();
  answer.textContent = text;
}
