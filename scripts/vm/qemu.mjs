// Boots a guest in an emulated machine, and takes what comes of it.

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** By architecture; the emulator alone, since a host's KVM may boot other kernels than Debian's. */
const MACHINES = {
  amd64: {
    program: "qemu-system-x86_64",
    options: ["-machine", "pc", "-cpu", "max"],
    console: "ttyS0",
  },
  arm64: {
    program: "qemu-system-aarch64",
    options: ["-machine", "virt,gic-version=3", "-cpu", "cortex-a76"],
    console: "ttyAMA0",
  },
};

/** The emulator of an architecture's machines. */
export function emulator(arch) {
  return MACHINES[arch].program;
}

/**
 * Runs a guest for some seconds at most. `disks` are three files: packages, project and runtimes.
 * Returns how it ended, the names of the jobs that came to their end, where each has left its
 * files, and what was said by the jobs and on the console.
 */
export function boot(
  folder,
  { arch, kernel, initrd, disks, parameters = "", topology = "2" },
  seconds,
) {
  const { program, options, console } = MACHINES[arch];
  const [packages, project, runtimes] = disks;
  const port = (name) => join(folder, name);
  const drive = (id, file, how) => [
    "-drive",
    `if=none,id=${id},format=raw,file=${file},${how}`,
    "-device",
    `virtio-blk-pci,drive=${id}`,
  ];
  const chardev = (id, number) => [
    "-chardev",
    `file,id=${id},path=${port(id)}`,
    "-device",
    `virtserialport,chardev=${id},nr=${number},name=${id}`,
  ];
  const { status, signal, error, stderr } = spawnSync("nice", [
    "-n",
    "10",
    program,
    ...options,
    "-accel",
    "tcg,thread=multi,tb-size=512",
    "-smp",
    topology,
    "-m",
    "2560",
    "-display",
    "none",
    "-nodefaults",
    "-no-reboot",
    "-kernel",
    kernel,
    "-initrd",
    initrd,
    "-append",
    `console=${console} quiet panic=-1 ${parameters}`,
    ...drive("packages", packages, "snapshot=on"),
    ...drive("project", project, "cache=unsafe"),
    ...drive("runtimes", runtimes, "readonly=on"),
    "-serial",
    `file:${port("console")}`,
    "-device",
    "virtio-serial-pci",
    ...chardev("log", 1),
    ...chardev("results", 2),
  ], {
    encoding: "utf8",
    stdio: ["ignore", "ignore", "pipe"],
    timeout: Math.ceil(seconds * 1000),
    killSignal: "SIGKILL",
  });
  for (const name of ["log", "results", "console"]) {
    if (!existsSync(port(name))) writeFileSync(port(name), "");
  }
  const results = port("jobs");
  mkdirSync(results);
  // One archive after the other, and the last one may be cut short.
  spawnSync("tar", ["-x", "--ignore-zeros", "-f", port("results"), "-C", results]);
  const jobs = readdirSync(results).filter((name) =>
    existsSync(join(results, name, "milliseconds"))
  );
  const ended = error?.code === "ETIMEDOUT"
    ? `more than ${Math.round(seconds)} s`
    : error?.message ?? signal ?? (status === 0 ? undefined : `status ${status} ${stderr}`);
  const said = (name) => readFileSync(port(name), "latin1");
  return { ended, jobs, results, log: said("log"), console: said("console") };
}
