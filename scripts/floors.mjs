// The picture of the sources: what may import what. From bottom to top; what stands on one floor may
// import what is on the floors below it, and nothing else. A test reads the imports and holds the
// sources to it. node scripts/floors.mjs writes the list into the documentation, and draws it.

import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const FLOORS = [
  [["core/tables/", "errno, signals, limits, capabilities: data with its source"]],
  [["core/own.ts", "reads only own properties of options"]],
  [["core/text/", "quoting, secrets, escaping, paths"]],
  [["core/result/", "how a program has ended"]],
  [["core/errors.ts", "every error"]],
  [["core/timing.ts", "time limits and the way of ending a program"]],
  [
    ["core/system.ts", "what a plan must know of the system"],
    ["core/drivers.ts", "the names of the drivers"],
    ["core/current_folder.ts", "the folder of this process"],
  ],
  [["core/command/", "what a user says: the spec, its methods, rules"]],
  [["core/plan/", "what will happen: steps, their order, the plan, look-up"]],
  [["core/backend.ts", "the contract between core and drivers"]],
  [["core/run/", "what happens: launch, child, streams, draining, dry run"]],
  [["core/command.ts", "the class Command with its verbs"]],
  [
    ["backends/async_scope.ts", "keeps the caller's asynchronous context"],
    ["backends/process.ts", "this process, without side effects"],
  ],
  [["backends/posix/", "files, users and signals by the runtimes' own modules"]],
  [["backends/child_program/", "calls, encoding, interpreter, lowering, explain, failure"]],
  [["backends/hook.ts", "the process in which a hook runs"]],
  [["backends/spawner/", "what launcher and portable share"]],
  [["backends/permitted.ts", "what a runtime's permissions allow"]],
  [
    ["backends/native/", "the engine on FFI: memory, clone, waiting, synchronous runs"],
    ["backends/launcher/", "a tiny program file and its supervisor"],
    ["backends/portable/", "the runtime's own spawner alone"],
  ],
  [
    ["backends/border.ts", "where errors become CommandErrors"],
    ["backends/choose.ts", "which driver is taken"],
  ],
  [
    ["backends/deno/", "what Deno does in its own way"],
    ["backends/bun/", "what Bun does in its own way"],
    ["backends/node/", "what Node does in its own way"],
  ],
  [["mod.ts", "the public face"]],
];

/** The index of the floor of a source, and the entry; undefined if it has no place. */
export function placeOf(path) {
  for (const [floor, entries] of FLOORS.entries()) {
    const entry = entries.find(([name]) =>
      name.endsWith("/") ? path.startsWith(name) : path === name
    );
    if (entry !== undefined) return { floor, name: entry[0] };
  }
  return undefined;
}

/** The list as it stands in the documentation: the top first, as a building is drawn. */
export function floorList() {
  const lines = FLOORS.toReversed().flatMap((entries) => [
    ...entries.map(([name, what]) => `${name.padEnd(26)} ${what}`),
    "",
  ]);
  return `\`\`\`text\n${lines.join("\n").trimEnd()}\n\`\`\``;
}

const [WIDTH, HEIGHT, GAP, MARGIN] = [900, 38, 8, 12];

const escaped = (text) => text.replace(/[&<>]/g, (c) => `&#${c.charCodeAt(0)};`);

/** The same as a drawing. */
export function floorsSvg() {
  const rows = FLOORS.toReversed();
  const boxes = rows.flatMap((entries, row) => {
    const width = (WIDTH - 2 * MARGIN - GAP * (entries.length - 1)) / entries.length;
    return entries.map(([name, what], i) => {
      const [x, y] = [MARGIN + i * (width + GAP), MARGIN + row * (HEIGHT + GAP)];
      const fill = name.startsWith("core/")
        ? "#dbeafe"
        : name.startsWith("b")
        ? "#dcfce7"
        : "#fef3c7";
      const text = entries.length === 1
        ? [
          `<text x="${x + 12}" y="${y + 24}"><tspan font-weight="bold">${name}</tspan>` +
          `<tspan dx="12">${escaped(what)}</tspan></text>`,
        ]
        : [
          `<text x="${x + 12}" y="${y + 16}" font-weight="bold">${name}</text>`,
          `<text x="${x + 12}" y="${y + 31}" font-size="10">${escaped(what)}</text>`,
        ];
      return [
        `<rect x="${x}" y="${y}" width="${width}" height="${HEIGHT}" rx="4" fill="${fill}" stroke="#64748b"/>`,
        ...text,
      ].join("\n");
    });
  });
  const height = 2 * MARGIN + rows.length * (HEIGHT + GAP) - GAP;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="13">`,
    "<title>What may import what: each floor only the floors below it</title>",
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    ...boxes,
    "</svg>\n",
  ].join("\n");
}

const MARKED = /<!-- floors -->[\s\S]*?<!-- \/floors -->/;

/** The generated files: their path, and their text as it must be. */
export function generated() {
  const root = new URL("../", import.meta.url);
  const pages = ["CONTRIBUTING.md", "docs/architecture.md"].map((path) => {
    const text = readFileSync(new URL(path, root), "utf8");
    if (!MARKED.test(text)) throw new Error(`${path} has no place for the list`);
    return [
      path,
      text.replace(MARKED, () => `<!-- floors -->\n\n${floorList()}\n\n<!-- /floors -->`),
    ];
  });
  return [...pages, ["docs/floors.svg", floorsSvg()]];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [path, text] of generated()) {
    writeFileSync(new URL(`../${path}`, import.meta.url), text);
  }
}
