/* text: makes elements of what supd and plugins say. Their text is only ever
 * text, never markup. */

/* Control characters and those that change the direction of what follows. */
const HARMFUL =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g;

/** What may be shown of any text. */
export function plain(text) {
  return String(text).replace(HARMFUL, "?");
}

/** An element with a text. */
export function element(name, text, className) {
  const made = document.createElement(name);
  made.textContent = plain(text);
  if (className) made.className = className;
  return made;
}

/** Milliseconds as "3.2 ms", "1.5 s". */
export function duration(ms) {
  if (ms === null || ms === undefined) return "";
  return ms < 1000 ? `${ms.toFixed(ms < 10 ? 1 : 0)} ms`
    : `${(ms / 1000).toFixed(1)} s`;
}

/** Seconds as "12s", "3m", "2h", "5d". */
export function age(seconds) {
  for (const [unit, size] of [["d", 86400], ["h", 3600], ["m", 60]])
    if (seconds >= size) return `${Math.floor(seconds / size)}${unit}`;
  return `${seconds}s`;
}

/** Milliseconds since 1970 as the time of day, UTC. */
export function clock(ms) {
  return new Date(ms).toISOString().slice(11, 23);
}
