import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { test } from "node:test";
import { asCommandError, guarded } from "../../backends/border.ts";
import { StartError } from "../../backends/spawner/spawner.ts";
import type { Backend, Process, Sink, Source, SyncRun } from "../../core/backend.ts";
import { Command } from "../../core/command.ts";
import { specOf } from "../support/spec.ts";
import {
  CommandError,
  PermissionError,
  SpawnError,
  StateError,
  SystemCallError,
} from "../../core/errors.ts";
import { makePlan } from "../../core/plan/plan.ts";
import { secret } from "../../core/text/secret.ts";
import { imagined } from "../support/system.ts";

const plan = makePlan(
  specOf(new Command("/bin/tool", secret("hunter2")).env("TOKEN", "hunter2-value")),
  imagined(),
);
const command = "TOKEN='***' /bin/tool '***'";
const run = {} as SyncRun;

const fields = (error: Error, more: object) => Object.assign(error, more);

/** What the kernel, the runtimes and our own mistakes throw below the border. */
interface Raw {
  readonly error: unknown;
  /** What it is while a program is started, and elsewhere. */
  readonly starting: typeof CommandError;
  readonly code?: string;
  readonly step?: string;
  readonly syscall?: string;
}

const RAW: Record<string, Raw> = {
  "a failing call of ours": {
    error: new SystemCallError("mmap", 12),
    starting: SpawnError as never,
    code: "ENOMEM",
    step: "clone",
    syscall: "mmap",
  },
  "a failing pipe": {
    error: new SystemCallError("pipe2", 24),
    starting: SpawnError as never,
    code: "EMFILE",
    step: "fds",
    syscall: "pipe2",
  },
  "a file of Node's": {
    error: fields(new Error("EIO: i/o error, open '/x'"), {
      errno: -5,
      code: "EIO",
      syscall: "open",
      path: "/x",
    }),
    starting: SpawnError as never,
    code: "EIO",
    step: "fds",
    syscall: "open",
  },
  "the current folder of Node's": {
    error: fields(new Error("ENOENT: uv_cwd"), { errno: -2, code: "ENOENT", syscall: "uv_cwd" }),
    starting: SpawnError as never,
    code: "ENOENT",
    step: "clone",
    syscall: "getcwd",
  },
  "an error of Deno's": {
    error: fields(new Error("Too many open files in system (os error 23)"), { name: "Error" }),
    starting: SpawnError as never,
    code: "ENFILE",
    step: "clone",
    syscall: "clone",
  },
  "a code without a number": {
    error: fields(new Error("no"), { code: "EAGAIN" }),
    starting: SpawnError as never,
    code: "EAGAIN",
    step: "clone",
  },
  "a spawner's refusal": {
    error: new StartError(11, "spawn EAGAIN"),
    starting: SpawnError as never,
    code: "EAGAIN",
    step: "clone",
  },
  "a start of Node's, with the arguments": {
    error: fields(new Error("spawn EPERM"), {
      errno: -1,
      code: "EPERM",
      syscall: "spawn /bin/tool",
      path: "/bin/tool",
      spawnargs: ["hunter2"],
    }),
    starting: SpawnError as never,
    code: "EPERM",
    step: "clone",
  },
  "a refusal of Deno's": {
    error: fields(
      new Error('Requires run access to "/bin/tool", run again with the --allow-run flag'),
      { name: "NotCapable" },
    ),
    starting: PermissionError as never,
    code: "NotCapable",
  },
  "a refusal of Node's": {
    error: fields(new Error("Access to this API has been restricted"), {
      code: "ERR_ACCESS_DENIED",
      permission: "ChildProcess",
      resource: "",
    }),
    starting: PermissionError as never,
    code: "ERR_ACCESS_DENIED",
  },
  "a number that libuv has made up": {
    error: fields(new Error("unknown"), { errno: -4094, code: "UNKNOWN" }),
    starting: CommandError,
  },
  "an error of another kind": { error: new RangeError("out of place"), starting: CommandError },
  "a text": { error: "thrown as it is", starting: CommandError },
  "nothing": { error: undefined, starting: CommandError },
};

/** A backend whose every function throws. */
function failing(error: unknown): Backend {
  const fail = () => {
    throw error;
  };
  return {
    driver: "native",
    info: fail,
    asyncScope: fail,
    system: {
      environment: fail,
      variable: fail,
      currentFolder: fail,
      access: fail,
      elevated: fail,
      userByName: fail,
      userById: fail,
      groupsOf: fail,
      capabilities: fail,
      startingNofile: fail,
    },
    check: fail,
    start: () => Promise.reject(error),
    runSync: fail,
    exec: fail,
    explain: fail,
    closeFd: fail,
    writeFd: fail,
  };
}

function everywhere(service: Backend): [what: string, call: () => unknown][] {
  const { system } = service;
  return [
    ["info", () => service.info()],
    ["explain", () => service.explain(plan)],
    ["closeFd", () => service.closeFd(3)],
    ["writeFd", () => service.writeFd(3, new Uint8Array(1))],
    ["environment", () => system.environment()],
    ["variable", () => system.variable("A")],
    ["currentFolder", () => system.currentFolder()],
    ["access", () => system.access("/x")],
    ["elevated", () => system.elevated()],
    ["userByName", () => system.userByName("a")],
    ["userById", () => system.userById(1)],
    ["groupsOf", () => system.groupsOf("a", 1)],
    ["capabilities", () => system.capabilities()],
    ["startingNofile", () => system.startingNofile()],
  ];
}

