// Debian's packages of any release and architecture, from the mirror that this machine uses, with
// lists of their own: neither the machine's lists nor what is installed on it plays a part.

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg";

/** Something that a guest needs cannot be had here: the guest is skipped, with this reason. */
export class Unavailable extends Error {}

/** A download that takes longer has failed. */
export const DOWNLOAD_MS = 90_000;

/** Runs a program; an error with the end of what it said if it fails. */
export function sh(argv, options = {}) {
  const { status, error, stdout, stderr } = spawnSync(argv[0], argv.slice(1), {
    encoding: "utf8",
    maxBuffer: 1 << 28,
    stdio: ["ignore", "pipe", "pipe"],
    ...options,
  });
  if (status === 0) return stdout;
  const said = String(error?.message ?? stderr ?? "").trim().split("\n").slice(-3).join(" ");
  throw new Error(`${argv[0]} ${argv.slice(1, 4).join(" ")}: ${said || `status ${status}`}`);
}

/** Whether a program is in PATH. */
export function hasProgram(name) {
  const folders = [...(process.env.PATH ?? "").split(":"), "/usr/sbin", "/sbin"];
  return folders.some((folder) => existsSync(join(folder, name)));
}

/** The address of a mirror of the archive `debian` or `debian-security`, as this machine has it. */
function mirror(archive) {
  const format = ["--format", "$(REPO_URI)", "Created-By: Packages"];
  const found = sh(["apt-get", "indextargets", ...format]).split("\n")
    .find((uri) => uri.replace(/\/+$/, "").endsWith(`/${archive}`));
  if (found === undefined) throw new Unavailable(`apt is not set up for the archive ${archive}`);
  return found;
}

/** One release for one architecture. */
export class Release {
  #folder;

  /** `archive` is `debian` or `debian-security`; lists and packages go to a folder of `cache`. */
  constructor(cache, { archive = "debian", suite, arch }) {
    this.#folder = join(cache, "apt", `${suite}-${arch}`);
    this.archive = archive;
    this.suite = suite;
    this.arch = arch;
  }

  /** Downloads packages with all that they need, and returns their files. */
  withDependencies(packages) {
    const command = ["apt-get", "-qq", "-y", "--download-only", "install", ...packages];
    rmSync(this.#archives, { recursive: true, force: true });
    this.#retried(() => this.#apt(command));
    return files(this.#archives).filter((name) => name.endsWith(".deb"));
  }

  /** Downloads a package alone, and returns its file. */
  alone(name) {
    const folder = join(this.#folder, name);
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    this.#retried(() => this.#apt(["apt-get", "-qq", "download", name], folder));
    return files(folder)[0];
  }

  /** The first package with a name like `pattern` that another one depends on. */
  dependency(name, pattern) {
    const show = ["apt-cache", "--no-all-versions", "show", name];
    const depends = /^Depends: (.*)$/m.exec(this.#retried(() => this.#apt(show)))?.[1] ?? "";
    const found = depends.split(/[,| ]+/).find((each) => pattern.test(each));
    if (found === undefined) throw new Unavailable(`${this.suite} has no kernel by way of ${name}`);
    return found;
  }

  get #archives() {
    return join(this.#folder, "cache", "archives");
  }

  /** Lists of some days ago may name files that are there no more. */
  #retried(action) {
    const stamp = join(this.#folder, "updated");
    const fresh = !existsSync(stamp);
    if (fresh) this.#update(stamp);
    try {
      return action();
    } catch (error) {
      if (fresh) throw new Unavailable(error.message);
      this.#update(stamp);
      try {
        return action();
      } catch (again) {
        throw new Unavailable(again.message);
      }
    }
  }

  #update(stamp) {
    for (const folder of ["lists/partial", "parts"]) {
      mkdirSync(join(this.#folder, folder), { recursive: true });
    }
    const uri = mirror(this.archive);
    const folder = this.#folder;
    const line = `deb [arch=${this.arch} signed-by=${KEYS}] ${uri} ${this.suite} main\n`;
    writeFileSync(join(folder, "sources.list"), line);
    writeFileSync(join(folder, "status"), "");
    writeFileSync(
      join(folder, "apt.conf"),
      `APT::Architecture "${this.arch}"; APT::Architectures { "${this.arch}"; };
      APT::Sandbox::User "root"; APT::Install-Recommends "false"; Acquire::Languages "none";
      Acquire::Retries "1"; Acquire::http::Timeout "15"; Dir::State "${folder}";
      Dir::State::Lists "${folder}/lists"; Dir::State::status "${folder}/status";
      Dir::Cache "${folder}/cache"; Dir::Etc::SourceList "${folder}/sources.list";
      Dir::Etc::SourceParts "${folder}/parts"; Debug::NoLocking "true";\n`,
    );
    try {
      this.#apt(["apt-get", "-qq", "--error-on=any", "update"]);
    } catch (error) {
      throw new Unavailable(`no list of ${this.suite}'s packages: ${error.message}`);
    }
    writeFileSync(stamp, "");
  }

  #apt(argv, cwd = this.#folder) {
    mkdirSync(join(this.#archives, "partial"), { recursive: true });
    const env = { ...process.env, LC_ALL: "C", APT_CONFIG: join(this.#folder, "apt.conf") };
    return sh(argv, { cwd, env, timeout: DOWNLOAD_MS });
  }
}

function files(folder) {
  return readdirSync(folder).map((name) => join(folder, name));
}
