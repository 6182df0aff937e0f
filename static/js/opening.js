// A credential that is opened for whoever asked: <form data-opening> gives its field `key` the public half of a key that
// this browser keeps and cannot give away; <div data-opened data-place data-key data-until> shows what was sealed to it.
// The other end is console/core/handing_over.py.

const CURVE = { name: "ECDH", namedCurve: "P-256" };
const [POINT, NONCE, MOST] = [65, 12, 2 ** 31 - 1]; // bytes, bytes, ms
const GONE = "This browser does not have the key. What was opened can be read only in the browser that asked for it.";

/** The store of keys, by their public half. */
function keys(mode, act) {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open("countersign-openings", 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore("keys");
    opening.onerror = () => reject(opening.error);
    opening.onsuccess = () => {
      const asked = act(opening.result.transaction("keys", mode).objectStore("keys"));
      asked.onerror = () => reject(asked.error);
      asked.onsuccess = () => { opening.result.close(); resolve(asked.result); };
    };
  });
}

const bytes = (text) => Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
const base64url = (raw) => btoa(String.fromCharCode(...raw)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

async function make() {
  const pair = await crypto.subtle.generateKey(CURVE, false, ["deriveBits"]);
  const name = base64url(new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey)));
  await keys("readwrite", (store) => store.put(pair.privateKey, name));
  return name;
}

async function unseal(content, place, own) {
  const info = new TextEncoder().encode(place);
  const theirs = await crypto.subtle.importKey("raw", content.slice(0, POINT), CURVE, false, []);
  const shared = await crypto.subtle.deriveBits({ name: "ECDH", public: theirs }, own, 256);
  const base = await crypto.subtle.importKey("raw", shared, "HKDF", false, ["deriveKey"]);
  const hkdf = { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info };
  const key = await crypto.subtle.deriveKey(hkdf, base, { name: "AES-GCM", length: 256 }, false, ["decrypt"]);
  const gcm = { name: "AES-GCM", iv: content.slice(POINT, POINT + NONCE), additionalData: info };
  return new TextDecoder().decode(await crypto.subtle.decrypt(gcm, key, content.slice(POINT + NONCE)));
}

function tell(place, text) {
  const notice = document.createElement("p");
  notice.className = "notice stop";
  notice.setAttribute("role", "alert");
  notice.textContent = text;
  place.replaceChildren(notice);
}

function list(parts) {
  const found = document.createElement("dl");
  found.className = "kv";
  for (const [name, value] of Object.entries(parts)) {
    const [term, said, code] = ["dt", "dd", "code"].map((tag) => document.createElement(tag));
    [term.textContent, code.textContent] = [name, value];
    said.append(code);
    found.append(term, said);
  }
  return found;
}

function over(place) {
  tell(place, "The time is over.");
  keys("readwrite", (store) => store.delete(place.dataset.key));
}

async function show(place) {
  const own = await keys("readonly", (store) => store.get(place.dataset.key));
  if (!own) return tell(place, GONE);
  const parts = JSON.parse(await unseal(bytes(place.dataset.opened), place.dataset.place, own));
  place.replaceChildren(list(parts));
  setTimeout(() => over(place), Math.min(new Date(place.dataset.until) - Date.now(), MOST));
}

document.addEventListener("submit", async (event) => {
  const field = event.target.matches("form[data-opening]") && event.target.elements.key;
  if (!field || field.value) return;
  event.preventDefault();
  try {
    field.value = await make();
    event.target.requestSubmit();
  } catch (fault) {
    tell(event.target.querySelector("[data-problem]"), "This browser made no key: " + fault.message);
  }
});

document.addEventListener("click", (event) => {
  const place = event.target.closest("[data-opened] button")?.closest("[data-opened]");
  if (place) show(place).catch(() => tell(place, "What came could not be opened by this browser's key."));
});