for (const [what, { error, starting, code, step, syscall }] of Object.entries(RAW)) {
  test(`${what} is a CommandError on every way out of a backend`, async () => {
    const service = guarded(() => failing(error));
    const starts: unknown[] = [
      await assertRejects(() => service.start(plan)),
      assertThrows(() => service.runSync(plan, run)),
      assertThrows(() => service.exec(plan)),
    ];
    for (const thrown of starts) {
      assertInstanceOf(thrown, CommandError);
      assertStrictEquals(thrown.constructor, starting);
      assertEquals(thrown.command, command);
      if (!(error instanceof CommandError)) assertStrictEquals(thrown.cause, error);
      const known = thrown as Partial<SpawnError>;
      assertEquals([known.code, known.step], [code, step]);
      if (syscall !== undefined) assertEquals(known.syscall, syscall);
      assert(!JSON.stringify([thrown, thrown.cause]).includes("hunter2"));
    }
    for (const [place, call] of everywhere(service)) {
      const thrown = assertThrows(call);
      assertInstanceOf(thrown, CommandError, place);
      assert(!(thrown instanceof SpawnError), place);
    }
    assertInstanceOf(
      assertThrows(() =>
        guarded(() => {
          throw error;
        })
      ),
      CommandError,
    );
  });
}

test("an error that is one already passes as it is", async () => {
  const error = new StateError("mine");
  const service = guarded(() => failing(error));
  assertStrictEquals(await assertRejects(() => service.start(plan)), error);
  assertStrictEquals(assertThrows(() => service.runSync(plan, run)), error);
  for (const [, call] of everywhere(service)) assertStrictEquals(assertThrows(call), error);
});

test("a call that fails while the program runs is no failure of its start", () => {
  for (const syscall of ["ppoll", "waitid", "read", "pidfd_send_signal"]) {
    const service = guarded(() => failing(new SystemCallError(syscall, 12)));
    const error = assertThrows(() => service.runSync(plan, run));
    assertInstanceOf(error, SystemCallError);
    assertEquals([error.syscall, error.code], [syscall, "ENOMEM"]);
  }
});

test("what was refused is named: by fields where there are some, else as the text says", () => {
  const refusals: [error: Error, permission: string | undefined, resource: string | undefined][] = [
    [new Error('Requires env access to "PATH", run again'), "env", "PATH"],
    [new Error("Requires run access, run again"), "run", undefined],
    [new Error("something else"), undefined, undefined],
    [
      fields(new Error("no"), { permission: "FileSystemRead", resource: "/x" }),
      "FileSystemRead",
      "/x",
    ],
  ];
  for (const [error, permission, resource] of refusals) {
    error.name = "NotCapable";
    const made = asCommandError(error, { syscall: "open" });
    assertInstanceOf(made, PermissionError);
    assertEquals([made.code, made.permission, made.resource], ["NotCapable", permission, resource]);
    assertStrictEquals(made.cause, error);
  }
});

/** A process whose every function fails later. */
function failingProcess(error: unknown): Process {
  const fail = () => {
    throw error;
  };
  const sink: Sink = {
    write: () => Promise.reject(error),
    end: () => Promise.reject(error),
    close: () => {},
    ref: () => {},
    unref: () => {},
  };
  const source: Source = {
    start: (receiver) => {
      receiver.chunk(new Uint8Array([1]), false);
      receiver.end(error as Error);
    },
    pause: () => {},
    resume: () => {},
    close: () => {},
    ref: () => {},
    unref: () => {},
  };
  return {
    pid: 7,
    stdin: sink,
    stdout: source,
    stderr: source,
    buffers: [sink],
    exited: Promise.reject(error),
    release: () => Promise.reject(error),
    kill: fail,
    ref: () => {},
    unref: () => {},
  };
}

test("a process hands over no other errors either, and everything else as it is", async () => {
  const raw = fields(new Error("EIO"), { errno: -5, code: "EIO" });
  const inner = failingProcess(raw);
  inner.exited.catch(() => {});
  const service = guarded(() => ({ ...failing(raw), start: () => Promise.resolve(inner) }));
  const process = await service.start(plan);
  assertEquals([process.pid, process.buffers.length], [7, 1]);
  const errors: unknown[] = [
    await assertRejects(() => process.exited),
    await assertRejects(() => process.release?.() ?? Promise.resolve()),
    assertThrows(() => process.kill(15)),
  ];
  for (const sink of [process.stdin, ...process.buffers]) {
    errors.push(await assertRejects(() => sink?.write(new Uint8Array(1)) ?? Promise.resolve()));
    errors.push(await assertRejects(() => sink?.end() ?? Promise.resolve()));
  }
  const chunks: number[] = [];
  for (const source of [process.stdout, process.stderr]) {
    source?.start({
      chunk: (bytes) => chunks.push(...bytes),
      end: (error) => errors.push(error),
    });
  }
  assertEquals([errors.length, chunks], [9, [1, 1]]);
  for (const error of errors) {
    assertInstanceOf(error, SystemCallError);
    assertEquals(error.code, "EIO");
    assertStrictEquals(error.cause, raw);
  }
});
