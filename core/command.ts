/**
 * The command: methods that build it, ask about it and run it. Building has no effect on the machine
 * and never throws. A run works on a frozen copy, so a command can be run any number of times.
 *
 * The class holds the documentation. The checks are in `command/build_*.ts`, the queries and the
 * ways of running in `run/`.
 *
 * @module
 */

import {
  addArgument,
  addArguments,
  addPair,
  argvOf,
  setArg0,
  setArgv,
  setProgram,
} from "./command/build_arguments.ts";
import {
  clearEnv,
  type EnvPassOptions,
  type EnvValue,
  passCommonEnv,
  passEnv,
  setEnv,
  setEnvString,
  setXdgEnv,
} from "./command/build_environment.ts";
import {
  addBuffer,
  addFd,
  type PassFdOptions,
  setInput,
  setOutput,
} from "./command/build_descriptors.ts";
import {
  setCpuAffinity,
  setFolder,
  setGrouping,
  setIoPriority,
  setLimit,
  setNice,
  setOomScoreAdj,
  setProcessGroup,
  setScheduler,
  setUmask,
} from "./command/build_attributes.ts";
import {
  addCapability,
  setApparmorProfile,
  setCoreCompany,
  setGid,
  setGroups,
  setSelinuxLabel,
  setUid,
  setUser,
} from "./command/build_identity.ts";
import {
  addSteps,
  type PreExecOptions,
  setHandshake,
  setHook,
  setParentDeathSignal,
  setPidFile,
} from "./command/build_lifecycle.ts";
import { type Argument, Builder, reasonOf } from "./command/builder.ts";
import { NO_OPTIONS, type RunOptions } from "./command/options.ts";
import type { PaletteCall } from "./command/palette.ts";
import type { Ids } from "./command/spec.ts";
import type { StderrOutput, StdinInput, StdoutOutput } from "./command/stdio.ts";
import type { UsageError } from "./errors.ts";
import type { Result } from "./result/result.ts";
import type { Child } from "./run/child.ts";
import { execute, launch, runSynchronously } from "./run/launch.ts";
import { linesOf, matchLines, readRows, type RegexOptions } from "./run/lines.ts";
import { explain, idsOf, programOf, textOf, writeArgLog } from "./run/queries.ts";
import { jsonOf } from "./run/output.ts";
import type { CapabilityName } from "./tables/capabilities.ts";
import type { LimitName, LimitValue } from "./tables/limits.ts";
import { IO_LEVELS, type IoClass, type SchedulerPolicy } from "./tables/scheduling.ts";
import type { SignalName } from "./tables/signals.ts";
import type { FormatOptions } from "./text/quote.ts";

/** Returns the builder of a command, for the functions of core that take one. */
export let builderOf: (command: Command) => Builder;

/**
 * A program to start, and everything that the child gets. No shell is involved: arguments reach the
 * program unchanged.
 *
 * @example
 * ```ts
 * import { Command } from "@vircommand/vircommand";
 *
 * const cmd = new Command("sort", "--reverse").env("LC_ALL", "C").stdin("a\nb\n").umask(0o077);
 * const { stdout } = await cmd.run();
 * console.log(stdout); // b\na\n
 * ```
 */
export class Command {
  readonly #builder = new Builder();

  static {
    builderOf = (command) => command.#builder;
  }

  /**
   * Creates a command.
   *
   * @param binary A path, or a bare name that is looked up in PATH when the command runs.
   * @param args The arguments after argv[0].
   */
  constructor(binary: string, ...args: Argument[]) {
    this.#build("Command", setProgram, binary, args);
  }

  /** Creates a command from an argument list of any length, the binary first. */
  static from(argv: readonly Argument[]): Command {
    const command = new Command("none");
    return command.#build("Command.from", setArgv, argv);
  }

  /**
   * The first misuse of this command, or undefined. Whatever needs the command (`run`, `spawn`,
   * `toString`, …) throws it, so a chain of calls needs one check.
   *
   * @example
   * ```ts
   * import { Command } from "@vircommand/vircommand";
   *
   * const cmd = new Command("true").umask(0o10000).arg("x");
   * console.log(cmd.error?.message); // umask(4096): …
   * ```
   */
  get error(): UsageError | undefined {
    return this.#builder.error;
  }

