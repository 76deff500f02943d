/**
 * The runtimes' own APIs to start programs, behind one interface, so that each bench is written
 * only once. The types are declared here, because the types of one runtime do not include the
 * others.
 *
 * @module
 */

import { execFile, spawn } from "node:child_process";
import { Readable } from "node:stream";

/** A function that reads a program's standard output to its end. */
export interface Reading {
  readonly name: string;
  /** Runs the program and counts what it writes. */
  count(argv: readonly string[]): Promise<number>;
}

/** A runtime's own API. */
export interface Peer {
  readonly name: string;
  /** Starts a program without capturing output and waits for its end. */
  wait(argv: readonly string[]): Promise<void>;
  /** Runs a program and returns its output as text. */
  text(argv: readonly string[]): Promise<string>;
  /** Reads output as a stream. */
  readonly streams: readonly Reading[];
  /** Reads all output at once. */
  readonly whole: Reading;
}

interface DenoCommand {
  output(): Promise<{ readonly stdout: Uint8Array }>;
  spawn(): { readonly status: Promise<unknown>; readonly stdout: ReadableStream<Uint8Array> };
}

interface DenoGlobal {
  Command: new (
    path: string,
    options: { args: string[]; stdin: "null"; stdout: "null" | "piped"; stderr: "null" | "piped" },
  ) => DenoCommand;
}

interface BunGlobal {
  spawn(
    argv: string[],
    options: { stdin: "ignore"; stdout: "ignore" | "pipe"; stderr: "ignore" | "pipe" },
  ): { readonly exited: Promise<number>; readonly stdout: ReadableStream<Uint8Array> };
}

function denoPeer({ Command }: DenoGlobal): Peer {
  const command = (argv: readonly string[], stdout: "null" | "piped", stderr = stdout) => {
    const [path = "", ...args] = argv;
    return new Command(path, { args, stdin: "null", stdout, stderr });
  };
  return {
    name: "Deno.Command",
    wait: async (argv) => void await command(argv, "null").spawn().status,
    async text(argv) {
      const { stdout } = await command(argv, "piped").output();
      return new TextDecoder().decode(stdout);
    },
    streams: [{
      name: "Deno.Command stdout",
      async count(argv) {
        const child = command(argv, "piped", "null").spawn();
        const total = await countStream(child.stdout);
        await child.status;
        return total;
      },
    }],
    whole: {
      name: "Deno.Command output()",
      count: async (argv) => (await command(argv, "piped", "null").output()).stdout.length,
    },
  };
}

function bunPeer({ spawn }: BunGlobal): Peer {
  const start = (argv: readonly string[], stdout: "ignore" | "pipe", stderr = stdout) =>
    spawn([...argv], { stdin: "ignore", stdout, stderr });
  return {
    name: "Bun.spawn",
    wait: async (argv) => void await start(argv, "ignore").exited,
    async text(argv) {
      const child = start(argv, "pipe");
      const text = await new Response(child.stdout).text();
      await child.exited;
      return text;
    },
    streams: [{
      name: "Bun.spawn stdout",
      async count(argv) {
        const child = start(argv, "pipe", "ignore");
        const total = await countStream(child.stdout);
        await child.exited;
        return total;
      },
    }],
    whole: {
      name: "Bun.spawn arrayBuffer()",
      async count(argv) {
        const child = start(argv, "pipe", "ignore");
        const bytes = await new Response(child.stdout).arrayBuffer();
        await child.exited;
        return bytes.byteLength;
      },
    },
  };
}

function nodePeer(): Peer {
  const start = (argv: readonly string[], stdout: "ignore" | "pipe") => {
    const [path = "", ...args] = argv;
    const child = spawn(path, args, { stdio: ["ignore", stdout, "ignore"] });
    const closed = new Promise<void>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", () => resolve());
    });
    return { child, closed };
  };
  const output = (argv: readonly string[]) => {
    const { child, closed } = start(argv, "pipe");
    if (child.stdout === null) throw new Error("no standard output");
    return { stdout: child.stdout, closed };
  };
  return {
    name: "child_process",
    wait: (argv) => start(argv, "ignore").closed,
    text: ([path = "", ...args]) =>
      new Promise((resolve, reject) => {
        execFile(path, args, (error, stdout) => error ? reject(error) : resolve(stdout));
      }),
    streams: [{
      name: "child_process Readable.toWeb()",
      async count(argv) {
        const { stdout, closed } = output(argv);
        const stream = Readable.toWeb(stdout) as unknown as ReadableStream<Uint8Array>;
        const total = await countStream(stream);
        await closed;
        return total;
      },
    }, {
      name: "child_process for await",
      async count(argv) {
        const { stdout, closed } = output(argv);
        let total = 0;
        for await (const chunk of stdout) total += (chunk as Uint8Array).length;
        await closed;
        return total;
      },
    }, {
      name: "child_process data events",
      async count(argv) {
        const { stdout, closed } = output(argv);
        let total = 0;
        stdout.on("data", (chunk: Uint8Array) => total += chunk.length);
        await closed;
        return total;
      },
    }],
    whole: {
      name: "child_process execFile",
      count: ([path = "", ...args]) =>
        new Promise((resolve, reject) => {
          const options = { encoding: "buffer", maxBuffer: Infinity } as const;
          execFile(path, args, options, (error, stdout) => {
            if (error) reject(error);
            else resolve(stdout.length);
          });
        }),
    },
  };
}

/** Reads a web stream to its end and counts its bytes. */
export async function countStream(stream: ReadableStream<Uint8Array>): Promise<number> {
  const reader = stream.getReader();
  let total = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return total;
    total += value.length;
  }
}

const { Deno, Bun } = globalThis as unknown as { Deno?: DenoGlobal; Bun?: BunGlobal };

/** The API of the current runtime. */
export const peer: Peer = Deno !== undefined
  ? denoPeer(Deno)
  : Bun !== undefined
  ? bunPeer(Bun)
  : nodePeer();
