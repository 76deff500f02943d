/**
 * One stream for both outputs, in the order in which they were written. A runtime's spawner makes a
 * pipe for each of them. So both get the same end of a connection of ours, made through a socket in
 * a private folder that exists only meanwhile.
 *
 * @module
 */

import { connect, createServer, type Server, type Socket } from "node:net";
import type { Source } from "../../core/backend.ts";
import { UnsupportedError } from "../../core/errors.ts";
import { readableSource } from "../spawner/node_streams.ts";
import { makePrivateFolder } from "../spawner/private_folder.ts";
import { requireFreeDescriptors } from "../posix/free_descriptors.ts";

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
    const folder = makePrivateFolder();
    const server = createServer();
    try {
      const path = folder.at("vircommand-socket");
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen(path, resolve);
      });
      const [parentEnd, childEnd] = await connectTo(server, path);
      const fd = descriptorOf(childEnd);
      if (fd !== undefined) return new MergedOutput(fd, parentEnd, childEnd);
      parentEnd.destroy();
      childEnd.destroy();
    } finally {
      server.close();
      folder.remove();
    }
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

async function connectTo(
  server: Server,
  path: string,
): Promise<[parentEnd: Socket, childEnd: Socket]> {
  const accepted = new Promise<Socket>((resolve) => server.once("connection", resolve));
  // A runtime does not report that it cannot accept a connection for want of them: Node drops it, Bun
  // retries forever.
  requireFreeDescriptors(2);
  const childEnd = connect(path);
  await new Promise<void>((resolve, reject) => {
    childEnd.once("error", reject);
    childEnd.once("connect", () => resolve());
  });
  return [await accepted, childEnd];
}

/** The descriptor of a socket, which no runtime documents, but all three have. */
function descriptorOf(socket: Socket): number | undefined {
  const { fd } = (socket as unknown as { _handle?: { fd?: unknown } })._handle ?? {};
  return typeof fd === "number" && fd >= 0 ? fd : undefined;
}
