/** Detections as text: "3 people, 1 dog". */

const IRREGULAR = {
  person: "people",
  bus: "buses",
  sheep: "sheep",
  skis: "skis",
  knife: "knives",
  mouse: "mice",
  scissors: "scissors",
  couch: "couches",
  bench: "benches",
  sandwich: "sandwiches",
  toothbrush: "toothbrushes",
  "wine glass": "wine glasses",
};

/**
 * A count with its noun in singular or plural.
 * @param {number} count
 * @param {string} name a class of the detector
 */
export function pluralize(count, name) {
  return `${count} ${count === 1 ? name : (IRREGULAR[name] ?? `${name}s`)}`;
}

/**
 * Counts per class, the most frequent first, at most three classes; empty without detections.
 * @param {{class: string}[] | undefined} detections
 */
export function detectionSummary(detections) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const { class: name } of detections ?? []) counts.set(name, (counts.get(name) ?? 0) + 1);
  const ranked = [...counts].sort(([a, m], [b, n]) => n - m || a.localeCompare(b));
  return ranked
    .slice(0, 3)
    .map(([name, count]) => pluralize(count, name))
    .join(", ");
}