  /**
   * Adds one argument. Numbers are written in decimal; nothing is split, expanded or unquoted.
   *
   * @example
   * ```ts
   * import { Command } from "@vircommand/vircommand";
   *
   * const { stdout } = await new Command("printf", "%s").arg("two words").run();
   * console.log(stdout); // two words
   * ```
   */
  arg(value: Argument): this {
    return this.#build("arg", addArgument, value, "arg");
  }

  /** Adds several arguments, in order. Adding none is fine. */
  args(...values: Argument[]): this {
    return this.#build("args", addArguments, values);
  }

  /**
   * Adds `name=value` as one argument.
   *
   * @example
   * ```ts
   * import { Command } from "@vircommand/vircommand";
   *
   * console.log(new Command("dd").argPair("bs", 4096).argv); // ["dd", "bs=4096"]
   * ```
   */
  argPair(name: string, value: Argument): this {
    return this.#build("argPair", addPair, name, value);
  }

  /** Sets argv[0]. Default: the binary. The file that runs is the same. */
  arg0(name: Argument): this {
    return this.#build("arg0", setArg0, name);
  }

  /**
   * The argument list as the program gets it, argv[0] first. Secrets are not masked: pass it to
   * programs only. The binary is empty if it was a misuse.
   */
  get argv(): string[] {
    return argvOf(this.#builder.fields);
  }

  /**
   * Sets one variable, or each entry of a record. A name that was set before keeps its place and
   * gets the new value.
   *
   * @example
   * ```ts
   * import { Command } from "@vircommand/vircommand";
   *
   * const { stdout } = await new Command("env").env("A", 1).env({ B: "two" }).run();
   * console.log(stdout); // A=1\nB=two\n
   * ```
   */
  env(name: string, value: EnvValue): this;
  /** Sets each variable of a record. */
  env(variables: Readonly<Record<string, EnvValue>>): this;
  env(first: string | Readonly<Record<string, EnvValue>>, value?: EnvValue): this {
    return this.#build("env", setEnv, first, value);
  }

  /** Sets a variable from `NAME=VALUE`. */
  envString(assignment: string): this {
    return this.#build("envString", setEnvString, assignment);
  }

  /**
   * Passes a variable of the parent on, if the parent has it when the command runs.
   *
   * @example
   * ```ts
   * import { Command } from "@vircommand/vircommand";
   *
   * const cmd = new Command("env").envPass("NO_SUCH_VARIABLE", { default: "none" });
   * console.log((await cmd.run()).stdout); // NO_SUCH_VARIABLE=none\n
   * ```
   */
  envPass(name: string, options: EnvPassOptions = {}): this {
    return this.#build("envPass", passEnv, name, options);
  }

  /**
   * Sets LC_ALL=C and passes LD_PRELOAD, LD_LIBRARY_PATH, PATH, HOME, USER, LOGNAME and TMPDIR.
   * Under setuid the LD_* are dropped and PATH is /bin:/usr/bin.
   */
  envPassCommon(): this {
    return this.#build("envPassCommon", passCommonEnv);
  }

  /** Sets XDG_DATA_HOME, XDG_CACHE_HOME and XDG_CONFIG_HOME to the usual places under `dir`. */
  envXdg(dir: string): this {
    return this.#build("envXdg", setXdgEnv, dir);
  }

  /** Drops every variable that was chosen so far and ends inheritance. */
  envClear(): this {
    return this.#build("envClear", clearEnv);
  }

  /**
   * Where standard input comes from: `"null"` (default), `"inherit"`, `"pipe"` (for `spawn`), a
   * descriptor, text, bytes, a stream, an iterable of text and bytes, or `{ file }`.
   *
   * A program that ends, or closes its input, before it has read everything is no error.
   *
   * @example
   * ```ts
   * import { Command } from "@vircommand/vircommand";
   *
   * console.log((await new Command("wc", "-c").stdin("five!").run()).stdout); // 5\n
   * ```
   */
  stdin(input: StdinInput): this {
    return this.#build("stdin", setInput, input);
  }

  /**
   * Where standard output goes: `"null"`, `"inherit"`, `"pipe"` (for `spawn`), `"capture"`, a
   * descriptor, a WritableStream (closed at the end) or `{ file, append?, mode? }`. Default:
   * captured by `run`, null for `spawn`.
   */
  stdout(output: StdoutOutput): this {
    return this.#build("stdout", setOutput, "stdout", output);
  }

  /**
   * Where standard error goes: as `stdout()`, or `"stdout"` for the very same place, so that both
   * streams arrive in the order in which the program wrote them.
   *
   * @example
   * ```ts
   * import { Command } from "@vircommand/vircommand";
   *
   * const cmd = new Command("sh", "-c", "echo 1; echo 2 >&2; echo 3").stderr("stdout");
   * console.log((await cmd.run()).stdout); // 1\n2\n3\n
   * ```
   */
  stderr(output: StderrOutput): this {
    return this.#build("stderr", setOutput, "stderr", output);
  }

  /**
   * Passes an open descriptor of the parent to the child.
   *
   * With `closeParent` the descriptor belongs to the command: it is closed once the command was
   * run, also if nothing could be started; a second run is a StateError then.
   *
   * @example
   * ```ts
   * import { openSync } from "node:fs";
   * import { Command } from "@vircommand/vircommand";
   *
   * const fd = openSync("/etc/hostname", "r");
   * const cmd = new Command("cat", "/dev/fd/7").passFd(fd, { as: 7, closeParent: true });
   * console.log((await cmd.run()).stdout);
   * ```
   */
  passFd(fd: number, options: PassFdOptions = {}): this {
    return this.#build("passFd", addFd, fd, options);
  }

  /**
   * Gives the child a descriptor from which it can read `bytes`, and returns its number there, to
   * be named in an argument. Every run sends the bytes again.
   *
   * @example
   * ```ts
   * import { Command } from "@vircommand/vircommand";
   *
   * const cmd = new Command("cat");
   * const fd = cmd.sendBuffer(new TextEncoder().encode("hello"));
   * console.log((await cmd.arg(`/dev/fd/${fd}`).run()).stdout); // hello
   * ```
   */
  sendBuffer(bytes: Uint8Array | string): number {
    let fd = 3;
    this.#build("sendBuffer", (builder) => {
      fd = addBuffer(builder, bytes);
    });
    return fd;
  }

  /**
   * The child's working folder. Default: the parent's. The binary is looked up from the parent's
   * folder all the same.
   */
  cwd(dir: string): this {
    return this.#build("cwd", setFolder, dir);
  }

  /**
   * The child's file mode creation mask, 0 to 0o777. 0 is a mask like any other.
   *
   * @example
   * ```ts
   * import { Command } from "@vircommand/vircommand";
   *
   * console.log((await new Command("sh", "-c", "umask").umask(0o027).run()).stdout); // 0027\n
   * ```
   */
  umask(mode: number): this {
    return this.#build("umask", setUmask, mode);
  }

  /**
   * Sets a resource limit, see setrlimit(2). Without `hard`, the hard limit becomes the same as
   * the soft one. Set again, the last call counts.
   *
   * @param name One of the sixteen limits of Linux in lower case, such as `nofile`.
   * @param soft A count, bytes or seconds, as the limit has it; or `"unlimited"`.
   * @param hard The ceiling up to which the child may raise the soft limit.
   *
   * @example
   * ```ts
   * import { Command } from "@vircommand/vircommand";
   *
   * const cmd = new Command("sh", "-c", "ulimit -n").limit("nofile", 64, 128);
   * console.log((await cmd.run()).stdout); // 64\n
   * ```
   */
  limit(name: LimitName, soft: LimitValue, hard: LimitValue = soft): this {
    return this.#build("limit", setLimit, "limit", { name, soft, hard });
  }

  /** The most descriptors the child may have open: `limit("nofile", n)`, exactly n. */
  maxFiles(n: LimitValue): this {
    return this.#build("maxFiles", setLimit, "maxFiles", { name: "nofile", soft: n, hard: n });
  }

  /** The most processes the child's user may have: `limit("nproc", n)`. */
  maxProcesses(n: LimitValue): this {
    return this.#build("maxProcesses", setLimit, "maxProcesses", {
      name: "nproc",
      soft: n,
      hard: n,
    });
  }

  /** The most memory the child may lock, in bytes: `limit("memlock", bytes)`. */
  maxMemLock(bytes: LimitValue): this {
    return this.#build("maxMemLock", setLimit, "maxMemLock", {
      name: "memlock",
      soft: bytes,
      hard: bytes,
    });
  }

  /** The largest core file, in bytes: `limit("core", bytes)`; 0 is none. */
  maxCoreSize(bytes: LimitValue): this {
    return this.#build("maxCoreSize", setLimit, "maxCoreSize", {
      name: "core",
      soft: bytes,
      hard: bytes,
    });
  }

  /** Starts the program in a new session, without a controlling terminal, see setsid(2). */
  session(): this {
    return this.#build("session", setGrouping, "session", { kind: "session" });
  }

  /**
   * Puts the program into the process group `pgid`, or into a new one (default, 0), see setpgid(2).
   * A signal to the negative pid of the group's leader reaches the whole group.
   */
  processGroup(pgid: number = 0): this {
    return this.#build("processGroup", setProcessGroup, pgid);
  }

  /**
   * How readily the kernel kills the program when memory runs out, from -1000 (never) to 1000
   * (first), see proc_pid_oom_score_adj(5). The program's children inherit it. To lower it needs
   * CAP_SYS_RESOURCE.
   *
   * @example
   * ```ts
   * import { Command } from "@vircommand/vircommand";
   *
   * const cmd = new Command("cat", "/proc/self/oom_score_adj").oomScoreAdj(500);
   * console.log(await cmd.text()); // 500\n
   * ```
   */
  oomScoreAdj(score: number): this {
    return this.#build("oomScoreAdj", setOomScoreAdj, score);
  }

  /**
   * The program's nice value, from -20 (first) to 19 (last), see setpriority(2). It is the value
   * itself, and not added to that of this process. To lower it needs CAP_SYS_NICE or a
   * `limit("nice", …)` that allows it. Between sessions it may have no effect, see sched(7),
   * "The autogroup feature".
   *
   * @example
   * ```ts
   * import { Command } from "@vircommand/vircommand";
   *
   * console.log(await new Command("nice").nice(19).text()); // 19\n
   * ```
   */
  nice(value: number): this {
    return this.#build("nice", setNice, value);
  }

  /**
   * The priority of the program's input and output, see ioprio_set(2): `realtime` comes before all
   * others, and needs CAP_SYS_ADMIN or CAP_SYS_NICE; `best-effort` is usual; `idle` gets the device
   * when no other process uses it.
   *
   * @param level 0 (first) to 7 (last); default 4. `idle` has no levels.
   *
   * @example
   * ```ts
   * import { Command } from "@vircommand/vircommand";
   *
   * const cmd = new Command("ionice").ioPriority("best-effort", 7);
   * console.log(await cmd.text()); // best-effort: prio 7\n
   * ```
   */
  ioPriority(ioClass: IoClass, level: number = IO_LEVELS.normal): this {
    return this.#build("ioPriority", setIoPriority, ioClass, level);
  }

  /**
   * The processors that the program may run on, by their numbers from 0, see sched_setaffinity(2).
   * Numbers that this machine does not have, or that this process may not use, are ignored; if none
   * remains, the kernel refuses with EINVAL.
   *
   * @example
   * ```ts
   * import { Command } from "@vircommand/vircommand";
   *
   * console.log(await new Command("nproc").cpuAffinity([0]).text()); // 1\n
   * ```
   */
  cpuAffinity(cpus: readonly number[]): this {
    return this.#build("cpuAffinity", setCpuAffinity, cpus);
  }

  /**
   * The scheduling policy, see sched(7). `SCHED_OTHER` is the usual one, `SCHED_BATCH` is for long
   * computations, and a program of `SCHED_IDLE` runs when no other wants the processor; they have no
   * priority. `SCHED_FIFO` and `SCHED_RR` come before all of these, and need a priority from 1 (last)
   * to 99 (first), and CAP_SYS_NICE or a `limit("rtprio", …)` that allows it.
   *
   * @example
   * ```ts
   * import { Command } from "@vircommand/vircommand";
   *
   * const cmd = new Command("sh", "-c", "chrt -p $$").scheduler("SCHED_BATCH");
   * console.log(await cmd.text()); // pid 4711's current scheduling policy: SCHED_BATCH …
   * ```
   */
  scheduler(policy: SchedulerPolicy, priority?: number): this {
    return this.#build("scheduler", setScheduler, policy, priority);
  }

  /**
   * The user id of the program. Its primary group and its supplementary groups come from the user
   * database, unless `gid()` and `groups()` set them. A user id that is not in the database needs
   * `gid()`.
   */
  uid(id: number): this {
    return this.#build("uid", setUid, id);
  }

  /** The group id of the program. */
  gid(id: number): this {
    return this.#build("gid", setGid, id);
  }

  /** The supplementary groups of the program: exactly these. */
  groups(ids: readonly number[]): this {
    return this.#build("groups", setGroups, ids);
  }

  /**
   * The user of the program by name, with uid, gid and groups from the user database. An unknown
   * name is a UsageError when the command runs.
   *
   * @example
   * ```ts
   * import { Command } from "@vircommand/vircommand";
   *
   * const cmd = new Command("id", "-un").user("nobody");
   * console.log(cmd.ids); // { uid: 65534, gid: 65534, groups: [ 65534 ] }
   * ```
   */
  user(name: string): this {
    return this.#build("user", setUser, name);
  }

  /**
   * Drops every capability that `allowCap()` does not name, also from the bounding set, so that the
   * program cannot regain them by an exec.
   */
  clearCaps(): this {
    this.#builder.set("clearCaps", true);
    return this;
  }

  /**
   * A capability that the program has, as any user: it is made permitted, effective, inheritable and
   * ambient.
   *
   * @param capability A name such as `"net_raw"` or `"CAP_NET_RAW"`, or a number.
   */
  allowCap(capability: CapabilityName | number): this {
    return this.#build("allowCap", addCapability, capability);
  }

  /**
   * The program, and everything that it executes, gains no rights by an exec: set-uid bits and file
   * capabilities have no effect, see PR_SET_NO_NEW_PRIVS in prctl(2). This cannot be undone. It does
   * not restrict `uid()`, `allowCap()` and other settings of this command.
   *
   * @example
   * ```ts
   * import { Command } from "@vircommand/vircommand";
   *
   * const cmd = new Command("grep", "NoNewPrivs", "/proc/self/status").noNewPrivs();
   * console.log(await cmd.text()); // NoNewPrivs:\t1\n
   * ```
   */
  noNewPrivs(): this {
    this.#builder.set("noNewPrivs", true);
    return this;
  }

  /** The SELinux context in which the program is executed. */
  selinuxLabel(label: string): this {
    return this.#build("selinuxLabel", setSelinuxLabel, label);
  }

  /** The AppArmor profile in which the program is executed. */
  apparmorProfile(profile: string): this {
    return this.#build("apparmorProfile", setApparmorProfile, profile);
  }

  /**
   * Never shares a processor core with a process outside its group at the same time: gets a new core
   * scheduling cookie, see PR_SCHED_CORE in prctl(2). The last call of `runAlone` and `runAmong`
   * counts.
   */
  runAlone(): this {
    this.#builder.set("coreScheduling", { kind: "alone" });
    return this;
  }

  /** Shares processor cores with the process `pid` and its group: gets the same cookie. */
  runAmong(pid: number): this {
    return this.#build("runAmong", setCoreCompany, pid);
  }

  /**
   * Adds system calls that the child makes, in this order, right before exec and with the rights of
   * the program. See {@linkcode syscalls}.
   */
  step(...calls: PaletteCall[]): this {
    return this.#build("step", addSteps, calls);
  }

  /**
   * Runs a JavaScript module in the child, before it becomes the program: with the child's pid and
   * descriptors, and with the rights of the parent. Its default export (or `preExec`) is called
   * with `data` and with `{ pid, argv, env, fds }` of the program to come. If it throws, or returns
   * a number other than 0, the program does not run: a SpawnError of step `preExec`.
   *
   * The child executes the runtime again for it, which costs as much as starting the runtime. It
   * loads nothing else: no configuration, no variables from a file, no preloaded module. It has the
   * permissions of this one. For single system calls, {@linkcode Command.step} is cheaper.
   *
   * @param module A URL, as `new URL("./hook.ts", import.meta.url)`, or a path. A relative path counts
   * from the current folder when the command runs.
   * @param data Anything that JSON can represent.
   * @param options Which runtime runs the hook, if not this one. A program that is a single file with
   * its runtime inside must name one here or in the variable `VIRCOMMAND_RUNTIME`: executed again, it
   * would run itself. Otherwise running it is an UnsupportedError.
   *
   * @example
   * ```ts
   * import { rmSync, writeFileSync } from "node:fs";
   * import { tmpdir } from "node:os";
   * import { Command } from "@vircommand/vircommand";
   *
   * const hook = `${tmpdir()}/hello-hook.mjs`;
   * writeFileSync(hook, "export default (data) => { process.stdout.write(data); }");
   * const { stdout } = await new Command("echo", "world").preExec(hook, "hello ").run();
   * console.log(stdout); // hello world\n
   * rmSync(hook);
   * ```
   */
  preExec(module: string | URL, data?: unknown, options?: PreExecOptions): this {
    return this.#build("preExec", setHook, module, data, options);
  }

  /**
   * Makes the child wait before exec: `spawn()` resolves when it waits, and
   * `child.handshakeNotify()` makes it execute the program. If the parent dies, the program never
   * runs.
   *
   * @example
   * ```ts
   * import { Command } from "@vircommand/vircommand";
   *
   * const child = await new Command("true").handshake().spawn();
   * await child.handshakeWait();
   * console.log(`${child.pid} waits`); // the place to put it into a cgroup
   * await child.handshakeNotify();
   * await child.wait();
   * ```
   */
  handshake(): this {
    return this.#build("handshake", setHandshake);
  }

  /**
   * Sends the program a signal when this process ends in any way, also while the program is being
   * started; see PR_SET_PDEATHSIG in prctl(2). Processes that the program has started get none. With
   * `exec()`, the signal is sent when the parent of this process ends.
   *
   * The kernel watches the thread that has started the program: in a worker, the end of the worker
   * counts. The setting is lost when the program gains rights by an exec, as set-uid programs do, or
   * changes its ids. A label would have the same effect: together with one, this is an
   * UnsupportedError. Together with a daemon, it is a UsageError.
   *
   * @param signal Default SIGKILL, which cannot be ignored.
   *
   * @example
   * ```ts
   * import { Command } from "@vircommand/vircommand";
   *
   * const child = await new Command("sleep", 1000).dieWithParent("SIGTERM").spawn();
   * console.log(`${child.pid} ends with us`);
   * await child.abort();
   * ```
   */
  dieWithParent(signal: SignalName | number = "SIGKILL"): this {
    return this.#build("dieWithParent", setParentDeathSignal, signal);
  }

  /**
   * Starts the program as a daemon: in a new session that it does not lead, without a controlling
   * terminal, in the folder `/`, and not as a child of this process. Its standard streams are
   * /dev/null unless they are set to files or descriptors. It gets buffers and passed descriptors.
   * `run()` resolves when the daemon runs, with its pid in `daemonPid`.
   *
   * @example
   * ```ts
   * import process from "node:process";
   * import { Command } from "@vircommand/vircommand";
   *
   * const { daemonPid } = await new Command("sleep", "60").daemonize().run();
   * process.kill(daemonPid!);
   * ```
   */
  daemonize(): this {
    return this.#build("daemonize", setGrouping, "daemonize", { kind: "daemon" });
  }

  /**
   * Sets the file for the pid of a daemon. The daemon writes its pid in decimal, and holds a POSIX
   * record lock on the file while it runs: F_GETLK returns its pid. If a running process has locked
   * the file, the start is a SpawnError that names this process; an old file is overwritten. Symbolic
   * links, files with a second name and files that belong neither to this user nor to root are
   * refused.
   */
  pidFile(path: string): this {
    return this.#build("pidFile", setPidFile, path);
  }

  /**
   * Has no effect, and exists for users of libvirt: the parent's ends of pipes never block. The
   * child's ends do, as programs expect.
   */
  nonblocking(): this {
    this.#builder.set("nonblocking", true);
    return this;
  }

  /**
   * Runs the program and waits for its end. Standard output and error are captured unless they
   * were sent elsewhere.
   *
   * @throws {UsageError} The command was built wrongly.
   * @throws {UnsupportedError} This platform cannot do what it asks for.
   * @throws {SpawnError} The program could not be started.
   * @throws {ExitError} It ended with another status than success.
   * @throws {TimeoutError} It took longer than `timeout`.
   * @throws {AbortError} `signal` fired.
   * @throws {MaxBufferError} It wrote more than `maxBuffer` bytes to a captured stream.
   */
  async run(options: RunOptions = NO_OPTIONS): Promise<Result> {
    const child = await launch(this.#builder, options, { mode: "run" });
    return await child.wait();
  }

  /**
   * Runs the program and blocks until its end. As `run`, but without streams, iterables that are
   * asynchronous, and AbortSignals.
   *
   * @example
   * ```ts
   * import { Command } from "@vircommand/vircommand";
   *
   * console.log(new Command("echo", "hi").runSync().stdout); // hi\n
   * ```
   */
  runSync(options: RunOptions = NO_OPTIONS): Result {
    return runSynchronously(this.#builder, options);
  }

  /**
   * Starts the program. Resolves when it runs, that is, when exec has succeeded. Outputs that are
   * not set go to /dev/null.
   *
   * @throws {SpawnError} The program could not be started.
   */
  async spawn(options: RunOptions = NO_OPTIONS): Promise<Child> {
    return await launch(this.#builder, options, { mode: "spawn" });
  }

  /**
   * Replaces this process by the program: same pid, no return. Streams are inherited unless they
   * were set; no descriptor is closed that the runtime has not marked for it. What can be foreseen is
   * thrown, and nothing has changed then. A step that fails later writes its error to standard error
   * and ends this process with status 125, 126 or 127.
   *
   * @throws {SpawnError} The program cannot be executed.
   */
  exec(): never {
    return execute(this.#builder);
  }

  /** Runs the program and returns its standard output as text, nothing trimmed. */
  async text(options: RunOptions = NO_OPTIONS): Promise<string> {
    return (await this.run(options)).stdout;
  }

  /** Runs the program and returns its standard output as bytes. */
  async bytes(options: RunOptions = NO_OPTIONS): Promise<Uint8Array> {
    return (await this.run(options)).stdoutBytes;
  }

  /**
   * Runs the program and parses its standard output as JSON.
   *
   * @throws {ResultError} The output is not JSON.
   */
  async json<T = unknown>(options: RunOptions = NO_OPTIONS): Promise<T> {
    return jsonOf<T>(await this.run(options), this.#builder.fields.secrets);
  }

  /**
   * Runs the program and yields the lines of its standard output as they come, without their line
   * ends. Leaving the loop early stops the program; its end is checked when the lines are over.
   * `maxBuffer` bounds one line; the time limit and `drain` bound the reading.
   *
   * @example
   * ```ts
   * import { Command } from "@vircommand/vircommand";
   *
   * for await (const line of new Command("yes").lines()) {
   *   console.log(line); // y
   *   break;
   * }
   * ```
   */
  lines(options: RunOptions = NO_OPTIONS): AsyncGenerator<string, void, void> {
    return linesOf(this.#builder, options);
  }

  /**
   * Runs the program and calls `matched` for each line of its output that all of the expressions
   * match, with the groups of all of them. An error of `matched` stops the program.
   *
   * @example
   * ```ts
   * import { Command } from "@vircommand/vircommand";
   *
   * await new Command("printf", "a=1\\nb=2\\n").runRegex([/^(\w)=(\d)$/], ([name, value]) => {
   *   console.log(name, value); // a 1, then b 2
   * });
   * ```
   */
  async runRegex(
    expressions: RegExp | readonly RegExp[],
    matched: (groups: (string | undefined)[]) => unknown,
    options: RegexOptions = NO_OPTIONS,
  ): Promise<Result> {
    return await matchLines(this.#builder, expressions, matched, options);
  }

  /**
   * Runs a program whose output ends each value with a NUL byte, and calls `row` for every `columns`
   * values. The last row may be shorter.
   *
   * @example
   * ```ts
   * import { Command } from "@vircommand/vircommand";
   *
   * await new Command("printf", "a\\0001\\000b\\0002\\000").runNul(2, ([name, value]) => {
   *   console.log(name, value); // a 1, then b 2
   * });
   * ```
   */
  async runNul(
    columns: number,
    row: (values: string[]) => unknown,
    options: RunOptions = NO_OPTIONS,
  ): Promise<Result> {
    return await readRows(this.#builder, columns, row, options);
  }

  /**
   * The ids that the program would get, looked up now. Those that it inherits are undefined.
   *
   * @throws {UsageError} The user is unknown.
   */
  get ids(): Ids {
    return idsOf(this.#builder);
  }

  /**
   * Returns the path of the file that would run. A binary with a slash is made absolute from the
   * current folder, and not checked. A bare name is looked up in the child's PATH if the command sets
   * one, otherwise in the parent's.
   *
   * @throws {SpawnError} No program with this bare name is found.
   */
  resolve(): string {
    return programOf(this.#builder);
  }

  /**
   * Returns the command as text for a shell: environment first, then the arguments, quoted where it
   * is necessary. Secrets are shown as `***`.
   *
   * @param options `lineBreaks` puts each option on a new line; `stripPath` shows the binary without
   * its folder.
   */
  toString(options: FormatOptions = {}): string {
    return textOf(this.#builder, options);
  }

  /**
   * The steps and system calls between clone and exec, one a line, without running anything.
   * Control characters are shown by their code.
   *
   * @example
   * ```ts
   * import { Command } from "@vircommand/vircommand";
   *
   * console.log(new Command("true").umask(0o027).explain());
   * ```
   */
  explain(): string {
    return explain(this.#builder);
  }

  /**
   * Writes the command on one line, unquoted, to a descriptor or a stream, which stays open. Secrets
   * are shown as `***` and control characters by their code, so that no argument can forge a line.
   *
   * @throws {SystemCallError} The descriptor cannot be written to.
   */
  async writeArgLog(target: number | WritableStream<Uint8Array>): Promise<void> {
    return await writeArgLog(this.#builder, target);
  }

  /** Changes the builder. An exception of the caller's objects, such as a getter, is a misuse. */
  #build<A extends readonly unknown[]>(
    call: string,
    change: (builder: Builder, ...args: A) => void,
    ...args: A
  ): this {
    try {
      change(this.#builder, ...args);
    } catch (error) {
      this.#builder.misuse(`${call}: ${reasonOf(error)}`, error);
    }
    return this;
  }
}

/**
 * Runs an argument list: `Command.from(argv).run(options)`.
 *
 * @example
 * ```ts
 * import { run } from "@vircommand/vircommand";
 *
 * console.log((await run(["echo", "hello"])).stdout); // hello\n
 * ```
 */
export async function run(
  argv: readonly Argument[],
  options: RunOptions = NO_OPTIONS,
): Promise<Result> {
  return await Command.from(argv).run(options);
}

/** Runs an argument list and blocks until its end: `Command.from(argv).runSync(options)`. */
export function runSync(argv: readonly Argument[], options: RunOptions = NO_OPTIONS): Result {
  return Command.from(argv).runSync(options);
}
