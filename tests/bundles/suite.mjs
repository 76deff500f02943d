// What runs in the test runners: the library in their realms. Written once, for `test` and `expect`
// of whichever runner imports it.

import vm from "node:vm";

/** Registers the tests. */
export function suite(library, { test, expect, driver }) {
  const { backendInfo, Command, ExitError, SpawnError, UsageError } = library;

  test("the driver is the one of the runtime", () => {
    expect(backendInfo().driver).toBe(driver);
  });

  test("runSync", () => {
    expect(new Command("cat").stdin("input").runSync().stdout).toBe("input");
    expect([...new Command("printf", "a").runSync().stdoutBytes]).toEqual([97]);
    expect(() => new Command("false").runSync()).toThrow(ExitError);
    expect(() => new Command("/no/such/program").runSync()).toThrow(SpawnError);
  });

  test("the errors of the runtime's own modules keep their codes", () => {
    for (const each of ["launcher", "portable"]) {
      const error = failure(() => new Command("/no/such/program").runSync({ driver: each }));
      expect([error.name, error.code, error.step]).toEqual([
        "SpawnError",
        "ENOENT",
        "exec",
      ]);
    }
  });

  test("run", async () => {
    expect(await new Command("cat").stdin("input").text()).toBe("input");
    await expect(new Command("false").run()).rejects.toThrow(ExitError);
    const error = await new Command("true").cwd("/no/such").run().catch((
      error,
    ) => error);
    expect([error.name, error.code, error.step]).toEqual([
      "SpawnError",
      "ENOENT",
      "chdir",
    ]);
  });

  test("lines", async () => {
    const lines = [];
    for await (const line of new Command("printf", "a\\nb\\n").lines()) {
      lines.push(line);
    }
    expect(lines).toEqual(["a", "b"]);
  });

  test("bytes of another realm are bytes", () => {
    const bytes = vm.runInNewContext("new Uint8Array([104, 105])");
    expect(new Command("cat").stdin(bytes).runSync().stdout).toBe("hi");
    const other = Uint8Array.from([104, 105]);
    expect(new Command("cat").stdin(other).runSync().stdout).toBe("hi");
  });

  test("errors are known in every realm by their name", () => {
    const error = failure(() => new Command("true").umask(-1).runSync());
    expect(error).toBeInstanceOf(UsageError);
    expect(error.name).toBe("UsageError");
  });
}

/** Returns what an action throws. */
function failure(action) {
  try {
    action();
  } catch (error) {
    return error;
  }
  throw new Error("it did not throw");
}
