// docs/support.md, from what the suite saw: which driver has which feature on which runtime.

const HEAD = `# Which driver does what

Written by the test suite: for each pair of runtime and driver, what became of a command that uses
the feature. An empty place is an UnsupportedError before anything was started; † is a feature that
depends on the kernel, and was refused by the one on which the suite ran, in the way that it should.

`;

/** The page. \`seen\` holds { runtime, driver, feature, outcome }. */
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
