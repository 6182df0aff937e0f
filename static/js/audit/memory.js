// What this browser remembers of logs, by the origin of their tree: { note, keys, at }. It lies in the browser, out of reach
// of whoever runs the console.
const PREFIX = "countersign.log ";

export function recall(origin) {
  try {
    return JSON.parse(localStorage.getItem(PREFIX + origin));
  } catch {
    return null;
  }
}

// Whether it will be there the next time.
export function remember(origin, { note, keys }) {
  try {
    localStorage.setItem(PREFIX + origin, JSON.stringify({ note, keys, at: new Date().toISOString() }));
    return true;
  } catch {
    return false;
  }
}

// Earlier trees of the same log that were seen: a restore from a backup begins another one.
export function earlierTrees(origin) {
  const [log, number] = split(origin);
  try {
    return Object.keys(localStorage)
      .filter((name) => name.startsWith(PREFIX))
      .map((name) => split(name.slice(PREFIX.length)))
      .filter(([other, earlier]) => other === log && earlier < number)
      .map(([, earlier]) => earlier);
  } catch {
    return [];
  }
}

const split = (origin) => [origin.slice(0, origin.lastIndexOf("/")), Number(origin.slice(origin.lastIndexOf("/") + 1))];
