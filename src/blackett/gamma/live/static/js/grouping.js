// Channels joined into bins for the eye: counts per keV over bins of a third of the resolution.
export function edgesOf(coefficients, channels) {
  const edges = new Float64Array(channels + 1);
  for (let i = 0; i <= channels; i++) {
    const c = i - 0.5;
    edges[i] = coefficients.reduceRight((sum, a) => sum * c + a, 0);
  }
  return edges;
}

// A scintillator's width grows as the square root of the energy: 9 % at 662 keV.
const widthAt = (kev) => 2.33 * Math.sqrt(Math.max(kev, 20));

export function binsOf(edges, joined = true) {
  if (!joined) return Float64Array.from(edges);
  const chosen = [edges[0]];
  for (const edge of edges) if (edge - chosen.at(-1) >= widthAt(edge) / 3) chosen.push(edge);
  if (chosen.at(-1) < edges.at(-1)) chosen.push(edges.at(-1));
  return Float64Array.from(chosen);
}

// Counts on other bins by the overlap of edges: no count is made or lost inside.
export function share(counts, edges, bins) {
  const sums = new Float64Array(bins.length - 1);
  let bin = 0;
  for (let i = 0; i < counts.length; i++) {
    if (!counts[i]) continue;
    const low = edges[i],
      high = edges[i + 1],
      width = high - low;
    while (bin > 0 && bins[bin] > low) bin--;
    while (bin < sums.length && bins[bin + 1] <= low) bin++;
    for (let b = bin; b < sums.length && bins[b] < high; b++) {
      const overlap = Math.min(high, bins[b + 1]) - Math.max(low, bins[b]);
      if (overlap > 0) sums[b] += (counts[i] * overlap) / width;
    }
  }
  return sums;
}

export const perKev = (sums, bins, factor = 1) => Array.from(sums, (n, i) => (factor * n) / (bins[i + 1] - bins[i]));
