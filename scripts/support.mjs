// Writes docs/support.md from the results of the test suite: the features of each driver and
// runtime.

const HEAD = `# Which driver does what

The test suite writes this page. For each pair of runtime and driver, it runs a command that uses
the feature. An empty cell means an UnsupportedError before anything is started. † marks a feature
that the kernel of the test machine does not support: the start failed there with the correct error.

`;

/** Returns the page. `seen` has entries { name, driver, feature, outcome }; name is the runtime. */
export function supportPage(seen, matrix) {
  const columns = matrix.map(({ runtime, driver }) => ({ runtime, driver }));
  const features = [...new Set(seen.map(({ feature }) => feature))];
  const cell = (feature, { runtime, driver }) =>
    seen.find((each) => each.feature === feature && each.name === runtime && each.driver === driver)
      ?.outcome ?? "?";
  const marks = { works: "yes", refused: "†", unsupported: "", "?": "?" };
  const drivers = [...new Set(columns.map(({ driver }) => driver))];
  const tables = drivers.map((driver) => {
    const own = columns.filter((each) => each.driver === driver);
    const rows = features.map((feature) =>
      `| ${feature} | ${own.map((each) => marks[cell(feature, each)]).join(" | ")} |`
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
