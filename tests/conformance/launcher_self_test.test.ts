import { assert, assertEquals, assertMatch } from "@std/assert";
import { backendInfo, Command } from "../../mod.ts";
import { conform, type Context } from "../support/harness.ts";
import { noMounts } from "../support/mounts.ts";
import { programArgv } from "../support/runtime.ts";
import { fileURLToPath } from "node:url";

interface Told {
  readonly driver?: string;
  readonly reason?: string;
  readonly error?: {
    readonly name: string;
    readonly driver: string;
    readonly message: string;
    readonly hasCause: boolean;
  };
  readonly run: string;
  readonly merged: string;
  readonly runSync: string;
}

const { runtime, driver } = backendInfo();
const skip = driver === "launcher" ? noMounts() : `the ${driver} driver serves`;
const needs = { root: true, needs: ["unshare", "mount"], timeoutMs: 60_000 };

/** Whether the launcher is the first choice, and portable the next one. */
const isFirst = skip === undefined && !hasNative();

function hasNative(): boolean {
  try {
    return backendInfo("native").driver === "native";
  } catch {
    return false;
  }
}

const PROJECT = fileURLToPath(new URL("../../", import.meta.url));

/** A folder that every system has, and that nothing here uses. */
const SEEN_AT = "/srv";

/** What a runtime reports that sees other file systems than this one. */
async function reported(
  t: Context,
  preparation: string,
  env: Readonly<Record<string, string>>,
): Promise<Told> {
  const home = t.folder();
  // The project itself may be in a folder that is hidden.
  const mounted = `set -e; mount --bind ${PROJECT} ${SEEN_AT}; export HOME=${home}; cd ${home}
    ${preparation}\nexec "$@"`;
  const argv = programArgv("chosen").map((each) => each.replace(PROJECT, `${SEEN_AT}/`));
  const cmd = new Command("unshare", "-m", "sh", "-c", mounted, "sh", ...argv)
    .envPass("PATH").env({ NODE_NO_WARNINGS: "1", ...env });
  return JSON.parse(await cmd.text({ timeout: 50_000 }));
}

/** Mounts over all folders that a file may be written to, with these options. */
function everywhere(options: string): string {
  return `for each in /dev/shm /tmp /var/tmp; do mount -t tmpfs -o ${options} none $each; done
    export HOME=/tmp; cd /proc`;
}

const ENOUGH = 'mkdir "$HOME/usable"; mount -t tmpfs -o mode=700 none "$HOME/usable"';

const FORCED = { VIRCOMMAND_DRIVER: "launcher" };
const works = { driver: "launcher", run: "run", merged: "out\nerr\n", runSync: "runSync" };

for (
  const [what, preparation, reason] of [
    ["without /proc", "umount -l /proc", /\/proc/],
    ["where all folders are read-only", everywhere("ro"), /\/dev\/shm: .*EROFS/],
    ["where all folders are noexec", everywhere("noexec"), /\/dev\/shm: .*EACCES/],
  ] as const
) {
  // Bun does not start without it.
  const noProc = what === "without /proc" && runtime !== "node" ? "needs /proc itself" : undefined;

  conform(`${what}, the launcher is refused with the cause when it is forced`, async (t) => {
    const { error, run, merged, runSync } = await reported(t, preparation, FORCED);
    assert(error !== undefined);
    assertEquals([error.name, error.driver, error.hasCause], [
      "UnsupportedError",
      "launcher",
      true,
    ]);
    assertMatch(error.message, reason);
    assertEquals([run, merged, runSync], Array(3).fill("UnsupportedError"));
  }, { ...needs, skip: skip ?? noProc });

  conform(`${what}, the portable driver serves, and says why`, async (t) => {
    const told = await reported(t, preparation, {});
    const { reason: why = "", ...rest } = told;
    assertEquals(rest, { ...works, driver: "portable" });
    assertMatch(why, new RegExp(`no launcher driver: .*${reason.source}`));
  }, { ...needs, skip: skip ?? noProc ?? (isFirst ? undefined : "another driver comes first") });
}

for (const variable of ["XDG_RUNTIME_DIR", "TMPDIR", "XDG_CACHE_HOME", "HOME"]) {
  conform(`one usable folder is enough, named by ${variable}`, async (t) => {
    const preparation = `${ENOUGH}
      for each in /dev/shm /var/tmp; do mount -t tmpfs -o ro none $each; done
      mount --bind "$HOME/usable" /mnt; mount -t tmpfs -o ro none /tmp
      export HOME=/proc ${variable}=/mnt; cd /proc`;
    const { reason: _, ...told } = await reported(t, preparation, FORCED);
    assertEquals(told, works);
  }, { ...needs, skip });
}

conform("programs and data may have to go to different folders", async (t) => {
  const preparation = `${ENOUGH}
    mount -t tmpfs -o noexec none /dev/shm; mount --bind "$HOME/usable" /mnt
    for each in /var/tmp /tmp; do mount -t tmpfs -o ro none $each; done
    export HOME=/proc TMPDIR=/mnt; cd /proc`;
  const { reason: _, ...told } = await reported(t, preparation, FORCED);
  assertEquals(told, works);
}, { ...needs, skip });

conform("a user without a home, and a umask that denies everything, are survived", async (t) => {
  const nobody = "exec setpriv --reuid=54321 --regid=54321 --clear-groups";
  for (
    const preparation of [
      "unset HOME; umask 0777",
      `unset HOME; umask 0777; ${nobody} "$@"`,
      `mount -t tmpfs -o noexec none /dev/shm; unset HOME; umask 0777; ${nobody} "$@"`,
    ]
  ) {
    const env = { ...FORCED, BUN_RUNTIME_TRANSPILER_CACHE_PATH: "0" };
    const { reason: _, ...told } = await reported(t, preparation, env);
    assertEquals(told, works, preparation);
  }
}, { ...needs, needs: [...needs.needs, "setpriv"], skip });
