// Writes docs/support.md from the results of the test suite: the features of each driver and
// runtime.

import { readFileSync } from "node:fs";

const HEAD = `# Which driver does what

The test suite writes this page. For each pair of runtime and driver, it runs a command that uses
the feature. An empty cell means an UnsupportedError before anything is started. Where a feature
depends on the kernel, the cell names the kernel on which it works: \`npm run vm\` tests it there.

`;

/** What only some kernels support: { name, driver, feature, where }. `npm run vm` writes it. */
export const elsewhere = new URL("vm/seen.json", import.meta.url);

/** Returns the page. `seen` has entries { name, driver, feature, outcome }; name is the runtime. */
export function supportPage(seen, matrix) {
  const inGuests = JSON.parse(readFileSync(elsewhere, "utf8"));
  const columns = matrix.map(({ runtime, driver }) => ({ runtime, driver }));
  const features = [...new Set(seen.map(({ feature }) => feature))];
  const find = (list, feature, { runtime, driver }) =>
    list.find((each) =>
      each.feature === feature && each.name === runtime && each.driver === driver
    );
  const marks = { works: "yes", refused: "refused", unsupported: "", "?": "?" };
  const cell = (feature, pair) => {
    const outcome = find(seen, feature, pair)?.outcome ?? "?";
    // The page must be the same on every machine, whatever its kernel supports.
    const where = outcome === "unsupported" ? undefined : find(inGuests, feature, pair)?.where;
    return where ?? marks[outcome];
  };
  const drivers = [...new Set(columns.map(({ driver }) => driver))];
  const tables = drivers.map((driver) => {
    const own = columns.filter((each) => each.driver === driver);
    const rows = features.map((feature) =>
      `| ${feature} | ${own.map((each) => cell(feature, each)).join(" | ")} |`
    );
    return [
      `## ${driver}\n`,
      `| feature | ${own.map(({ runtime }) => runtime).join(" | ")} |`,
      `| --- | ${own.map(() => "---").join(" | ")} |`,
      ...rows,
    ].join("\n");
  });
  return `${HEAD}${tables.join("\n\n")}\n`;
}
