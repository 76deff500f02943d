// Starts a child that waits at its handshake, prints its pid, and does nothing more.
import process from "node:process";
import { Command } from "../../../mod.ts";

const child = await new Command("touch", process.argv[2] ?? "").handshake().spawn();
await child.handshakeWait();
process.stdout.write(`${child.pid}\n`);
setInterval(() => {}, 1000);
