// <time datetime data-ago>: kept fresh, with the exact moment in the reader's own time zone on hover.
// The words are those of console/core/text.py, so that nothing moves when the script starts.
const [MINUTE, HOUR, DAY] = [60, 3600, 86400];
const exact = new Intl.DateTimeFormat("en-GB", {
  weekday: "short", year: "numeric", month: "short", day: "numeric",
  hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short",
});
const date = new Intl.DateTimeFormat("en-GB", { year: "numeric", month: "short", day: "numeric" });

export function ago(moment, now = new Date()) {
  const seconds = (now - moment) / 1000;
  const distance = Math.abs(seconds);
  if (distance < 45) return "just now";
  if (distance >= 7 * DAY) return date.format(moment).replace("Sept", "Sep");
  const said = round(distance);
  return seconds > 0 ? `${said} ago` : `in ${said}`;
}

function round(seconds) {
  if (seconds >= DAY) return `${Math.floor(seconds / DAY)} d`;
  if (seconds >= HOUR) return `${Math.floor(seconds / HOUR)} h`;
  return `${Math.max(1, Math.floor(seconds / MINUTE))} min`;
}

function refresh(root = document) {
  for (const element of root.querySelectorAll("time[data-ago]")) {
    const moment = new Date(element.dateTime);
    if (Number.isNaN(moment.valueOf())) continue;
    const text = ago(moment);
    if (element.textContent !== text) element.textContent = text;
    element.title = exact.format(moment);
  }
}

refresh();
setInterval(refresh, 30_000);
document.addEventListener("htmx:load", () => refresh());
document.addEventListener("visibilitychange", () => document.hidden || refresh());
