// The layers of the sources ("floors"), from bottom to top. A file may import only from the floors
// below its own. A test reads the imports and checks this. `node scripts/floors.mjs` writes the
// list into the documentation and draws docs/floors.svg.

import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const FLOORS = [
  [["core/tables/", "errno, signals, limits, capabilities: data with its source"]],
  [
    ["core/own.ts", "reads only own properties of options"],
    ["core/bytes.ts", "joins pieces of bytes"],
    ["core/clock.ts", "timers and a clock"],
    ["core/error_code.ts", "the code of a runtime's error"],
    ["core/web.ts", "the classes of the web platform, where a global scope lacks them"],
  ],
  [["core/utf8.ts", "text as UTF-8 and back"]],
  [["core/text/", "quoting, secrets, escaping, paths"]],
  [["core/result/", "how a program ended"]],
  [["core/errors.ts", "the error classes"]],
  [["core/result_errors.ts", "the errors about a program that ran"]],
  [["core/timing.ts", "time limits and how a program is ended"]],
  [
    ["core/system.ts", "what a plan needs to know about the system"],
    ["core/drivers.ts", "the names of the drivers"],
  ],
  [["core/command/", "what the caller asks for: the spec, its methods, rules"]],
  [["core/plan/", "what the child will do: steps, their order, the plan, look-up"]],
  [["core/backend.ts", "the contract between core and drivers"]],
  [["core/run/", "running a plan: launch, child, streams, draining, dry run"]],
  [["core/command.ts", "the class Command and its run methods"]],
  [
    ["backends/async_scope.ts", "keeps the caller's asynchronous context"],
    ["backends/clock.ts", "the runtime's timers, whatever a test has replaced"],
    ["backends/process.ts", "facts about this process, without side effects"],
    ["backends/version.ts", "compares versions of runtimes"],
  ],
  [["backends/web.ts", "the classes of the web platform, from the runtime's own modules"]],
  [["backends/posix/", "files, users and signals through the runtimes' own modules"]],
  [["backends/child_program/", "calls, encoding, interpreter, lowering, explain, failure"]],
  [["backends/hook/", "hooks: the program in the child, the runtime that runs it"]],
  [["backends/spawner/", "code that launcher and portable share"]],
  [["backends/permitted.ts", "checks the permissions of the runtime"]],
  [
    ["backends/native/", "the driver on FFI: memory, clone, waiting, synchronous runs"],
    ["backends/launcher/", "a very small executable and its supervisor"],
    ["backends/portable/", "the runtime's spawner, without a child program"],
  ],
  [
    ["backends/border.ts", "turns every error into a CommandError"],
    ["backends/choose.ts", "chooses the driver"],
    ["backends/ffi.ts", "where FFI cannot be used"],
  ],
  [
    ["backends/deno/", "what is specific to Deno"],
    ["backends/bun/", "what is specific to Bun"],
    ["backends/node/", "what is specific to Node"],
  ],
  [["backends/runtime.ts", "which runtime this is"]],
  [["mod.ts", "the public API"]],
];

/** Returns the floor and the entry of a source, or undefined if the list does not have it. */
export function placeOf(path) {
  for (const [floor, entries] of FLOORS.entries()) {
    const entry = entries.find(([name]) =>
      name.endsWith("/") ? path.startsWith(name) : path === name
    );
    if (entry !== undefined) return { floor, name: entry[0] };
  }
  return undefined;
}

/** Returns the list for the documentation, with the top floor first. */
export function floorList() {
  const lines = FLOORS.toReversed().flatMap((entries) => [
    ...entries.map(([name, what]) => `${name.padEnd(26)} ${what}`),
    "",
  ]);
  return `\`\`\`text\n${lines.join("\n").trimEnd()}\n\`\`\``;
}

const [WIDTH, HEIGHT, GAP, MARGIN] = [900, 38, 8, 12];

const escaped = (text) => text.replace(/[&<>]/g, (c) => `&#${c.charCodeAt(0)};`);

/** Returns the list as an SVG drawing. */
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
    "<title>The layers: each may import only the layers below it</title>",
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    ...boxes,
    "</svg>\n",
  ].join("\n");
}

const MARKED = /<!-- floors -->[\s\S]*?<!-- \/floors -->/;

/** Returns the path and the expected text of each generated file. */
export function generated() {
  const root = new URL("../", import.meta.url);
  const pages = ["CONTRIBUTING.md", "docs/architecture.md"].map((path) => {
    const text = readFileSync(new URL(path, root), "utf8");
    if (!MARKED.test(text)) throw new Error(`${path} has no markers for the list`);
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
