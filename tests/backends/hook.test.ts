import { assertEquals } from "@std/assert";
import { test } from "node:test";
import { hookEnvironment } from "../../backends/child_program/hook_environment.ts";
import { permissionFlags, type PermittedProcess } from "../../backends/node/permission_flags.ts";

const variables = {
  PATH: "/bin",
  HOME: "/home/x",
  LD_PRELOAD: "/evil.so",
  XDG_CONFIG_HOME: "/evil",
  TMPDIR: "/evil",
  VIRCOMMAND_DRIVER: "portable",
  NODE_OPTIONS: "--require=/evil",
  NODE_ENV: "test",
  BUN_INSPECT_PRELOAD: "/evil",
  DENO_DIR: "/deno",
  DENO_V8_FLAGS: "--evil",
  OTEL_DENO: "true",
  LANG: "C",
  LC_ALL: "C",
  TZ: "UTC",
};

test("variables for runtimes are the hook's, all others its runtime's as well", () => {
  const { started, added } = hookEnvironment(variables, { elevated: false });
  assertEquals(started, [
    "DENO_NO_PACKAGE_JSON=1",
    "PATH=/bin",
    "HOME=/home/x",
    "LD_PRELOAD=/evil.so",
    "XDG_CONFIG_HOME=/evil",
    "TMPDIR=/evil",
    "VIRCOMMAND_DRIVER=portable",
    "DENO_DIR=/deno",
    "LANG=C",
    "LC_ALL=C",
    "TZ=UTC",
  ]);
  assertEquals(Object.keys(added), [
    "NODE_OPTIONS",
    "NODE_ENV",
    "BUN_INSPECT_PRELOAD",
    "DENO_V8_FLAGS",
    "OTEL_DENO",
  ]);
});

test("of a set-uid process neither the hook nor its runtime gets what decides anything", () => {
  assertEquals(hookEnvironment(variables, { elevated: true }), {
    started: ["DENO_NO_PACKAGE_JSON=1", "LANG=C", "LC_ALL=C", "TZ=UTC"],
    added: {},
  });
});

function processWith(
  execArgv: readonly string[],
  options?: string,
  scopes: readonly string[] = [],
): PermittedProcess {
  return {
    execArgv,
    env: { NODE_OPTIONS: options },
    cwd: () => "/work",
    permission: { has: (scope) => scopes.includes(scope) },
  };
}

const FLAGS: Record<string, [PermittedProcess, string[]]> = {
  "none without the permission model": [
    { execArgv: ["--allow-fs-read=*"], env: {}, cwd: () => "/work" },
    [],
  ],
  "those of the command line, and no others": [
    processWith(["--no-warnings", "--permission", "--allow-fs-read=*", "--import", "./x.mjs"]),
    ["--permission", "--allow-fs-read=*"],
  ],
  "by their older name": [
    processWith(["--experimental-permission", "--allow-child-process"]),
    ["--experimental-permission", "--allow-child-process"],
  ],
  "paths from the root": [
    processWith(["--permission", "--allow-fs-read=./a", "--allow-fs-write", "b", "--allow-worker"]),
    ["--permission", "--allow-fs-read=/work/a", "--allow-fs-write=/work/b", "--allow-worker"],
  ],
  "those of NODE_OPTIONS": [
    processWith(["--allow-addons"], '--permission  "--allow-fs-read=/a b" --require="/e vil"'),
    ["--permission", "--allow-fs-read=/a b", "--allow-addons"],
  ],
  "quotes within quotes": [
    processWith([], '--permission --allow-fs-read="/a\\"b"'),
    ["--permission", '--allow-fs-read=/a"b'],
  ],
  "what is allowed as a whole, if nobody knows who has switched it on": [
    processWith([], undefined, ["fs.read", "child", "ffi"]),
    ["--permission", "--allow-fs-read=*", "--allow-child-process", "--allow-ffi"],
  ],
};

for (const [what, [process, flags]] of Object.entries(FLAGS)) {
  test(`the permission flags of a hook's Node: ${what}`, () => {
    assertEquals(permissionFlags(process), flags);
  });
}
