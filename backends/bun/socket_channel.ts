/**
 * The channel to a child, over a socket that Bun has given us as a descriptor.
 *
 * @module
 */

import type { Channel } from "../spawner/spawner.ts";
import { bun, type BunSocket } from "./runtime.ts";

/** Returns a channel over a socket, which it owns. */
export function socketChannel(fd: number): Channel {
  const channel = new SocketChannel();
  channel.connect(fd);
  return channel;
}

class SocketChannel implements Channel {
  /** What the socket has not taken yet. */
  readonly #queue: Uint8Array[] = [];
  #received: (bytes: Uint8Array) => void = () => {};
  #ended = () => {};
  /** Undefined until Bun has opened it. */
  #socket: BunSocket | undefined;
  #over = false;
  #isRef = true;

  connect(fd: number): void {
    const finish = () => this.#finish();
    const opened = bun.connect({
      fd,
      socket: {
        open: (socket) => this.#open(socket),
        drain: () => this.#send(),
        data: (_, bytes) => this.#received(bytes),
        close: finish,
        error: finish,
      },
    });
    opened.catch(finish);
  }

  #open(socket: BunSocket): void {
    this.#socket = socket;
    if (this.#over) return socket.terminate();
    if (!this.#isRef) socket.unref();
    this.#send();
  }

  #send(): void {
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      const taken = Math.max(0, this.#socket?.write(next) ?? 0);
      if (taken < next.length) return void this.#queue.unshift(next.subarray(taken));
    }
  }

  #finish(): void {
    if (this.#over) return;
    this.#over = true;
    this.#ended();
  }

  write(bytes: Uint8Array): void {
    if (this.#over) return;
    this.#queue.push(bytes);
    if (this.#socket !== undefined && this.#queue.length === 1) this.#send();
  }

  listen(received: (bytes: Uint8Array) => void, ended: () => void): void {
    this.#received = received;
    this.#ended = ended;
    if (this.#over) ended();
  }

  close(): void {
    this.#over = true;
    this.#socket?.terminate();
  }

  ref(): void {
    this.#isRef = true;
    this.#socket?.ref();
  }

  unref(): void {
    this.#isRef = false;
    this.#socket?.unref();
  }
}
