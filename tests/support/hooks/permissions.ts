// A hook that fails, and says what it is allowed to do.
import process from "node:process";

interface Permission {
  has(scope: string, path?: string): boolean;
}

const SCOPES = ["fs.read", "fs.write", "child", "worker", "addon"];

function onNode(paths: readonly string[]): Record<string, boolean> {
  const { permission } = process as unknown as { permission?: Permission };
  const has = (scope: string, path?: string) => permission?.has(scope, path) ?? true;
  return Object.fromEntries([
    ...SCOPES.map((scope) => [scope, has(scope)]),
    ...paths.map((path) => [path, has("fs.read", path)]),
  ]);
}

function onDeno(): Record<string, boolean> {
  const names = ["read", "write", "net", "env", "run", "sys", "ffi", "import"] as const;
  return Object.fromEntries(names.map((name) => {
    const { state, partial } = Deno.permissions.querySync({ name });
    return [name, state === "granted" && !partial];
  }));
}

export default function permissions(paths: readonly string[]): never {
  throw new Error(`[${JSON.stringify("Deno" in globalThis ? onDeno() : onNode(paths))}]`);
}
