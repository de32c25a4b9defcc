const EVERY_MS = 60_000;
const PATIENCE_MS = 10_000;
const MOST = 200; // the API's longest page; of a longer list only its beginning is compared

/**
 * @typedef {{results: {id: string, organization: string}[], next: string | null}} Listing
 *   the API's answer, as far as it is looked at
 */

/**
 * Whether the wall shows other cameras than there are.
 * @param {Set<string>} shown ids on the wall
 * @param {Listing} listing
 * @param {string} [organization] the wall's only one; empty where it shows all
 */
export function differs(shown, { results, next }, organization = "") {
  const here = results.filter((one) => !organization || one.organization === organization);
  const known = here.filter(({ id }) => shown.has(id)).length;
  return known < here.length || (!next && known < shown.size);
}

/**
 * Say when cameras were added or removed elsewhere: every minute, and on coming back to the page.
 * @param {HTMLElement} line with `data-roster` (the API's list) and `data-organization`
 * @param {Set<string>} shown ids on the wall
 */
export function watchRoster(line, shown) {
  const { roster = "", organization } = line.dataset;
  let asking = false;
  const look = async () => {
    if (document.hidden || asking) return;
    asking = true;
    const listing = await list(roster);
    asking = false;
    if (listing) say(line, differs(shown, listing, organization));
  };
  setInterval(look, EVERY_MS);
  document.addEventListener("visibilitychange", look);
}

/**
 * @param {string} address
 * @returns {Promise<Listing | null>} null where there is no answer: the tiles say that themselves
 */
async function list(address) {
  try {
    const answer = await fetch(`${address}?limit=${MOST}`, {
      headers: { Accept: "application/json" },
      redirect: "error",
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

/** @param {HTMLElement} line @param {boolean} changed */
function say(line, changed) {
  if (changed === line.hasChildNodes()) return;
  if (!changed) return line.replaceChildren();
  const link = document.createElement("a");
  Object.assign(link, { href: location.pathname, textContent: "Reload" });
  line.replaceChildren("The list of cameras has changed. ", link);
}
