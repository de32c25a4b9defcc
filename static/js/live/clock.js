/** Times of day in a camera's zone. */

/** @type {Map<string, Intl.DateTimeFormat>} */
const formats = new Map();

/**
 * @param {number} unixMs
 * @param {string} zone IANA name
 * @param {{seconds?: boolean, now?: number}} [options] `now`: a time on another day names the day
 */
export function timeIn(unixMs, zone, { seconds = false, now } = {}) {
  const day = now !== undefined && part(unixMs, zone, "day") !== part(now, zone, "day");
  return `${day ? `${part(unixMs, zone, "day")} ` : ""}${part(unixMs, zone, seconds ? "seconds" : "minutes")}`;
}

/**
 * @param {number} unixMs
 * @param {string} zone
 * @param {"day" | "minutes" | "seconds"} what
 */
function part(unixMs, zone, what) {
  const key = `${what} ${zone}`;
  let format = formats.get(key);
  if (!format) {
    const time = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
    const fields = {
      day: { day: "numeric", month: "short" },
      minutes: time,
      seconds: { ...time, second: "2-digit" },
    }[what];
    format = new Intl.DateTimeFormat("en-GB", /** @type {any} */ ({ timeZone: zone, ...fields }));
    formats.set(key, format);
  }
  return format.format(unixMs);
}
