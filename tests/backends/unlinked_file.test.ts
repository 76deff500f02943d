import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  fstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  symlinkSync,
} from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { inSomeFolder, requireTrusted } from "../../backends/spawner/folders.ts";
import { makePrivateFolder } from "../../backends/spawner/private_folder.ts";
import {
  findProgramFolder,
  type UnlinkedFile,
  writeUnlinkedData,
  writeUnlinkedProgram,
} from "../../backends/spawner/unlinked_file.ts";
import { UnsupportedError } from "../../mod.ts";
import { conform } from "../support/harness.ts";

const skip = process.platform === "linux" ? undefined : "needs /proc";
const script = new TextEncoder().encode("#!/bin/sh\necho hello\n");
const NOBODY = 65534;

/** What is to be known of an open file. */
function factsOf({ fd }: UnlinkedFile) {
  const { mode, nlink, uid, size } = fstatSync(fd);
  const info = readFileSync(`/proc/self/fdinfo/${fd}`, "utf8");
  const flags = parseInt(/^flags:\s*([0-7]+)/m.exec(info)?.[1] ?? "", 8);
  const at = Number(/^pos:\s*(\d+)/m.exec(info)?.[1]);
  return {
    mode: mode & 0o7777,
    nlink,
    uid,
    size,
    access: flags & 3,
    at,
    cloexec: flags & 0o2000000,
  };
}

const CLOEXEC = 0o2000000;

for (const umask of [0, 0o022, 0o777]) {
  conform(`a file has no name, and is ours alone, with a umask of 0${umask.toString(8)}`, (t) => {
    const folder = t.folder();
    const before = process.umask(umask);
    t.defer(() => process.umask(before));
    const common = { nlink: 0, uid: process.geteuid?.() ?? -1, size: script.length, at: 0 };
    for (
      const [write, expected] of [
        [writeUnlinkedProgram, { ...common, mode: 0o700, access: 0, cloexec: CLOEXEC }],
        [writeUnlinkedData, { ...common, mode: 0o600, access: 2, cloexec: CLOEXEC }],
      ] as const
    ) {
      const file = write(script, [folder]);
      t.defer(() => file.close());
      assertEquals(factsOf(file), expected, write.name);
      assertEquals(new Uint8Array(readFileSync(file.path)), script);
      assertEquals(readdirSync(folder), []);
    }
  }, { skip });
}

conform("folders that will not do are passed over, and named if none will", (t) => {
  const folder = t.folder();
  const [missing, link] = [join(folder, "missing"), join(folder, "link")];
  symlinkSync(missing, link);
  const bad = [missing, link, "/proc/self", "/sys", process.execPath];
  const file = writeUnlinkedProgram(script, [...bad, folder]);
  t.defer(() => file.close());
  const error = assertThrows(() => writeUnlinkedData(script, bad), UnsupportedError);
  for (const path of bad) assert(error.message.includes(`${path}: `), error.message);
}, { skip });

conform("programs are written where one could be executed", (t) => {
  const [first, second] = [t.folder(), t.folder()];
  const execute = (file: UnlinkedFile) => assertEquals(execFileSync(file.path).length, 6);
  const denied = Object.assign(new Error("denied"), { code: "EACCES" });
  let tries = 0;
  const executeSecond = (file: UnlinkedFile) => {
    if (tries++ === 0) throw denied;
    execute(file);
  };
  // Whatever was found before is found again.
  t.defer(() => findProgramFolder(script, execute));
  findProgramFolder(script, executeSecond, [first, second]);
  const place = ({ fd }: UnlinkedFile) => dirname(readlinkSync(`/proc/self/fd/${fd}`));
  const file = writeUnlinkedProgram(script);
  t.defer(() => file.close());
  assertEquals([tries, place(file)], [2, realpathSync(second)]);
  const none = () => {
    throw denied;
  };
  const error = assertThrows(() => findProgramFolder(script, none, [first]), UnsupportedError);
  assertEquals(error.cause, denied);
}, { skip });

for (const code of ["EMFILE", "ENFILE"]) {
  conform(`${code} is no folder's fault`, () => {
    const tried: string[] = [];
    const broken = Object.assign(new Error(code), { code });
    const asked = { feature: "a", driver: "b", remedy: "c" };
    const thrown = assertThrows(() =>
      inSomeFolder(asked, (folder) => {
        tried.push(folder);
        throw broken;
      }, ["/a", "/b"])
    );
    assertEquals([thrown, tried], [broken, ["/a"]]);
  });
}

conform("a folder of somebody else's, or open to all, is not trusted", (t) => {
  const parent = t.folder();
  const make = (name: string, mode: number, uid: number) => {
    const path = join(parent, name);
    mkdirSync(path);
    chmodSync(path, mode);
    chownSync(path, uid, 0);
    return path;
  };
  for (const mode of [0o755, 0o700, 0o1777, 0o1775]) {
    requireTrusted(make(`ours ${mode}`, mode, 0));
    const theirs = make(`theirs ${mode}`, mode, NOBODY);
    assertMatch(assertThrows(() => requireTrusted(theirs), Error).message, /belongs to uid 65534/);
  }
  for (const mode of [0o777, 0o775, 0o722]) {
    const open = make(`open ${mode}`, mode, 0);
    assertMatch(assertThrows(() => requireTrusted(open), Error).message, /others may write/);
  }
}, { root: true });

conform("in a folder that others can change, a file never has a name", (t) => {
  const folder = join(t.folder(), "theirs");
  mkdirSync(folder, { mode: 0o777 });
  chownSync(folder, NOBODY, NOBODY);
  let file: UnlinkedFile;
  try {
    file = writeUnlinkedProgram(script, [folder]);
  } catch (error) {
    // Deno takes no O_TMPFILE.
    assert(error instanceof UnsupportedError && "Deno" in globalThis, String(error));
    assertMatch(error.message, /belongs to uid 65534/);
    return;
  }
  t.defer(() => file.close());
  assertEquals(factsOf(file).nlink, 0);
}, { root: true, skip });

conform("a private folder is reached although its name leads elsewhere, and removed", async (t) => {
  const before = process.umask(0o777);
  t.defer(() => process.umask(before));
  const folder = makePrivateFolder();
  const path = folder.at("name");
  process.umask(before);
  const { writeFileSync, realpathSync, existsSync, renameSync, statSync } = await import("node:fs");
  writeFileSync(path, "ours");
  const real = realpathSync(folder.at(""));
  assertEquals(statSync(real).mode & 0o7777, 0o700);
  renameSync(real, `${real}-moved`);
  mkdirSync(real);
  writeFileSync(join(real, "name"), "theirs");
  assertEquals(readFileSync(path, "utf8"), "ours");
  const { rmSync } = await import("node:fs");
  rmSync(real, { recursive: true });
  renameSync(`${real}-moved`, real);
  folder.remove();
  assert(!existsSync(real));
}, { skip });
