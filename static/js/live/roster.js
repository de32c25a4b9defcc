const URGENT_MS = 15_000;
const TURNS = 4; // every minute, where it is not urgent
const TIMEOUT_MS = 10_000;
const LIMIT = 200; // the API's longest page; of a longer list only the first page is compared

/**
 * @typedef {{results: {id: string, organization: string, group?: string}[], next: string | null}} Listing
 *   the used fields of the API's response
 * @typedef {{isUrgent?: () => boolean, listed?: (listing: Listing) => void, changed?: () => void}} Options
 *   `isUrgent`: the list is asked for every 15 s; `listed`: is given each; `changed`: it has changed
 */

/**
 * Whether cameras were added or removed since the page was rendered.
 * @param {Set<string>} shown ids on the wall
 * @param {Listing} listing
 * @param {string} [organization] whose cameras the wall shows; empty: all
 * @param {string} [group] whose cameras the wall shows; undefined: all
 */
export function differs(shown, { results, next }, organization = "", group = undefined) {
  const current = results.filter(
    (camera) =>
      (!organization || camera.organization === organization) && (group === undefined || camera.group === group),
  );
  const known = current.filter(({ id }) => shown.has(id)).length;
  return known < current.length || (!next && known < shown.size);
}

/**
 * Show a line when the list of cameras has changed. Checked every minute and when the page is shown.
 * @param {HTMLElement} line with `data-roster` (the API's list), `data-organization` and, of a wall of
 *   one group, `data-group`
 * @param {Set<string>} shown ids on the wall
 * @param {Options} [options]
 */
export function watchRoster(line, shown, { isUrgent = () => false, listed, changed } = {}) {
  const { roster = "", organization, group } = line.dataset;
  let isRunning = false;
  let turn = 0;
  const check = async () => {
    if (document.hidden || isRunning) return;
    isRunning = true;
    const listing = await fetchListing(roster);
    isRunning = false;
    if (!listing || line.dataset.ended) return;
    listed?.(listing);
    const isChanged = differs(shown, listing, organization, group);
    showChange(line, isChanged);
    if (isChanged) changed?.();
  };
  setInterval(() => {
    turn += 1;
    if (turn % TURNS === 0 || isUrgent()) check();
  }, URGENT_MS);
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
  const href = location.pathname + (location.search ?? "");
  Object.assign(link, { href, textContent: "Reload" });
  line.replaceChildren("The list of cameras has changed. ", link);
}
