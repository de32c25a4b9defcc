const INTERVAL_MS = 60_000;
const TIMEOUT_MS = 10_000;
const LIMIT = 200; // the API's longest page; of a longer list only the first page is compared

/**
 * @typedef {{results: {id: string, organization: string}[], next: string | null}} Listing
 *   the used fields of the API's response
 */

/**
 * Whether cameras were added or removed since the page was rendered.
 * @param {Set<string>} shown ids on the wall
 * @param {Listing} listing
 * @param {string} [organization] whose cameras the wall shows; empty: all
 */
export function differs(shown, { results, next }, organization = "") {
  const current = results.filter((camera) => !organization || camera.organization === organization);
  const known = current.filter(({ id }) => shown.has(id)).length;
  return known < current.length || (!next && known < shown.size);
}

/**
 * Show a line when the list of cameras has changed. Checked every minute and when the page is shown.
 * @param {HTMLElement} line with `data-roster` (the API's list) and `data-organization`
 * @param {Set<string>} shown ids on the wall
 */
export function watchRoster(line, shown) {
  const { roster = "", organization } = line.dataset;
  let isRunning = false;
  const check = async () => {
    if (document.hidden || isRunning) return;
    isRunning = true;
    const listing = await fetchListing(roster);
    isRunning = false;
    if (listing) showChange(line, differs(shown, listing, organization));
  };
  setInterval(check, INTERVAL_MS);
  document.addEventListener("visibilitychange", check);
}

/**
 * @param {string} url
 * @returns {Promise<Listing | null>} null after an error: the tiles show that the connection is lost
 */
async function fetchListing(url) {
  try {
    const response = await fetch(`${url}?limit=${LIMIT}`, {
      headers: { Accept: "application/json" },
      redirect: "error",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    return response.ok ? await response.json() : null;
  } catch {
    return null;
  }
}

/** @param {HTMLElement} line @param {boolean} isChanged */
function showChange(line, isChanged) {
  if (isChanged === line.hasChildNodes()) return;
  if (!isChanged) return line.replaceChildren();
  const link = document.createElement("a");
  Object.assign(link, { href: location.pathname, textContent: "Reload" });
  line.replaceChildren("The list of cameras has changed. ", link);
}
