/**
 * One stream for two outputs, in the true order of what was written. A runtime's spawner makes a
 * pipe for each; so both are handed one end of a connection of ours, through a socket that lives in
 * a folder of our own for a moment.
 *
 * @module
 */

import { openSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import type { Source } from "../../core/backend.ts";
import { UnsupportedError } from "../../core/errors.ts";
import { readableSource } from "../spawner/node_streams.ts";
import { makePrivateFolder } from "../spawner/private_folder.ts";
import { closeFd } from "../posix/files.ts";
import { codeOf } from "../../core/error_code.ts";

/** A connection. */
export interface Merged {
  /** What both outputs are connected to. */
  readonly fd: number;
  readonly source: Source;
  /** Closes the child's end, once the child has it. */
  release(): void;
  /** Closes all of it. */
  close(): void;
}

/** Makes a connection. */
export async function merged(): Promise<Merged> {
  const folder = makePrivateFolder();
  const server = createServer();
  try {
    const path = folder.at("vircommand-socket");
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(path, resolve);
    });
    const [ours, theirs] = await connection(server, path);
    const fd = numberOf(theirs);
    if (fd === undefined) {
      ours.destroy();
      theirs.destroy();
      throw new UnsupportedError({
        feature: 'stderr("stdout")',
        driver: "portable",
        reason: "the number of a socket cannot be had here",
        remedy: "send standard output to a file, or use the native driver",
      });
    }
    return {
      fd,
      source: readableSource(ours),
      release: () => void theirs.destroy(),
      close() {
        theirs.destroy();
        ours.destroy();
      },
    };
  } finally {
    server.close();
    folder.remove();
  }
}

async function connection(server: Server, path: string): Promise<[Socket, Socket]> {
  const accepted = new Promise<Socket>((resolve) => server.once("connection", resolve));
  requireTwoDescriptors();
  const theirs = connect(path);
  await new Promise<void>((resolve, reject) => {
    theirs.once("error", reject);
    theirs.once("connect", () => resolve());
  });
  return [await accepted, theirs];
}

/**
 * Throws if there are no two descriptors left, for the ends of the connection. A connection that
 * cannot be accepted for that reason is never told of: Node drops it, Bun asks for it for ever.
 */
function requireTwoDescriptors(): void {
  const opened: number[] = [];
  try {
    while (opened.length < 2) opened.push(openSync("/dev/null", "r"));
  } catch (error) {
    const code = codeOf(error);
    // Where the runtime does not let us look, there is nothing to find out.
    if (code === "EMFILE" || code === "ENFILE") throw error;
  } finally {
    for (const fd of opened) closeFd(fd);
  }
}

/** Nobody documents it, all three runtimes have it; what is missing is found out. */
function numberOf(socket: Socket): number | undefined {
  const { fd } = (socket as unknown as { _handle?: { fd?: unknown } })._handle ?? {};
  return typeof fd === "number" && fd >= 0 ? fd : undefined;
}
