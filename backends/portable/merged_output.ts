/**
 * One stream for both outputs, in the order in which they were written. A runtime's spawner makes a
 * pipe for each of them. So both get the same end of a connection of ours. On Linux it is made
 * through a socket with an abstract name, which is in no folder, see unix(7); elsewhere, and where
 * that is refused, through a socket in a private folder that exists only meanwhile.
 *
 * Any process may connect to an abstract name. So the connection that counts is the one on which a
 * secret comes first.
 *
 * @module
 */

import { connect, createServer, type Server, type Socket } from "node:net";
import type { Source } from "../../core/backend.ts";
import { UnsupportedError } from "../../core/errors.ts";
import { E } from "../../core/tables/kernel.ts";
import { StartError } from "../spawner/spawner.ts";
import { readableSource } from "../spawner/node_streams.ts";
import { makePrivateFolder } from "../spawner/private_folder.ts";
import { requireFreeDescriptors } from "../posix/free_descriptors.ts";
import { isNetPermitted } from "../posix/permitted.ts";
import { process } from "../process.ts";

/** A connection between this process and the outputs of a child. */
export class MergedOutput {
  /** The child's end, for both outputs. */
  readonly fd: number;
  /** This process's end. */
  readonly source: Source;
  readonly #parentEnd: Socket;
  readonly #childEnd: Socket;

  private constructor(fd: number, parentEnd: Socket, childEnd: Socket) {
    this.fd = fd;
    this.source = readableSource(parentEnd);
    this.#parentEnd = parentEnd;
    this.#childEnd = childEnd;
  }

  /** Opens a connection. */
  static async open(): Promise<MergedOutput> {
    // A runtime does not report that it cannot accept a connection for want of them: Node drops it,
    // Bun retries forever.
    requireFreeDescriptors(SOCKETS);
    const [parentEnd, childEnd] = await connectionToSelf();
    const fd = descriptorOf(childEnd);
    if (fd !== undefined) return new MergedOutput(fd, parentEnd, childEnd);
    parentEnd.destroy();
    childEnd.destroy();
    throw new UnsupportedError({
      feature: 'stderr("stdout")',
      driver: "portable",
      reason: "this runtime does not expose the descriptor of a socket",
      remedy: "send standard output to a file, or use the native driver",
    });
  }

  /** Closes the child's end in this process, once the child has it. */
  closeChildEnd(): void {
    this.#childEnd.destroy();
  }

  /** Closes both ends in this process. */
  close(): void {
    this.#childEnd.destroy();
    this.#parentEnd.destroy();
  }
}

/** The one that listens, and both ends of the connection. */
const SOCKETS = 3;

type Connection = [parentEnd: Socket, childEnd: Socket];

async function connectionToSelf(): Promise<Connection> {
  // Not imported before it is needed: that takes Node milliseconds.
  const { randomBytes } = await import("node:crypto");
  const secret = randomBytes(16);
  if (process.platform === "linux" && isNetPermitted()) {
    const name = `\0vircommand-${process.pid}-${randomBytes(8).toString("hex")}`;
    try {
      return await connectThrough(name, secret);
    } catch {
      // A sandbox may refuse such names, and a runtime not support them. A folder does as well, and
      // its error is reported.
    }
  }
  const folder = makePrivateFolder();
  try {
    return await connectThrough(folder.at("vircommand-socket"), secret);
  } finally {
    folder.remove();
  }
}

/** Connects to ourselves through a socket with that path. */
async function connectThrough(path: string, secret: Uint8Array): Promise<Connection> {
  const server = createServer();
  const accepted = new Set<Socket>();
  let childEnd: Socket | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(path, resolve);
    });
    const found = ownConnection(server, secret, accepted);
    childEnd = connect(path);
    await connected(childEnd);
    const lost = failure(childEnd);
    childEnd.write(secret);
    const parentEnd = await Promise.race([found, lost]);
    accepted.delete(parentEnd);
    return [parentEnd, childEnd];
  } catch (error) {
    childEnd?.destroy();
    throw error;
  } finally {
    server.close();
    for (const socket of accepted) socket.destroy();
  }
}

function connected(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve();
    });
  });
}

/**
 * Rejects when a connection breaks: Node drops one that it has no descriptor left for. It stays
 * listened to, since an error that nobody hears ends the process.
 */
function failure(socket: Socket): Promise<never> {
  const broken = new Promise<never>((_, reject) => {
    const shortage = (cause?: unknown) => {
      reject(new StartError(E.EMFILE, "EMFILE: the connection was dropped", { cause }));
    };
    socket.on("error", shortage);
    socket.on("close", shortage);
  });
  broken.catch(() => {});
  return broken;
}

/** Returns the connection on which the secret comes first. All are added to `accepted`. */
export function ownConnection(
  server: Server,
  secret: Uint8Array,
  accepted: Set<Socket>,
): Promise<Socket> {
  return new Promise((resolve) => {
    server.on("connection", (socket: Socket) => {
      accepted.add(socket);
      socket.on("error", () => {});
      let received = 0;
      const check = (bytes: Uint8Array) => {
        const isRight = bytes.every((byte) => byte === secret[received++]);
        if (isRight && received < secret.length) return;
        socket.off("data", check);
        socket.pause();
        if (isRight) resolve(socket);
        else socket.destroy();
      };
      socket.on("data", check);
    });
  });
}

/** The descriptor of a socket, which no runtime documents, but all three have. */
function descriptorOf(socket: Socket): number | undefined {
  const { fd } = (socket as unknown as { _handle?: { fd?: unknown } })._handle ?? {};
  return typeof fd === "number" && fd >= 0 ? fd : undefined;
}
