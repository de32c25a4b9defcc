/** Times of day in a camera's time zone. */

/** @type {Map<string, Intl.DateTimeFormat>} */
const formats = new Map();

/**
 * @param {number} unixMs
 * @param {string} zone IANA name
 * @param {{seconds?: boolean, now?: number}} [options] `now`: the day is added if it is another one
 */
export function formatTime(unixMs, zone, { seconds = false, now } = {}) {
  const time = formatPart(unixMs, zone, seconds ? "seconds" : "minutes");
  if (now === undefined) return time;
  const day = formatPart(unixMs, zone, "day");
  return day === formatPart(now, zone, "day") ? time : `${day} ${time}`;
}

/**
 * @param {number} unixMs
 * @param {string} zone
 * @param {"day" | "minutes" | "seconds"} part
 */
function formatPart(unixMs, zone, part) {
  const key = `${part} ${zone}`;
  let format = formats.get(key);
  if (!format) {
    const time = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
    const fields = {
      day: { day: "numeric", month: "short" },
      minutes: time,
      seconds: { ...time, second: "2-digit" },
    }[part];
    format = new Intl.DateTimeFormat("en-GB", /** @type {any} */ ({ timeZone: zone, ...fields }));
    formats.set(key, format);
  }
  return format.format(unixMs);
}
