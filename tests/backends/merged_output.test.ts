import { assert, assertEquals } from "@std/assert";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { ownConnection } from "../../backends/portable/merged_output.ts";
import { conform } from "../support/harness.ts";

conform("a connection counts as our own only if the secret comes first", async (t) => {
  const path = join(t.folder(), "socket");
  const secret = new Uint8Array(16).fill(7);
  const server = createServer();
  t.defer(() => new Promise((resolve) => server.close(resolve)));
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const accepted = new Set<Socket>();
  t.defer(() => {
    for (const each of accepted) each.destroy();
  });
  const found = ownConnection(server, secret, accepted);
  let early: Socket | undefined;
  found.then((socket) => early = socket);

  const silent = connect(path);
  t.defer(() => silent.destroy());
  for (const wrong of [new Uint8Array(16), Uint8Array.of(7, 7, 8), new Uint8Array(17).fill(7)]) {
    if (wrong.length === 17) wrong[15] = 0;
    const stranger = connect(path);
    const closed = new Promise((resolve) => stranger.once("close", resolve));
    stranger.on("error", () => {});
    stranger.on("data", () => {});
    stranger.write(wrong);
    await closed;
  }
  assertEquals(early, undefined);

  const own = connect(path);
  t.defer(() => own.destroy());
  own.write(secret.subarray(0, 5));
  own.write(secret.subarray(5));
  const ours = await found;
  const heard = new Promise((resolve) => ours.once("data", resolve));
  ours.resume();
  own.write("hello");
  assertEquals(String(await heard), "hello");
  assert(accepted.has(ours));
});
