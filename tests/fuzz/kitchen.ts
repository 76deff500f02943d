/**
 * Runs recipes, and says what came of them in words that are the same wherever the same happened:
 * without pids, inodes and the numbers that only this process knows.
 *
 * @module
 */

import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import {
  Command,
  CommandError,
  type DriverName,
  MaxBufferError,
  type Result,
  ResultError,
  type RunOptions,
  SpawnError,
  syscalls,
  UnsupportedError,
  UsageError,
} from "../../mod.ts";
import { isRunning, until } from "../support/harness.ts";
import { CLOSED, FILES, type Form, type Recipe, STANDARD } from "./recipe.ts";
import { REPORTER } from "./reporter.ts";

/** What came of a recipe: lines, in an order of their own. */
export type Outcome = readonly string[];

/** Where recipes are run. */
export class Kitchen {
  readonly folder: string;
  readonly #driver: DriverName;
  /** The numbers of the send buffers of the command at hand. */
  #buffers: readonly number[] = [];
  readonly #fds: readonly number[];

  /** Opens what commands are given, at numbers above those that they can ask for. */
  constructor(folder: string, driver: DriverName) {
    this.folder = folder;
    this.#driver = driver;
    mkdirSync(folder, { mode: 0o777 });
    chmodSync(folder, 0o777);
    mkdirSync(join(folder, "sub"));
    mkdirSync(join(folder, "closed"), { mode: 0 });
    writeFileSync(join(folder, "a file"), "");
    writeFileSync(join(folder, "no program"), "\u0000\u0001no program\n", { mode: 0o755 });
    writeFileSync(join(folder, "no interpreter"), "#!/no/such/interpreter\n", { mode: 0o755 });
    writeFileSync(join(folder, "not executable"), "#!/bin/sh\n", { mode: 0o644 });
    // Whatever the umask is.
    for (const name of ["no program", "no interpreter"]) chmodSync(join(folder, name), 0o755);
    process.chdir(folder);
    const fillers: number[] = [];
    const fds: number[] = [];
    while (fds.length < FILES) {
      const path = join(folder, `file ${fds.length}`);
      const fd = openSync(path, "a+");
      if (fd < FIRST) fillers.push(fd);
      else fds.push(fd);
    }
    for (const fd of fillers) closeSync(fd);
    this.#fds = fds;
  }

  close(): void {
    for (const fd of this.#fds) closeSync(fd);
    process.chdir("/");
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Runs a recipe. */
  async cook(recipe: Recipe): Promise<Outcome> {
    const { folder } = this;
    for (const name of ["out", "other", "pid"]) rmSync(join(folder, name), { force: true });
    writeFileSync(join(folder, "in"), "input of a file\n");
    const report = join(folder, "report");
    writeFileSync(report, "", { mode: 0o666 });
    chmodSync(report, 0o666);
    const streams = [1, 2].map((fd) => sizeOf(fd));
    const sizes = this.#fds.map((fd) => sizeOf(fd));
    const lines: string[] = [];
    try {
      await this.#run(recipe, lines);
    } catch (error) {
      lines.push(...errorLines(error));
    }
    lines.push(...this.#normal(readFileSync(report, "utf8"), recipe));
    rmSync(report);
    for (const name of ["out", "other"]) {
      const path = join(folder, name);
      if (!existsSync(path)) continue;
      const { mode } = statSync(path);
      lines.push(`${name}: ${(mode & 0o777).toString(8)} ${readFileSync(path, "utf8")}`);
    }
    // What went to inherited streams and to descriptors is told from how much they grew.
    [1, 2].forEach((fd, i) => lines.push(`stream ${fd} grew by ${sizeOf(fd) - (streams[i] ?? 0)}`));
    this.#fds.forEach((fd, i) => lines.push(`file ${i} grew by ${sizeOf(fd) - (sizes[i] ?? 0)}`));
    // The runtime's own output and error are beside the folder.
    return lines.map((line) =>
      line.replaceAll(folder, "$FOLDER").replaceAll(dirname(folder), "$PLACE")
    );
  }

  async #run(recipe: Recipe, lines: string[]): Promise<void> {
    const cmd = this.#command(recipe);
    const options: RunOptions = {
      timeout: recipe.what === "sleep" ? 300 : 20_000,
      grace: 20,
      driver: this.#driver,
      ...recipe.options,
    };
    switch (recipe.verb) {
      case "run":
      case "runSync": {
        const result = recipe.verb === "run" ? await cmd.run(options) : cmd.runSync(options);
        lines.push(...resultLines(result));
        const { daemonPid } = result;
        if (daemonPid === undefined) return;
        await until("the daemon has ended", () => !isRunning(daemonPid));
        if (recipe.daemon !== "pid file") return;
        const written = Number(readFileSync(join(this.folder, "pid"), "utf8"));
        return void lines.push(`the pid file is right: ${written === daemonPid}`);
      }
      case "spawn": {
        const child = await cmd.spawn(options);
        try {
          const read = isPipe(recipe.stdout) ? new Response(child.stdout).text() : undefined;
          read?.catch(() => {});
          if (recipe.handshake === true) {
            await child.handshakeWait();
            await child.handshakeNotify();
          }
          if (isPipe(recipe.stdin)) {
            const writer = child.stdin.getWriter();
            // A program may end without a look at its input.
            await writer.write("typed").then(() => writer.close()).catch(() => {});
          }
          lines.push(...resultLines(await child.wait()));
          if (read !== undefined) lines.push(`read ${shortened(await read)}`);
        } finally {
          await child.abort();
        }
      }
    }
  }

  #command(recipe: Recipe): Command {
    const cmd = new Command(...this.#programOf(recipe));
    const buffers = this.#buffers = (recipe.buffers ?? []).map((size) =>
      cmd.sendBuffer(new Uint8Array(size).fill(98))
    );
    if (recipe.what === "report") cmd.args(join(this.folder, "report"), buffers.join(","));
    // It would take them for times.
    if (recipe.what !== "sleep") cmd.args(...recipe.args ?? []);
    if (recipe.arg0 !== undefined) cmd.arg0(recipe.arg0);
    for (const [op, first = "", second = ""] of recipe.env ?? []) {
      if (op === "pass") cmd.envPass(first);
      if (op === "passOr") cmd.envPass(first, { default: second });
      if (op === "string") cmd.envString(first);
      if (op === "common") cmd.envPassCommon();
      if (op === "clear") cmd.envClear();
      if (op === "xdg") cmd.envXdg(first);
      if (op === "set") cmd.env(first, second);
    }
    if (recipe.cwd !== undefined) cmd.cwd(recipe.cwd);
    if (recipe.umask !== undefined) cmd.umask(recipe.umask);
    for (const [name, soft, hard] of recipe.limits ?? []) {
      const value = (n: number) => n < 0 ? "unlimited" : n;
      cmd.limit(name as Parameters<Command["limit"]>[0], value(soft), value(hard));
    }
    const { stdin, stdout, stderr } = recipe;
    if (stdin !== undefined) cmd.stdin(this.#form(stdin) as Parameters<Command["stdin"]>[0]);
    if (stdout !== undefined) cmd.stdout(this.#form(stdout) as Parameters<Command["stdout"]>[0]);
    if (stderr !== undefined) cmd.stderr(this.#form(stderr) as Parameters<Command["stderr"]>[0]);
    for (const { fd, as } of recipe.passed ?? []) {
      cmd.passFd(this.#fdOf(fd), as === undefined ? {} : { as });
    }
    if (recipe.group === "session") cmd.session();
    if (recipe.group === "group") cmd.processGroup();
    const { uid, gid, groups, user } = recipe.identity ?? {};
    if (uid !== undefined) cmd.uid(uid);
    if (gid !== undefined) cmd.gid(gid);
    if (groups !== undefined) cmd.groups(groups);
    if (user !== undefined) cmd.user(user);
    if (recipe.caps !== undefined) cmd.clearCaps();
    for (const cap of recipe.caps ?? []) cmd.allowCap(cap as Parameters<Command["allowCap"]>[0]);
    for (const [name, ...args] of recipe.steps ?? []) {
      const palette = syscalls as unknown as Record<string, (...args: unknown[]) => never>;
      const call = palette[name];
      if (call !== undefined) cmd.step(call(...args));
    }
    if (recipe.handshake === true) cmd.handshake();
    if (recipe.nonblocking === true) cmd.nonblocking();
    if (recipe.daemon !== undefined) cmd.daemonize();
    if (recipe.daemon === "pid file") cmd.pidFile(join(this.folder, "pid"));
    return cmd;
  }

  #programOf({ what }: Recipe): [string, ...string[]] {
    switch (what) {
      case "report":
        return ["/usr/bin/perl", "-e", REPORTER, "--"];
      case "exit":
        return ["sh", "-c", "exit 3"];
      case "signal":
        return ["sh", "-c", "kill -KILL $$"];
      case "sleep":
        return ["sleep", "1000"];
      case "flood":
        return ["head", "-c", "200000", "/dev/zero"];
      case "missing":
        return ["/no/such/program"];
      case "missing name":
        return ["no-such-program"];
      case "folder":
        return [join(this.folder, "sub")];
      case "no program":
      case "no interpreter":
      case "not executable":
        return [join(this.folder, what)];
    }
  }

  #form(form: Form): unknown {
    if ("to" in form) return form.to;
    if ("fd" in form) return this.#fdOf(form.fd);
    if ("bytes" in form) return new Uint8Array(form.bytes).fill(97);
    return { ...form, file: join(this.folder, form.file) };
  }

  #fdOf(index: number): number {
    if (index >= STANDARD && index < CLOSED) return index - STANDARD;
    return this.#fds[index] ?? CLOSED;
  }

  /** The report without what only this process knows. */
  #normal(report: string, { env }: Recipe): string[] {
    const names = new Map<string, string>();
    return report.split("\n").filter(Boolean).map((line) => {
      const [, number, flags, target] = /^fd (\d+) (\d+) (.*)$/.exec(line) ?? [];
      if (number !== undefined && flags !== undefined && target !== undefined) {
        // Without FFI, they are files in a synchronous run.
        if (this.#buffers.includes(Number(number))) return `fd ${number} of a buffer`;
        const own = this.#fds.indexOf(Number(number));
        const ofFile = target.startsWith("/") ? 0o4000 : 0;
        // Which number the lock of a pid file has is nobody's business.
        const lock = target === join(this.folder, "pid");
        return [
          "fd",
          lock ? "of the pid file" : own < 0 ? number : `of file ${own}`,
          // Less O_CLOEXEC, which perl sets itself, and O_LARGEFILE. What leads nowhere leads
          // there in both directions, or in one.
          // Bun makes its own standard error non-blocking, which a file does not mind.
          target === "/dev/null" ? "" : (parseInt(flags, 8) & ~(0o2100000 | ofFile)).toString(8),
          target.replace(/^(pipe|socket):\[\d+\]$/, (whole, kind) => {
            const name = names.get(whole) ?? `${kind} ${names.size}`;
            names.set(whole, name);
            return name;
          }),
        ].join(" ");
      }
      if (line.startsWith("environ ")) {
        const text = new TextDecoder().decode(bytesOf(line.slice(8)));
        const variables = text.split("\0").slice(0, -1);
        // Inherited variables are in the order of whoever has handed them over.
        if ((env ?? []).length === 0) variables.sort();
        return `environ ${JSON.stringify(variables)}`;
      }
      if (line.startsWith("cmdline ")) {
        const text = new TextDecoder().decode(bytesOf(line.slice(8)));
        return `cmdline ${JSON.stringify(text.replace(REPORTER, "…").split("\0"))}`;
      }
      return line;
    });
  }
}

/** The lowest number of a descriptor that is passed: above those that recipes ask for. */
const FIRST = 60;

function isPipe(form: Form | undefined): boolean {
  return form !== undefined && "to" in form && form.to === "pipe";
}

function sizeOf(fd: number): number {
  try {
    return statSync(`/proc/self/fd/${fd}`).size;
  } catch {
    return -1;
  }
}

function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (each) => parseInt(each, 16));
}

function resultLines({ status, stdout, stderr, timedOut, drained, daemonPid }: Result): string[] {
  return [
    `status ${JSON.stringify(status)}`,
    `stdout ${shortened(stdout)}`,
    `stderr ${shortened(stderr)}`,
    `timed out ${timedOut}, drained ${drained}, daemon ${daemonPid !== undefined}`,
  ];
}

function shortened(text: string): string {
  return text.length <= 200 ? JSON.stringify(text) : `${text.length} characters`;
}

function errorLines(error: unknown): string[] {
  if (!(error instanceof CommandError)) return [`no CommandError: ${String(error)}`];
  if (error instanceof SpawnError) {
    const { step, syscall, errno, code, path, exitCode } = error;
    return [`SpawnError ${JSON.stringify({ step, syscall, errno, code, path, exitCode })}`];
  }
  if (error instanceof UnsupportedError) return [`UnsupportedError ${error.feature}`];
  if (error instanceof UsageError) return [`UsageError ${error.message}`];
  // Whether it was killed before it had ended by itself is a matter of time.
  if (error instanceof MaxBufferError) return [error.name];
  if (error instanceof ResultError) return [error.name, ...resultLines(error.result)];
  return [error.name];
}
